//! Two hundred users on two servers of which one is killed, on sockets that are cut: each message is there once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::Client;
use serde_json::Value;

use crate::answer::get;
use crate::chatter::{Chatter, Draft, Load, PATIENCE, Servers};
use crate::database::Shared;
use crate::increment::reached;
use crate::server::Server;

/// How many users there are: a database that is slow gets fewer messages, and fewer users with them.
fn users() -> usize {
    (messages() / 25).clamp(20, 200)
}

/// How many messages are sent: `LEASEBOX_MESSAGES`, or as many as a check has time for.
fn messages() -> usize {
    std::env::var("LEASEBOX_MESSAGES").map_or(5_000, |messages| messages.parse().unwrap())
}

fn user(index: usize) -> String {
    format!("user-{index:03}")
}

/// Who says what to whom: random pairs, so that some have much to say to one another, and most a little.
fn chatters(random: &mut StdRng) -> Vec<Chatter> {
    let users = users();
    let mut drafts = vec![VecDeque::new(); users];
    for index in 0..messages() {
        let from = random.random_range(0..users);
        let near = (from + random.random_range(1..=3)) % users;
        let far = (from + random.random_range(1..users)) % users;
        let to = user(if random.random_bool(0.5) { near } else { far });
        drafts[from].push_back(Draft { id: format!("m-{index}"), to, content: format!("message number {index}") });
    }
    let chatter = |(index, drafts)| Chatter::new(user(index), drafts, StdRng::seed_from_u64(index as u64));
    drafts.into_iter().enumerate().map(chatter).collect()
}

/// The memory of a process, in KB.
fn memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The unread counts of a user's conversations, as the list has them.
async fn unread(http: &Client, url: &str, user: &str) -> BTreeMap<String, u64> {
    let (mut found, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let page = get(http, &format!("{url}/users/{user}/conversations?limit=100{cursor}")).await;
        for item in page["items"].as_array().unwrap() {
            let with = item["with"].as_str().unwrap().to_owned();
            assert_eq!(found.insert(with, item["unread"].as_u64().unwrap()), None, "{item} is there twice");
        }
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

/// What a user has seen of a pair, in the order of the log: the contents of the messages from one to the other.
fn between<'a>(chatter: &'a Chatter, from: &str, to: &str) -> Vec<&'a str> {
    let of_pair = |message: &&Value| message["from"] == from && message["to"] == to;
    chatter.view.values().filter(of_pair).map(|message| message["content"].as_str().unwrap()).collect()
}

/// Each message is in both views exactly once, in one order.
fn check_views(chatters: &[Chatter]) {
    let by_name: BTreeMap<&str, &Chatter> = chatters.iter().map(|chatter| (chatter.user.as_str(), chatter)).collect();
    let mut sent = 0;
    for chatter in chatters {
        let numbers: Vec<u64> = chatter.view.keys().copied().collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{} has gaps", chatter.user);
        let mut others: Vec<&str> = chatter.view.values().filter_map(|message| message["to"].as_str()).collect();
        others.sort_unstable();
        others.dedup();
        for to in others.into_iter().filter(|to| *to != chatter.user) {
            let (said, heard) = (between(chatter, &chatter.user, to), between(by_name[to], &chatter.user, to));
            assert_eq!(said, heard, "{} and {to} saw different things", chatter.user);
            sent += said.len();
        }
    }
    assert_eq!(sent, messages(), "a message is lost, or there twice");
    let mut contents: Vec<&Value> = chatters
        .iter()
        .flat_map(|chatter| chatter.view.values().filter(|message| message["from"] == chatter.user.as_str()))
        .map(|message| &message["content"])
        .collect();
    contents.sort_by_key(|content| content.to_string());
    contents.dedup();
    assert_eq!(contents.len(), messages(), "a message is there twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_is_in_both_views_once_whatever_is_cut_or_killed() {
    let shared = Shared::new("chat").await;
    let (victim, survivor) = (shared.serve(), shared.serve());
    let load = Load {
        servers: Servers::new([victim.address(), survivor.address()]),
        acknowledged: AtomicUsize::new(0),
        cuts: AtomicUsize::new(0),
        patience: PATIENCE * u32::try_from(messages().div_ceil(1000)).unwrap(),
    };
    let mut chatters = chatters(&mut StdRng::seed_from_u64(11));
    let begun = Instant::now();
    let kill = async {
        reached(&load.acknowledged, messages() / 2).await;
        victim.kill();
        let successor = shared.serve();
        load.servers.replace(0, successor.address());
        (successor, memory(&survivor))
    };
    let (_, (successor, half)) = tokio::join!(join_all(chatters.iter_mut().map(|chatter| chatter.run(&load))), kill);
    join_all(chatters.iter_mut().map(|chatter| chatter.catch_up(&load))).await;
    // What is on its way to a receiver when all is acknowledged arrives by itself.
    let expected: usize = 2 * messages();
    let end = Instant::now() + load.patience;
    while chatters.iter().map(|chatter| chatter.view.len()).sum::<usize>() < expected {
        assert!(Instant::now() < end, "messages are lost");
        join_all(chatters.iter_mut().map(|chatter| chatter.catch_up(&load))).await;
    }
    let took = begun.elapsed();
    let full = memory(&survivor);
    println!(
        "{} messages among {} users in {took:?}, {} sockets cut; memory {half} KB at half time, {full} KB at the end",
        messages(),
        users(),
        load.cuts.load(Ordering::Relaxed)
    );
    check_views(&chatters);
    assert!(load.cuts.load(Ordering::Relaxed) > users() / 2, "too few sockets were cut");
    // Nothing is kept for what was sent: a process that kept messages, or a trace of each, would grow with them.
    assert!(full < half + half / 4 + 20_000, "memory grew from {half} KB to {full} KB");

    let http = Client::new();
    for chatter in &chatters {
        let counted = unread(&http, successor.url(), &chatter.user).await;
        for (with, unread) in counted {
            let mark = chatter.marks.get(&with).copied().unwrap_or_default();
            let later = chatter.view.range(mark + 1..).filter(|(_, message)| message["from"] == with.as_str());
            assert_eq!(unread, later.count() as u64, "{} with {with}", chatter.user);
        }
    }
}
