//! The shapes of the API's answers, and the answer itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::client::Receipted;
use crate::envelope::EventId;
use crate::mailbox::image::{Lease, Mailbox};
use crate::mailbox::view::Standing;
use crate::moment::rfc3339;
use crate::outcome::{Outcome, Settled};

/// One HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// An answer of a JSON body.
    #[must_use]
    pub fn json<T: Serialize>(status: u16, body: &T) -> Self {
        // Every shape below consists of what JSON can hold.
        let body = serde_json::to_string(body).unwrap_or_default() + "\n";
        let headers = vec![("content-type", "application/json".to_owned()), ("cache-control", "no-store".to_owned())];
        Self { status, headers, body }
    }

    /// The same with a header, which takes the place of one of the same name.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The answer in the types of `http`. A header that no client could have caused is left out.
    #[must_use]
    pub fn into_response(self) -> http::Response<String> {
        let mut response = http::Response::new(self.body);
        *response.status_mut() = http::StatusCode::from_u16(self.status).unwrap_or_default();
        for (name, value) in self.headers {
            if let Ok(value) = http::HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// The answer of `/webhook`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookAnswer {
    /// The user.
    pub user_id: String,
    /// The user's counter after the event.
    pub counter: i64,
    /// The event.
    pub event_id: String,
}

/// The answer of `/counter`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CounterAnswer {
    /// The counter.
    pub counter_id: String,
    /// Its value.
    pub value: i64,
}

/// Where an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventStatus {
    /// It is stored and will be processed.
    Queued,
    /// It was processed; a refusal by the rules of the business counts as that.
    Processed,
    /// It could not be processed and lies in the dead letters.
    Dead,
}

/// What a poster holds of its event.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptAnswer {
    /// The event; with a repeated Idempotency-Key, the one that had the effect.
    pub event_id: String,
    /// Its place in the entity's order, from 1.
    pub sequence: u64,
    /// Where it stands.
    pub status: EventStatus,
    /// While it is queued: events before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// Once it is processed: the actor's reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub reply: Option<Value>,
    /// Once it is processed and refused by the rules of the business: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub rejection: Option<Value>,
    /// When it is dead: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What else there is to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Why a processed event's receipt may have no reply, and what to do about it.
const FORGOTTEN: &str = "the event was processed, but its reply is no longer kept; read the entity, and post with an \
    Idempotency-Key to have replies kept for 24 hours";

impl ReceiptAnswer {
    /// The receipt of an event, if there ever was one.
    #[must_use]
    pub fn new(event: EventId, standing: Standing) -> Option<Self> {
        let blank = |event: EventId, status| Self {
            event_id: event.to_string(),
            sequence: event.sequence,
            status,
            position: None,
            reply: None,
            rejection: None,
            cause: None,
            note: None,
        };
        let processed = |event| blank(event, EventStatus::Processed);
        Some(match standing {
            Standing::Queued { position } => Self { position: Some(position), ..blank(event, EventStatus::Queued) },
            Standing::Forgotten => Self { note: Some(FORGOTTEN.to_owned()), ..processed(event) },
            Standing::Dead { cause } => Self { cause: Some(cause), ..blank(event, EventStatus::Dead) },
            Standing::Never => return None,
            Standing::Settled(Settled { event, outcome, .. }) => match outcome {
                Outcome::Reply(reply) => Self { reply: Some(reply), ..processed(event) },
                Outcome::Rejected(rejection) => {
                    Self { rejection: serde_json::to_value(rejection).ok(), ..processed(event) }
                }
                Outcome::Dead(cause) => Self { cause: Some(cause), ..blank(event, EventStatus::Dead) },
            },
        })
    }

    /// The receipt of an event that was just posted.
    #[must_use]
    pub fn of(receipted: Receipted) -> Option<Self> {
        Self::new(receipted.event, receipted.standing)
    }
}

/// Who holds an entity.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LockAnswer {
    /// The acquisition, or `blocked`.
    pub owner: String,
    /// When it ends unless it is renewed; null while an operator must release the entity.
    pub expires_at: Option<String>,
}

impl LockAnswer {
    /// A lease as readers see it.
    #[must_use]
    pub fn new(lease: &Lease) -> Self {
        match lease {
            Lease::Held { owner, until } => Self { owner: owner.to_string(), expires_at: Some(rfc3339(*until)) },
            Lease::Blocked { .. } => Self { owner: "blocked".to_owned(), expires_at: None },
        }
    }
}

/// An increment that waits.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PendingAnswer {
    /// The event.
    pub event_id: String,
    /// What it will add.
    pub delta: i64,
}

/// A user's counter, queue and lock.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserAnswer {
    /// The user.
    pub user_id: String,
    /// The counter.
    pub counter: i64,
    /// What waits, oldest first.
    pub pending: Vec<PendingAnswer>,
    /// Who holds it, if somebody does.
    #[schema(required)]
    pub lock: Option<LockAnswer>,
}

/// One page of users.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserPage {
    /// The users, in order of their ids.
    pub items: Vec<UserAnswer>,
    /// Where the next page starts; null on the last one.
    #[schema(required)]
    pub cursor: Option<String>,
}

/// Any entity.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EntityAnswer {
    /// Its kind.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Its state.
    pub state: Value,
    /// How many events it has processed.
    pub processed: u64,
    /// How many wait.
    pub pending: u64,
    /// How many effects wait for their delivery.
    pub undelivered: u64,
    /// Who holds it, if somebody does.
    #[schema(required)]
    pub lock: Option<LockAnswer>,
}

impl EntityAnswer {
    /// An entity as readers see it.
    #[must_use]
    pub fn new(image: &Mailbox, state: Value) -> Self {
        Self {
            kind: image.entity.kind().to_owned(),
            id: image.entity.id().to_owned(),
            state,
            processed: image.head,
            pending: image.queue.len() as u64,
            undelivered: image.outbox.len() as u64,
            lock: image.lease.as_ref().map(LockAnswer::new),
        }
    }
}

/// One page of entities of a kind.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EntityPage {
    /// The entities, in order of their ids.
    pub items: Vec<EntityAnswer>,
    /// Where the next page starts; null on the last one.
    #[schema(required)]
    pub cursor: Option<String>,
}

/// What opens a socket.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TicketAnswer {
    /// The ticket: `?ticket=…`.
    pub ticket: String,
    /// When it opens nothing any more.
    pub expires_at: String,
}

/// Whether the service works.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthAnswer {
    /// `ok`: the table can be read.
    pub status: String,
}
