//! A stock of one article: what can be reserved is what was delivered.

use serde::{Deserialize, Serialize};
use shared::actor::{Actor, Event, Fault, Rejection, Turn};
use shared::actors::counter::{self, Counter, Increment};
use shared::envelope::EntityId;

pub struct Stock;

#[derive(Default, Serialize, Deserialize)]
pub struct State {
    available: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    Deliver { pieces: u32 },
    Reserve { pieces: u32 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Left {
    pub available: u32,
}

impl Actor for Stock {
    const KIND: &'static str = "stock";
    type State = State;
    type Command = Command;
    type Reply = Left;

    fn handle(state: &State, event: &Event<'_, Command>) -> Result<Turn<Self>, Fault> {
        let available = match event.command {
            Command::Deliver { pieces } => state.available.saturating_add(pieces),
            Command::Reserve { pieces } => match state.available.checked_sub(pieces) {
                Some(left) => left,
                None => return Ok(Turn::reject(out_of_stock(state.available, pieces))),
            },
        };
        let turn = Turn::reply(State { available }, Left { available });
        match event.command {
            Command::Deliver { .. } => Ok(turn),
            // Sent exactly once, after the commit, to another entity: here a counter of all reservations.
            Command::Reserve { pieces } => {
                let all = EntityId::new("counter", "reservations").map_err(|error| Fault::new(error.to_string()))?;
                turn.post::<Counter>(&all, &counter::Command::from(Increment { amount: pieces.into() }))
            }
        }
    }
}

fn out_of_stock(available: u32, pieces: u32) -> Rejection {
    let detail = format!("{pieces} pieces were asked for, {available} are there; reserve fewer");
    Rejection::new("out-of-stock", 409, detail).with("available", available)
}
