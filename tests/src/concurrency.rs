//! Many at once: two processes over one table, concurrent clients, and `drain` beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use serde_json::{Value, json};
use shared::client::Mode;
use shared::envelope::EntityId;
use shared::limits::{self, Settings};

use crate::drive::LEASE_OVER;
use crate::ledger::{ledger, registry, write};
use crate::world::World;
use crate::world::no_failures;

async fn world() -> Arc<World> {
    Arc::new(World::with(registry(), Settings::default()).await)
}

/// Delivers stream records as they come, for as long as there are posts.
async fn draining(world: Arc<World>, done: Arc<AtomicBool>) {
    while !done.load(Ordering::Relaxed) {
        let mut records = world.records.take();
        records.truncate(100);
        for batch in records.chunks(25) {
            let batch: Vec<&EntityId> = batch.iter().collect();
            assert_eq!(world.stream(&batch).await, no_failures());
        }
        tokio::task::yield_now().await;
    }
}

/// Runs clients beside two drains, and then whatever is left.
async fn beside_drains(worlds: [&Arc<World>; 2], clients: Vec<tokio::task::JoinHandle<u64>>) -> u64 {
    let done = Arc::new(AtomicBool::new(false));
    let drains = worlds.map(|world| tokio::spawn(draining(Arc::clone(world), Arc::clone(&done))));
    let posted = join_all(clients).await.into_iter().map(Result::unwrap).sum();
    done.store(true, Ordering::Relaxed);
    for drain in drains {
        drain.await.unwrap();
    }
    posted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_entities_at_once_from_two_processes() {
    let one = world().await;
    let two = Arc::new(one.other());
    let clients = (0..8_u64).map(|client| {
        let world = Arc::clone(if client % 2 == 0 { &one } else { &two });
        tokio::spawn(async move {
            let mut posted = 0;
            for index in 0..200 {
                // Each client goes round the entities from another place, so they meet everywhere.
                let entity = (index + client * 25) % 200;
                let path = format!("/webhook?user_id=user-{entity}&delta={}", client + 1);
                let mode: &[_] = if index % 5 == 0 { &[("prefer", "respond-async")] } else { &[] };
                let reply = world.http("POST", &path, mode, "").await;
                assert!([200, 202].contains(&reply.status), "{reply:?}");
                posted += client + 1;
            }
            posted
        })
    });
    let posted = beside_drains([&one, &two], clients.collect()).await;
    assert_eq!(posted, 200 * 36);
    one.other().work_off().await;
    let totals = (0..200).map(|entity| {
        let one = Arc::clone(&one);
        async move { one.get(&format!("/counter/user-{entity}")).await.body["value"].clone() }
    });
    assert_eq!(join_all(totals).await, vec![json!(36); 200]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_hot_entity_from_two_processes() {
    let one = world().await;
    let two = Arc::new(one.other());
    let hot = ledger("hot");
    let clients = (0..16).map(|client| {
        let world = Arc::clone(if client % 2 == 0 { &one } else { &two });
        let hot = hot.clone();
        tokio::spawn(async move {
            for index in 0..20 {
                let reply = world.event(&hot, &write(&format!("{client}-{index:02}"))).await;
                assert!([200, 202].contains(&reply.status), "{reply:?}");
            }
            20
        })
    });
    let posted = beside_drains([&one, &two], clients.collect()).await;
    one.other().work_off().await;
    let entries = one.entries(&hot).await;
    assert_eq!(entries.len() as u64, posted);
    // What one client posted one after the other is there in that order, and nothing twice.
    for client in 0..16 {
        let prefix = format!("{client}-");
        let own: Vec<_> = entries.iter().filter(|entry| entry.starts_with(&prefix)).cloned().collect();
        let expected: Vec<_> = (0..20).map(|index| format!("{client}-{index:02}")).collect();
        assert_eq!(own, expected);
    }
    one.idle(&hot).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_key_from_everywhere_at_once_has_one_effect() {
    let one = world().await;
    let two = Arc::new(one.other());
    let posts = (0..20).map(|client| {
        let world = Arc::clone(if client % 2 == 0 { &one } else { &two });
        async move {
            let headers = [("idempotency-key", "same"), ("prefer", "wait=20")];
            world.http("POST", "/entities/ledger/once/events", &headers, &write("x").to_string()).await
        }
    });
    let replies = join_all(posts).await;
    for reply in &replies {
        assert_eq!((reply.status, &reply.body), (200, &replies[0].body), "{reply:?}");
    }
    one.other().work_off().await;
    assert_eq!(one.entries(&ledger("once")).await, ["x"]);
}

#[tokio::test]
async fn a_queue_at_its_cap_refuses_and_stores_nothing() {
    let world = world().await;
    let full = ledger("full");
    world.die_holding(&full, &write("0")).await;
    let rest = limits::QUEUE_LENGTH - 1;
    let texts: Vec<String> = (1..=rest).map(|text| text.to_string()).collect();
    for chunk in texts.chunks(25) {
        let events: Vec<Value> = chunk.iter().map(|text| write(text)).collect();
        world.submit(&full, Mode::Detached, &events).await;
    }
    let before = world.mailbox(&full).await;
    assert_eq!(before.queue.len(), limits::QUEUE_LENGTH);
    for body in [write("over"), json!([write("over"), write("over")])] {
        let reply = world.event(&full, &body).await;
        assert_eq!((reply.status, &reply.body["type"]), (429, &json!("urn:leasebox:mailbox-full")), "{reply:?}");
        assert_eq!(reply.headers["retry-after"], "1");
    }
    assert_eq!(world.mailbox(&full).await, before);

    // Once its holder's time is over, whoever posts works it off and is stored after it.
    let late = world.later(LEASE_OVER);
    let reply = late.event(&full, &write("after")).await;
    assert_eq!((reply.status, &reply.body["sequence"]), (200, &json!(limits::QUEUE_LENGTH + 1)), "{reply:?}");
    let mut expected = vec!["0".to_owned()];
    expected.extend(texts);
    expected.push("after".to_owned());
    assert_eq!(late.entries(&full).await, expected);
    late.idle(&full).await;
}

#[tokio::test]
async fn an_array_is_stored_whole_or_not_at_all() {
    let world = world().await;
    let full = ledger("full");
    world.die_holding(&full, &write("0")).await;
    for _ in 0..19 {
        world.submit(&full, Mode::Detached, &[write("x"), write("x"), write("x"), write("x"), write("x")]).await;
    }
    // Room for four: five find none, four do.
    let before = world.mailbox(&full).await;
    assert_eq!(before.queue.len(), limits::QUEUE_LENGTH - 4);
    assert_eq!(world.event(&full, &json!(vec![write("y"); 5])).await.status, 429);
    assert_eq!(world.mailbox(&full).await, before);
    assert_eq!(world.event(&full, &json!(vec![write("y"); 4])).await.status, 202);
    assert_eq!(world.mailbox(&full).await.queue.len(), limits::QUEUE_LENGTH);
}
