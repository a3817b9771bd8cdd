//! WebSockets: what an app does when one was opened, said something, or was closed.
//!
//! Whose socket it is was decided before it was opened, and comes with each event: what the client says of that counts for
//! nothing. Nothing is kept between events.

use std::fmt;

use futures::future::BoxFuture;
use shared::actor::Actor;
use shared::client::{Client, Mode, Receipted, Submission};
use shared::envelope::{Draft, EntityId, IdempotencyKey, Keyed, Millis, body_hash};
use shared::erased::{AnyHost, Reader};
use shared::host::ReadHost;
use shared::limits;
use shared::mailbox::view::Standing;
use shared::outcome::{Outcome, Settled};
use shared::push::Pushed;
use shared::trace::Trace;
use shared::visit::push;

use crate::guard::UserId;
use crate::problem::Problem;

/// What an app does with its sockets. `ingest` calls it.
pub trait Sockets: Send + Sync + 'static {
    /// Decides whether a socket is opened; with a problem, it is not.
    fn opened<'a>(&'a self, socket: &'a Socket) -> BoxFuture<'a, Result<(), Problem>>;

    /// Decides what a frame that has come is answered with. What is returned is the frame that answers it, and goes to
    /// this socket alone; nothing, when it is empty.
    fn frame<'a>(&'a self, socket: &'a Socket, frame: &'a [u8]) -> BoxFuture<'a, String>;

    /// Notes that a socket was closed. API Gateway does not promise to say so.
    fn closed<'a>(&'a self, socket: &'a Socket) -> BoxFuture<'a, Result<(), Problem>>;

    /// When the development server hands a frame over, which is gentler than API Gateway and no promise.
    fn pace(&self, _frame: &str) -> Pace {
        Pace::InTurn
    }
}

/// When a frame is handed over. API Gateway hands each over at once, and calls functions side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// After those in turn that came before it, one after the other.
    InTurn,
    /// At once, whatever else is in hand.
    AtOnce,
    /// At once, unless another such came a moment ago: then it is refused.
    Seldom,
}

/// An open socket, its user, and what can be done for them.
pub struct Socket {
    /// Posts to entities, and pushes to connections.
    pub client: Client<AnyHost>,
    /// The user whose socket it is.
    pub user: UserId,
    /// Its id: what pushes are sent to.
    pub connection: String,
    /// The trace that what it causes is part of.
    pub trace: Option<Trace>,
    /// When the invocation ends, after which nothing can be answered.
    pub deadline: Millis,
}

impl Socket {
    /// The time by this machine's clock.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.client.host().now()
    }

    /// What reads entities and their records.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(self.client.host())
    }

    /// Posts a command to an entity, and brings the reply; none when it is stored and not processed yet. Unlike a request,
    /// a socket may post what outsiders may not (`Actor::admits`).
    ///
    /// # Errors
    /// A problem when the id is malformed, or the command is too large, refused by the rules or not to be processed.
    pub async fn post<A: Actor>(
        &self,
        id: &str,
        command: &A::Command,
        key: Option<&IdempotencyKey>,
        wait_ms: u64,
    ) -> Result<Option<A::Reply>, Problem> {
        let entity = &EntityId::new(A::KIND, id)?;
        let drafts = &[self.draft::<A>(entity, command, key)?];
        let submission = Submission { entity, drafts, mode: Mode::Inline, wait_ms, deadline: self.deadline };
        let Some(Receipted { standing, .. }) = self.client.submit(submission).await?.into_iter().next() else {
            return Ok(None);
        };
        match standing {
            Standing::Settled(Settled { outcome: Outcome::Reply(reply), .. }) => {
                let reply = serde_json::from_value(reply);
                reply
                    .map(Some)
                    .map_err(|error| Problem::dead(&format!("the reply is none of a {}'s: {error}", A::KIND)))
            }
            Standing::Settled(Settled { outcome: Outcome::Rejected(rejection), .. }) => {
                Err(Problem::rejected(rejection))
            }
            Standing::Settled(Settled { outcome: Outcome::Dead(cause), .. }) | Standing::Dead { cause } => {
                Err(Problem::dead(&cause))
            }
            Standing::Queued { .. } | Standing::Forgotten | Standing::Never => Ok(None),
        }
    }

    /// The stored form of a command, if the rules do not refuse it whatever else there is.
    fn draft<A: Actor>(
        &self,
        entity: &EntityId,
        command: &A::Command,
        key: Option<&IdempotencyKey>,
    ) -> Result<Draft, Problem> {
        // A command consists of what JSON can hold.
        let event = serde_json::to_value(command).unwrap_or_default();
        let kind = self.client.host().registry().kind(A::KIND).ok_or_else(|| Problem::unknown_kind(A::KIND, ""))?;
        let parsed = kind.parse(entity, &event).map_err(Problem::invalid)?;
        if let Some(rejection) = parsed.refused {
            return Err(Problem::rejected(rejection));
        }
        if parsed.body.len() > limits::PAYLOAD_BYTES {
            return Err(Problem::too_large("the message as JSON", parsed.body.len(), limits::PAYLOAD_BYTES));
        }
        let keyed = key.map(|key| Keyed::client(key, 0, &body_hash([parsed.body.as_str()])));
        Ok(Draft { body: parsed.body, keyed, from: None, trace: self.trace })
    }

    /// Pushes a message to a connection, as best effort, for as long as there is time until `end`.
    pub async fn push(&self, connection: &str, message: &str, end: Millis) -> Pushed {
        push(self.client.host(), connection, message, end).await
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("user", &self.user).field("connection", &self.connection).finish_non_exhaustive()
    }
}
