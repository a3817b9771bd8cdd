//! Accounts as they were: after each of their events, and at each point in time; and time that only goes forward.

use serde_json::{Value, json};
use shared::envelope::Millis;
use web::query::Query;

use crate::accounts::events_of;
use crate::chance::{Chance, seed};
use crate::problems::problem;
use crate::world::World;

const HOUR: u64 = 3_600_000;

/// Makes an account with a history that is spread over time; brings its balance after each event.
async fn history(world: &World, chance: &mut Chance) -> Vec<i64> {
    world.open_account("alice", 1_000).await;
    let mut balances = vec![1_000];
    while balances.len() < 60 {
        world.advance(chance.of(&[0, 1, 1_000, HOUR]));
        let amounts: Vec<i64> = (0..chance.of(&[1, 1, 4])).map(|_| chance.below(20) as i64 - 10).collect();
        let commands: Vec<Value> =
            amounts.iter().filter(|amount| **amount != 0).map(|amount| command(*amount)).collect();
        if commands.is_empty() {
            continue;
        }
        assert_eq!(world.post(&events_of("alice"), &json!(commands).to_string()).await.status, 200);
        for amount in amounts.into_iter().filter(|amount| *amount != 0) {
            balances.push(balances[balances.len() - 1] + amount);
        }
    }
    balances
}

fn command(amount: i64) -> Value {
    let r#type = if amount > 0 { "deposit" } else { "withdraw" };
    json!({"type": r#type, "amount": amount.abs()})
}

/// An account as it was.
async fn was(world: &World, query: &str) -> Value {
    let reply = world.get(&format!("/accounts/alice?{query}")).await;
    assert_eq!(reply.status, 200, "{query}: {reply:?}");
    reply.body
}

fn times(journal: &[Value]) -> Vec<String> {
    journal.iter().map(|event| event["time"].as_str().unwrap().to_owned()).collect()
}

/// A time as a number: as text it has no more digits than it needs.
pub fn at(time: &str) -> Millis {
    Query::read(&format!("at={time}"), &[web::query::Parameter::time("at")]).unwrap().time("at").unwrap().unwrap()
}

/// The same time as somebody an hour to the east has it, or to the west shortly before midnight.
fn elsewhere(time: &str) -> String {
    let hour: u32 = time[11..13].parse().unwrap();
    let (hour, offset) = if hour < 23 { (hour + 1, "+01:00") } else { (hour - 1, "-01:00") };
    format!("{}{hour:02}{}{offset}", &time[..11], time[13..].trim_end_matches('Z'))
}

#[tokio::test]
async fn an_account_is_what_it_was_after_each_event_and_at_each_time() {
    let seed = seed("LEASEBOX_SEED");
    let world = World::new().await;
    let balances = history(&world, &mut Chance::new(seed)).await;
    let answer = |version: usize| json!({"account_id": "alice", "owner": "the owner of alice", "balance": balances[version - 1], "version": version});
    let times = times(&world.journal("alice").await);
    assert_eq!(times.len(), balances.len());
    assert!(times.iter().map(|time| at(time)).is_sorted(), "{times:?}");
    for (version, time) in (1..).zip(&times) {
        assert_eq!(was(&world, &format!("version={version}")).await, answer(version), "LEASEBOX_SEED={seed}");
        // Events that were committed together have one time: then the last of them counts.
        let last = times.iter().rposition(|other| other == time).unwrap() + 1;
        for time in [time.clone(), time.replace('Z', "+00:00"), time.replace('Z', "%2B00:00"), elsewhere(time)] {
            assert_eq!(was(&world, &format!("at={time}")).await, answer(last), "{time}, LEASEBOX_SEED={seed}");
        }
    }
    // Between two events it is what it was after the first of them.
    let gap = times.windows(2).position(|pair| pair[0][..16] != pair[1][..16]).unwrap();
    let between = format!("{}:59.999Z", &times[gap][..16]);
    assert_eq!(was(&world, &format!("at={between}")).await, answer(gap + 1), "{between}, LEASEBOX_SEED={seed}");
    let now = answer(balances.len());
    for query in ["", "at=2999-12-31T23:59:59Z", "at=9999-12-31T23:59:59.999999999Z"] {
        assert_eq!(was(&world, query).await, now, "{query}");
    }
}

#[tokio::test]
async fn what_an_account_never_was_is_refused_by_name() {
    let world = World::new().await;
    world.open_account("alice", 5).await;
    world.deposit("alice", 1).await;
    let time = times(&world.journal("alice").await)[0].clone();
    for query in [
        "version=-1",
        "version=x",
        "version=",
        "version=1.0",
        "version=18446744073709551616",
        "version=1&version=1",
        "at=",
        "at=now",
        "at=1790000000",
        "at=2026-11-21",
        "at=2026-11-21T12:00:00",
        "at=1969-12-31T23:59:58Z",
        "at=2026-13-21T12:00:00Z",
        "at=2026-11-21T12:00:00Z&at=2026-11-21T12:00:00Z",
        "from=1",
        "when=1",
        &format!("version=1&at={time}"),
    ] {
        let reply = world.get(&format!("/accounts/alice?{query}")).await;
        assert_eq!((reply.status, problem(&reply)), (400, "invalid-request"), "{query}: {reply:?}");
    }
    for version in [3, 4, 1_000_000, u64::MAX] {
        let reply = world.get(&format!("/accounts/alice?version={version}")).await;
        assert_eq!((reply.status, problem(&reply)), (404, "unknown-version"), "{reply:?}");
        assert_eq!(reply.body["version"], 2, "it says how far the journal has come: {reply:?}");
    }
    for query in ["version=0", "at=1970-01-01T00:00:00Z", "at=2001-01-01T00:00:00%2B01:00"] {
        let reply = world.get(&format!("/accounts/alice?{query}")).await;
        assert_eq!((reply.status, problem(&reply)), (404, "account-not-open"), "{query}: {reply:?}");
    }
    for query in ["version=1", "version=0", &format!("at={time}"), ""] {
        let reply = world.get(&format!("/accounts/nobody?{query}")).await;
        assert_eq!((reply.status, problem(&reply)), (404, "account-not-open"), "{query}: {reply:?}");
    }
}

#[tokio::test]
async fn the_time_of_a_journal_never_runs_backwards() {
    let world = World::new().await;
    world.advance(10 * HOUR);
    world.open_account("alice", 100).await;
    world.deposit("alice", 1).await;
    let latest = times(&world.journal("alice").await)[1].clone();

    // The clock is set back, by a little and by a lot; and another process has one of its own.
    world.set_back(HOUR);
    world.deposit("alice", 2).await;
    world.set_back(9 * HOUR);
    assert_eq!(world.post(&events_of("alice"), &json!([command(3), command(-4)]).to_string()).await.status, 200);
    world.again(crate::app::registry()).deposit("alice", 5).await;
    let stands = times(&world.journal("alice").await);
    assert_eq!(stands[1..], vec![latest.clone(); 5]);
    assert_eq!(was(&world, &format!("at={latest}")).await["version"], 6);

    // Once it is later than it ever was, time goes on.
    world.advance(11 * HOUR);
    world.deposit("alice", 6).await;
    let times = times(&world.journal("alice").await);
    assert!(at(&times[6]) > at(&latest), "{times:?}");
    assert_eq!(was(&world, &format!("at={latest}")).await["balance"], 107);
    assert_eq!(was(&world, "").await["balance"], 113);
    world.verified("alice").await;
}
