//! An actor for tests: it takes texts of any length, and has an event that is not for outsiders.

use kinds::account::Account;
use kinds::counter::Counter;
use leasebox::schemars;
use serde::{Deserialize, Serialize};
use shared::actor::{Actor, Event, Fault, Turn};
use shared::registry::{Kind, Registry};

/// Counts the characters that were ever written to it.
pub struct Scribe;

#[derive(Serialize, Deserialize, leasebox::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    Write { text: String },
    Erase,
}

impl Actor for Scribe {
    const KIND: &'static str = "scribe";
    type State = usize;
    type Command = Command;
    type Reply = usize;

    fn handle(state: &usize, event: &Event<'_, Command>) -> Result<Turn<Self>, Fault> {
        let length = match &event.command {
            Command::Write { text } => state + text.len(),
            Command::Erase => 0,
        };
        Ok(Turn::reply(length, length))
    }

    fn admits(command: &Command) -> bool {
        !matches!(command, Command::Erase)
    }
}

/// The account, the counter and the scribe.
pub fn registry() -> Registry {
    Registry::new([Kind::of::<Account>(), Kind::of::<Counter>(), Kind::of::<Scribe>()])
}
