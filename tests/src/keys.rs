//! An Idempotency-Key has one effect in 24 hours and always the same answer.

use crate::app;
use futures::future::join_all;
use serde_json::{Value, json};
use shared::limits;

use crate::problems::problem;
use crate::stalled::Stalled;
use crate::world::{Reply, World, entity};

const EVENTS: &str = "/entities/counter/alice/events";

async fn keyed(world: &World, path: &str, key: &str, body: &str) -> Reply {
    world.http("POST", path, &[("idempotency-key", key)], body).await
}

fn replayed(reply: &Reply) -> bool {
    reply.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

fn increments(amounts: &[i64]) -> String {
    let events: Vec<Value> = amounts.iter().map(|amount| json!({"type": "increment", "amount": amount})).collect();
    json!(events).to_string()
}

async fn value(world: &World) -> Value {
    world.get("/counter/alice").await.body["value"].clone()
}

#[tokio::test]
async fn a_repeated_key_gets_the_first_answer_again() {
    let world = World::new().await;
    let event = r#"{"type":"increment","amount":5}"#;
    for (path, body) in [
        ("/webhook?user_id=alice&delta=5", ""),
        ("/counter/alice/increment", r#"{"amount":5}"#),
        (EVENTS, event),
        (EVENTS, "[{\"type\":\"increment\",\"amount\":5},{\"type\":\"increment\"}]"),
    ] {
        let key = format!("{}{}", path.len(), body.len());
        let first = keyed(&world, path, &key, body).await;
        assert!(first.status == 200 && !replayed(&first), "{first:?}");
        let before = value(&world).await;
        // Others come between, so that the reply is long gone from the item.
        for _ in 0..40 {
            assert_eq!(world.post("/counter/alice/increment", r#"{"amount":0}"#).await.status, 200);
        }
        let quoted = format!("\"{key}\"");
        for (key, body) in [(&key, body.to_owned()), (&quoted, body.replace(',', " ,\n "))] {
            let again = keyed(&world, path, key, &body).await;
            assert_eq!((again.status, &again.body), (200, &first.body), "{path}");
            assert!(replayed(&again), "{path}: {again:?}");
        }
        assert_eq!(value(&world).await, before, "{path}");
    }
}

#[tokio::test]
async fn a_key_belongs_to_its_entity() {
    let world = World::new().await;
    for id in ["alice", "bob"] {
        let reply = keyed(&world, &format!("/counter/{id}/increment"), "k", "").await;
        assert!(reply.status == 200 && !replayed(&reply), "{reply:?}");
    }
}

#[tokio::test]
async fn another_body_under_the_same_key_is_refused() {
    let world = World::new().await;
    keyed(&world, EVENTS, "k", r#"{"type":"increment","amount":5}"#).await;
    for (path, body) in [
        (EVENTS, r#"{"type":"increment","amount":6}"#),
        (EVENTS, r#"{"type":"increment"}"#),
        ("/webhook?user_id=alice&delta=50", ""),
        ("/counter/alice/increment", r#"{"amount":7}"#),
    ] {
        let reply = keyed(&world, path, "k", body).await;
        assert_eq!((reply.status, problem(&reply)), (422, "idempotency-key-reused"), "{path} {body}: {reply:?}");
    }
    assert_eq!(value(&world).await, 5);
    let same = keyed(&world, EVENTS, "k", r#"{"type":"increment","amount":5}"#).await;
    assert!(same.status == 200 && replayed(&same), "the refusals changed nothing: {same:?}");
}

#[tokio::test]
async fn an_array_is_one_post_under_its_key() {
    let world = World::new().await;
    let first = keyed(&world, EVENTS, "k", &increments(&[1, 10, 100])).await;
    assert_eq!((first.status, value(&world).await), (200, json!(111)));
    let others: [&[i64]; 7] =
        [&[1, 10], &[1], &[1, 10, 100, 1000], &[10, 1, 100], &[100, 10, 1], &[1, 10, 101], &[111]];
    for other in others {
        let reply = keyed(&world, EVENTS, "k", &increments(other)).await;
        assert_eq!((reply.status, problem(&reply)), (422, "idempotency-key-reused"), "{other:?}: {reply:?}");
        assert_eq!(value(&world).await, 111, "{other:?}");
    }
    let single = keyed(&world, EVENTS, "k", r#"{"type":"increment","amount":1}"#).await;
    assert_eq!((single.status, problem(&single)), (422, "idempotency-key-reused"));
    let again = keyed(&world, EVENTS, "k", &increments(&[1, 10, 100])).await;
    assert_eq!((again.status, &again.body, replayed(&again)), (200, &first.body, true));
    assert_eq!(value(&world).await, 111);
}

#[tokio::test]
async fn a_refusal_by_the_business_is_kept_like_a_reply() {
    let world = World::new().await;
    world.get(&format!("/webhook?user_id=alice&delta={}", i64::MAX)).await;
    let first = keyed(&world, "/counter/alice/increment", "k", "").await;
    assert_eq!((first.status, problem(&first), replayed(&first)), (422, "counter-overflow", false));
    world.get("/webhook?user_id=alice&delta=-10").await;
    let again = keyed(&world, "/counter/alice/increment", "k", "").await;
    assert_eq!((again.status, &again.body, replayed(&again)), (422, &first.body, true));
    assert_eq!(value(&world).await, i64::MAX - 10);
}

#[tokio::test]
async fn concurrent_posts_of_one_key_have_one_effect_across_processes() {
    let world = World::new().await;
    let other = world.again(app::registry());
    let posts = (0..24).map(|index| {
        let world = if index % 2 == 0 { &world } else { &other };
        keyed(world, "/webhook?user_id=alice&delta=5", "k", "")
    });
    let replies = join_all(posts).await;
    assert_eq!(value(&world).await, 5);
    for reply in &replies {
        assert_eq!((reply.status, &reply.body), (200, &replies[0].body), "{reply:?}");
    }
    assert_eq!(replies.iter().filter(|reply| !replayed(reply)).count(), 1, "one of them had the effect");
}

#[tokio::test]
async fn a_key_that_waits_in_the_queue_is_not_run_twice() {
    let world = World::new().await;
    let alice = entity("counter", "alice");
    let holder = Stalled::at(&world, &alice, &json!({"type": "increment", "amount": 1})).await;
    let mut events = Vec::new();
    for _ in 0..3 {
        let reply = keyed(&world, EVENTS, "k", r#"{"type":"increment","amount":5}"#).await;
        assert_eq!(reply.status, 202, "{reply:?}");
        events.push(reply.body["event_id"].as_str().unwrap().to_owned());
    }
    let different = keyed(&world, EVENTS, "k", r#"{"type":"increment","amount":6}"#).await;
    holder.go_on().await;
    assert_eq!(value(&world).await, 6);
    for event in &events {
        let receipt = world.get(&format!("{EVENTS}/{event}")).await;
        assert_eq!((receipt.status, &receipt.body["reply"]["value"]), (200, &json!(6)), "{receipt:?}");
        assert_eq!(receipt.body["event_id"], events[0].as_str(), "the one that had the effect");
    }
    let refused = world.get(different.headers["location"].to_str().unwrap()).await;
    assert_eq!(refused.body["rejection"]["reason"], "idempotency-key-reused", "{refused:?}");
}

#[tokio::test]
async fn after_its_time_a_key_is_a_new_one() {
    let world = World::new().await;
    let first = keyed(&world, EVENTS, "k", &increments(&[1, 2])).await;
    world.advance(limits::RECEIPT_MS - 60_000);
    let within = keyed(&world, EVENTS, "k", &increments(&[1, 2])).await;
    assert_eq!((&within.body, replayed(&within)), (&first.body, true), "a replay does not prolong it");
    world.advance(60_001);
    let after = keyed(&world, EVENTS, "k", &increments(&[1, 2])).await;
    assert_eq!((after.status, replayed(&after), value(&world).await), (200, false, json!(6)), "{after:?}");
    let again = keyed(&world, EVENTS, "k", &increments(&[1, 2])).await;
    assert_eq!((&again.body, replayed(&again)), (&after.body, true));
    world.advance(limits::RECEIPT_MS + 1);
    let other = keyed(&world, EVENTS, "k", &increments(&[4])).await;
    assert_eq!((other.status, value(&world).await), (200, json!(10)), "another body too: {other:?}");
}
