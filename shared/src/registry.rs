//! From a kind's name to its actor, with the types taken off: what the protocol runs and what HTTP checks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Deserialize;
use serde_dynamo::AttributeValue;
use serde_json::Value;

use crate::actor::{Actor, Effect, Event, Fault, Poison, Rejection, Turn};
use crate::envelope::{EntityId, Envelope, EventId, Millis};
use crate::journal::Entry;
use crate::limits;
use crate::outcome::Outcome;
use crate::records::{Lookup, Record, Records};

/// The kinds that a process knows.
#[derive(Clone, Debug)]
pub struct Registry {
    /// In the order of their names.
    kinds: Vec<Kind>,
}

impl Registry {
    /// A registry of these kinds; of two with the same name the later one counts.
    #[must_use]
    pub fn new(kinds: impl IntoIterator<Item = Kind>) -> Self {
        let mut registry = Self { kinds: Vec::new() };
        for kind in kinds {
            match registry.place(kind.name) {
                Ok(place) => registry.kinds[place] = kind,
                Err(place) => registry.kinds.insert(place, kind),
            }
        }
        registry
    }

    /// The kind of that name, if it is known here.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<&Kind> {
        self.kinds.get(self.place(name).ok()?)
    }

    /// Where the kind of that name is, or would be.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.kinds.binary_search_by_key(&name, |kind| kind.name)
    }

    /// The names of all kinds, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.kinds.iter().map(|kind| kind.name)
    }
}

/// One kind with its types taken off.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The name of the kind.
    pub name: &'static str,
    /// What happens to an envelope that cannot be processed.
    pub poison: Poison,
    /// Whether its state follows from a journal.
    pub journal: bool,
    parse: fn(&EntityId, &Value) -> Result<Parsed, String>,
    stage: fn(Option<Stored<'_>>) -> Staged,
    lookups: fn(&EntityId, u64, &Envelope, &Records) -> Vec<Lookup>,
    gone: fn(&str) -> Option<String>,
}

/// An actor on stage, or why its state cannot be used.
pub type Staged = Result<Box<dyn Stage>, Unreadable>;

/// An event that an actor understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The command as compact JSON with its defaults filled in: what is stored, and what a key is compared by.
    pub body: String,
    /// Whether outsiders may post it.
    pub admitted: bool,
    /// Why the rules refuse it whatever the state is, if they do.
    pub refused: Option<Rejection>,
}

/// A state as it lies in the mailbox item.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// The version of the kind that wrote it.
    pub schema: u32,
    /// The state as DynamoDB has it.
    pub state: &'a AttributeValue,
}

/// Why a stored state cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A newer version of the kind wrote it, which happens while a deployment rolls: somebody else can read it.
    #[error("the state has schema {stored}, this program knows {known}")]
    Newer {
        /// The version that wrote it.
        stored: u32,
        /// The version that is running.
        known: u32,
    },
    /// It cannot be read by this version, nor by a newer one.
    #[error("the state cannot be read: {0}")]
    Damaged(String),
}

/// An actor on stage: its state between the events of one batch.
pub trait Stage: Send {
    /// Applies one envelope to the state. A fault, also a caught panic, leaves the state as it was.
    ///
    /// # Errors
    /// The fault of the actor, of its panic, or of an envelope that it cannot read.
    fn run(&mut self, entity: &EntityId, sequence: u64, envelope: &Envelope, with: With<'_>) -> Result<Ran, Fault>;

    /// Applies one event of the journal.
    ///
    /// # Errors
    /// When it cannot be read, or does not follow. The state is as it was.
    fn replay(&mut self, entry: &Entry) -> Result<(), Unreadable>;

    /// The state as it is to be stored.
    ///
    /// # Errors
    /// A fault when it does not serialize.
    fn stored(&self) -> Result<AttributeValue, Fault>;

    /// The state for a reader.
    ///
    /// # Errors
    /// A fault when it does not serialize.
    fn view(&self) -> Result<Value, Fault>;

    /// The version of the kind that wrote [`Stage::stored`].
    fn schema(&self) -> u32;
}

/// What an envelope is run with besides: when, and the side records that were looked up.
pub type With<'a> = (Millis, &'a Records);

/// What one envelope made of an actor on stage.
#[derive(Debug)]
pub struct Ran {
    /// How the envelope ended.
    pub outcome: Outcome,
    /// What it does to the world outside the state.
    pub effects: Vec<Effect>,
    /// What it adds to the journal.
    pub journal: Vec<Entry>,
}

impl Kind {
    /// The kind that `A` defines.
    #[must_use]
    pub fn of<A: Actor>() -> Self {
        Self {
            name: A::KIND,
            poison: A::POISON,
            journal: A::JOURNAL,
            parse: parse::<A>,
            stage: stage::<A>,
            lookups: lookups::<A>,
            gone: gone::<A>,
        }
    }

    /// Reads one event that is meant for an entity and gives it its stored form.
    ///
    /// # Errors
    /// A sentence that says what the kind does not understand.
    pub fn parse(&self, entity: &EntityId, event: &Value) -> Result<Parsed, String> {
        (self.parse)(entity, event)
    }

    /// The side records that an envelope is decided with, as far as can be told from those that were found.
    #[must_use]
    pub fn lookups(&self, entity: &EntityId, sequence: u64, envelope: &Envelope, found: &Records) -> Vec<Lookup> {
        (self.lookups)(entity, sequence, envelope, found)
    }

    /// What an entity is to be told when a connection is gone, in its stored form.
    #[must_use]
    pub fn gone(&self, connection: &str) -> Option<String> {
        (self.gone)(connection)
    }

    /// Puts an actor on stage with the state that is stored, or with none.
    ///
    /// # Errors
    /// When the stored state cannot be used.
    pub fn stage(&self, stored: Option<Stored<'_>>) -> Staged {
        (self.stage)(stored)
    }
}

fn lookups<A: Actor>(entity: &EntityId, sequence: u64, envelope: &Envelope, records: &Records) -> Vec<Lookup> {
    let lookups = catch_unwind(AssertUnwindSafe(|| {
        let event = event::<A>(entity, sequence, envelope, (envelope.at, records)).ok()?;
        Some(A::lookups(&event))
    }));
    // What cannot be read, or panics here, shows again when it runs, and is judged there.
    lookups.ok().flatten().unwrap_or_default()
}

fn gone<A: Actor>(connection: &str) -> Option<String> {
    serde_json::to_string(&A::gone(connection)?).ok()
}

/// An envelope as its actor sees it.
fn event<'a, A: Actor>(
    entity: &'a EntityId,
    sequence: u64,
    envelope: &'a Envelope,
    (now, records): With<'a>,
) -> Result<Event<'a, A::Command>, Fault> {
    let command = serde_json::from_str(&envelope.body)
        .map_err(|error| Fault::new(format!("a {} does not understand this event: {error}", A::KIND)))?;
    let id = EventId { sequence, id: envelope.id };
    Ok(Event { entity, id, at: envelope.at, from: envelope.from.as_ref(), command, records, now })
}

fn parse<A: Actor>(entity: &EntityId, event: &Value) -> Result<Parsed, String> {
    let command = A::Command::deserialize(event).map_err(|error| error.to_string())?;
    let body = serde_json::to_string(&command).map_err(|error| error.to_string())?;
    Ok(Parsed { body, admitted: A::admits(&command), refused: A::check(entity, &command).err() })
}

fn stage<A: Actor>(stored: Option<Stored<'_>>) -> Staged {
    let state = match stored {
        None => A::State::default(),
        Some(stored) => read::<A>(stored)?,
    };
    Ok(Box::new(Typed::<A> { state }))
}

fn read<A: Actor>(stored: Stored<'_>) -> Result<A::State, Unreadable> {
    let damaged = |error: &dyn std::fmt::Display| Unreadable::Damaged(error.to_string());
    if stored.schema > A::SCHEMA {
        return Err(Unreadable::Newer { stored: stored.schema, known: A::SCHEMA });
    }
    let state = stored.state.clone();
    if stored.schema == A::SCHEMA {
        return serde_dynamo::from_attribute_value(state).map_err(|error| damaged(&error));
    }
    let old: Value = serde_dynamo::from_attribute_value(state).map_err(|error| damaged(&error))?;
    let upgraded = catch_unwind(|| A::upgrade(stored.schema, old));
    upgraded.unwrap_or_else(|panic| Err(panicked(&*panic))).map_err(|error| damaged(&error))
}

struct Typed<A: Actor> {
    state: A::State,
}

impl<A: Actor> Stage for Typed<A> {
    fn run(&mut self, entity: &EntityId, sequence: u64, envelope: &Envelope, with: With<'_>) -> Result<Ran, Fault> {
        // The state is only borrowed by the actor and replaced after it returned, so a panic leaves it whole.
        let turn = catch_unwind(AssertUnwindSafe(|| {
            let event = event::<A>(entity, sequence, envelope, with)?;
            match A::check(entity, &event.command) {
                Ok(()) => A::handle(&self.state, &event),
                Err(rejection) => Ok(Turn::reject(rejection)),
            }
        }))
        .unwrap_or_else(|panic| Err(panicked(&*panic)))?;
        let outcome = match turn.verdict {
            Ok(reply) => Outcome::Reply(serde_json::to_value(reply).map_err(|error| Fault::new(error.to_string()))?),
            Err(rejection) => Outcome::Rejected(rejection),
        };
        check(&outcome, &turn.effects, &turn.journal)?;
        if let Some(state) = turn.state {
            self.state = state;
        }
        Ok(Ran { outcome, effects: turn.effects, journal: turn.journal })
    }

    fn replay(&mut self, entry: &Entry) -> Result<(), Unreadable> {
        let replayed = catch_unwind(AssertUnwindSafe(|| A::replay(&self.state, entry)));
        self.state = replayed.unwrap_or_else(|panic| Err(Unreadable::Damaged(panicked(&*panic).to_string())))?;
        Ok(())
    }

    fn stored(&self) -> Result<AttributeValue, Fault> {
        serde_dynamo::to_attribute_value(&self.state).map_err(|error| Fault::new(error.to_string()))
    }

    fn view(&self) -> Result<Value, Fault> {
        serde_json::to_value(&self.state).map_err(|error| Fault::new(error.to_string()))
    }

    fn schema(&self) -> u32 {
        A::SCHEMA
    }
}

/// What a panic said, as far as it said anything.
fn panicked(panic: &(dyn std::any::Any + Send)) -> Fault {
    let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Fault::new(format!("the actor panicked: {}", said.unwrap_or("without a message")))
}

/// Limits that one turn must keep by itself, whatever else is in its batch.
fn check(outcome: &Outcome, effects: &[Effect], journal: &[Entry]) -> Result<(), Fault> {
    let reply = outcome.to_json().len();
    if reply > limits::REPLY_BYTES {
        return Err(Fault::new(format!("the reply has {reply} bytes, {} are allowed", limits::REPLY_BYTES)));
    }
    effects.iter().try_for_each(check_effect)?;
    match journal.iter().map(Entry::bytes).max() {
        Some(bytes) if bytes > limits::RECORD_BYTES => {
            Err(Fault::new(format!("an event has {bytes} bytes, {} are allowed", limits::RECORD_BYTES)))
        }
        _ => Ok(()),
    }
}

fn check_effect(effect: &Effect) -> Result<(), Fault> {
    match effect {
        Effect::Post { body, .. } if body.len() > limits::PAYLOAD_BYTES => {
            Err(Fault::new(format!("an effect has {} bytes, {} are allowed", body.len(), limits::PAYLOAD_BYTES)))
        }
        Effect::Record(Record { name, .. }) if name.is_empty() || name.len() > 512 => {
            Err(Fault::new(format!("a record's name has {} bytes, 1 to 512 are allowed", name.len())))
        }
        Effect::Record(Record { item, .. }) if crate::table::item_bytes(item) > limits::RECORD_BYTES => {
            Err(Fault::new(format!("a record has over {} bytes", limits::RECORD_BYTES)))
        }
        Effect::Record(Record { listed: Some(listed), .. }) if listed.rank.is_empty() || listed.rank.len() > 512 => {
            Err(Fault::new(format!("a rank in a list has {} bytes, 1 to 512 are allowed", listed.rank.len())))
        }
        Effect::Post { .. } | Effect::Record(_) | Effect::Push { .. } => Ok(()),
    }
}
