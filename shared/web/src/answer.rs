//! The shapes of the API's answers, and the answer itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use shared::client::Receipted;
use shared::envelope::EventId;
use shared::journal::Entry;
use shared::mailbox::image::{Lease, Mailbox};
use shared::mailbox::view::Standing;
use shared::moment::rfc3339;
use shared::outcome::{Outcome, Settled};

/// Everything that a page needs comes from its own host, and nothing of it is written into the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The answer to an HTTP request: status, headers and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status, 200 for example.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body, in the form that the header `content-type` says.
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

    /// An answer of a text, not to be kept by whoever receives it.
    #[must_use]
    pub fn text(media: &str, body: impl Into<String>) -> Self {
        let headers = vec![("content-type", media.to_owned()), ("cache-control", "no-store".to_owned())];
        Self { status: 200, headers, body: body.into() }
    }

    /// An answer that is always the same, for a browser: nothing that it shows comes from another host.
    #[must_use]
    pub fn file(media: &str, text: &str) -> Self {
        let headers = vec![
            ("content-type", media.to_owned()),
            ("content-security-policy", POLICY.to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
            ("referrer-policy", "no-referrer".to_owned()),
            // A new deployment is a new page at once; the files of a page must be of the same one.
            ("cache-control", "no-cache".to_owned()),
        ];
        Self { status: 200, headers, body: text.to_owned() }
    }

    /// Sets a header, in place of one of the same name if there is one.
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

/// Whether an event waits, was processed, or is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReceiptAnswer {
    /// The event; with a repeated Idempotency-Key, the one that had the effect.
    pub event_id: String,
    /// Its place in the entity's order, from 1.
    pub sequence: u64,
    /// Whether the event waits, was processed, or is dead.
    pub status: EventStatus,
    /// While it is queued: events before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// Once it is processed: the actor's reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<Value>,
    /// Once it is processed and refused by the rules of the business: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejection: Option<Value>,
    /// When it is dead: why it could not be processed.
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

/// Who holds an entity, and until when.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LockAnswer {
    /// The name of the one acquisition that holds it, or `blocked`.
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

/// An entity of any kind, with its state and its queue.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EntityAnswer {
    /// The name of its kind.
    pub kind: String,
    /// Its id within the kind.
    pub id: String,
    /// Its state, as the kind's schema says.
    pub state: Value,
    /// How many events it has processed.
    pub processed: u64,
    /// How many events wait to be processed.
    pub pending: u64,
    /// How many effects wait for their delivery.
    pub undelivered: u64,
    /// Who holds it, if somebody does.
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
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EntityPage {
    /// The entities, in order of their ids.
    pub items: Vec<EntityAnswer>,
    /// Where the next page starts; null on the last one.
    pub cursor: Option<String>,
}

/// A ticket that opens a WebSocket for one user.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketAnswer {
    /// The ticket, to open the socket with: `?ticket=…`.
    pub ticket: String,
    /// When it opens nothing any more.
    pub expires_at: String,
}

/// Whether the service can do its work.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthAnswer {
    /// `ok`: the table can be read.
    pub status: String,
}

/// One event of an entity's journal.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventAnswer {
    /// Its place, from 1: the version of the state that it leads to.
    pub version: u64,
    /// The name of what has happened, as the kind has it.
    pub r#type: String,
    /// The version of the form in which it is stored, and shown here.
    pub schema: u32,
    /// When it was committed, as RFC 3339 has it. It is never before the event's before it.
    pub time: String,
    /// The event of the entity's mailbox that caused it: its place there, and the envelope's id.
    pub event_id: String,
    /// The event's members besides its type.
    pub payload: Map<String, Value>,
}

impl From<Entry> for EventAnswer {
    fn from(Entry { version, r#type, schema, at, cause, payload }: Entry) -> Self {
        Self { version, r#type, schema, time: rfc3339(at), event_id: cause.to_string(), payload }
    }
}
