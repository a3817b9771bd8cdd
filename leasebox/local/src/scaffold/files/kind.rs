//! The kind `{{kind}}`: an amount that is added to and taken from, and never falls below zero. Make it yours.

use leasebox::schemars::{self, JsonSchema};
use leasebox::{Actor, Event, Fault, Rejection, Turn};
use serde::{Deserialize, Serialize};

pub struct {{Kind}};

/// What an entity remembers. `Default` is one that nothing has happened to yet.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct State {
    pub amount: u64,
}

/// What it understands, as JSON: `{"type": "add", "amount": 5}`.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    Add { amount: u64 },
    Take { amount: u64 },
}

/// What it answers.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    pub amount: u64,
}

impl Actor for {{Kind}} {
    const KIND: &'static str = "{{kind}}";
    type State = State;
    type Command = Command;
    type Reply = Reply;

    /// A pure function: no clock, no chance, no I/O. One event of an entity runs after the other.
    fn handle(state: &State, event: &Event<'_, Command>) -> Result<Turn<Self>, Fault> {
        let amount = match event.command {
            Command::Add { amount } => state.amount.checked_add(amount),
            Command::Take { amount } => state.amount.checked_sub(amount),
        };
        Ok(match amount {
            Some(amount) => Turn::reply(State { amount }, Reply { amount }),
            None => Turn::reject(out_of_range(state.amount)),
        })
    }
}

/// What the rules refuse is an answer too: the caller gets this status, and the state stays as it is.
fn out_of_range(amount: u64) -> Rejection {
    let detail = format!("there are {amount}, and it stays from 0 to {}", u64::MAX);
    Rejection::new("out-of-range", 409, detail).with("amount", amount)
}
