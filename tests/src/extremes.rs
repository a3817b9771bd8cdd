//! At the limits themselves: an item whose parts are all as large as they may be, and a backlog of many entities.

use std::sync::Arc;

use serde_json::{Value, json};
use shared::client::Mode;
use shared::envelope::EntityId;
use shared::host::ReadHost;
use shared::limits::{self, KB, Settings};
use shared::table;

use crate::drive::LEASE_OVER;
use crate::ledger::{ledger, registry, tell, write};
use crate::world::World;
use crate::world::no_failures;
use testing::faults::Fault;

/// An item that all of its parts fill: what the parts' limits sum to, without the reserve.
const NEARLY_FULL: usize = 340 * KB;

fn padded(text: &str, bytes: usize) -> Value {
    json!({"type": "write", "text": text, "padding": "p".repeat(bytes)})
}

fn burst(to: &EntityId, count: usize, bytes: usize) -> Value {
    json!({"type": "burst", "to": to, "count": count, "bytes": bytes})
}

/// Fills the queue of an entity that somebody holds, from outside up to the cap, and brings the texts.
async fn fill_queue(world: &World, entity: &EntityId) -> Vec<String> {
    let mut texts = Vec::new();
    for bytes in [15_000, 4_000, 500] {
        loop {
            let text = format!("queued-{}", texts.len());
            match world.event(entity, &padded(&text, bytes)).await.status {
                202 => texts.push(text),
                429 => break,
                other => panic!("{other}"),
            }
        }
    }
    texts
}

/// Fills the reserve of a queue by effects of others, until one of them finds no room; brings the texts.
async fn fill_reserve(world: &World, entity: &EntityId) -> Vec<String> {
    let mut texts = Vec::new();
    for bytes in [15_000, 4_000, 500] {
        loop {
            let (text, sender) = (format!("told-{}", texts.len()), ledger(&format!("sender-{}", texts.len())));
            assert_eq!(world.event(&sender, &tell("x", &[(entity, padded(&text, bytes))])).await.status, 200);
            texts.push(text);
            if !world.mailbox(&sender).await.outbox.is_empty() {
                break;
            }
        }
    }
    texts
}

#[tokio::test]
async fn an_item_whose_parts_are_all_at_their_limits_still_takes_every_write() {
    // Without suspicion a batch has the most replies.
    let largest = at_the_limits(1).await;
    assert!((NEARLY_FULL..limits::ITEM_BYTES).contains(&largest), "{largest}");
}

#[tokio::test]
async fn such_an_item_also_takes_the_writes_of_a_suspect_entity() {
    let largest = at_the_limits(4).await;
    assert!(largest < limits::ITEM_BYTES, "{largest}");
}

/// Fills an item, has so many holders die on it, and works it off; brings the largest size that it had.
async fn at_the_limits(deaths: u64) -> usize {
    let world = World::with(registry(), Settings::default()).await;
    let (main, away) = (ledger("main"), ledger("away"));
    // Nobody reaches the receiver for now, so the outbox stays full.
    world.faults.break_entity(&away);
    for event in [
        json!({"type": "swell", "bytes": limits::STATE_BYTES - KB}),
        burst(&away, 4, 7_500),
        burst(&away, 4, 7_500),
        burst(&away, 1, 2_500),
    ] {
        assert_eq!(world.event(&main, &event).await.status, 200);
    }
    // A holder dies, and before anybody notices the queue fills: first with what makes the largest replies, of which
    // one commit takes three.
    let (victim, answer) = (world.other(), json!({"type": "answer", "bytes": 17_000}));
    victim.faults.arm(1, Fault::DiesBefore);
    assert!(victim.until_death(victim.event(&main, &answer)).await.is_none());
    world.submit(&main, Mode::Detached, &vec![answer; 3]).await;
    let mut expected = fill_queue(&world, &main).await;
    let told = fill_reserve(&world, &main).await;
    let mailbox = world.mailbox(&main).await;
    assert!(mailbox.bytes as usize > limits::QUEUE_BYTES + limits::DELIVERY_RESERVE_BYTES - KB, "{}", mailbox.bytes);
    let refused = world.event(&main, &write("over")).await;
    assert_eq!(refused.status, 429, "{refused:?}");

    // Every write of a takeover, of suspicion, and of what follows.
    for death in 1..deaths {
        let holder = world.later(death * LEASE_OVER);
        holder.faults.break_entity(&away);
        holder.faults.arm(if death < 3 { 2 } else { 3 }, Fault::DiesBefore);
        assert!(holder.until_death(holder.stream(&[&main])).await.is_none(), "death {death}");
    }
    let rescuer = world.later(deaths * LEASE_OVER);
    rescuer.faults.break_entity(&away);
    rescuer.host.store().take();
    assert_eq!(rescuer.look(&main).await, no_failures());
    let largest = rescuer.host.store().take().largest;
    println!("the largest item had {largest} of {} bytes", limits::ITEM_BYTES);
    assert!(world.dead_letter(&main, 5).await.is_none(), "nothing is wrong with any of them");

    // Now everything is reached, and everything is worked off.
    let last = world.later((deaths + 1) * LEASE_OVER);
    last.records.put_back(std::slice::from_ref(&main));
    last.work_off().await;
    expected.extend(told);
    let mut entries = last.entries(&main).await;
    // Those that found no room come later, each from a sender of its own.
    entries.sort();
    expected.sort();
    assert_eq!(entries, expected);
    assert_eq!(last.entries(&away).await.len(), 9);
    for entity in [&main, &away] {
        last.idle(entity).await;
    }
    let item = last.item(table::mailbox_key(&main)).await.unwrap();
    assert!(table::item_bytes(&item) < limits::ITEM_BYTES);
    largest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_events_of_a_thousand_entities_wait_out_an_outage_of_drain() {
    const ENTITIES: usize = 1_000;
    const EVENTS: usize = 10;
    let one = Arc::new(World::with(registry(), Settings::default()).await);
    let two = one.other();
    let ids: Vec<EntityId> = (0..ENTITIES).map(|id| ledger(&format!("e-{id}"))).collect();
    let texts: Vec<String> = (0..EVENTS).map(|text| text.to_string()).collect();
    let events: Vec<Value> = texts.iter().map(|text| write(text)).collect();
    let posts = ids.chunks(ENTITIES / 8).map(|ids| {
        let (world, ids, events) = (Arc::clone(&one), ids.to_vec(), events.clone());
        tokio::spawn(async move {
            for id in &ids {
                assert_eq!(world.submit(id, Mode::Detached, &events).await.len(), EVENTS);
            }
        })
    });
    for post in posts.collect::<Vec<_>>() {
        post.await.unwrap();
    }
    // The stream has kept everything, and delivers it in batches; every third of them to two invocations at once.
    let records = one.records.take();
    assert_eq!(records.len(), ENTITIES);
    for (number, batch) in records.chunks(100).enumerate() {
        let batch: Vec<&EntityId> = batch.iter().collect();
        if number % 3 == 0 {
            let (first, second) = tokio::join!(one.stream(&batch), two.stream(&batch));
            assert_eq!((first, second), (no_failures(), no_failures()));
        } else {
            assert_eq!(one.stream(&batch).await, no_failures());
        }
    }
    two.work_off().await;
    for id in &ids {
        assert_eq!(one.entries(id).await, texts, "{id}");
        assert_eq!(one.idle(id).await.head, EVENTS as u64);
    }
}
