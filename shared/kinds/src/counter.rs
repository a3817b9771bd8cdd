//! The counter: the simplest actor there is, behind `/webhook` and `/counter`.

pub mod answers;
mod routes;

use serde::{Deserialize, Serialize};

use leasebox::schemars::{self, JsonSchema};
use leasebox::{Actor, App, Event, Fault, Rejection, Role, Turn};

/// Adds the counter and its routes.
pub(crate) fn add<R: Role>(app: App<R>) -> App<R> {
    routes::add(app.kind::<Counter>())
        .hint("curl '{base}/webhook?user_id=alice&delta=5'")
        .hint("curl '{base}/status?user_id=alice'")
        .hint("curl -X POST {base}/counter/my-counter/increment -d '{\"amount\": 5}'")
}

/// A counter of 64 signed bits.
#[derive(Debug)]
pub struct Counter;

/// What a counter remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct State {
    /// The sum of all increments.
    pub value: i64,
}

/// What a counter understands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Adds an amount to the counter.
    Increment(Increment),
}

/// Adds to the counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Increment {
    /// How much to add, 1 when it is left out; below zero it subtracts.
    #[serde(default = "one")]
    pub amount: i64,
}

fn one() -> i64 {
    1
}

impl From<Increment> for Command {
    fn from(increment: Increment) -> Self {
        Self::Increment(increment)
    }
}

/// What a counter answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// The value after the increment.
    pub value: i64,
}

impl Actor for Counter {
    const KIND: &'static str = "counter";
    type State = State;
    type Command = Command;
    type Reply = Reply;

    fn handle(state: &State, event: &Event<'_, Command>) -> Result<Turn<Self>, Fault> {
        let Command::Increment(Increment { amount }) = event.command;
        Ok(match state.value.checked_add(amount) {
            Some(value) => Turn::reply(State { value }, Reply { value }),
            None => Turn::reject(overflow(state.value, amount)),
        })
    }
}

fn overflow(value: i64, amount: i64) -> Rejection {
    let detail = format!("adding {amount} to {value} leaves the range of 64 signed bits; the counter is unchanged");
    Rejection::new("counter-overflow", 422, detail).with("value", value).with("amount", amount)
}
