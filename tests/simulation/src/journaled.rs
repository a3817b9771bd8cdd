//! The event-sourced actor of the simulation: it understands what the logs do, and what it remembers follows from a
//! journal. What a command makes is told by its token, so that the oracle knows it too.

use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::actor::{Event, Fault};
use shared::sourced::{Decision, EventSourced, Snapshot};

use crate::actor::{Add, Command, Log, Manner, Parks, Reply, refuse};

/// The name of the kind.
pub const KIND: &str = "journaled";

/// A log with a journal.
#[derive(Debug)]
pub struct Journaled;

/// What follows from the events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The tokens of the commands, oldest first.
    pub entries: Vec<u64>,
    /// How many notes there were.
    pub notes: u64,
    /// The length of them all, in bytes.
    pub bytes: u64,
}

/// What may happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Happened {
    /// A command was applied.
    Added {
        /// Its token.
        token: u64,
    },
    /// Something that only takes room.
    Noted {
        /// The room.
        text: String,
    },
    /// What no state can take: the command that decides on it is faulty.
    Impossible,
}

/// Notes of a command with many large events: each needs an item of its own, and two such commands do not fit one
/// transaction, so that a batch of them must shrink.
const MANY: usize = 50;
/// The length of each, in bytes: over half of what events may share an item up to.
const LARGE: usize = 2_100;

impl Add {
    /// What happens when it is applied: one event adds its token, up to fifty others take room.
    #[must_use]
    pub fn events(&self) -> Vec<Happened> {
        let token = self.token;
        // The second and third command of an array are such, so that two of them share a batch.
        let notes = if matches!(token % 100, 1 | 2) { MANY } else { usize::try_from(token % 3).unwrap_or_default() };
        let length = match token % 7 {
            _ if notes == MANY => LARGE,
            0 => 1_500,
            1 => 5_000,
            _ => 10,
        };
        let mut events = vec![Happened::Noted { text: "x".repeat(length) }; notes];
        let place = if token % 11 < 5 { 0 } else { notes };
        events.insert(place, Happened::Added { token });
        events
    }
}

impl EventSourced for Journaled {
    const KIND: &'static str = KIND;
    type State = State;
    type Command = Command;
    type Event = Happened;
    type Reply = Reply;

    fn decide(_now: &Snapshot<State>, command: &Event<'_, Command>) -> Result<Decision<Self>, Fault> {
        let Command::Add(add) = &command.command;
        match add.manner {
            Manner::Applied => decided(add),
            Manner::Idle => Ok(Decision::events([])),
            // The first of the two can be applied: nothing of it may stay.
            Manner::Faulty => Ok(Decision::events([Happened::Noted { text: String::new() }, Happened::Impossible])),
            Manner::Refused | Manner::Panicking | Manner::Deadly => refuse(add).map(Decision::reject),
        }
    }

    fn apply(mut state: State, event: &Happened) -> Result<State, Fault> {
        match event {
            Happened::Added { token } => state.entries.push(*token),
            Happened::Noted { text } => {
                state.notes += 1;
                state.bytes += text.len() as u64;
            }
            Happened::Impossible => return Err(Fault::new("the simulation wanted a fault")),
        }
        Ok(state)
    }

    fn reply(command: &Event<'_, Command>, after: &Snapshot<State>) -> Reply {
        let Command::Add(add) = &command.command;
        let place = (add.manner == Manner::Applied).then_some(after.state.entries.len() as u64);
        Reply { token: add.token, place }
    }
}

fn decided(add: &Add) -> Result<Decision<Journaled>, Fault> {
    let mut decision = Decision::events(add.events());
    for (to, told) in add.told_commands() {
        decision = decision.post::<Log<Parks>>(&to, &told)?;
    }
    match &add.file {
        Some(name) => decision.record(name, &json!({"token": add.token}), None),
        None => Ok(decision),
    }
}
