//! An actor whose state is as large as it is told.

use serde::{Deserialize, Serialize};
use shared::actor::{Actor, Event, Fault, Turn};

/// The actor.
#[derive(Debug)]
pub struct Blob;

/// What it remembers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    touched: u64,
    ballast: String,
}

/// What it understands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Have so many bytes.
    Grow {
        /// How many.
        bytes: usize,
    },
    /// Change, and stay as large as it is.
    Touch,
}

/// What it answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Touched {
    /// How often it was touched.
    pub touched: u64,
}

impl Actor for Blob {
    const KIND: &'static str = "blob";
    type State = State;
    type Command = Command;
    type Reply = Touched;

    fn handle(state: &State, event: &Event<'_, Command>) -> Result<Turn<Self>, Fault> {
        let touched = state.touched + 1;
        let ballast = match event.command {
            Command::Grow { bytes } => "x".repeat(bytes),
            Command::Touch => state.ballast.clone(),
        };
        Ok(Turn::reply(State { touched, ballast }, Touched { touched }))
    }
}
