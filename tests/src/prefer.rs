//! Who runs an event and who waits for it: at once, by somebody else, or later.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::host::ReadHost;
use shared::limits::Settings;

use crate::problems::problem;
use crate::stalled::Stalled;
use crate::world::{Reply, World, entity};

const EVENTS: &str = "/entities/counter/alice/events";
const FIVE: &str = r#"{"type":"increment","amount":5}"#;

/// A world in which another process has won the lease of alice with an increment of 1, and stands still.
async fn held() -> (World, Stalled) {
    let world = World::new().await;
    let holder = Stalled::at(&world, &entity("counter", "alice"), &json!({"type": "increment", "amount": 1})).await;
    (world, holder)
}

async fn go_on_soon(holder: Stalled) {
    tokio::time::sleep(Duration::from_millis(300)).await;
    holder.go_on().await;
}

/// Checks a 202: a receipt, and where to ask for it.
fn location(reply: &Reply, position: u64) -> String {
    assert_eq!((reply.status, &reply.body["status"]), (202, &json!("queued")), "{reply:?}");
    assert_eq!((&reply.body["position"], &reply.body["sequence"]), (&json!(position), &json!(position + 1)));
    let location = reply.headers["location"].to_str().unwrap();
    assert_eq!(location, format!("{EVENTS}/{}", reply.body["event_id"].as_str().unwrap()));
    location.to_owned()
}

#[tokio::test]
async fn a_free_entity_is_run_at_once() {
    let world = World::new().await;
    let event = world.post(EVENTS, FIVE).await;
    let id = event.body["event_id"].clone();
    let receipt = json!({"event_id": id, "sequence": 1, "status": "processed", "reply": {"value": 5}});
    assert_eq!((event.status, event.body), (200, receipt.clone()));
    assert_eq!(world.get(&format!("{EVENTS}/{}", id.as_str().unwrap())).await.body, receipt);
    let array = world.post(EVENTS, &format!("[{FIVE},{FIVE}]")).await;
    let values: Vec<&Value> = array.body.as_array().unwrap().iter().map(|one| &one["reply"]["value"]).collect();
    assert_eq!((array.status, values), (200, vec![&json!(10), &json!(15)]));
    for header in ["location", "idempotency-replayed"] {
        assert!(event.headers.get(header).is_none() && array.headers.get(header).is_none(), "{header}");
    }
}

#[tokio::test]
async fn an_event_behind_another_holder_has_a_receipt_that_tells_its_end() {
    let (world, holder) = held().await;
    let first = location(&world.post(EVENTS, FIVE).await, 1);
    let array = world.post(EVENTS, &format!("[{FIVE},{FIVE}]")).await;
    assert_eq!((array.status, array.body.as_array().map(Vec::len)), (202, Some(2)));
    for (receipt, position) in array.body.as_array().unwrap().iter().zip(2..) {
        assert_eq!((&receipt["status"], &receipt["position"]), (&json!("queued"), &json!(position)));
    }
    let queued = world.get(&first).await;
    assert_eq!((queued.status, &queued.body["status"], &queued.body["position"]), (200, &json!("queued"), &json!(1)));
    let status = world.get("/status?user_id=alice").await.body;
    assert_eq!(status["counter"], 0);
    let deltas: Vec<&Value> = status["pending"].as_array().unwrap().iter().map(|event| &event["delta"]).collect();
    assert_eq!(deltas, [&json!(1), &json!(5), &json!(5), &json!(5)]);
    assert!(status["lock"]["owner"].is_string() && status["lock"]["expires_at"].is_string(), "{status}");
    holder.go_on().await;
    let processed = world.get(&first).await;
    assert_eq!((&processed.body["status"], &processed.body["reply"]["value"]), (&json!("processed"), &json!(6)));
    assert_eq!(processed.body.get("position"), None);
    assert_eq!(world.get("/status?user_id=alice").await.body["counter"], 16);
}

#[tokio::test]
async fn the_dialects_wait_for_their_value() {
    let (world, holder) = held().await;
    let (webhook, counter, ()) = futures::join!(
        world.get("/webhook?user_id=alice&delta=5"),
        world.post("/counter/alice/increment", r#"{"amount": 5}"#),
        go_on_soon(holder),
    );
    assert_eq!((webhook.status, counter.status), (200, 200), "{webhook:?} {counter:?}");
    let mut values = [webhook.body["counter"].as_i64(), counter.body["value"].as_i64()];
    values.sort_unstable();
    assert_eq!(values, [Some(6), Some(11)]);
}

#[tokio::test]
async fn the_dialects_do_not_wait_when_they_are_told_so() {
    let (world, holder) = held().await;
    let since = Instant::now();
    let reply = world.http("GET", "/webhook?user_id=alice&delta=5", &[("prefer", "wait=0")], "").await;
    location(&reply, 1);
    let reply = world.http("POST", "/counter/alice/increment", &[("prefer", "respond-async")], "").await;
    location(&reply, 2);
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    holder.go_on().await;
    assert_eq!(world.get("/counter/alice").await.body["value"], 7);
}

#[tokio::test]
async fn a_client_that_waits_gets_the_result_of_another_process() {
    let (world, holder) = held().await;
    let wait = [("prefer", "wait=10")];
    let both = format!("[{FIVE},{FIVE}]");
    let (event, array, ()) = futures::join!(
        world.http("POST", EVENTS, &wait, FIVE),
        world.http("POST", EVENTS, &wait, &both),
        go_on_soon(holder),
    );
    assert_eq!((event.status, &event.body["status"]), (200, &json!("processed")), "{event:?}");
    assert_eq!((array.status, &array.body[1]["status"]), (200, &json!("processed")), "{array:?}");
}

#[tokio::test]
async fn a_wait_ends_when_it_was_to_end() {
    let (world, holder) = held().await;
    let since = Instant::now();
    let reply = world.http("POST", EVENTS, &[("prefer", "wait=1")], FIVE).await;
    location(&reply, 1);
    let waited = since.elapsed();
    assert!((Duration::from_secs(1)..Duration::from_secs(4)).contains(&waited), "{waited:?}");
    drop(holder);
}

#[tokio::test]
async fn what_is_to_be_answered_later_is_never_run_by_the_poster() {
    let world = World::new().await;
    let alice = entity("counter", "alice");
    for (header, position) in [("respond-async", 0), ("Respond-Async, wait=0", 1), ("foo; bar, respond-async", 2)] {
        world.host.store().take();
        let reply = world.http("POST", EVENTS, &[("prefer", header)], FIVE).await;
        location(&reply, position);
        assert_eq!(world.host.store().take().writes, 1, "{header}");
    }
    let mailbox = world.mailbox(&alice).await;
    assert_eq!((mailbox.head, mailbox.queue.len(), mailbox.lease, mailbox.pending), (0, 3, None, true));
    let wait = [("prefer", "respond-async, wait=10")];
    let (waited, _) = futures::join!(world.http("POST", EVENTS, &wait, FIVE), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.stream(&[&alice]).await
    });
    assert_eq!((waited.status, &waited.body["reply"]["value"]), (200, &json!(20)), "{waited:?}");
}

#[tokio::test]
async fn an_event_that_never_existed_is_not_found() {
    let (world, holder) = held().await;
    let queued = world.post(EVENTS, FIVE).await.body["event_id"].as_str().unwrap().to_owned();
    let (sequence, id) = queued.split_once('-').unwrap();
    assert_eq!(sequence, "2");
    let other = id.chars().rev().collect::<String>();
    let never = [
        format!("0-{id}"),
        format!("1-{id}"),
        format!("3-{id}"),
        format!("99-{id}"),
        format!("2-{other}"),
        format!("18446744073709551615-{id}"),
        format!("18446744073709551616-{id}"),
        format!("-1-{id}"),
        format!("02-{id}"),
        format!("+2-{id}"),
        format!("2-{}", id.to_uppercase()),
        format!("2-{id}0"),
        "2".to_owned(),
        "2-".to_owned(),
        "x".to_owned(),
    ];
    let not_found = async |when: &str| {
        for event in never.iter().filter(|event| **event != queued) {
            let reply = world.get(&format!("{EVENTS}/{event}")).await;
            assert_eq!((reply.status, problem(&reply)), (404, "unknown-event"), "{when}: {event}");
        }
    };
    for event in ["%20", "%ff"] {
        let reply = world.get(&format!("{EVENTS}/{event}")).await;
        assert_eq!((reply.status, problem(&reply)), (400, "invalid-request"), "{event}");
    }
    not_found("queued").await;
    holder.go_on().await;
    not_found("processed").await;
    assert_eq!(world.get(&format!("{EVENTS}/{queued}")).await.body["status"], "processed");
}

#[tokio::test]
async fn a_receipt_whose_reply_is_gone_names_the_remedy() {
    let settings = Settings { recent_bytes: 0, ..Settings::default() };
    let world = World::with(crate::app::registry(), settings).await;
    let first = world.post(EVENTS, FIVE).await.body["event_id"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        assert_eq!(world.post(EVENTS, FIVE).await.status, 200);
    }
    let receipt = world.get(&format!("{EVENTS}/{first}")).await;
    assert_eq!((receipt.status, &receipt.body["status"]), (200, &json!("processed")));
    assert_eq!(receipt.body.get("reply"), None);
    assert!(receipt.body["note"].as_str().unwrap().contains("Idempotency-Key"), "{receipt:?}");
}
