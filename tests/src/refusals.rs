//! Refusals that depend on what the entity holds: a full queue, and a counter at its end.

use serde_json::json;
use shared::limits::Settings;

use crate::problems::problem;
use crate::stalled::Stalled;
use crate::world::{World, entity};

#[tokio::test]
async fn a_full_queue_is_429_and_keeps_nothing_of_the_post() {
    let settings = Settings { queue_length: 3, ..Settings::default() };
    let world = World::with(crate::app::registry(), settings).await;
    let alice = entity("counter", "alice");
    let holder = Stalled::at(&world, &alice, &json!({"type": "increment", "amount": 1})).await;
    let two = r#"[{"type":"increment","amount":10},{"type":"increment","amount":100}]"#;
    assert_eq!(world.post("/entities/counter/alice/events", two).await.status, 202);
    let before = world.mailbox(&alice).await;
    let key = [("idempotency-key", "k")];
    let (inline, array, detached, keyed) = futures::join!(
        world.get("/webhook?user_id=alice&delta=1000"),
        world.post("/entities/counter/alice/events", two),
        world.http("POST", "/counter/alice/increment", &[("prefer", "respond-async")], ""),
        world.http("POST", "/counter/alice/increment", &key, ""),
    );
    for reply in [inline, array, detached, keyed] {
        assert_eq!((reply.status, problem(&reply)), (429, "mailbox-full"), "{reply:?}");
        let seconds: u64 = reply.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
    }
    assert_eq!(world.mailbox(&alice).await, before, "nothing is stored");
    holder.go_on().await;
    assert_eq!(world.get("/counter/alice").await.body["value"], 111);
    let again = world.http("POST", "/counter/alice/increment", &key, "").await;
    assert_eq!((again.status, &again.body["value"]), (200, &json!(112)), "a refused key is not used up");
}

#[tokio::test]
async fn a_full_queue_that_nobody_works_on_is_worked_off() {
    let settings = Settings { queue_length: 2, ..Settings::default() };
    let world = World::with(crate::app::registry(), settings).await;
    for _ in 0..2 {
        let detached = world.http("POST", "/counter/alice/increment", &[("prefer", "respond-async")], "").await;
        assert_eq!(detached.status, 202);
    }
    let reply = world.post("/counter/alice/increment", "").await;
    assert_eq!((reply.status, &reply.body["value"]), (200, &json!(3)));
}

#[tokio::test]
async fn a_counter_that_would_overflow_refuses_and_stays_as_it_is() {
    let world = World::new().await;
    for (id, end, step) in [("top", i64::MAX, 1), ("bottom", i64::MIN, -1)] {
        let filled = world.get(&format!("/webhook?user_id={id}&delta={end}")).await;
        assert_eq!((filled.status, &filled.body["counter"]), (200, &json!(end)));
        let paths = [
            ("/webhook", json!({"user_id": id, "delta": step})),
            (&*format!("/counter/{id}/increment"), json!({"amount": step})),
            (&*format!("/entities/counter/{id}/events"), json!({"type": "increment", "amount": step})),
        ];
        for ((path, body), sequence) in paths.iter().zip(2..) {
            let reply = world.post(path, &body.to_string()).await;
            assert_eq!((reply.status, problem(&reply)), (422, "counter-overflow"), "{reply:?}");
            assert_eq!((&reply.body["value"], &reply.body["amount"]), (&json!(end), &json!(step)));
            let event = reply.body["event_id"].as_str().unwrap();
            assert!(event.starts_with(&format!("{sequence}-")), "{event}");
            let receipt = world.get(&format!("/entities/counter/{id}/events/{event}")).await;
            assert_eq!(receipt.body["rejection"]["reason"], "counter-overflow", "{receipt:?}");
        }
        let back = json!([{"type": "increment", "amount": step}, {"type": "increment", "amount": -step}]);
        let judged = world.post(&format!("/entities/counter/{id}/events"), &back.to_string()).await;
        assert_eq!(judged.status, 200, "the events of an array are judged one by one: {judged:?}");
        assert_eq!(judged.body[0]["rejection"]["status"], 422);
        assert_eq!(judged.body[1]["reply"]["value"], end - step);
    }
}

#[tokio::test]
async fn the_query_of_a_page_is_nothing_to_the_server() {
    let world = World::new().await;
    for path in ["/", "/app.js", "/app.css", "/app.json"] {
        for query in ["?tab=counter", "?utm_source=a&utm_source=b", "?%ff"] {
            assert_eq!(world.get(&format!("{path}{query}")).await.status, 200, "{path}{query}");
        }
    }
    assert_eq!(world.get("/health?tab=counter").await.status, 400);
}
