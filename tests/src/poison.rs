//! Events that cannot be processed: an error, a panic, a result that fits nowhere; under each policy the entity's
//! other events and all other entities are unaffected.

use serde_json::{Value, json};
use shared::client::Mode;
use shared::envelope::EntityId;
use shared::limits::{self, Settings};
use shared::mailbox::image::Lease;

use crate::drive::LEASE_OVER;
use crate::ledger::{ledger, registry, write};
use crate::world::{Reply, World, entity};

async fn world() -> World {
    World::with(registry(), Settings::default()).await
}

fn failures() -> [Value; 6] {
    [
        json!({"type": "fail"}),
        json!({"type": "panic"}),
        json!({"type": "answer", "bytes": limits::REPLY_BYTES}),
        json!({"type": "swell", "bytes": limits::STATE_BYTES}),
        json!({"type": "archive", "bytes": limits::RECORD_BYTES}),
        json!({"type": "burst", "to": "ledger/far", "count": limits::OUTBOX_LENGTH / 2 + 1, "bytes": 1}),
    ]
}

fn assert_failed(reply: &Reply) {
    assert_eq!((reply.status, &reply.body["type"]), (500, &json!("urn:leasebox:event-failed")), "{reply:?}");
    assert!(reply.body["event_id"].is_string(), "{reply:?}");
}

#[tokio::test]
async fn under_park_and_skip_the_entity_goes_on_and_the_dead_letter_holds_envelope_and_cause() {
    let world = world().await;
    for (kind, policy) in [("ledger", "park"), ("skipper", "skip")] {
        for (number, failure) in failures().into_iter().enumerate() {
            let poisoned = entity(kind, &format!("poisoned-{number}"));
            world.event(&poisoned, &write("before")).await;
            let reply = world.event(&poisoned, &failure).await;
            assert_failed(&reply);
            let letter = world.dead_letter(&poisoned, 2).await.unwrap();
            assert_eq!((&letter["body"], &letter["policy"]), (&failure, &json!(policy)));
            assert!(!letter["cause"].as_str().unwrap().is_empty());
            let event_id = reply.body["event_id"].as_str().unwrap();
            let standing = world.standing(&poisoned, event_id).await;
            assert_eq!((&standing.body["status"], &standing.body["cause"]), (&json!("dead"), &letter["cause"]));
            assert_eq!(world.event(&poisoned, &write("after")).await.status, 200);
            assert_eq!(world.entries(&poisoned).await, ["before", "after"]);
            world.idle(&poisoned).await;
        }
    }
}

#[tokio::test]
async fn a_dead_letter_is_found_when_its_outcome_is_no_longer_recent() {
    let world = world().await;
    let poisoned = ledger("poisoned");
    let reply = world.event(&poisoned, &json!({"type": "fail"})).await;
    for _ in 0..30 {
        world.event(&poisoned, &write("later")).await;
    }
    let standing = world.standing(&poisoned, reply.body["event_id"].as_str().unwrap()).await;
    assert_eq!((standing.status, &standing.body["status"]), (200, &json!("dead")));
}

#[tokio::test]
async fn the_envelopes_around_a_poisonous_one_are_applied_in_order() {
    let world = world().await;
    let poisoned = ledger("poisoned");
    let events = [write("1"), json!({"type": "panic"}), write("2"), json!({"type": "fail"}), write("3")];
    let path = format!("/entities/{poisoned}/events");
    let reply = world.post(&path, &json!(events).to_string()).await;
    let statuses: Vec<_> = reply.body.as_array().unwrap().iter().map(|receipt| receipt["status"].clone()).collect();
    assert_eq!(statuses, ["processed", "dead", "processed", "dead", "processed"]);
    assert_eq!(world.entries(&poisoned).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_key_gets_the_same_failure_again_and_runs_nothing_again() {
    let world = world().await;
    let path = "/entities/ledger/keyed/events";
    let headers = [("idempotency-key", "k")];
    let first = world.http("POST", path, &headers, r#"{"type":"fail"}"#).await;
    assert_failed(&first);
    let again = world.http("POST", path, &headers, r#"{"type":"fail"}"#).await;
    assert_failed(&again);
    assert_eq!(first.body["event_id"], again.body["event_id"]);
    assert!(world.dead_letter(&ledger("keyed"), 2).await.is_none());
}

#[tokio::test]
async fn under_block_the_entity_stops_keeps_what_is_posted_and_others_go_on() {
    let world = world().await;
    let blocked = entity("blocker", "blocked");
    world.event(&blocked, &write("before")).await;
    let stuck = world.event(&blocked, &json!({"type": "panic"})).await;
    assert_eq!((stuck.status, &stuck.body["status"]), (202, &json!("queued")), "{stuck:?}");
    let later = world.event(&blocked, &write("later")).await;
    assert_eq!((later.status, &later.body["position"]), (202, &json!(1)), "{later:?}");

    let mailbox = world.mailbox(&blocked).await;
    let Some(Lease::Blocked { cause }) = &mailbox.lease else { panic!("{:?}", mailbox.lease) };
    assert!(cause.contains("the test wanted a panic"), "{cause}");
    assert_eq!(world.get("/entities/blocker/blocked").await.body["lock"]["owner"], "blocked");
    // Neither the stream nor time releases it.
    let after = world.later(10 * LEASE_OVER);
    after.stream(&[&blocked]).await;
    assert_eq!((after.mailbox(&blocked).await, after.wakes.take()), (mailbox, Vec::new()));
    assert_eq!(world.event(&entity("blocker", "other"), &write("x")).await.status, 200);
}

#[tokio::test]
async fn a_state_that_cannot_be_read_blocks_the_entity_and_loses_nothing() {
    let world = world().await;
    let damaged = ledger("damaged");
    world.event(&damaged, &write("x")).await;
    set(&world, &damaged, "SET #state = :value", "state", serde_dynamo::AttributeValue::S("rubbish".into())).await;
    let reply = world.event(&damaged, &write("y")).await;
    assert_eq!((reply.status, &reply.body["status"]), (202, &json!("queued")));
    let mailbox = world.mailbox(&damaged).await;
    assert!(matches!(mailbox.lease, Some(Lease::Blocked { .. })), "{mailbox:?}");
    assert_eq!((mailbox.queue.len(), mailbox.strikes), (1, 0));
    let read = world.get("/entities/ledger/damaged").await;
    assert_eq!((read.status, &read.body["type"]), (500, &json!("urn:leasebox:damaged")));
}

#[tokio::test]
async fn a_state_of_a_newer_program_is_left_to_that_program() {
    let world = world().await;
    let newer = ledger("newer");
    world.event(&newer, &write("x")).await;
    set(&world, &newer, "SET #schema = :value", "schema", serde_dynamo::AttributeValue::N("2".into())).await;
    assert_eq!(world.event(&newer, &write("y")).await.status, 202);
    // However often this program tries, nothing is held against the envelope.
    for round in 1..9 {
        let later = world.later(round * LEASE_OVER);
        later.stream(&[&newer]).await;
        let mailbox = later.mailbox(&newer).await;
        assert_eq!((mailbox.queue.len(), mailbox.strikes, mailbox.head), (1, 0, 1), "round {round}");
    }
    set(&world, &newer, "SET #schema = :value", "schema", serde_dynamo::AttributeValue::N("1".into())).await;
    world.later(10 * LEASE_OVER).stream(&[&newer]).await;
    assert_eq!(world.entries(&newer).await, ["x", "y"]);
}

#[tokio::test]
async fn a_rejection_is_a_reply_and_no_failure() {
    let world = world().await;
    let reply = world.event(&ledger("refused"), &json!({"type": "refuse"})).await;
    assert_eq!((reply.status, &reply.body["type"]), (409, &json!("urn:leasebox:refused")));
    assert!(world.dead_letter(&ledger("refused"), 1).await.is_none());
    assert_eq!(world.submit(&ledger("refused"), Mode::Inline, &[write("x")]).await.len(), 1);
    assert_eq!(world.entries(&ledger("refused")).await, ["x"]);
}

/// The first envelope of a queue is poisonous, and many post behind it at once. It brings the texts that were written.
async fn behind_poison(world: &std::sync::Arc<World>, hot: &EntityId) -> Vec<String> {
    world.submit(hot, Mode::Detached, &[json!({"type": "panic"})]).await;
    let posts = (0..8).map(|client| {
        let (world, hot) = (std::sync::Arc::clone(world), hot.clone());
        tokio::spawn(async move {
            let mut texts = Vec::new();
            for index in 0..11 {
                let text = format!("{client}-{index:02}");
                let reply = world.event(&hot, &write(&text)).await;
                assert!([200, 202].contains(&reply.status), "{reply:?}");
                texts.push(text);
            }
            texts
        })
    });
    let posts: Vec<_> = posts.collect();
    futures::future::join_all(posts).await.into_iter().flat_map(Result::unwrap).collect()
}

/// What one client posted one after the other is there in that order, and everything once.
fn assert_all_in_order(entries: &[String], written: &[String]) {
    let mut sorted = entries.to_vec();
    // Stable, and by the client alone.
    sorted.sort_by_key(|entry| entry.split('-').next().map(str::to_owned));
    assert_eq!(sorted, written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisonous_head_of_a_hot_queue_is_put_away_and_everything_behind_it_is_applied() {
    let world = std::sync::Arc::new(world().await);
    for (kind, policy) in [("ledger", "park"), ("skipper", "skip")] {
        let hot = entity(kind, "hot");
        let written = behind_poison(&world, &hot).await;
        world.work_off().await;
        assert_all_in_order(&world.entries(&hot).await, &written);
        world.idle(&hot).await;
        assert_eq!(world.dead_letter(&hot, 1).await.unwrap()["policy"], policy);
        assert!(world.dead_letter(&hot, 2).await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisonous_head_that_blocks_keeps_everything_behind_it_up_to_the_cap() {
    let world = std::sync::Arc::new(world().await);
    let hot = entity("blocker", "hot");
    let mut written = behind_poison(&world, &hot).await;
    world.work_off().await;
    while world.mailbox(&hot).await.queue.len() < limits::QUEUE_LENGTH {
        let text = format!("8-{:02}", written.len());
        assert_eq!(world.event(&hot, &write(&text)).await.status, 202);
        written.push(text);
    }
    let full = world.mailbox(&hot).await;
    let refused = world.event(&hot, &write("over")).await;
    assert_eq!((refused.status, &refused.body["type"]), (429, &json!("urn:leasebox:mailbox-full")), "{refused:?}");
    assert_eq!(world.mailbox(&hot).await, full);
    assert!(matches!(full.lease, Some(Lease::Blocked { .. })), "{full:?}");
    let bodies: Vec<Value> = full.queue.iter().map(|envelope| serde_json::from_str(&envelope.body).unwrap()).collect();
    assert_eq!((&bodies[0], full.head), (&json!({"type": "panic"}), 0));
    let kept: Vec<String> = bodies[1..].iter().map(|body| body["text"].as_str().unwrap().to_owned()).collect();
    assert_all_in_order(&kept, &written);
    assert!(world.dead_letter(&hot, 1).await.is_none());
}

/// Changes an attribute as no program of this version would.
pub async fn set(
    world: &World,
    entity: &EntityId,
    update: &'static str,
    name: &str,
    value: serde_dynamo::AttributeValue,
) {
    let client = aws_sdk_dynamodb::Client::new(&world.config);
    let key = |value: &str| aws_sdk_dynamodb::types::AttributeValue::S(value.to_owned());
    let request =
        client.update_item().table_name(&world.table).key("pk", key(entity.as_str())).key("sk", key("mailbox"));
    let request = request.update_expression(update).expression_attribute_names(format!("#{name}"), name);
    request.expression_attribute_values(":value", value.into()).send().await.unwrap();
}
