//! Another process that won an entity's lease and then does nothing, until the test lets it go on.

use serde_json::Value;
use shared::envelope::{Draft, EntityId, Owner};
use shared::host::ReadHost;
use shared::mailbox::post::{Posted, Posting, Room, Tries, post};
use shared::visit::{Held, visit_all};

use crate::world::World;

/// The process, with the lease in its hand.
pub struct Stalled {
    process: World,
    held: Held,
}

impl Stalled {
    /// Posts an event to an idle entity as another process, and stops right after the write.
    pub async fn at(world: &World, entity: &EntityId, event: &Value) -> Self {
        let process = world.again(world.host.registry().clone());
        let me = Owner::new(process.host.now(), process.host.random());
        let drafts = [Draft { body: event.to_string(), keyed: None, from: None, trace: None }];
        let deadline = process.deadline();
        let posting = Posting { entity, drafts: &drafts, owner: Some(me), room: Room::Queue, deadline };
        let Posted::Stored(stored) = post(&process.host, posting, &mut Tries::default()).await.unwrap() else {
            panic!("not stored")
        };
        assert!(stored.image.held_by(&me), "{entity} was not idle");
        Self { process, held: Held { image: stored.image, me } }
    }

    /// Goes on: works off whatever is in the queue by now.
    pub async fn go_on(self) {
        let deadline = self.process.deadline();
        visit_all(&self.process.host, self.held, deadline).await.unwrap();
    }
}
