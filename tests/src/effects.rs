//! Events from entity to entity: exactly once, in order per receiver, and nobody waits for somebody else's receiver.

use serde_json::{Value, json};
use shared::client::Mode;
use shared::host::ReadHost;
use shared::limits::{self, Settings};

use crate::drive::LEASE_OVER;
use crate::ledger::{ledger, registry, tell, write, write_large};
use crate::world::{World, entity};

async fn world() -> World {
    World::with(registry(), Settings::default()).await
}

#[tokio::test]
async fn effects_arrive_once_and_in_order_per_receiver() {
    let world = world().await;
    let (from, left, right) = (ledger("from"), ledger("left"), ledger("right"));
    for round in 0..10 {
        let told = [
            (&left, write(&format!("{round}a"))),
            (&right, write(&format!("{round}b"))),
            (&left, write(&format!("{round}c"))),
        ];
        assert_eq!(world.event(&from, &tell(&round.to_string(), &told)).await.status, 200);
    }
    world.work_off().await;
    let expected = |letters: &[&str]| -> Vec<String> {
        (0..10).flat_map(|round| letters.iter().map(move |letter| format!("{round}{letter}"))).collect()
    };
    assert_eq!(world.entries(&left).await, expected(&["a", "c"]));
    assert_eq!(world.entries(&right).await, expected(&["b"]));
    for entity in [&from, &left, &right] {
        world.idle(entity).await;
    }
}

#[tokio::test]
async fn a_full_receiver_holds_up_neither_other_receivers_nor_the_senders_queue() {
    let world = World::with(registry(), Settings { queue_length: 2, ..Settings::default() }).await;
    let (from, full, free) = (ledger("from"), entity("blocker", "full"), ledger("free"));
    world.event(&full, &json!({"type": "panic"})).await;
    // The receiver is blocked; a hundred fill the reserve above its two.
    let burst = |count: usize| json!({"type": "burst", "to": full, "count": count, "bytes": 1});
    for _ in 0..3 {
        world.event(&from, &burst(40)).await;
    }
    assert_eq!(world.mailbox(&full).await.queue.len(), 2 + limits::DELIVERY_RESERVE_LENGTH);
    let waiting = world.mailbox(&from).await;
    assert_eq!((waiting.outbox.len(), &waiting.lease, waiting.pending), (19, &None, true));

    world.host.store().take();
    let reply = world.event(&from, &tell("still", &[(&free, write("told"))])).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(world.host.store().take().writes < 10, "what waits must not be tried again and again");
    assert_eq!(world.entries(&free).await, ["told"]);
    assert_eq!(world.entries(&from).await, ["still"]);
    assert_eq!(world.mailbox(&from).await.outbox.len(), 19);

    // A look sends itself one wake for the time when the first is due, and the wake tries again.
    world.records.take();
    world.wakes.take();
    world.stream(&[&from]).await;
    let wakes = world.wakes.take();
    let [(wake, delay)] = wakes.as_slice() else { panic!("{wakes:?}") };
    assert!(wake.due.is_some() && *delay <= 300_000, "{wakes:?}");
    world.advance(*delay + 1);
    let failed = world.mailbox(&from).await.outbox[0].failures;
    world.wake(wake).await;
    assert_eq!(world.mailbox(&from).await.outbox[0].failures, failed + 1);
}

#[tokio::test]
async fn what_cannot_be_delivered_ends_in_the_dead_letters_with_its_cause() {
    let world = world().await;
    let (from, nowhere, free) = (ledger("from"), entity("unheard-of", "x"), ledger("free"));
    let told = [(&nowhere, write("lost")), (&free, write("told"))];
    assert_eq!(world.event(&from, &tell("x", &told)).await.status, 200);
    assert_eq!(world.entries(&free).await, ["told"]);
    let passed = world.work_off().await;
    assert!(passed < limits::RECEIPT_MS, "{passed}");
    world.idle(&from).await;
    let letter = world.item(shared::table::undelivered_key(&from, 1, 0)).await.unwrap();
    let letter: Value = serde_dynamo::from_item(letter).unwrap();
    assert!(letter["cause"].as_str().unwrap().contains("failed 20 times"), "{letter}");
    let effect: Value = serde_json::from_str(letter["effect"].as_str().unwrap()).unwrap();
    assert_eq!(effect["r"], "unheard-of/x");
}

#[tokio::test]
async fn two_full_entities_that_tell_each_other_do_not_block_each_other() {
    let world = World::with(registry(), Settings { queue_length: 10, ..Settings::default() }).await;
    let (left, right) = (ledger("left"), ledger("right"));
    for (from, to) in [(&left, &right), (&right, &left)] {
        for number in 0..10 {
            world.submit(from, Mode::Detached, &[tell(&number.to_string(), &[(to, write("told"))])]).await;
        }
    }
    world.work_off().await;
    for entity in [&left, &right] {
        let entries = world.entries(entity).await;
        assert_eq!(entries.iter().filter(|entry| *entry == "told").count(), 10, "{entries:?}");
        assert_eq!(entries.len(), 20, "{entries:?}");
        world.idle(entity).await;
    }
}

#[tokio::test]
async fn an_entity_may_tell_itself() {
    let world = world().await;
    let own = ledger("own");
    assert_eq!(world.event(&own, &tell("first", &[(&own, write("second"))])).await.status, 200);
    world.work_off().await;
    assert_eq!(world.entries(&own).await, ["first", "second"]);
    world.idle(&own).await;
}

#[tokio::test]
async fn large_effects_fill_the_outbox_and_the_queue_waits_for_room() {
    let world = World::with(registry(), Settings { queue_length: 2, ..Settings::default() }).await;
    let (from, full) = (ledger("from"), entity("blocker", "full"));
    world.event(&full, &json!({"type": "panic"})).await;
    let large = |text: &str| tell(text, &[(&full, write_large("x"))]);
    // The receiver takes 176 KB before it is full; then the sender's own outbox fills, and then its queue waits.
    let (mut stored, mut refused) = (0, false);
    while !refused && stored < 30 {
        let reply = world.event(&from, &large(&stored.to_string())).await;
        refused = reply.status == 429;
        assert!(refused || [200, 202].contains(&reply.status), "{reply:?}");
        stored += usize::from(!refused);
    }
    assert!(refused, "somewhere there must be an end");
    let mailbox = world.mailbox(&from).await;
    let done = world.entries(&from).await.len();
    assert_eq!(done + mailbox.queue.len(), stored);
    assert!(!mailbox.queue.is_empty() && mailbox.strikes == 0, "{}", mailbox.queue.len());
    assert!(mailbox.outbox.len() > 2, "{}", mailbox.outbox.len());
}

#[tokio::test]
async fn a_receiver_that_was_told_by_a_dead_sender_is_told_once() {
    let world = world().await;
    let (from, to) = (ledger("from"), ledger("to"));
    let victim = world.other();
    // Post, commit, delivery to the receiver; the settling write is never made.
    victim.faults.arm(3, testing::faults::Fault::DiesBefore);
    assert!(victim.until_death(victim.event(&from, &tell("x", &[(&to, write("told"))]))).await.is_none());
    let later = world.later(LEASE_OVER);
    later.stream(&[&from, &to]).await;
    later.work_off().await;
    assert_eq!(later.entries(&to).await, ["told"]);
    later.idle(&from).await;
    later.idle(&to).await;
}
