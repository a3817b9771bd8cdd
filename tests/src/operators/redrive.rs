//! Redriving: in order, exactly once.

use serde_json::{Value, json};
use shared::client::Mode;
use shared::limits::Settings;

use crate::drive::LEASE_OVER;
use crate::ledger::{ledger, registry, write};
use crate::operators::{broken_registry, names, worlds};
use crate::problems::problem;
use crate::stalled::Stalled;
use crate::world::World;

#[tokio::test]
async fn all_are_redriven_in_order_and_once() {
    let (world, broken) = worlds().await;
    let a = ledger("a");
    let before = world.event(&a, &write("before")).await;
    for number in 1..=12 {
        broken.event(&a, &write(&number.to_string())).await;
    }
    world.event(&a, &write("after")).await;
    world.records.take();
    let redriven = world.redrive(&a).await;
    assert_eq!(redriven.status, 200, "{redriven:?}");
    assert_eq!((&redriven.body["stopped"], &redriven.body["more"]), (&Value::Null, &json!(false)));
    let expected: Vec<String> = (2..=13).map(|number| format!("event-{number}")).collect();
    assert_eq!(names(&redriven.body["redriven"]), expected);
    assert_eq!(world.letters(&a).await, Vec::<String>::new());
    let again = world.redrive(&a).await;
    assert_eq!(again.body, json!({"redriven": [], "stopped": null, "more": false}));

    world.work_off().await;
    let entries: Vec<String> = ["before", "after"].map(str::to_owned).into_iter().collect();
    let entries = entries.into_iter().chain((1..=12).map(|number| number.to_string())).collect::<Vec<_>>();
    assert_eq!(world.entries(&a).await, entries);
    world.idle(&a).await;
    // The answer names what the letter has become.
    let event = redriven.body["redriven"][0]["event_id"].as_str().unwrap();
    assert!(event.starts_with("15-"), "{event} after {}", before.body["event_id"]);
    assert_eq!(world.standing(&a, event).await.body["status"], "processed");
}

#[tokio::test]
async fn so_many_are_redriven_as_are_asked_for() {
    let (world, broken) = worlds().await;
    let a = ledger("a");
    for number in 1..=5 {
        broken.event(&a, &write(&number.to_string())).await;
    }
    for left in [3, 1, 0] {
        let part = world.operate("POST", &format!("dead-letters/{a}/redrive?limit=2"), "").await;
        assert_eq!((part.status, &part.body["more"]), (200, &json!(left > 0)), "{part:?}");
        assert_eq!(world.letters(&a).await.len(), left);
    }
    world.work_off().await;
    assert_eq!(world.entries(&a).await, ["1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn operators_at_once_redrive_each_letter_once_and_in_order() {
    let (world, broken) = worlds().await;
    for round in 0..5 {
        let a = ledger(&format!("a-{round}"));
        for number in 1..=8 {
            broken.event(&a, &write(&number.to_string())).await;
        }
        let (left, right) = (world.other(), world.other());
        let (one, other) = tokio::join!(left.redrive(&a), right.redrive(&a));
        assert_eq!((one.status, other.status), (200, 200), "{one:?} {other:?}");
        let mut redriven = names(&one.body["redriven"]);
        redriven.extend(names(&other.body["redriven"]));
        redriven.sort();
        assert_eq!(redriven, (1..=8).map(|number| format!("event-{number}")).collect::<Vec<_>>());
        world.work_off().await;
        assert_eq!(world.entries(&a).await, ["1", "2", "3", "4", "5", "6", "7", "8"]);
    }
}

#[tokio::test]
async fn what_fails_again_is_a_dead_letter_again() {
    let (world, broken) = worlds().await;
    let a = ledger("a");
    broken.event(&a, &write("1")).await;
    assert_eq!(broken.redrive_one(&a, "event-1").await.status, 200);
    broken.work_off().await;
    assert_eq!(world.letters(&a).await, ["event-2"]);
    assert_eq!(world.redrive_one(&a, "event-1").await.status, 404);
    assert_eq!(world.redrive_one(&a, "event-2").await.status, 200);
    world.work_off().await;
    assert_eq!(world.entries(&a).await, ["1"]);
}

#[tokio::test]
async fn a_redriven_event_comes_after_what_waits_and_leaves_the_holder_alone() {
    let (world, broken) = worlds().await;
    let a = ledger("a");
    broken.event(&a, &write("dead")).await;
    let holder = Stalled::at(&world, &a, &write("held")).await;
    world.submit(&a, Mode::Detached, &[write("waiting")]).await;
    let lease = world.mailbox(&a).await.lease;
    assert_eq!(world.redrive_one(&a, "event-1").await.status, 200);
    assert_eq!(world.mailbox(&a).await.lease, lease);
    holder.go_on().await;
    assert_eq!(world.entries(&a).await, ["held", "waiting", "dead"]);
    world.later(LEASE_OVER).work_off().await;
    world.idle(&a).await;
}

#[tokio::test]
async fn a_full_mailbox_refuses_and_the_letter_stays() {
    let world = World::with(registry(), Settings { queue_length: 2, ..Settings::default() }).await;
    let broken = world.again(broken_registry());
    let a = ledger("a");
    for number in 1..=3 {
        broken.event(&a, &write(&number.to_string())).await;
    }
    world.submit(&a, Mode::Detached, &[write("waiting")]).await;
    let all = world.redrive(&a).await;
    assert_eq!((all.status, names(&all.body["redriven"])), (200, vec!["event-1".to_owned()]));
    assert_eq!((&all.body["stopped"]["name"], &all.body["more"]), (&json!("event-2"), &json!(true)));
    let full = world.redrive_one(&a, "event-2").await;
    assert_eq!((full.status, problem(&full)), (429, "mailbox-full"));
    assert_eq!(world.letters(&a).await, ["event-2", "event-3"]);
    world.work_off().await;
    world.redrive(&a).await;
    world.work_off().await;
    assert_eq!(world.entries(&a).await, ["waiting", "1", "2", "3"]);
}
