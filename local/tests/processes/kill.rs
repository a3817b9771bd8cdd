//! `kill -9` under load: what was acknowledged is there once, and what was pending is done in bounded time.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::Client;

use crate::increment::{BOUND, DIGITS, Fate, Increment, LEASE, check, count, increments, post_all, reached, settle};
use crate::server::Server;

/// More clients than counters, so that an entity is busy more often than not.
const CLIENTS: usize = 24;
const COUNTERS: u32 = 12;

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_increment_is_there_once_after_kills() {
    let mut interrupted = 0;
    for seed in 1..=3 {
        println!("seed {seed}");
        interrupted += round(seed).await;
    }
    // Otherwise no kill hit anything, and nothing was shown.
    assert!(interrupted > 0, "no kill left anything pending or held");
}

/// Three kills of one server's life. It brings how many counters they interrupted.
async fn round(seed: u64) -> usize {
    let mut random = StdRng::seed_from_u64(seed);
    let http = Client::new();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let lease = LEASE.to_string();
    let arguments = ["--data", data, "--lease", &lease];
    let first = increments("k", COUNTERS, 0..DIGITS / 2, &mut random);
    let second = increments("k", COUNTERS, DIGITS / 2..DIGITS, &mut random);

    let mut posted = killed(Server::start(&arguments), &http, first, &mut random).await;
    // The next one has time to see the leases and to wait for their end, and none to replace them: what it waits for
    // must not be forgotten with it.
    let waits = Server::start(&arguments);
    tokio::time::sleep(Duration::from_millis(700)).await;
    waits.kill();
    let server = Server::start(&arguments);
    let mut interrupted = settle(&http, server.url(), &posted, BOUND).await;
    check(&http, server.url(), &posted).await;

    // A key makes it safe to ask again.
    for increment in posted.iter_mut().filter(|increment| increment.fate == Fate::Unknown && increment.key.is_some()) {
        increment.post(&http, server.url()).await;
        assert_eq!(increment.fate, Fate::Acknowledged);
    }

    posted.extend(killed(server, &http, second, &mut random).await);
    let server = Server::start(&arguments);
    interrupted += settle(&http, server.url(), &posted, BOUND).await;
    check(&http, server.url(), &posted).await;
    interrupted
}

/// Posts, and kills the server somewhere in the middle.
async fn killed(server: Server, http: &Client, load: Vec<Increment>, random: &mut StdRng) -> Vec<Increment> {
    let acknowledged = AtomicUsize::new(0);
    let after = random.random_range(load.len() / 4..load.len() * 3 / 4);
    let url = server.url().to_owned();
    let urls = [url.as_str()];
    let kill = async {
        reached(&acknowledged, after).await;
        server.kill();
    };
    let (posted, ()) = tokio::join!(post_all(http, &urls, CLIENTS, load, &acknowledged), kill);
    let fates = [Fate::Acknowledged, Fate::Unknown, Fate::Unsent].map(|fate| count(&posted, fate));
    println!("killed after {after} answers; acknowledged, unknown, unsent: {fates:?}");
    assert!(fates.iter().all(|count| *count > 0), "the kill was not in the middle: {fates:?}");
    posted
}
