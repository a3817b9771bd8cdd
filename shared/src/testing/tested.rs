//! What one command came to, and how a test asks for it.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::actor::{Actor, Effect, Rejection};
use crate::envelope::EventId;
use crate::journal::Entry;
use crate::sourced::{self, EventSourced};
use crate::testing::fail;

/// What one command came to: the verdict, the state after it, and what it does to the world outside.
pub struct Tested<A: Actor> {
    /// The event that the command became: its place in the entity's order, which counts from 1, and its id, which is the
    /// same in every run of the test.
    pub event: EventId,
    /// What the poster is answered.
    pub verdict: Result<A::Reply, Rejection>,
    /// The state after it.
    pub state: A::State,
    /// Its effects, in the order in which the actor named them. A side record in it can be compared with one that the test
    /// makes, with its expiry and its place in a list: `Effect::Record(Record::new("last", &last)?.expires(at))`.
    pub effects: Vec<Effect>,
    /// What it added to the journal, for a kind that keeps one.
    pub journal: Vec<Entry>,
}

impl<A: Actor> Tested<A> {
    /// Expects that the command was accepted, and returns the reply. Otherwise it panics, and says why it was refused.
    #[must_use]
    #[track_caller]
    pub fn reply(&self) -> &A::Reply {
        match &self.verdict {
            Ok(reply) => reply,
            Err(Rejection { reason, status, detail, .. }) => {
                fail("a reply", format_args!("the rejection {reason} ({status}): {detail}"))
            }
        }
    }

    /// Expects that the command was refused, and returns the rejection. Otherwise it panics, and shows the reply.
    #[must_use]
    #[track_caller]
    pub fn rejection(&self) -> &Rejection {
        match &self.verdict {
            Ok(reply) => fail("a rejection", format_args!("the reply {}", json(reply))),
            Err(rejection) => rejection,
        }
    }

    /// Reads the commands that go to entities of kind `B`, each with the id of its receiver, in order.
    #[must_use]
    #[track_caller]
    pub fn posts_to<B: Actor>(&self) -> Vec<(String, B::Command)> {
        let mut posts = Vec::new();
        for effect in &self.effects {
            let Effect::Post { to, body } = effect else { continue };
            if to.kind() != B::KIND {
                continue;
            }
            match serde_json::from_str(body) {
                Ok(command) => posts.push((to.id().to_owned(), command)),
                Err(error) => {
                    fail(format_args!("a command of a {}", B::KIND), format_args!("{body} for {to}: {error}"))
                }
            }
        }
        posts
    }

    /// Reads the side record of a name that the command wrote, the last one if it wrote several; none when it wrote none.
    #[must_use]
    #[track_caller]
    pub fn record<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let record = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Record(record) if record.name == name => Some(record.item.clone()),
            Effect::Post { .. } | Effect::Record(_) | Effect::Push { .. } => None,
        });
        match serde_dynamo::from_item(record?) {
            Ok(record) => Some(record),
            Err(error) => fail(format_args!("the side record {name} in another form"), error),
        }
    }

    /// Reads the messages that are pushed, each with the id of its connection, in order.
    #[must_use]
    pub fn pushes(&self) -> Vec<(String, Value)> {
        let pushes = self.effects.iter().filter_map(|effect| match effect {
            Effect::Push { connection, message } => Some((connection.clone(), serde_json::from_str(message).ok()?)),
            Effect::Post { .. } | Effect::Record(_) => None,
        });
        pushes.collect()
    }
}

impl<E: EventSourced> Tested<E> {
    /// Reads back from the journal what has happened because of the command.
    #[must_use]
    #[track_caller]
    pub fn events(&self) -> Vec<E::Event> {
        let mut events = Vec::new();
        for entry in &self.journal {
            match sourced::read::<E>(entry) {
                Ok(event) => events.push(event),
                Err(unreadable) => fail(format_args!("an event of a {}", <E as EventSourced>::KIND), unreadable),
            }
        }
        events
    }
}

/// As JSON, for an actor's types need not have a form for people.
impl<A: Actor> fmt::Debug for Tested<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tested")
            .field("event", &format_args!("{}", self.event))
            .field("verdict", &self.verdict.as_ref().map(json))
            .field("state", &format_args!("{}", json(&self.state)))
            .field("effects", &self.effects)
            .field("journal", &self.journal)
            .finish()
    }
}

fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_else(|error| Value::from(error.to_string()))
}
