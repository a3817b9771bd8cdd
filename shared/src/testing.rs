//! The test of an actor by itself: no database, no lease, no server, and a clock that stands still.
//!
//! An actor is a pure function, so its test needs nothing but the actor: give it commands, and look at what each of them
//! came to. What runs it is the code that runs it in production: commands and states go through their stored form,
//! [`Actor::check`] and [`Actor::lookups`] are asked, a panic is a [`Fault`], and what exceeds a limit is refused.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use shared::actor::{Actor, Event, Fault, Rejection, Turn};
//! use shared::envelope::EntityId;
//! use shared::testing::TestActor;
//!
//! /// Sells what is there, and puts what was sold on a shelf of its own, to be counted.
//! struct Shop;
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Shelf {
//!     pieces: u32,
//! }
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! #[serde(tag = "type", rename_all = "snake_case")]
//! enum Command {
//!     Fill { pieces: u32 },
//!     Buy,
//! }
//!
//! impl Actor for Shop {
//!     const KIND: &'static str = "shop";
//!     type State = Shelf;
//!     type Command = Command;
//!     type Reply = u32;
//!
//!     fn handle(shelf: &Shelf, event: &Event<'_, Command>) -> Result<Turn<Self>, Fault> {
//!         if let Command::Fill { pieces } = event.command {
//!             return Ok(Turn::reply(Shelf { pieces: shelf.pieces + pieces }, shelf.pieces + pieces));
//!         }
//!         let Some(pieces) = shelf.pieces.checked_sub(1) else {
//!             return Ok(Turn::reject(Rejection::new("sold-out", 409, "the shelf is empty; fill it")));
//!         };
//!         let sold = EntityId::new("shop", "sold").map_err(|error| Fault::new(error.to_string()))?;
//!         Turn::reply(Shelf { pieces }, pieces).post::<Shop>(&sold, &Command::Fill { pieces: 1 })
//!     }
//! }
//!
//! # fn main() -> Result<(), Fault> {
//! let mut shop = TestActor::<Shop>::new("corner");
//! assert_eq!(shop.run(Command::Buy)?.rejection().reason, "sold-out");
//!
//! shop.run(Command::Fill { pieces: 2 })?;
//! let bought = shop.run(Command::Buy)?;
//! assert_eq!(*bought.reply(), 1);
//! assert_eq!(bought.state.pieces, 1);
//! assert_eq!(bought.posts_to::<Shop>(), [("sold".to_owned(), Command::Fill { pieces: 1 })]);
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_dynamo::AttributeValue;
use serde_json::Value;

use crate::actor::{Actor, Effect, Fault};
use crate::batch::{self, Batch, Input, Stop};
use crate::envelope::{EntityId, Envelope, EnvelopeId, EventId, Millis};
use crate::journal::{Entry, take_apart};
use crate::limits;
use crate::lookup;
use crate::mailbox::image::Mailbox;
use crate::outcome::Outcome;
use crate::receipt::Receipts;
use crate::records::{Lookup, Record, Records, Stored};
use crate::registry::{Kind, Ran, Unreadable};
use crate::sourced::EventSourced;

mod tested;

pub use tested::Tested;

/// When every test begins, in 2026.
pub const BEGINNING: Millis = Millis(1_790_000_000_000);

/// Runs commands through one entity of a kind, one after the other, as if each were committed before the next one comes.
///
/// What a test gives it that cannot be, such as an id with a slash, is a panic that says what was expected.
pub struct TestActor<A: Actor> {
    image: Mailbox,
    records: BTreeMap<String, AttributeValue>,
    now: Millis,
    actor: PhantomData<fn() -> A>,
}

impl<A: Actor> TestActor<A> {
    /// Begins with an entity that nothing has happened to yet.
    #[must_use]
    #[track_caller]
    pub fn new(id: &str) -> Self {
        match EntityId::new(A::KIND, id) {
            Ok(entity) => {
                Self { image: Mailbox::new(entity), records: BTreeMap::new(), now: BEGINNING, actor: PhantomData }
            }
            Err(malformed) => fail(format_args!("the id of a {}", A::KIND), malformed),
        }
    }

    /// Gives the entity a state, as if earlier commands had led to it. A kind that keeps a journal is better given its events:
    /// [`Self::with_events`].
    #[must_use]
    #[track_caller]
    pub fn with_state(mut self, state: &A::State) -> Self {
        match serde_dynamo::to_attribute_value(state) {
            Ok(state) => (self.image.schema, self.image.state) = (A::SCHEMA, Some(state)),
            Err(error) => fail("a state that can be stored", error),
        }
        self
    }

    /// Gives the entity a side record, as if an earlier command had written it.
    #[must_use]
    #[track_caller]
    pub fn with_record<T: Serialize>(mut self, name: &str, record: &T) -> Self {
        match Record::new(name, record) {
            Ok(record) => self.write(&record),
            Err(fault) => fail("a side record that is a map", fault),
        }
        self
    }

    /// Sets the clock: at this time, what follows is posted and processed. It is a day in 2026 at first.
    #[must_use]
    pub fn at(mut self, now: Millis) -> Self {
        self.now = now;
        self
    }

    /// Moves the clock on by so many milliseconds, between two commands.
    pub fn later(&mut self, ms: u64) {
        self.now = self.now.plus(ms);
    }

    /// Names the entity, as the actor sees it in [`Event::entity`].
    ///
    /// [`Event::entity`]: crate::actor::Event::entity
    #[must_use]
    pub fn entity(&self) -> &EntityId {
        &self.image.entity
    }

    /// Reads the state as it is now from its stored form.
    #[must_use]
    #[track_caller]
    pub fn state(&self) -> A::State {
        match state::<A>(self.image.state.as_ref()) {
            Ok(state) => state,
            Err(fault) => fail("a state", fault),
        }
    }

    /// Reads the side record of a name as it is now; none when there is none. One that has expired is still there, as it may
    /// be in DynamoDB.
    #[must_use]
    #[track_caller]
    pub fn record<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        match self.find(&Lookup::Named(name.to_owned()))?.read() {
            Ok(record) => Some(record),
            Err(unusable) => fail(format_args!("the side record {name} in another form"), unusable),
        }
    }

    /// Runs a command that an outsider posts. It takes the next place in the entity's order, whatever comes of it.
    ///
    /// # Errors
    /// A [`Fault`] when it cannot be processed, and would go to the dead letters: also when the actor panics, when something
    /// is too large, when a command, state or reply does not read back from its stored form, and when the actor is not pure
    /// (each command runs twice, as it does in production when a lease is lost). The state is then as it was. Also when
    /// [`Actor::admits`] says that outsiders may not post it; [`Self::run_from`] posts it as another entity does.
    pub fn run(&mut self, command: A::Command) -> Result<Tested<A>, Fault> {
        self.post(None, &command)
    }

    /// Runs a command that another entity posts: the one of kind `B` with this id. It is [`Event::from`].
    ///
    /// [`Event::from`]: crate::actor::Event::from
    ///
    /// # Errors
    /// As [`Self::run`], but for what outsiders may not.
    #[track_caller]
    pub fn run_from<B: Actor>(&mut self, id: &str, command: A::Command) -> Result<Tested<A>, Fault> {
        match EntityId::new(B::KIND, id) {
            Ok(from) => self.post(Some(from), &command),
            Err(malformed) => fail(format_args!("the id of a {}", B::KIND), malformed),
        }
    }

    fn post(&mut self, from: Option<EntityId>, command: &A::Command) -> Result<Tested<A>, Fault> {
        let event = self.next();
        let body = self.body(command, from.is_none());
        self.image.head = event.sequence;
        let envelope = Envelope { id: event.id, at: self.now, body: body?, keyed: None, from, trace: None };
        // What is run is the first of the queue.
        let image = Mailbox { queue: vec![envelope], head: event.sequence - 1, ..self.image.clone() };
        let (Ran { outcome, effects, journal }, batch) = self.both(&image)?;
        let verdict = match outcome {
            Outcome::Reply(reply) => Ok(read_back("reply", serde_json::from_value(reply))?),
            Outcome::Rejected(rejection) => Err(rejection),
            Outcome::Dead(cause) => return Err(Fault::new(cause)),
        };
        let after = batch.state.or_else(|| Some((self.image.schema, self.image.state.clone()?)));
        let state = state::<A>(after.as_ref().map(|(_, state)| state))?;
        if let Some((schema, state)) = after {
            (self.image.schema, self.image.state) = (schema, Some(state));
        }
        for effect in &effects {
            if let Effect::Record(record) = effect {
                self.write(record);
            }
        }
        Ok(Tested { event, verdict, state, effects, journal })
    }

    /// The id of the next event.
    fn next(&self) -> EventId {
        let sequence = self.image.first();
        EventId { sequence, id: EnvelopeId::new(self.now, sequence, None) }
    }

    /// A command in its stored form.
    fn body(&self, command: &A::Command, outside: bool) -> Result<String, Fault> {
        let command = serde_json::to_value(command).map_err(|error| Fault::new(error.to_string()))?;
        let parsed = read_back("command", Kind::of::<A>().parse(self.entity(), &command))?;
        if outside && !parsed.admitted {
            let kind = A::KIND;
            return Err(Fault::new(format!("outsiders may not post this to a {kind} (`admits`); use `run_from`")));
        }
        if parsed.body.len() > limits::PAYLOAD_BYTES {
            let (bytes, limit) = (parsed.body.len(), limits::PAYLOAD_BYTES);
            return Err(Fault::new(format!("the command has {bytes} bytes, {limit} are allowed")));
        }
        Ok(parsed.body)
    }

    /// Runs the first envelope for its effects in their order, and once more for what would be committed.
    fn both(&self, image: &Mailbox) -> Result<(Ran, Batch), Fault> {
        let (kind, records) = (Kind::of::<A>(), self.look_up(image));
        let mut stage = kind.stage(image.stored()).map_err(unreadable)?;
        let Some(envelope) = image.queue.first() else { return Err(Fault::new("nothing waits")) };
        let ran = stage.run(&image.entity, image.first(), envelope, (self.now, &records))?;
        let receipts = Receipts::new();
        let input = Input { image, kind: &kind, receipts: &receipts, records: &records, now: self.now };
        let batch = batch::run(input, 1).map_err(unreadable)?;
        match &batch.stop {
            Some(Stop::Fault(fault)) => return Err(fault.clone()),
            // Neither comes of one event that has no key and finds an empty outbox.
            Some(Stop::Expired | Stop::OutboxFull) | None => {}
        }
        let (first, second) = (first_run(&ran), second_run(&batch));
        if first != second {
            return Err(Fault::new(format!("the actor is not pure: the same event made {first:?}, then {second:?}")));
        }
        Ok((ran, batch))
    }

    /// What the actor asks for, in as many rounds as it gets in production.
    fn look_up(&self, image: &Mailbox) -> Records {
        let mut records = Records::default();
        for _ in 0..limits::LOOKUPS {
            let asked = lookup::asked(&Kind::of::<A>(), image, 1, &records);
            if asked.is_empty() {
                break;
            }
            records.extend(asked.into_iter().map(|lookup| {
                let found = self.find(&lookup);
                (lookup, found)
            }));
        }
        records
    }

    fn find(&self, lookup: &Lookup) -> Option<Stored> {
        let (name, record) = match lookup {
            Lookup::Named(name) => self.records.get_key_value(name)?,
            Lookup::Last { from, to } => self.records.iter().rfind(|(name, _)| (from..=to).contains(name))?,
        };
        Some(Stored { name: name.clone(), record: record.clone() })
    }

    fn write(&mut self, record: &Record) {
        self.records.insert(record.name.clone(), AttributeValue::M(record.item.clone().into()));
    }
}

impl<E: EventSourced> TestActor<E> {
    /// Gives the entity a journal, as if earlier commands had led to these events, one each.
    #[must_use]
    #[track_caller]
    pub fn with_events(mut self, events: impl IntoIterator<Item = E::Event>) -> Self {
        match self.happen(events) {
            Ok(()) => self,
            Err(fault) => fail("events that follow one another", fault),
        }
    }

    fn happen(&mut self, events: impl IntoIterator<Item = E::Event>) -> Result<(), Fault> {
        let mut version = state::<E>(self.image.state.as_ref())?.version;
        let mut stage = Kind::of::<E>().stage(self.image.stored()).map_err(unreadable)?;
        for event in events {
            let (r#type, payload) = take_apart(&event)?;
            version = version.saturating_add(1);
            let entry = Entry { version, r#type, schema: E::EVENTS, at: self.now, cause: self.next(), payload };
            stage.replay(&entry).map_err(unreadable)?;
            self.image.head += 1;
        }
        (self.image.schema, self.image.state) = (stage.schema(), Some(stage.stored()?));
        Ok(())
    }
}

impl<A: Actor> fmt::Debug for TestActor<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, records, now, .. } = self;
        f.debug_struct("TestActor").field("image", image).field("records", records).field("now", now).finish()
    }
}

/// A state from its stored form.
fn state<A: Actor>(stored: Option<&AttributeValue>) -> Result<A::State, Fault> {
    let Some(stored) = stored else { return Ok(A::State::default()) };
    read_back("state", serde_dynamo::from_attribute_value(stored.clone()))
}

fn unreadable(unreadable: Unreadable) -> Fault {
    Fault::new(unreadable.to_string())
}

fn read_back<T, E: Display>(what: &str, read: Result<T, E>) -> Result<T, Fault> {
    read.map_err(|error| Fault::new(format!("the {what} does not read back from its stored form: {error}")))
}

/// What can be told of a run from either side: the outcome, and the commands by their receivers. As values: what lies in
/// a hash map has no order.
type Told<'a> = (Option<Value>, Vec<(&'a EntityId, Option<Value>)>);

fn first_run(ran: &Ran) -> Told<'_> {
    let posts = ran.effects.iter().filter_map(|effect| match effect {
        Effect::Post { to, body } => Some((to, serde_json::from_str(body).ok())),
        Effect::Record(_) | Effect::Push { .. } => None,
    });
    (serde_json::from_str(&ran.outcome.to_json()).ok(), posts.collect())
}

fn second_run(batch: &Batch) -> Told<'_> {
    let outcome = batch.recent.first().and_then(|recent| serde_json::from_str(&recent.outcome).ok());
    let posts = batch.outgoing.iter().map(|effect| (&effect.to, serde_json::from_str(&effect.body).ok()));
    (outcome, posts.collect())
}

/// Says at the test's own line what it expected and what there was.
#[track_caller]
#[expect(clippy::panic, reason = "a test fails by a panic, and nothing but tests comes here")]
fn fail(expected: impl Display, was: impl Display) -> ! {
    panic!("expected {expected}, and there was {was}")
}

#[cfg(test)]
mod tests;
