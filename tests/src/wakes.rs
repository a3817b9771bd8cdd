//! Invariant 6, and what `drain` does with each record and each wake: everything pending is looked at again, and
//! nobody waits for anybody else's trouble.

use serde_json::{Value, json};
use shared::client::Mode;
use shared::envelope::{Millis, Owner};
use shared::host::ReadHost;
use shared::limits::{self, LEASE_MS, MARGIN_MS, Settings};
use shared::mailbox::image::Lease;
use shared::wake::{SeenLease, Wake};

use crate::drive::LEASE_OVER;
use crate::ledger::{ledger, registry, write};
use crate::takeover::seen;
use crate::world::no_failures;
use crate::world::{World, entity};
use testing::faults::Fault;

async fn world() -> World {
    World::with(registry(), Settings::default()).await
}

/// The longest delay of a wake for a lease: a millisecond more would be too late, and one less too soon.
const LATEST: u64 = LEASE_MS + MARGIN_MS + 1;

#[tokio::test]
async fn a_held_entity_gets_one_wake_that_carries_the_lease() {
    let world = world().await;
    let alice = ledger("alice");
    world.die_holding(&alice, &write("x")).await;
    let before = world.mailbox(&alice).await;
    assert_eq!(world.stream(&[&alice, &alice, &alice]).await, no_failures());
    let wakes = world.wakes.take();
    let [(wake, delay)] = wakes.as_slice() else { panic!("{wakes:?}") };
    assert_eq!(*wake, seen(&world, &alice).await);
    assert!((MARGIN_MS..=LATEST).contains(delay), "{delay}");
    assert_eq!(world.mailbox(&alice).await, before);
}

#[tokio::test]
async fn the_delay_is_a_lease_and_a_margin_at_most_whatever_the_holders_clock_says() {
    let world = world().await;
    let alice = ledger("alice");
    let ahead = world.later(5 * 60 * 60 * 1000);
    ahead.die_holding(&alice, &write("x")).await;
    ahead.faults.arm(1, Fault::DiesBefore);
    let fast = ledger("fast");
    assert!(ahead.until_death(ahead.event(&fast, &write("x"))).await.is_none());
    world.stream(&[&fast]).await;
    let wakes = world.wakes.take();
    let [(wake, delay)] = wakes.as_slice() else { panic!("{wakes:?}") };
    assert_eq!(*delay, LATEST);

    // After that time the lease is replaced, although by its own word it is good for hours.
    world.advance(*delay);
    assert_eq!(world.wake(wake).await, no_failures());
    assert_eq!(world.entries(&fast).await, ["x"]);
    world.idle(&fast).await;
}

#[tokio::test]
async fn the_wake_replaces_the_lease_that_it_has_seen() {
    let world = world().await;
    let alice = ledger("alice");
    world.die_holding(&alice, &write("x")).await;
    world.records.put_back(std::slice::from_ref(&alice));
    let passed = world.work_off().await;
    assert!((MARGIN_MS..=LATEST).contains(&passed), "{passed}");
    assert_eq!(world.entries(&alice).await, ["x"]);
    world.idle(&alice).await;
}

#[tokio::test]
async fn a_wake_leaves_a_lease_alone_that_was_renewed_or_taken_by_another() {
    let world = world().await;
    let alice = ledger("alice");
    world.die_holding(&alice, &write("x")).await;
    let before = world.mailbox(&alice).await;
    let wake = seen(&world, &alice).await;
    let Some(SeenLease { owner, until }) = wake.lease else { panic!("{wake:?}") };
    let renewed = SeenLease { owner, until: Millis(until.0 - 1) };
    let another = SeenLease { owner: Owner([7; 12]), until };
    for lease in [renewed, another] {
        let wake = Wake { lease: Some(lease), ..wake.clone() };
        assert_eq!(world.wake(&wake).await, no_failures());
        assert_eq!(world.mailbox(&alice).await, before);
        // Whoever renewed or took it left a record of its own, so there is no further wake either.
        assert_eq!(world.wakes.take(), []);
    }
}

#[tokio::test]
async fn a_wake_that_finds_the_entity_free_acquires_it() {
    let world = world().await;
    let alice = ledger("alice");
    world.die_holding(&alice, &write("x")).await;
    let wake = seen(&world, &alice).await;
    let late = world.later(LEASE_OVER);
    late.work_off().await;
    late.submit(&alice, Mode::Detached, &[write("y")]).await;
    assert_eq!(late.wake(&wake).await, no_failures());
    assert_eq!(late.entries(&alice).await, ["x", "y"]);
    assert_eq!(late.idle(&alice).await.head, 2);
}

#[tokio::test]
async fn a_look_that_finds_nothing_to_do_writes_nothing() {
    let world = world().await;
    let alice = ledger("alice");
    world.die_holding(&alice, &write("x")).await;
    let wake = seen(&world, &alice).await;
    world.later(LEASE_OVER).work_off().await;
    world.host.store().take();
    assert_eq!(world.wake(&wake).await, no_failures());
    assert_eq!(world.stream(&[&alice]).await, no_failures());
    assert_eq!(world.stream(&[&ledger("nobody")]).await, no_failures());
    let total = world.host.store().take();
    assert_eq!((total.writes, total.reads), (0, 3));
    assert_eq!(world.wakes.take(), []);
}

#[tokio::test]
async fn a_blocked_entity_is_acknowledged_and_left_alone() {
    let world = world().await;
    let stuck = entity("blocker", "stuck");
    world.submit(&stuck, Mode::Detached, &[json!({"type": "fail"})]).await;
    world.stream(&[&stuck]).await;
    let before = world.mailbox(&stuck).await;
    assert!(matches!(before.lease, Some(Lease::Blocked { .. })));
    let late = world.later(LEASE_OVER);
    assert_eq!(late.stream(&[&stuck]).await, no_failures());
    let wake = Wake { entity: stuck.clone(), lease: None, due: None };
    assert_eq!(late.wake(&wake).await, no_failures());
    assert_eq!((late.wakes.take(), late.mailbox(&stuck).await), (Vec::new(), before));
}

#[tokio::test]
async fn a_wake_that_cannot_be_sent_fails_its_record_and_no_other() {
    let world = world().await;
    let (held, free) = (ledger("held"), ledger("free"));
    world.die_holding(&held, &write("x")).await;
    world.submit(&free, Mode::Detached, &[write("y")]).await;
    world.wakes.break_queue();
    let answer = world.stream(&[&held, &free, &held]).await;
    assert_eq!(answer, failures(&["100", "102"]));
    assert_eq!(world.entries(&free).await, ["y"]);
}

#[tokio::test]
async fn an_entity_that_fails_does_not_fail_the_others() {
    let world = world().await;
    let (good, bad, fine) = (ledger("good"), ledger("bad"), ledger("fine"));
    for entity in [&good, &bad, &fine] {
        world.submit(entity, Mode::Detached, &[write("x")]).await;
    }
    world.faults.break_entity(&bad);
    assert_eq!(world.stream(&[&good, &bad, &fine]).await, failures(&["101"]));
    let sound = world.other();
    for entity in [&good, &fine] {
        assert_eq!(sound.entries(entity).await, ["x"]);
    }
    assert_eq!(sound.mailbox(&bad).await.queue.len(), 1);
    // Delivered again, it is done.
    assert_eq!(sound.stream(&[&bad]).await, no_failures());
    assert_eq!(sound.entries(&bad).await, ["x"]);
}

#[tokio::test]
async fn what_cannot_be_read_is_reported_by_its_id_and_the_rest_is_done() {
    let world = world().await;
    let alice = ledger("alice");
    world.submit(&alice, Mode::Detached, &[write("x")]).await;
    let good = record("5", &json!({"pk": {"S": alice.as_str()}, "sk": {"S": "mailbox"}}));
    let bad = record("6", &json!({"pk": {"S": "no entity"}, "sk": {"S": "mailbox"}}));
    assert_eq!(drained(&world, json!({"Records": [bad, good]})).await, Ok(failures(&["6"])));
    assert_eq!(world.entries(&alice).await, ["x"]);

    let message = |id: &str, body: &str| json!({"messageId": id, "eventSource": "aws:sqs", "body": body});
    world.submit(&alice, Mode::Detached, &[write("y")]).await;
    let wake = serde_json::to_string(&Wake { entity: alice.clone(), lease: None, due: None }).unwrap();
    let event = json!({"Records": [message("m-1", "{}"), message("m-2", &wake), message("m-3", "not json")]});
    assert_eq!(drained(&world, event).await, Ok(failures(&["m-1", "m-3"])));
    assert_eq!(world.entries(&alice).await, ["x", "y"]);
}

#[tokio::test]
async fn an_item_without_identity_fails_the_whole_batch_before_anything_is_done() {
    let world = world().await;
    let alice = ledger("alice");
    world.submit(&alice, Mode::Detached, &[write("x")]).await;
    let keys = json!({"pk": {"S": alice.as_str()}, "sk": {"S": "mailbox"}});
    for nameless in [
        json!({"eventSource": "aws:dynamodb", "dynamodb": {"Keys": keys}}),
        json!({"eventSource": "aws:dynamodb", "dynamodb": {"Keys": keys, "SequenceNumber": ""}}),
        json!({"eventSource": "aws:sqs", "body": "{}"}),
        json!({"eventSource": "aws:s3"}),
        json!({}),
    ] {
        let event = json!({"Records": [record("5", &keys), nameless]});
        let answer = drained(&world, event).await;
        assert!(answer.is_err(), "{answer:?}");
    }
    assert!(drained(&world, json!({"records": []})).await.is_err());
    assert_eq!(world.mailbox(&alice).await.queue.len(), 1);
}

#[tokio::test]
async fn duplicated_and_reordered_records_and_wakes_are_harmless() {
    let world = world().await;
    let users: Vec<_> = (0..5).map(|user| ledger(&format!("user-{user}"))).collect();
    let (one, two) = (world.later(LEASE_OVER), world.later(2 * LEASE_OVER));
    let mut wakes = Vec::new();
    for user in &users {
        world.die_holding(user, &write("1")).await;
        wakes.push(seen(&world, user).await);
        world.submit(user, Mode::Detached, &[write("2"), write("3")]).await;
    }
    let forwards: Vec<_> = users.iter().chain(users.iter().rev()).collect();
    let backwards: Vec<_> = forwards.iter().rev().copied().collect();
    let (first, second) = tokio::join!(one.stream(&forwards), two.stream(&backwards));
    assert_eq!((first, second), (no_failures(), no_failures()));
    for wake in wakes.iter().rev().chain(&wakes) {
        assert_eq!(two.wake(wake).await, no_failures());
    }
    two.work_off().await;
    for user in &users {
        assert_eq!(two.entries(user).await, ["1", "2", "3"]);
        two.idle(user).await;
    }
}

#[tokio::test]
async fn nothing_is_started_that_cannot_finish_before_the_deadline() {
    let world = world().await;
    let (alice, bob) = (ledger("alice"), ledger("bob"));
    for entity in [&alice, &bob] {
        world.submit(entity, Mode::Detached, &[write("x")]).await;
    }
    world.host.store().take();
    let keys = |entity: &shared::envelope::EntityId| json!({"pk": {"S": entity.as_str()}, "sk": {"S": "mailbox"}});
    let event = json!({"Records": [record("5", &keys(&alice)), record("6", &keys(&bob))]});
    let deadline = world.host.now().plus(limits::FINISH_MS);
    let answer = drain::handle(&world.host, &world.wakes, event, deadline).await;
    assert_eq!(answer, Ok(failures(&["5", "6"])));
    let total = world.host.store().take();
    assert_eq!((total.reads, total.writes), (0, 0));
}

/// A stream record of a mailbox.
fn record(sequence: &str, keys: &Value) -> Value {
    json!({
        "eventID": "e", "eventName": "MODIFY", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_790_000_000, "Keys": keys, "SequenceNumber": sequence,
            "SizeBytes": 100, "StreamViewType": "NEW_IMAGE"
        }
    })
}

async fn drained(world: &World, event: Value) -> Result<Value, drain::Unreadable> {
    drain::handle(&world.host, &world.wakes, event, world.deadline()).await
}

fn failures(items: &[&str]) -> Value {
    let failures: Vec<_> = items.iter().map(|item| json!({"itemIdentifier": item})).collect();
    json!({"batchItemFailures": failures})
}
