//! What operators do: nothing is lost by it and nothing happens twice, whoever repeats it, whatever fails, and however
//! many do it at once.

mod effects;
mod faults;
mod guard;
mod keys;
mod letters;
mod redrive;
mod resume;
mod stuck;
mod sweep;

use std::marker::PhantomData;

use kinds::counter::Counter;
use serde_json::Value;
use shared::actor::{Actor, Event, Fault, Poison, Turn};
use shared::envelope::EntityId;
use shared::limits::Settings;
use shared::registry::{Kind, Registry};

use crate::ledger::{Blocks, Command, Parks, Policy, Reply as LedgerReply, Skips, State, registry};
use crate::world::{OPERATOR, Reply, World};

/// A ledger of a program with a bug: it can process nothing.
struct Broken<P>(PhantomData<P>);

impl<P: Policy> Actor for Broken<P> {
    const KIND: &'static str = P::KIND;
    const POISON: Poison = P::POISON;
    type State = State;
    type Command = Command;
    type Reply = LedgerReply;

    fn handle(_: &State, _: &Event<'_, Command>) -> Result<Turn<Self>, Fault> {
        Err(Fault::new("the program is broken"))
    }
}

/// The kinds of a program that can process nothing.
pub fn broken_registry() -> Registry {
    Registry::new([
        Kind::of::<Counter>(),
        Kind::of::<Broken<Parks>>(),
        Kind::of::<Broken<Skips>>(),
        Kind::of::<Broken<Blocks>>(),
    ])
}

/// A world whose program is sound, and another process over its table whose program is broken.
pub async fn worlds() -> (World, World) {
    let world = World::with(registry(), Settings::default()).await;
    let broken = world.again(broken_registry());
    (world, broken)
}

impl World {
    /// Sends an operator's request.
    pub async fn operate(&self, method: &str, path: &str, body: &str) -> Reply {
        self.http(method, &format!("/operator/{path}"), &OPERATOR, body).await
    }

    /// The names of an entity's dead letters, in order.
    async fn letters(&self, entity: &EntityId) -> Vec<String> {
        let page = self.operate("GET", &format!("dead-letters/{entity}?limit=100"), "").await;
        assert_eq!((page.status, &page.body["cursor"]), (200, &Value::Null), "{page:?}");
        names(&page.body["items"])
    }

    /// Redrives all of an entity's dead letters.
    async fn redrive(&self, entity: &EntityId) -> Reply {
        self.operate("POST", &format!("dead-letters/{entity}/redrive"), "").await
    }

    /// Redrives one of them.
    async fn redrive_one(&self, entity: &EntityId, name: &str) -> Reply {
        self.operate("POST", &format!("dead-letters/{entity}/{name}/redrive"), "").await
    }
}

/// The names of letters in an answer.
fn names(letters: &Value) -> Vec<String> {
    letters.as_array().unwrap().iter().map(|letter| letter["name"].as_str().unwrap().to_owned()).collect()
}
