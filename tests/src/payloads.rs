//! Every payload in `events/` goes through the function that it is named after.

use std::collections::BTreeSet;
use std::path::Path;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::client::Mode;
use shared::envelope::{Draft, Owner};
use shared::mailbox::post::{Posted, Posting, Room, Tries, post};
use web::route::Function;

use crate::problems::problem;
use crate::world::{Reply, World, deployed, entity};

/// The payloads that the tests below use.
const USED: [(&str, &str); 29] = [
    ("drain-stream", include_str!("../../events/drain-stream.json")),
    ("drain-wake", include_str!("../../events/drain-wake.json")),
    ("ingest-account-open", include_str!("../../events/ingest-account-open.json")),
    ("ingest-entities-array", include_str!("../../events/ingest-entities-array.json")),
    ("ingest-entities-event", include_str!("../../events/ingest-entities-event.json")),
    ("ingest-increment", include_str!("../../events/ingest-increment.json")),
    ("ingest-increment-backslashes", include_str!("../../events/ingest-increment-backslashes.json")),
    ("ingest-increment-base64", include_str!("../../events/ingest-increment-base64.json")),
    ("ingest-increment-dot-segments", include_str!("../../events/ingest-increment-dot-segments.json")),
    ("ingest-message-dot-segment", include_str!("../../events/ingest-message-dot-segment.json")),
    ("ingest-operator-sweep", include_str!("../../events/ingest-operator-sweep.json")),
    ("ingest-socket-authorizer", include_str!("../../events/ingest-socket-authorizer.json")),
    ("ingest-socket-connect", include_str!("../../events/ingest-socket-connect.json")),
    ("ingest-socket-disconnect", include_str!("../../events/ingest-socket-disconnect.json")),
    ("ingest-socket-message", include_str!("../../events/ingest-socket-message.json")),
    ("ingest-sweep-by-default", include_str!("../../events/ingest-sweep-by-default.json")),
    ("ingest-ticket", include_str!("../../events/ingest-ticket.json")),
    ("ingest-transfer", include_str!("../../events/ingest-transfer.json")),
    ("ingest-webhook-get", include_str!("../../events/ingest-webhook-get.json")),
    ("ingest-webhook-no-uri", include_str!("../../events/ingest-webhook-no-uri.json")),
    ("status-account-events", include_str!("../../events/status-account-events.json")),
    ("status-counter-slash", include_str!("../../events/status-counter-slash.json")),
    ("status-list", include_str!("../../events/status-list.json")),
    ("status-not-found", include_str!("../../events/status-not-found.json")),
    ("status-operator-stuck", include_str!("../../events/status-operator-stuck.json")),
    ("status-stuck-by-default", include_str!("../../events/status-stuck-by-default.json")),
    ("status-stuck-head", include_str!("../../events/status-stuck-head.json")),
    ("status-unknown-key", include_str!("../../events/status-unknown-key.json")),
    ("status-user", include_str!("../../events/status-user.json")),
];

/// One of them.
pub fn payload(name: &str) -> &'static str {
    USED.iter().find(|(used, _)| *used == name).map(|(_, text)| *text).unwrap()
}

/// One of them, sent by another route.
pub fn payload_by(name: &str, key: &str, path: &str, query: &str) -> Value {
    let mut event: Value = serde_json::from_str(payload(name)).unwrap();
    (event["routeKey"], event["requestContext"]["routeKey"]) = (json!(key), json!(key));
    (event["rawPath"], event["requestContext"]["http"]["path"]) = (json!(path), json!(path));
    event["rawQueryString"] = json!(query);
    event
}

async fn ingested(world: &World, name: &str) -> Reply {
    world.invoke(Function::Ingest, &deployed(), payload(name)).await
}

async fn shown(world: &World, name: &str) -> Reply {
    world.invoke(Function::Status, &deployed(), payload(name)).await
}

async fn drained(world: &World, name: &str) -> Value {
    let event = serde_json::from_str(payload(name)).unwrap();
    drain::handle(&world.host, &world.wakes, event, world.deadline()).await.unwrap()
}

#[test]
fn every_payload_is_used() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let there = folder.read_dir().unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let used = USED.iter().map(|(name, _)| format!("{name}.json"));
    assert_eq!(there.collect::<BTreeSet<_>>(), used.collect());
    // This file itself, without the table above, and its neighbours: each payload is named once more, where it is used.
    let (_, tests) = include_str!("payloads.rs").split_once("async fn ingested").unwrap();
    let tests = [tests, include_str!("invocations.rs"), include_str!("doors.rs")].concat();
    for (name, _) in USED {
        assert!(tests.contains(&format!("\"{name}\"")), "no test uses {name}");
    }
}

#[tokio::test]
async fn ingest_takes_what_api_gateway_sends() {
    let world = World::new().await;
    let webhook = ingested(&world, "ingest-webhook-get").await;
    assert_eq!((webhook.status, &webhook.body["user_id"], &webhook.body["counter"]), (200, &json!("alice"), &json!(5)));
    let counter = |value: i64| json!({"counter_id": "my-counter", "value": value});
    let plain = ingested(&world, "ingest-increment").await;
    assert_eq!((plain.status, plain.body), (200, counter(5)));
    let base64 = ingested(&world, "ingest-increment-base64").await;
    assert_eq!((base64.status, base64.body), (200, counter(10)));
    let event = ingested(&world, "ingest-entities-event").await;
    assert_eq!((event.status, &event.body["reply"]), (200, &json!({"value": 10})));
    let again = ingested(&world, "ingest-entities-event").await;
    assert_eq!((again.status, &again.body), (200, &event.body), "the payload carries a key");
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let array = ingested(&world, "ingest-entities-array").await;
    let queued: Vec<_> = array.body.as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect();
    assert_eq!((array.status, queued), (202, vec!["queued"; 3]));
    world.stream(&[&entity("counter", "alice")]).await;
    assert_eq!(world.get("/counter/alice").await.body["value"], 10 + 5 + 1 - 2);
}

#[tokio::test]
async fn the_bank_takes_what_api_gateway_sends() {
    let world = World::new().await;
    world.open_account("bob", 0).await;
    let opened = ingested(&world, "ingest-account-open").await;
    let alice = json!({"account_id": "alice", "owner": "Alice", "balance": 100, "version": 1});
    assert_eq!((opened.status, opened.body), (200, alice));
    let sent = ingested(&world, "ingest-transfer").await;
    assert_eq!((sent.status, &sent.body["status"]), (200, &json!("completed")), "{sent:?}");
    let journal = shown(&world, "status-account-events").await;
    let types: Vec<_> =
        journal.body["items"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!((journal.status, types), (200, vec!["AccountOpened", "MoneyWithdrawn"]), "{:?}", journal.body);
}

#[tokio::test]
async fn status_shows_what_api_gateway_asks_for() {
    let world = World::new().await;
    let unknown = shown(&world, "status-user").await;
    assert_eq!((unknown.status, problem(&unknown)), (404, "unknown-entity"));
    ingested(&world, "ingest-webhook-get").await;
    let alice = json!({"user_id": "alice", "counter": 5, "pending": [], "lock": null});
    let user = shown(&world, "status-user").await;
    assert_eq!((user.status, &user.body), (200, &alice));
    let list = shown(&world, "status-list").await;
    assert_eq!((list.status, list.body), (200, json!({"items": [alice], "cursor": null})));
    let nowhere = shown(&world, "status-not-found").await;
    assert_eq!((nowhere.status, problem(&nowhere)), (404, "unknown-path"));
}

#[tokio::test]
async fn an_operator_whose_request_is_signed_is_answered() {
    let world = World::new().await;
    let event = json!({"type": "increment", "amount": 5});
    world.submit(&entity("counter", "alice"), Mode::Detached, &[event]).await;
    let stuck = shown(&world, "status-operator-stuck").await;
    assert_eq!((stuck.status, &stuck.body["items"][0]["entity"]), (200, &json!("counter/alice")), "{stuck:?}");
    let swept = ingested(&world, "ingest-operator-sweep").await;
    assert_eq!((swept.status, &swept.body["ran"]), (200, &json!(1)), "{swept:?}");
    assert_eq!(shown(&world, "status-operator-stuck").await.body, json!({"items": [], "cursor": null}));
}

#[tokio::test]
async fn drain_runs_what_the_stream_shows() {
    let world = World::new().await;
    let users = ["alice", "bob"].map(|id| entity("counter", id));
    for user in &users {
        world.submit(user, Mode::Detached, &[json!({"type": "increment", "amount": 5})]).await;
    }
    assert_eq!(drained(&world, "drain-stream").await, json!({"batchItemFailures": []}));
    for user in &users {
        let mailbox = world.mailbox(user).await;
        assert_eq!((mailbox.head, mailbox.pending, mailbox.lease), (1, false, None), "{user}");
    }
    let idle = world.mailbox(&users[0]).await.version;
    assert_eq!(drained(&world, "drain-stream").await, json!({"batchItemFailures": []}), "delivered once more");
    assert_eq!(world.mailbox(&users[0]).await.version, idle);
}

#[tokio::test]
async fn drain_replaces_the_very_lease_that_a_wake_names() {
    let world = World::new().await;
    let alice = entity("counter", "alice");
    let event: Value = serde_json::from_str(payload("drain-wake")).unwrap();
    let wake: Value = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
    let me: Owner = wake["lease"]["owner"].as_str().unwrap().parse().unwrap();
    let drafts =
        [Draft { body: json!({"type": "increment", "amount": 5}).to_string(), keyed: None, from: None, trace: None }];
    let posting =
        Posting { entity: &alice, drafts: &drafts, owner: Some(me), room: Room::Queue, deadline: world.deadline() };
    assert!(matches!(post(&world.host, posting, &mut Tries::default()).await.unwrap(), Posted::Stored(_)));
    assert_eq!(drained(&world, "drain-wake").await, json!({"batchItemFailures": []}));
    assert_eq!(world.mailbox(&alice).await.head, 0, "the lease was renewed since the wake was sent");
    let until = wake["lease"]["until"].to_string();
    aws_sdk_dynamodb::Client::new(&world.config)
        .update_item()
        .table_name(&world.table)
        .key("pk", AttributeValue::S(alice.to_string()))
        .key("sk", AttributeValue::S("mailbox".to_owned()))
        .update_expression("SET #lease.#until = :until")
        .expression_attribute_names("#lease", "lease")
        .expression_attribute_names("#until", "until")
        .expression_attribute_values(":until", AttributeValue::N(until))
        .send()
        .await
        .unwrap();
    assert_eq!(drained(&world, "drain-wake").await, json!({"batchItemFailures": []}));
    let mailbox = world.mailbox(&alice).await;
    assert_eq!((mailbox.head, mailbox.pending, mailbox.lease), (1, false, None));
}
