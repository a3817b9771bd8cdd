//! A kind for the tests of this crate, which knows none of those that are built on it.

use serde::{Deserialize, Serialize};

use crate::actor::{Actor, Event, Fault, Rejection, Turn};
use crate::envelope::EntityId;

/// A counter, as small as an actor gets.
#[derive(Debug)]
pub(crate) struct Counter;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) value: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Command {
    Increment { amount: i64 },
}

impl Actor for Counter {
    const KIND: &'static str = "counter";
    type State = State;
    type Command = Command;
    type Reply = State;

    fn handle(state: &State, event: &Event<'_, Command>) -> Result<Turn<Self>, Fault> {
        let Command::Increment { amount } = event.command;
        Ok(match state.value.checked_add(amount) {
            Some(value) => Turn::reply(State { value }, State { value }),
            None => Turn::reject(Rejection::new("counter-overflow", 422, "the counter would leave its range")),
        })
    }
}

/// Has whatever is counted here counted elsewhere, too.
#[derive(Debug)]
pub(crate) struct Forwarder;

impl Actor for Forwarder {
    const KIND: &'static str = "forwarder";
    type State = State;
    type Command = Command;
    type Reply = State;

    fn handle(state: &State, event: &Event<'_, Command>) -> Result<Turn<Self>, Fault> {
        let Command::Increment { amount } = event.command;
        let value = state.value.saturating_add(amount);
        let to = EntityId::new(Counter::KIND, "all").map_err(|error| Fault::new(error.to_string()))?;
        Turn::reply(State { value }, State { value }).post::<Counter>(&to, &event.command)
    }
}
