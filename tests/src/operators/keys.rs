//! Redriving what had an idempotency key: the key has one effect, whoever sends it again.

use serde_dynamo::AttributeValue;
use serde_json::{Value, json};
use shared::client::Mode;
use shared::limits;
use shared::mailbox::image::Lease;

use crate::drive::LEASE_OVER;
use crate::ledger::{ledger, write};
use crate::operators::worlds;
use crate::poison::set;
use crate::problems::problem;
use crate::world::{Reply, World};
use testing::faults::Fault;

async fn keyed(world: &World, event: &Value) -> Reply {
    world.http("POST", "/entities/ledger/a/events", &[("idempotency-key", "k")], &event.to_string()).await
}

#[tokio::test]
async fn a_keyed_letter_runs_and_its_key_goes_on_answering_with_the_failure() {
    let (world, broken) = worlds().await;
    let a = ledger("a");
    let failed = keyed(&broken, &write("x")).await;
    assert_eq!(failed.status, 500);
    // Almost as late as the key is remembered.
    let late = world.later(limits::RECEIPT_MS - 60_000);
    let redriven = late.redrive_one(&a, "event-1").await;
    assert_eq!(redriven.status, 200, "{redriven:?}");
    late.work_off().await;
    assert_eq!(world.entries(&a).await, ["x"]);
    let event = redriven.body["event_id"].as_str().unwrap();
    assert_eq!(world.standing(&a, event).await.body["status"], "processed");

    // 24 hours from the redriving the key has had its effect.
    for hours in [24, 30, 47] {
        let again = keyed(&world.later(hours * 3_600_000), &write("x")).await;
        assert_eq!((again.status, problem(&again)), (500, "event-failed"), "after {hours} h: {again:?}");
        assert_eq!(again.body["event_id"], failed.body["event_id"]);
        assert!(again.body["detail"].as_str().unwrap().contains("an operator has redriven it"), "{again:?}");
    }
    let other = keyed(&world.later(47 * 3_600_000), &write("y")).await;
    assert_eq!((other.status, problem(&other)), (422, "idempotency-key-reused"));
    assert_eq!(world.entries(&a).await, ["x"]);
}

#[tokio::test]
async fn a_letter_that_may_have_had_its_effect_is_refused_and_those_behind_it_wait() {
    let (world, broken) = worlds().await;
    let a = ledger("a");
    let headers = [("idempotency-key", "k"), ("prefer", "respond-async")];
    let path = format!("/entities/{a}/events");
    assert_eq!(world.http("POST", &path, &headers, &write("old").to_string()).await.status, 202);
    // It waits longer than its key is remembered, so nobody knows whether the key has had its effect.
    world.later(limits::RECEIPT_MS + 1).stream(&[&a]).await;
    broken.event(&a, &write("2")).await;
    assert_eq!(world.letters(&a).await, ["event-1", "event-2"]);
    let one = world.redrive_one(&a, "event-1").await;
    assert_eq!((one.status, problem(&one)), (409, "doubtful-dead-letter"), "{one:?}");
    let all = world.redrive(&a).await;
    assert_eq!((&all.body["redriven"], &all.body["stopped"]["name"]), (&json!([]), &json!("event-1")));
    assert_eq!(world.operate("DELETE", &format!("dead-letters/{a}/event-1"), "").await.status, 200);
    world.redrive(&a).await;
    world.work_off().await;
    assert_eq!(world.entries(&a).await, ["2"]);
}

#[tokio::test]
async fn a_letter_whose_key_has_had_its_effect_since_is_refused() {
    let (world, broken) = worlds().await;
    keyed(&broken, &write("x")).await;
    let late = world.later(limits::RECEIPT_MS + 1);
    let again = keyed(&late, &write("x")).await;
    assert_eq!(again.status, 200, "the key is forgotten, so this is a new request: {again:?}");
    let refused = late.redrive_one(&ledger("a"), "event-1").await;
    assert_eq!((refused.status, problem(&refused)), (409, "superseded-dead-letter"));
    assert_eq!(refused.body["event_id"], again.body["event_id"]);
    assert_eq!(world.entries(&ledger("a")).await, ["x"]);
}

#[tokio::test]
async fn a_key_that_stands_for_another_request_by_now_is_left_to_that() {
    let (world, broken) = worlds().await;
    keyed(&broken, &write("x")).await;
    let late = world.later(limits::RECEIPT_MS + 1);
    let other = keyed(&late, &write("y")).await;
    assert_eq!(late.redrive_one(&ledger("a"), "event-1").await.status, 200);
    late.work_off().await;
    assert_eq!(world.entries(&ledger("a")).await, ["y", "x"]);
    let again = keyed(&late, &write("y")).await;
    assert_eq!((again.status, &again.body["event_id"]), (200, &other.body["event_id"]));
}

#[tokio::test]
async fn what_only_repeats_a_key_is_answered_and_no_letter() {
    let (world, _) = worlds().await;
    let a = ledger("a");
    let first = keyed(&world, &write("x")).await;
    let headers = [("idempotency-key", "k"), ("prefer", "respond-async")];
    let repeated = world.http("POST", &format!("/entities/{a}/events"), &headers, &write("x").to_string()).await;
    assert_eq!(repeated.status, 202);
    // Holders die before they commit it, more often than the poison policy allows.
    for death in 0..2 * limits::STRIKES {
        let holder = world.later(death * LEASE_OVER);
        holder.faults.arm(if death < 2 { 3 } else { 4 }, Fault::DiesBefore);
        assert!(holder.until_death(holder.stream(&[&a])).await.is_none(), "death {death}");
        assert!(world.mailbox(&a).await.pending);
    }
    world.later(2 * limits::STRIKES * LEASE_OVER).stream(&[&a]).await;
    assert_eq!(world.letters(&a).await, Vec::<String>::new());
    let standing = world.standing(&a, repeated.body["event_id"].as_str().unwrap()).await;
    assert_eq!((&standing.body["status"], &standing.body["event_id"]), (&json!("processed"), &first.body["event_id"]));
    world.submit(&a, Mode::Inline, &[write("y")]).await;
    assert_eq!(world.entries(&a).await, ["x", "y"]);
}

#[tokio::test]
async fn what_only_repeats_a_key_is_answered_also_by_an_operator_who_parks_it() {
    let (world, _) = worlds().await;
    let a = ledger("a");
    let first = keyed(&world, &write("x")).await;
    let state = world.mailbox(&a).await.state.unwrap();
    set(&world, &a, "SET #state = :value", "state", AttributeValue::S("rubbish".to_owned())).await;
    let repeated = keyed(&world, &write("x")).await;
    assert_eq!(repeated.status, 202, "{repeated:?}");
    assert!(matches!(world.mailbox(&a).await.lease, Some(Lease::Blocked { .. })));
    set(&world, &a, "SET #state = :value", "state", state).await;
    let resumed = world.operate("POST", &format!("resume/{a}"), r#"{"head":"park"}"#).await;
    assert_eq!((resumed.status, &resumed.body["parked"]), (200, &Value::Null), "{resumed:?}");
    world.work_off().await;
    assert_eq!(world.letters(&a).await, Vec::<String>::new());
    let standing = world.standing(&a, repeated.body["event_id"].as_str().unwrap()).await;
    assert_eq!((&standing.body["status"], &standing.body["event_id"]), (&json!("processed"), &first.body["event_id"]));
    assert_eq!(world.entries(&a).await, ["x"]);
}
