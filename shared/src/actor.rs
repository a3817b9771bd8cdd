//! What an actor is: a pure function of its state and one event. No I/O, no clock, no randomness.
//!
//! Being pure is what makes everything else cheap: a batch that lost its lease is simply run again, an
//! error or a panic costs nothing, and the same event gives the same effects wherever it runs.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::envelope::{EntityId, EventId, Malformed, Millis};
use crate::journal::Entry;
use crate::limits;
use crate::records::{Lookup, Record, Records};
use crate::registry::Unreadable;

/// One kind of entity, as a pure function of its state and one event.
///
/// A new kind is one file with an implementation of this trait and one line in the app that runs it.
pub trait Actor: Sized + 'static {
    /// The kind's name in ids and paths: 1 to 32 of `a-z`, `0-9` and `-`.
    const KIND: &'static str;

    /// The version of `State`'s stored form. Raise it when an older form no longer deserializes, and
    /// say in [`Actor::upgrade`] how to read the older one.
    const SCHEMA: u32 = 1;

    /// What happens to an envelope that cannot be processed.
    const POISON: Poison = Poison::Park;

    /// What the entity remembers. `Default` is an entity that nothing has happened to yet. At most 64 KB as stored.
    type State: Default + Serialize + DeserializeOwned + Send + 'static;

    /// The events it understands, as JSON objects tagged by `type`. At most 16 KB each.
    type Command: Serialize + DeserializeOwned;

    /// What it answers an event with, once that is processed. At most 20 KB as stored.
    type Reply: Serialize + DeserializeOwned;

    /// Applies one event to the state.
    ///
    /// # Errors
    /// A [`Fault`] when the event cannot be processed at all; the kind's poison policy decides then. What
    /// the rules of the business refuse is no fault but a turn: [`Turn::reject`].
    fn handle(state: &Self::State, event: &Event<'_, Self::Command>) -> Result<Turn<Self>, Fault>;

    /// The side records that an event is decided with. They are read before it runs, and then are in [`Event::records`].
    /// It is asked again with what was found, until it names nothing more, at most [`limits::LOOKUPS`] times.
    fn lookups(_event: &Event<'_, Self::Command>) -> Vec<Lookup> {
        Vec::new()
    }

    /// What the entity is told when a push found that a connection is gone; nothing, unless the kind says otherwise.
    fn gone(_connection: &str) -> Option<Self::Command> {
        None
    }

    /// Whether outsiders may post this event; what they may not is a 403. Other entities may post everything.
    fn admits(_command: &Self::Command) -> bool {
        true
    }

    /// What the rules refuse whatever the state is, such as an amount of zero: outsiders are told before anything is
    /// stored, and a command that came another way is refused before [`Actor::handle`] sees it.
    ///
    /// # Errors
    /// The refusal.
    fn check(_entity: &EntityId, _command: &Self::Command) -> Result<(), Rejection> {
        Ok(())
    }

    /// Reads a state that an older version of the kind stored.
    ///
    /// # Errors
    /// A [`Fault`] when there is no way from `schema` to the present one: the entity is blocked then, and keeps
    /// everything that it has.
    fn upgrade(schema: u32, _stored: Value) -> Result<Self::State, Fault> {
        Err(Fault::new(format!("no way to read a {} of schema {schema}", Self::KIND)))
    }

    /// Whether the state follows from a journal. Set by [`EventSourced`], the form to implement for that.
    ///
    /// [`EventSourced`]: crate::sourced::EventSourced
    const JOURNAL: bool = false;

    /// The state after one more event of the journal.
    ///
    /// # Errors
    /// When there is no journal, or the event cannot be read or does not follow.
    fn replay(_state: &Self::State, _entry: &Entry) -> Result<Self::State, Unreadable> {
        Err(Unreadable::Damaged(format!("a {} keeps no journal", Self::KIND)))
    }
}

/// One event as its actor sees it.
#[derive(Debug)]
pub struct Event<'a, C> {
    /// The entity that processes it.
    pub entity: &'a EntityId,
    /// Its place and id, which never change: what effects get ids of their own from, by [`Event::derive`].
    pub id: EventId,
    /// When it was posted, by the poster's clock.
    pub at: Millis,
    /// The entity whose effect it is; none when an outsider posted it.
    pub from: Option<&'a EntityId>,
    /// What the actor is asked to do.
    pub command: C,
    /// The side records that were looked up for it, as the events before it have left them.
    pub records: &'a Records,
    /// When it is processed: what journal entries get their time from. It is another one when the batch is run again, so
    /// no decision may hang on it.
    pub(crate) now: Millis,
}

impl<C> Event<'_, C> {
    /// Makes an id for something that this event brings into the world, as [`EventId::derive`]: the same one each time the
    /// event is run.
    #[must_use]
    pub fn derive(&self, name: &str) -> String {
        self.id.derive(self.entity, name)
    }
}

/// What an actor makes of one event: a verdict, the new state if there is one, and effects.
#[derive(Debug)]
pub struct Turn<A: Actor> {
    pub(crate) state: Option<A::State>,
    pub(crate) verdict: Result<A::Reply, Rejection>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) journal: Vec<Entry>,
}

impl<A: Actor> Turn<A> {
    /// The event is accepted: this is the new state, and this the answer.
    #[must_use]
    pub fn reply(state: A::State, reply: A::Reply) -> Self {
        Self { state: Some(state), verdict: Ok(reply), effects: Vec::new(), journal: Vec::new() }
    }

    /// The rules of the business refuse the event: the state stays as it is.
    #[must_use]
    pub fn reject(rejection: Rejection) -> Self {
        Self { state: None, verdict: Err(rejection), effects: Vec::new(), journal: Vec::new() }
    }

    /// Also sends a command to another entity (or to itself), exactly once, after the commit.
    ///
    /// # Errors
    /// A [`Fault`] when the command does not serialize.
    pub fn post<B: Actor>(mut self, to: &EntityId, command: &B::Command) -> Result<Self, Fault> {
        self.effects.push(Effect::post::<B>(to, command)?);
        Ok(self)
    }

    /// Also writes a side record of this entity, in one transaction with the commit. `name` is 1 to 512 bytes;
    /// a record of the same name is replaced. `expires` lets DynamoDB delete it some time after that.
    ///
    /// # Errors
    /// A [`Fault`] when the record is no map.
    pub fn record<T: Serialize>(self, name: &str, record: &T, expires: Option<Millis>) -> Result<Self, Fault> {
        let record = Record { expires, ..Record::new(name, record)? };
        Ok(self.write(record))
    }

    /// Also writes a side record of this entity that may stand in a list, in one transaction with the commit.
    #[must_use]
    pub fn write(mut self, record: Record) -> Self {
        self.effects.push(Effect::Record(record));
        self
    }

    /// Also pushes a message to a connection, after the commit and as best effort: it may be lost, never repeated.
    #[must_use]
    pub fn push(mut self, connection: &str, message: &Value) -> Self {
        self.effects.push(Effect::push(connection, message));
        self
    }
}

/// What a turn may do to the world outside its state. No kind can add to these: the protocol has one rule for each.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// Post a command to an entity: durable in the outbox, delivered exactly once and in order per receiver.
    Post {
        /// The entity that receives it.
        to: EntityId,
        /// The command as compact JSON.
        body: String,
    },
    /// Write a side record in one transaction with the commit.
    Record(Record),
    /// Push a message to a connection, best effort.
    Push {
        /// The id of the WebSocket connection.
        connection: String,
        /// The message as JSON text.
        message: String,
    },
}

impl Effect {
    pub(crate) fn post<A: Actor>(to: &EntityId, command: &A::Command) -> Result<Self, Fault> {
        let body = serde_json::to_string(command).map_err(|error| Fault::new(error.to_string()))?;
        Ok(Self::Post { to: to.clone(), body })
    }

    pub(crate) fn push(connection: &str, message: &Value) -> Self {
        Self::Push { connection: connection.to_owned(), message: message.to_string() }
    }
}

/// The rules of the business said no. It is a reply: it is stored, and the same key gets the same answer again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[non_exhaustive]
pub struct Rejection {
    /// A stable name for the reason, in lower case with `-`.
    pub reason: String,
    /// The HTTP status that says the same, 400 to 499.
    pub status: u16,
    /// What is wrong and what would be right, for a person.
    pub detail: String,
    /// Values that a program may want, by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub values: Map<String, Value>,
}

impl Rejection {
    /// A rejection without further values. A status outside 400 to 499 becomes 422.
    #[must_use]
    pub fn new(reason: &str, status: u16, detail: impl Into<String>) -> Self {
        let status = if (400..500).contains(&status) { status } else { 422 };
        Self { reason: reason.to_owned(), status, detail: detail.into(), values: Map::new() }
    }

    /// The refusal of an idempotency key that was used for something else.
    #[must_use]
    pub fn key_reused() -> Self {
        let detail =
            "this Idempotency-Key was used with another body within 24 hours; use a fresh key for a new request";
        Self::new("idempotency-key-reused", 422, detail)
    }

    /// Adds a value that a program may want; one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }
}

/// An event that cannot be processed at all: a bug, or data that the actor does not understand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(String);

impl Fault {
    /// A fault with its cause as a sentence, of which 1 KB is kept.
    #[must_use]
    pub fn new(cause: impl Into<String>) -> Self {
        let mut cause = cause.into();
        // It is stored with the envelope, and must not be what makes the item too large.
        cause.truncate(cause.floor_char_boundary(limits::CAUSE_BYTES));
        Self(cause)
    }
}

/// What happens to an envelope that cannot be processed, after it was run once more alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Poison {
    /// It goes to the dead letters, an alarm is raised, and the entity goes on.
    Park,
    /// It goes to the dead letters without an alarm, and the entity goes on.
    Skip,
    /// The entity stops until an operator releases it; posts are still stored, up to the queue's limit.
    Block,
}

/// What is malformed in what an actor makes is its bug.
impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self::new(malformed.0)
    }
}
