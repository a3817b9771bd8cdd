//! What a route posts, and how it answers: the reply itself, or something else that is made of it.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

use futures::FutureExt;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use shared::actor::Actor;
use shared::client::Receipted;
use shared::envelope::{EntityId, EventId, IdempotencyKey, Millis};
use shared::erased::Reader;

use crate::answer::Answer;
use crate::problem::Problem;

/// One event for one entity, and an answer of the form `T`.
#[derive(Debug)]
#[must_use]
pub struct Post<T> {
    posting: Posting,
    answers: PhantomData<fn() -> T>,
}

impl<R: Serialize + serde::de::DeserializeOwned + 'static> Post<R> {
    /// Posts a command to the entity of the kind `A` that has this id. It answers with the actor's reply as it is, or with
    /// a receipt when nobody has processed it in the time that there is.
    ///
    /// # Errors
    /// A problem when the id is malformed.
    pub fn to<A: Actor<Reply = R>>(id: &str, command: impl Into<A::Command>) -> Result<Self, Problem> {
        let entity = EntityId::new(A::KIND, id)?;
        // A command consists of what JSON can hold.
        let event = serde_json::to_value(command.into()).unwrap_or_default();
        let reply = |_: &EntityId, _: EventId, reply: Value| Ok(Answer::json(200, &reply));
        let posting = Posting { entity, events: vec![event], key: None, told: Told::Reply(Box::new(reply)) };
        Ok(Self { posting, answers: PhantomData })
    }

    /// Answers with something that is made of the reply.
    pub fn answer<T, F>(self, answer: F) -> Post<T>
    where
        T: Serialize + JsonSchema,
        F: FnOnce(&EntityId, EventId, R) -> Result<T, Problem> + Send + 'static,
    {
        let told = move |entity: &EntityId, event: EventId, reply: Value| match serde_json::from_value(reply) {
            Ok(reply) => answer(entity, event, reply).map(|told| Answer::json(200, &told)),
            Err(error) => Err(Problem::dead(&format!("the reply is not of the kind that was asked: {error}"))),
        };
        Post { posting: Posting { told: Told::Reply(Box::new(told)), ..self.posting }, answers: PhantomData }
    }

    /// Answers with whatever can be read once the event is stored, such as where a longer process stands; none is the
    /// ordinary answer.
    pub fn answer_by<T, F, U>(self, answer: F) -> Post<T>
    where
        F: FnOnce(Reader, Posted) -> U + Send + 'static,
        U: Future<Output = Result<Option<Answer>, Problem>> + Send + 'static,
    {
        let told = move |reader: Reader, posted: Posted| answer(reader, posted).boxed();
        Post { posting: Posting { told: Told::Own(Box::new(told)), ..self.posting }, answers: PhantomData }
    }
}

impl<T> Post<T> {
    /// Gives it an idempotency key of its own, such as a name that the body has for it; a request that has another in its
    /// header is refused.
    pub fn key(mut self, key: Option<IdempotencyKey>) -> Self {
        self.posting.key = key;
        self
    }

    pub(crate) fn erased(self) -> Posting {
        self.posting
    }
}

/// What a route posts, with its types taken off.
pub struct Posting {
    /// The entity that receives the events.
    pub entity: EntityId,
    /// The events as JSON, in order.
    pub events: Vec<Value>,
    /// The key that the body gives it.
    pub key: Option<IdempotencyKey>,
    /// How the answer comes of what was posted.
    pub told: Told,
}

/// How an answer comes of what was posted.
pub enum Told {
    /// The receipt of the one event.
    Receipt,
    /// An array with the receipt of each event.
    Receipts,
    /// Made of the actor's reply.
    Reply(Replied),
    /// Made by the route itself, of what it reads after the post.
    Own(Owned),
}

/// Makes an answer of a reply.
pub type Replied = Box<dyn FnOnce(&EntityId, EventId, Value) -> Result<Answer, Problem> + Send>;
/// Makes an answer of what there is to read.
pub type Owned = Box<dyn FnOnce(Reader, Posted) -> BoxFuture<'static, Result<Option<Answer>, Problem>> + Send>;

/// What was posted, and where it stands.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The entity that receives the event.
    pub entity: EntityId,
    /// The command as it is stored.
    pub body: String,
    /// The event, and where it stands.
    pub receipt: Receipted,
    /// Until when its poster would wait for more.
    pub until: Millis,
    /// When the invocation ends, after which nothing can be answered.
    pub deadline: Millis,
}

impl fmt::Debug for Posting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Posting").field("entity", &self.entity).field("events", &self.events).finish_non_exhaustive()
    }
}
