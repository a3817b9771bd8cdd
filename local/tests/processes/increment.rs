//! Increments that a total tells apart: each adds its own power of four, so that a counter's digits in base four say
//! which were applied, and whether one was applied twice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use shared::limits;

/// Digits in base four that a counter has room for.
pub const DIGITS: u32 = 31;

/// Seconds of lease that servers about to be killed are given.
pub const LEASE: u64 = 2;

/// How long what a dead holder leaves may stay pending: its lease, the margin, and two looks, for each of which a busy
/// machine is given two seconds.
pub const BOUND: Duration = Duration::from_millis(LEASE * 1000 + limits::MARGIN_MS + 2 * 2000);

/// What the poster knows about an increment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was never sent.
    Unsent,
    /// It was sent and nobody answered.
    Unknown,
    /// It was acknowledged.
    Acknowledged,
}

/// One increment.
#[derive(Clone, Debug)]
pub struct Increment {
    pub counter: String,
    pub digit: u32,
    pub key: Option<String>,
    pub detached: bool,
    pub fate: Fate,
}

/// Increments of so many counters, `digits` of each, inline and detached, keyed and keyless, in any order.
pub fn increments(prefix: &str, counters: u32, digits: std::ops::Range<u32>, random: &mut StdRng) -> Vec<Increment> {
    let mut all = Vec::new();
    for counter in 0..counters {
        for digit in digits.clone() {
            let key = random.random_bool(0.5).then(|| format!("{prefix}-{counter}-{digit}"));
            let detached = random.random_bool(0.3);
            all.push(Increment { counter: format!("{prefix}-{counter}"), digit, key, detached, fate: Fate::Unsent });
        }
    }
    all.shuffle(random);
    all
}

impl Increment {
    fn amount(&self) -> i64 {
        4i64.pow(self.digit)
    }

    /// Posts it once.
    pub async fn post(&mut self, http: &Client, url: &str) {
        let mut request = http.post(format!("{url}/counter/{}/increment", self.counter));
        if let Some(key) = &self.key {
            request = request.header("idempotency-key", key);
        }
        if self.detached {
            request = request.header("prefer", "respond-async");
        }
        self.fate = Fate::Unknown;
        let Ok(answer) = request.json(&json!({"amount": self.amount()})).send().await else {
            return;
        };
        let status = answer.status();
        if !matches!(status, StatusCode::OK | StatusCode::ACCEPTED) {
            panic!("{status} to {self:?}: {}", answer.text().await.unwrap_or_default());
        }
        self.fate = Fate::Acknowledged;
    }
}

/// Posts them all with so many clients at once, spread over the servers. A client whose server does not answer stops.
/// `acknowledged` is counted up as the answers come.
pub async fn post_all(
    http: &Client,
    urls: &[&str],
    clients: usize,
    increments: Vec<Increment>,
    acknowledged: &AtomicUsize,
) -> Vec<Increment> {
    let mut shares = vec![Vec::new(); clients];
    for (index, increment) in increments.into_iter().enumerate() {
        shares[index % clients].push(increment);
    }
    let clients = shares.into_iter().enumerate().map(|(index, mut share)| async move {
        for increment in &mut share {
            increment.post(http, urls[index % urls.len()]).await;
            if increment.fate == Fate::Unknown {
                break;
            }
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        share
    });
    join_all(clients).await.into_iter().flatten().collect()
}

/// Returns when that many are acknowledged.
pub async fn reached(acknowledged: &AtomicUsize, number: usize) {
    while acknowledged.load(Ordering::Relaxed) < number {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// How many have this fate.
pub fn count(increments: &[Increment], fate: Fate) -> usize {
    increments.iter().filter(|increment| increment.fate == fate).count()
}

/// Reads, and asks again where the database did not answer in time: on a busy machine it may not.
async fn read(http: &Client, url: &str) -> reqwest::Response {
    for _ in 0..10 {
        let answer = http.get(url).send().await.unwrap();
        if answer.status() != StatusCode::SERVICE_UNAVAILABLE {
            return answer;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("{url} was not answered ten times");
}

/// Whether a counter has nothing pending and nobody holds it. A counter that does not exist has neither.
pub async fn is_idle(http: &Client, url: &str, counter: &str) -> bool {
    let answer = read(http, &format!("{url}/entities/counter/{counter}")).await;
    if answer.status() == StatusCode::NOT_FOUND {
        return true;
    }
    let entity: Value = answer.error_for_status().unwrap().json().await.unwrap();
    entity["pending"] == 0 && entity["lock"].is_null()
}

/// Waits, posting nothing, until no counter has anything pending or is held. It brings how many were at first.
pub async fn settle(http: &Client, url: &str, increments: &[Increment], bound: Duration) -> usize {
    let begun = Instant::now();
    let mut unfinished: Vec<&str> = by_counter(increments).into_keys().collect();
    let mut at_first = None;
    loop {
        let idle = join_all(unfinished.iter().map(|counter| is_idle(http, url, counter))).await;
        let mut idle = idle.into_iter();
        unfinished.retain(|_| idle.next() == Some(false));
        at_first.get_or_insert(unfinished.len());
        if unfinished.is_empty() {
            return at_first.unwrap_or_default();
        }
        assert!(begun.elapsed() < bound, "still pending or held after {bound:?}: {unfinished:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Holds the totals against what is known: each acknowledged increment once, one of unknown fate at most once, and
/// nothing else.
pub async fn check(http: &Client, url: &str, increments: &[Increment]) {
    for (counter, increments) in by_counter(increments) {
        let answer = read(http, &format!("{url}/counter/{counter}")).await;
        let answer: Value = answer.error_for_status().unwrap().json().await.unwrap();
        let total = answer["value"].as_i64().unwrap();
        let times = |increment: &Increment| total / increment.amount() % 4;
        for increment in &increments {
            let times = times(increment);
            let holds = match increment.fate {
                Fate::Unsent => times == 0,
                Fate::Unknown => times <= 1,
                Fate::Acknowledged => times == 1,
            };
            assert!(holds, "{times} times in {total}: {increment:?}");
        }
        let explained: i64 = increments.iter().map(|increment| times(increment) * increment.amount()).sum();
        assert_eq!(total, explained, "{counter} holds something that nobody posted");
    }
}

fn by_counter(increments: &[Increment]) -> BTreeMap<&str, Vec<&Increment>> {
    let mut counters = BTreeMap::<&str, Vec<&Increment>>::new();
    for increment in increments {
        counters.entry(&increment.counter).or_default().push(increment);
    }
    counters
}
