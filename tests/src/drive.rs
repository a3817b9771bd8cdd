//! What the cloud does around the functions, at the test's pace: the event source mapping, the delayed queue, and the
//! end of a process. And what a test asks when everything is done.

use serde_json::{Value, json};
use shared::envelope::EntityId;
use shared::mailbox::image::Mailbox;
use shared::store::{Consistency, Key, ReadStore};
use shared::table;

use crate::ledger::{State, registry};
use crate::world::{Reply, World};
use shared::host::ReadHost;

/// Past every lease and margin.
pub const LEASE_OVER: u64 = shared::limits::LEASE_MS + shared::limits::MARGIN_MS + 1;

impl World {
    /// Another process with the kinds of the tests.
    pub fn other(&self) -> Self {
        self.again(registry())
    }

    /// Another process, so much later.
    pub fn later(&self, ms: u64) -> Self {
        let other = self.other();
        other.advance(ms);
        other
    }

    /// Posts one event over HTTP.
    pub async fn event(&self, entity: &EntityId, event: &Value) -> Reply {
        self.post(&format!("/entities/{entity}/events"), &event.to_string()).await
    }

    /// Where an event stands, over HTTP.
    pub async fn standing(&self, entity: &EntityId, event_id: &str) -> Reply {
        self.get(&format!("/entities/{entity}/events/{event_id}")).await
    }

    /// What one stream record of this entity makes `drain` do.
    pub async fn look(&self, entity: &EntityId) -> Value {
        self.stream(&[entity]).await
    }

    /// Posts an event and dies right before the first commit: the lease is left behind.
    pub async fn die_holding(&self, entity: &EntityId, event: &Value) {
        let victim = self.other();
        victim.faults.arm(1, testing::Fault::DiesBefore);
        assert!(victim.until_death(victim.event(entity, event)).await.is_none());
        assert!(self.mailbox(entity).await.lease.is_some());
    }

    /// What a ledger holds.
    pub async fn entries(&self, entity: &EntityId) -> Vec<String> {
        self.ledger(entity).await.entries
    }

    /// The state of a ledger.
    pub async fn ledger(&self, entity: &EntityId) -> State {
        let state = self.mailbox(entity).await.state;
        state.map(|state| serde_dynamo::from_attribute_value(state).unwrap()).unwrap_or_default()
    }

    /// Asserts that a mailbox is as an idle one must be, and brings it.
    pub async fn idle(&self, entity: &EntityId) -> Mailbox {
        let mailbox = self.mailbox(entity).await;
        assert_eq!((&mailbox.queue, mailbox.bytes), (&Vec::new(), 0), "{mailbox:?}");
        assert_eq!((&mailbox.lease, mailbox.pending), (&None, false), "{mailbox:?}");
        assert!(mailbox.outbox.is_empty(), "{mailbox:?}");
        assert_eq!((mailbox.attempts, mailbox.running, mailbox.strikes), (0, None, 0), "{mailbox:?}");
        mailbox
    }

    /// An item of the table as it is stored.
    pub async fn item(&self, key: Key) -> Option<serde_dynamo::Item> {
        self.host.store().get(key, Consistency::Strong).await.unwrap().0
    }

    /// A side record of an entity.
    pub async fn record(&self, entity: &EntityId, name: &str) -> Option<Value> {
        let item = self.item(table::record_key(entity, name)).await?;
        Some(serde_dynamo::from_item::<_, Value>(item).unwrap()["record"].clone())
    }

    /// The dead letter of an envelope.
    pub async fn dead_letter(&self, entity: &EntityId, sequence: u64) -> Option<Value> {
        let item = self.item(table::dead_key(entity, sequence)).await?;
        item.get("cause")?;
        let letter: shared::mailbox::view::DeadLetter = serde_dynamo::from_item(item).unwrap();
        let body: Value = serde_json::from_str(&letter.envelope.body).unwrap();
        Some(json!({"body": body, "cause": letter.cause, "policy": letter.policy}))
    }
}
