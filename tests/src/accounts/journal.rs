//! Pages of a journal: whatever page is asked for, it is a part of the one sequence, although events share items.

use serde_json::{Value, json};
use shared::host::ReadHost;

use crate::accounts::{account, events_of, types, versions};
use crate::chance::{Chance, seed};
use crate::problems::problem;
use crate::world::World;

/// A random command that is never refused.
fn random(chance: &mut Chance) -> Value {
    let amount = 1 + chance.below(100);
    match chance.below(3) {
        0 => json!({"type": "withdraw", "amount": amount}),
        _ => json!({"type": "deposit", "amount": amount}),
    }
}

/// An account whose events were committed alone, as arrays, and after they had waited.
async fn history(world: &World, id: &str, events: usize) {
    let mut chance = Chance::new(seed("LEASEBOX_SEED"));
    world.open_account(id, 1_000_000).await;
    let mut there = 1;
    while there < events {
        let count = chance.of(&[1, 1, 2, 7, 25]).min(events - there);
        let commands: Vec<Value> = (0..count).map(|_| random(&mut chance)).collect();
        let reply = if chance.below(4) == 0 {
            for command in &commands[1..] {
                assert_eq!(world.post_async(&events_of(id), &command.to_string()).await.status, 202);
            }
            world.post(&events_of(id), &commands[0].to_string()).await
        } else {
            world.post(&events_of(id), &json!(commands).to_string()).await
        };
        assert_eq!(reply.status, 200, "{reply:?}");
        there += count;
    }
}

#[tokio::test]
async fn every_page_is_a_part_of_the_same_sequence() {
    const EVENTS: usize = 130;
    let world = World::new().await;
    history(&world, "alice", EVENTS).await;
    let items = world.journal_items("alice").await;
    assert!(items.len() < EVENTS / 2, "{} items", items.len());
    let all = world.journal("alice").await;
    assert_eq!(versions(&all), (1..=EVENTS as u64).collect::<Vec<_>>());
    assert_eq!(types(&all)[0], "AccountOpened");
    for limit in [1, 2, 3, 7, 25, 100, EVENTS, 1_000] {
        assert_eq!(world.pages("alice", 1, limit).await, all, "{limit}");
        for from in 1..=EVENTS {
            let page = world.get(&format!("/accounts/alice/events?from={from}&limit={limit}")).await;
            let end = EVENTS.min(from - 1 + limit);
            assert_eq!(page.body["items"].as_array().unwrap(), &all[from - 1..end], "{from}, {limit}");
            let next = if end < EVENTS { json!(end + 1) } else { Value::Null };
            assert_eq!((page.status, &page.body["next"]), (200, &next), "{from}, {limit}");
        }
    }
    assert_eq!(world.pages("alice", 0, 10).await, all);
    let unasked = world.get("/accounts/alice/events").await;
    assert_eq!((unasked.body["items"].as_array().unwrap().len(), &unasked.body["next"]), (100, &json!(101)));
    for beyond in [EVENTS as u64 + 1, EVENTS as u64 + 2, u64::MAX] {
        let page = world.get(&format!("/accounts/alice/events?from={beyond}")).await;
        assert_eq!((page.status, &page.body), (200, &json!({"account_id": "alice", "items": [], "next": null})));
    }
    world.verified("alice").await;
}

#[tokio::test]
async fn a_page_reads_no_more_than_it_shows() {
    let world = World::new().await;
    history(&world, "alice", 60).await;
    world.host.store().take();
    assert_eq!(world.get("/accounts/alice/events?from=40&limit=1").await.status, 200);
    let total = world.host.store().take();
    // The mailbox, and the one item that has the event.
    assert_eq!((total.reads, total.writes), (2, 0));
    assert!(total.page < 5 * 1024, "{total:?}");
}

#[tokio::test]
async fn what_is_no_page_is_refused() {
    let world = World::new().await;
    world.open_account("alice", 1).await;
    for query in [
        "from=-1",
        "from=x",
        "from=",
        "from=1.5",
        "from=18446744073709551616",
        "limit=0",
        "limit=-1",
        "limit=1001",
        "limit=x",
        "from=1&from=2",
        "cursor=1",
        "version=1",
        "at=2026-11-21T12:00:00Z",
    ] {
        let reply = world.get(&format!("/accounts/alice/events?{query}")).await;
        assert_eq!((reply.status, problem(&reply)), (400, "invalid-request"), "{query}: {reply:?}");
    }
    let reply = world.get("/accounts/alice/verify?version=1").await;
    assert_eq!((reply.status, problem(&reply)), (400, "invalid-request"), "{reply:?}");
    let reply = world.get("/accounts/%20/events").await;
    assert_eq!((reply.status, problem(&reply)), (400, "invalid-request"), "{reply:?}");
}

#[tokio::test]
async fn the_first_event_has_an_item_of_its_own_and_the_others_share() {
    let world = World::new().await;
    let mut commands = vec![json!({"type": "open", "owner": "a", "initial_balance": 5})];
    commands.resize(25, json!({"type": "deposit", "amount": 1}));
    assert_eq!(world.post(&events_of("alice"), &json!(commands).to_string()).await.status, 200);
    let items = world.journal_items("alice").await;
    let keys: Vec<_> = items.iter().map(|item| item["sk"].clone()).collect();
    let expected = ["event#00000000000000000001", "event#00000000000000000025"];
    assert_eq!(keys, expected.map(|sk| serde_dynamo::AttributeValue::S(sk.to_owned())));
    assert_eq!(world.journal("alice").await.len(), 25);
    world.verified("alice").await;
    world.idle(&account("alice")).await;
}
