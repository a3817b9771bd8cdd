//! A blocked entity is released, with the event that it blocked on or without it.

use serde_json::json;
use shared::mailbox::image::Lease;

use crate::ledger::{ledger, write};
use crate::operators::worlds;
use crate::problems::problem;
use crate::world::entity;

#[tokio::test]
async fn it_goes_on_with_its_first_event_once_the_program_is_mended() {
    let (world, broken) = worlds().await;
    let blocked = entity("blocker", "a");
    for text in ["1", "2"] {
        assert_eq!(broken.event(&blocked, &write(text)).await.status, 202);
    }
    world.records.take();
    let resumed = world.operate("POST", "resume/blocker/a", "").await;
    assert_eq!(resumed.status, 200, "{resumed:?}");
    assert_eq!((&resumed.body["parked"], &resumed.body["pending"]), (&json!(null), &json!(2)));
    assert!(resumed.body["cause"].as_str().unwrap().contains("the program is broken"), "{resumed:?}");
    // The write itself is what `drain` looks at.
    world.work_off().await;
    assert_eq!(world.entries(&blocked).await, ["1", "2"]);
    world.idle(&blocked).await;
}

#[tokio::test]
async fn it_blocks_again_when_nothing_was_mended() {
    let (world, broken) = worlds().await;
    let blocked = entity("blocker", "a");
    broken.event(&blocked, &write("1")).await;
    for _ in 0..5 {
        assert_eq!(world.operate("POST", "resume/blocker/a", r#"{"head":"retry"}"#).await.status, 200);
        assert_eq!(world.mailbox(&blocked).await.lease, None);
        broken.work_off().await;
        assert!(matches!(world.mailbox(&blocked).await.lease, Some(Lease::Blocked { .. })));
    }
    assert_eq!(world.letters(&blocked).await, Vec::<String>::new());
}

#[tokio::test]
async fn it_goes_on_without_its_first_event() {
    let (world, broken) = worlds().await;
    let blocked = entity("blocker", "a");
    let first = broken.event(&blocked, &json!({"type": "fail"})).await;
    for text in ["1", "2"] {
        broken.event(&blocked, &write(text)).await;
    }
    let resumed = world.operate("POST", "resume/blocker/a", r#"{"head":"park"}"#).await;
    assert_eq!((resumed.status, &resumed.body["parked"]), (200, &json!("event-1")), "{resumed:?}");
    world.work_off().await;
    assert_eq!(world.entries(&blocked).await, ["1", "2"]);
    world.idle(&blocked).await;
    let letter = world.dead_letter(&blocked, 1).await.unwrap();
    assert_eq!((&letter["body"], &letter["policy"]), (&json!({"type": "fail"}), &json!("block")));
    let standing = world.standing(&blocked, first.body["event_id"].as_str().unwrap()).await;
    assert_eq!(standing.body["status"], "dead");
}

#[tokio::test]
async fn the_only_event_may_be_taken_away() {
    let (world, broken) = worlds().await;
    let blocked = entity("blocker", "a");
    let path = format!("/entities/{blocked}/events");
    broken.http("POST", &path, &[("idempotency-key", "k")], &write("1").to_string()).await;
    assert_eq!(world.operate("POST", "resume/blocker/a", r#"{"head":"park"}"#).await.status, 200);
    world.work_off().await;
    world.idle(&blocked).await;
    let again = world.http("POST", &path, &[("idempotency-key", "k")], &write("1").to_string()).await;
    assert_eq!((again.status, problem(&again)), (500, "event-failed"), "the key is answered as a holder would");
    assert_eq!(world.redrive(&blocked).await.status, 200);
    world.work_off().await;
    assert_eq!(world.entries(&blocked).await, ["1"]);
}

#[tokio::test]
async fn operators_at_once_park_one_event_only() {
    let (world, broken) = worlds().await;
    let blocked = entity("blocker", "a");
    for text in ["1", "2", "3"] {
        broken.event(&blocked, &write(text)).await;
    }
    let (left, right) = (world.other(), world.other());
    let park = r#"{"head":"park"}"#;
    let (one, other) =
        tokio::join!(left.operate("POST", "resume/blocker/a", park), right.operate("POST", "resume/blocker/a", park));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{one:?} {other:?}");
    world.work_off().await;
    assert_eq!(
        (world.entries(&blocked).await, world.letters(&blocked).await),
        (vec!["2".to_owned(), "3".to_owned()], vec!["event-1".to_owned()])
    );
}

#[tokio::test]
async fn what_is_not_blocked_is_left_alone() {
    let (world, _) = worlds().await;
    world.event(&ledger("a"), &write("1")).await;
    let before = world.mailbox(&ledger("a")).await;
    for body in ["", r#"{"head":"park"}"#] {
        let reply = world.operate("POST", "resume/ledger/a", body).await;
        assert_eq!((reply.status, problem(&reply)), (409, "not-blocked"));
    }
    assert_eq!(world.mailbox(&ledger("a")).await, before);
    let nobody = world.operate("POST", "resume/ledger/nobody", "").await;
    assert_eq!((nobody.status, problem(&nobody)), (404, "unknown-entity"));
    for wrong in [r#"{"head":"drop"}"#, r#"{"tail":"park"}"#, "[]", "x"] {
        let reply = world.operate("POST", "resume/ledger/a", wrong).await;
        assert_eq!((reply.status, problem(&reply)), (400, "invalid-request"), "{wrong}");
    }
}
