//! Event sourcing: the form of an actor whose truth is a journal of what has happened to it.
//!
//! Such an actor decides on events and says what follows from one; the rest is done here and in the batch. The state in
//! the mailbox item is a snapshot of what follows from all events, so no command ever waits for a replay. The events are
//! written in one transaction with the commit, under the lease's fence: the journal has an event exactly when the
//! snapshot has it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::actor::{Actor, Effect, Event, Fault, Poison, Rejection, Turn};
use crate::envelope::{EntityId, Millis};
use crate::journal::{Entry, take_apart};
use crate::records::Record;
use crate::registry::Unreadable;

/// One kind of entity with a journal. Who implements it is an [`Actor`], and is registered and asked like any other.
pub trait EventSourced: Sized + 'static {
    /// The kind's name, as [`Actor::KIND`].
    const KIND: &'static str;

    /// The version of `State`'s stored form, as [`Actor::SCHEMA`].
    const SCHEMA: u32 = 1;

    /// The version of `Event`'s stored form. Raise it when an older event no longer deserializes or has come to mean
    /// something else, and say in [`EventSourced::upcast`] how to read the older ones: a journal is never rewritten.
    const EVENTS: u32 = 1;

    /// What happens to an envelope that cannot be processed.
    const POISON: Poison = Poison::Park;

    /// What follows from the events, and all that a decision may hang on. At most 64 KB as stored.
    type State: Clone + Default + Serialize + DeserializeOwned + Send + 'static;

    /// What it is asked to do, as JSON objects tagged by `type`. At most 16 KB each.
    type Command: Serialize + DeserializeOwned;

    /// What may happen to it, as JSON objects tagged by `type`. At most 64 KB each.
    type Event: Serialize + DeserializeOwned;

    /// What it answers a command with, once that is processed. At most 20 KB as stored.
    type Reply: Serialize + DeserializeOwned;

    /// Decides what happens because of a command.
    ///
    /// # Errors
    /// A [`Fault`] when it cannot be decided at all; the kind's poison policy decides then. What the rules of the
    /// business refuse is no fault but a decision: [`Decision::reject`].
    fn decide(now: &Snapshot<Self::State>, command: &Event<'_, Self::Command>) -> Result<Decision<Self>, Fault>;

    /// What follows from one more event. It holds for every event that was ever decided on, whoever reads it and however
    /// much later: it may refuse nothing.
    ///
    /// # Errors
    /// A [`Fault`] when the event cannot have happened in this state: a bug, or a damaged journal.
    fn apply(state: Self::State, event: &Self::Event) -> Result<Self::State, Fault>;

    /// What a command is answered with, once its events are applied.
    fn reply(command: &Event<'_, Self::Command>, after: &Snapshot<Self::State>) -> Self::Reply;

    /// Whether outsiders may post this command, as [`Actor::admits`].
    fn admits(_command: &Self::Command) -> bool {
        true
    }

    /// What the rules refuse whatever the state is, as [`Actor::check`].
    ///
    /// # Errors
    /// The refusal.
    fn check(_entity: &EntityId, _command: &Self::Command) -> Result<(), Rejection> {
        Ok(())
    }

    /// Brings an event, with its `type`, from the form of version `schema` to that of the next version.
    ///
    /// # Errors
    /// A [`Fault`] when there is no way.
    fn upcast(schema: u32, _event: Value) -> Result<Value, Fault> {
        Err(Fault::new(format!("no way to read an event of a {} of schema {schema}", Self::KIND)))
    }

    /// Reads a state that an older version of the kind stored, as [`Actor::upgrade`].
    ///
    /// # Errors
    /// A [`Fault`] when there is no way from `schema` to the present one.
    fn upgrade(schema: u32, _stored: Value) -> Result<Self::State, Fault> {
        Err(Fault::new(format!("no way to read a {} of schema {schema}", Self::KIND)))
    }
}

/// What follows from the first events of a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Snapshot<S> {
    /// How many events the state follows from.
    pub version: u64,
    /// When the last of them was committed; 0 without events.
    pub at: Millis,
    /// The state that follows from the events.
    pub state: S,
}

/// What comes of a command: events, or a refusal; and effects.
#[derive(Debug)]
pub struct Decision<E: EventSourced> {
    verdict: Result<Vec<E::Event>, Rejection>,
    effects: Vec<Effect>,
}

impl<E: EventSourced> Decision<E> {
    /// This happens, in this order; none if the command changes nothing.
    #[must_use]
    pub fn events(events: impl IntoIterator<Item = E::Event>) -> Self {
        Self { verdict: Ok(events.into_iter().collect()), effects: Vec::new() }
    }

    /// The rules of the business refuse the command: nothing happens, and nothing is written to the journal.
    #[must_use]
    pub fn reject(rejection: Rejection) -> Self {
        Self { verdict: Err(rejection), effects: Vec::new() }
    }

    /// Also sends a command to another entity, as [`Turn::post`].
    ///
    /// # Errors
    /// A [`Fault`] when the command does not serialize.
    pub fn post<B: Actor>(mut self, to: &EntityId, command: &B::Command) -> Result<Self, Fault> {
        self.effects.push(Effect::post::<B>(to, command)?);
        Ok(self)
    }

    /// Also writes a side record, as [`Turn::record`].
    ///
    /// # Errors
    /// A [`Fault`] when the record is no map.
    pub fn record<T: Serialize>(mut self, name: &str, record: &T, expires: Option<Millis>) -> Result<Self, Fault> {
        self.effects.push(Effect::Record(Record { expires, ..Record::new(name, record)? }));
        Ok(self)
    }

    /// Also pushes a message to a connection, as [`Turn::push`].
    #[must_use]
    pub fn push(mut self, connection: &str, message: &Value) -> Self {
        self.effects.push(Effect::push(connection, message));
        self
    }
}

impl<E: EventSourced> Actor for E {
    const KIND: &'static str = <E as EventSourced>::KIND;
    const SCHEMA: u32 = <E as EventSourced>::SCHEMA;
    const POISON: Poison = <E as EventSourced>::POISON;
    const JOURNAL: bool = true;
    type State = Snapshot<<E as EventSourced>::State>;
    type Command = <E as EventSourced>::Command;
    type Reply = <E as EventSourced>::Reply;

    fn handle(before: &Self::State, command: &Event<'_, Self::Command>) -> Result<Turn<Self>, Fault> {
        let Decision { verdict, effects } = E::decide(before, command)?;
        let events = match verdict {
            Ok(events) => events,
            Err(rejection) => return Ok(Turn::reject(rejection)),
        };
        let (mut after, mut journal) = (before.clone(), Vec::new());
        for event in &events {
            // A clock that went back must not make what came later look earlier.
            let at = after.at.max(command.now);
            let version = after.version.checked_add(1).ok_or_else(|| Fault::new("no version follows the last one"))?;
            after = Snapshot { version, at, state: E::apply(after.state, event)? };
            let (r#type, payload) = take_apart(event)?;
            let (schema, cause) = (E::EVENTS, command.id);
            journal.push(Entry { version, r#type, schema, at, cause, payload });
        }
        let reply = E::reply(command, &after);
        Ok(Turn { effects, journal, ..Turn::reply(after, reply) })
    }

    fn admits(command: &Self::Command) -> bool {
        <E as EventSourced>::admits(command)
    }

    fn check(entity: &EntityId, command: &Self::Command) -> Result<(), Rejection> {
        <E as EventSourced>::check(entity, command)
    }

    fn upgrade(schema: u32, stored: Value) -> Result<Self::State, Fault> {
        let old: Snapshot<Value> = serde_json::from_value(stored).map_err(|error| Fault::new(error.to_string()))?;
        let state = <E as EventSourced>::upgrade(schema, old.state)?;
        Ok(Snapshot { version: old.version, at: old.at, state })
    }

    fn replay(before: &Self::State, entry: &Entry) -> Result<Self::State, Unreadable> {
        let Entry { version, at, .. } = *entry;
        let damaged = |what: String| Unreadable::Damaged(format!("event {version} of the journal: {what}"));
        if Some(version) != before.version.checked_add(1) {
            return Err(damaged(format!("it follows event {}", before.version)));
        }
        if at < before.at {
            return Err(damaged("it is older than the one before it".to_owned()));
        }
        let event = read::<E>(entry)?;
        let state = E::apply(before.state.clone(), &event).map_err(|fault| damaged(fault.to_string()))?;
        Ok(Snapshot { version, at, state })
    }
}

/// An event of a journal in its present form.
pub(crate) fn read<E: EventSourced>(entry: &Entry) -> Result<E::Event, Unreadable> {
    if entry.schema > E::EVENTS {
        return Err(Unreadable::Newer { stored: entry.schema, known: E::EVENTS });
    }
    let damaged =
        |error: &dyn std::fmt::Display| Unreadable::Damaged(format!("event {} of the journal: {error}", entry.version));
    let upcast = |event, schema| E::upcast(schema, event);
    let event = (entry.schema..E::EVENTS).try_fold(entry.event(), upcast).map_err(|fault| damaged(&fault))?;
    serde_json::from_value(event).map_err(|error| damaged(&error))
}

#[cfg(test)]
mod tests;
