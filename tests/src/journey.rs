//! One event's whole journey, through the handlers.

use serde_json::json;
use shared::client::Mode;

use crate::world::{World, entity};

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
