//! One event's whole journey, through the handlers.

use serde_json::json;
use shared::client::Mode;
use shared::host::Host;

use crate::world::{World, entity};

#[tokio::test]
async fn an_idle_event_costs_two_write_units_and_no_read() {
    let world = World::new().await;
    world.get("/webhook?user_id=alice&delta=1").await;
    for expected in 2..40 {
        world.host.store().take();
        let reply = world.get("/webhook?user_id=alice&delta=1").await;
        assert_eq!((reply.status, &reply.body["counter"]), (200, &json!(expected)));
        let total = world.host.store().take();
        assert_eq!((total.write, total.writes, total.reads), (2.0, 2, 0), "event {expected}");
    }
}

#[tokio::test]
async fn a_detached_event_is_run_by_the_stream() {
    let world = World::new().await;
    let alice = entity("counter", "alice");
    world.submit(&alice, Mode::Detached, &[json!({"type": "increment", "amount": 2})]).await;
    assert_eq!(world.mailbox(&alice).await.queue.len(), 1);
    assert_eq!(world.stream(&[&alice]).await, json!({"batchItemFailures": []}));
    let mailbox = world.mailbox(&alice).await;
    assert_eq!((mailbox.head, mailbox.queue.len(), mailbox.pending, mailbox.lease), (1, 0, false, None));
}
