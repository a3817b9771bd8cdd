//! Two servers on one DynamoDB: no total is ever wrong, and one finishes what the other left.

use std::sync::atomic::AtomicUsize;

use rand::SeedableRng;
use rand::rngs::StdRng;
use reqwest::Client;

use crate::database::Shared;
use crate::increment::{BOUND, Fate, check, count, increments, post_all, reached, settle};
use crate::server::Server;

const COUNTERS: u32 = 200;
/// Few, because DynamoDB Local writes the more slowly the longer its streams' history is.
const DIGITS: u32 = 4;
const CLIENTS: usize = 32;

/// One table, and two servers on it.
struct Pair {
    servers: [Server; 2],
    _shared: Shared,
}

impl Pair {
    async fn start() -> Self {
        let shared = Shared::new("two-servers").await;
        Self { servers: [shared.serve(), shared.serve()], _shared: shared }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_total_is_exact() {
    let pair = Pair::start().await;
    let http = Client::new();
    let load = increments("both", COUNTERS, 0..DIGITS, &mut StdRng::seed_from_u64(1));
    let urls = pair.servers.each_ref().map(Server::url);
    let posted = post_all(&http, &urls, CLIENTS, load, &AtomicUsize::new(0)).await;
    assert_eq!(count(&posted, Fate::Acknowledged), posted.len());
    settle(&http, urls[0], &posted, BOUND).await;
    for url in urls {
        check(&http, url, &posted).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_finishes_what_the_other_left_when_it_was_killed() {
    let Pair { servers: [victim, survivor], _shared } = Pair::start().await;
    let http = Client::new();
    let load = increments("left", COUNTERS / 2, 0..DIGITS, &mut StdRng::seed_from_u64(2));
    let (acknowledged, half) = (AtomicUsize::new(0), load.len() / 2);
    let urls = [victim.url().to_owned(), survivor.url().to_owned()];
    let urls = urls.each_ref().map(String::as_str);
    let kill = async {
        reached(&acknowledged, half).await;
        victim.kill();
    };
    let (posted, ()) = tokio::join!(post_all(&http, &urls, CLIENTS, load, &acknowledged), kill);
    assert!(count(&posted, Fate::Unknown) > 0, "the kill hit no request");
    settle(&http, survivor.url(), &posted, BOUND).await;
    check(&http, survivor.url(), &posted).await;
}
