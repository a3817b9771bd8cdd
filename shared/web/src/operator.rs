//! The shapes of the operator routes' answers, and what their errors are in HTTP. The command line shows the same.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::LockAnswer;
use crate::problem::Problem;
use shared::client::SubmitError;
use shared::envelope::EventId;
use shared::mailbox::image::Lease;
use shared::moment::rfc3339;
use shared::operator::OperatorError;
use shared::operator::dead_letters::{Content, Letter, LetterId};
use shared::operator::redrive::{Redriven, RedrivenAll};
use shared::operator::resume::Resumed;
use shared::operator::stuck::{Kept, Stuck};
use shared::operator::sweep::Swept;

/// A dead letter: an event or an effect that was given up, and why.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterAnswer {
    /// Its name within the entity: `event-7`, or `effect-7-0`.
    pub name: String,
    /// Since when it is here.
    pub at: String,
    /// Why it is here.
    pub cause: String,
    /// The policy by which it was put here: `park`, `skip` or `block`; an effect has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Of an event: the id that its poster holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// When the event was posted, or the effect was committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posted_at: Option<String>,
    /// Of an event: the entity whose effect it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Of an effect: the entity that was to receive it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What was to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Value>,
    /// Why it cannot be shown, when it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

impl DeadLetterAnswer {
    /// A letter as operators see it.
    #[must_use]
    pub fn new(letter: Letter) -> Self {
        // What an actor understood is JSON; anything else is shown as the text that it is.
        let body = |body: String| serde_json::from_str(&body).unwrap_or(Value::String(body));
        let blank = Self {
            name: letter.id.to_string(),
            at: rfc3339(letter.at),
            cause: letter.cause,
            policy: letter.policy,
            event_id: None,
            posted_at: None,
            from: None,
            to: None,
            event: None,
            unreadable: None,
        };
        match letter.content {
            Content::Event(envelope) => Self {
                event_id: match letter.id {
                    LetterId::Event(sequence) => Some(EventId { sequence, id: envelope.id }.to_string()),
                    LetterId::Effect(..) => None,
                },
                posted_at: Some(rfc3339(envelope.at)),
                from: envelope.from.map(|from| from.to_string()),
                event: Some(body(envelope.body)),
                ..blank
            },
            Content::Effect(outgoing) => Self {
                posted_at: Some(rfc3339(outgoing.at)),
                to: Some(outgoing.to.to_string()),
                event: Some(body(outgoing.body)),
                ..blank
            },
            Content::Unreadable(why) => Self { unreadable: Some(why), ..blank },
        }
    }
}

/// One page of an entity's dead letters.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterPage {
    /// The letters, in order.
    pub items: Vec<DeadLetterAnswer>,
    /// Where the next page starts; null on the last one.
    pub cursor: Option<String>,
}

impl DeadLetterPage {
    /// A page as operators see it.
    #[must_use]
    pub fn new((letters, last): (Vec<Letter>, Option<LetterId>)) -> Self {
        let items = letters.into_iter().map(DeadLetterAnswer::new).collect();
        Self { items, cursor: last.map(|letter| letter.to_string()) }
    }
}

/// A dead letter that was deleted.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeletedAnswer {
    /// The name of the dead letter, such as `event-7`.
    pub deleted: String,
}

/// A dead letter that was redriven.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RedriveAnswer {
    /// The name of the dead letter, such as `event-7`.
    pub name: String,
    /// The entity that it was posted to.
    pub to: String,
    /// The event that it has become; null when it was processed before that could be read.
    pub event_id: Option<String>,
}

impl RedriveAnswer {
    /// A redriven letter as operators see it.
    #[must_use]
    pub fn new(redriven: Redriven) -> Self {
        Self {
            name: redriven.letter.to_string(),
            to: redriven.to.to_string(),
            event_id: redriven.event.map(|event| event.to_string()),
        }
    }
}

/// What became of an entity's dead letters.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RedriveAllAnswer {
    /// What was redriven, in order.
    pub redriven: Vec<RedriveAnswer>,
    /// The first one that could not be redriven; those behind it wait for it.
    pub stopped: Option<StoppedAnswer>,
    /// Whether there may be more to redrive.
    pub more: bool,
}

/// A dead letter that could not be redriven.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoppedAnswer {
    /// The name of the dead letter, such as `event-7`.
    pub name: String,
    /// Why, and what to do about it.
    pub detail: String,
}

impl RedriveAllAnswer {
    /// What was done as operators see it.
    #[must_use]
    pub fn new(all: RedrivenAll) -> Self {
        let stopped = |(letter, error): (LetterId, OperatorError)| StoppedAnswer {
            name: letter.to_string(),
            detail: error.to_string(),
        };
        Self {
            redriven: all.redriven.into_iter().map(RedriveAnswer::new).collect(),
            stopped: all.stopped.map(stopped),
            more: all.more,
        }
    }
}

/// An entity that was released.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResumeAnswer {
    /// The entity, as `kind/id`.
    pub entity: String,
    /// Why it was blocked.
    pub cause: String,
    /// The name of the dead letter that its first event has become; null when that is run again.
    pub parked: Option<String>,
    /// How many events wait.
    pub pending: u64,
}

impl ResumeAnswer {
    /// A released entity as operators see it.
    #[must_use]
    pub fn new(resumed: Resumed) -> Self {
        Self {
            entity: resumed.entity.to_string(),
            cause: resumed.cause,
            parked: resumed.parked.map(|letter| letter.to_string()),
            pending: resumed.waiting as u64,
        }
    }
}

/// What keeps an entity from being worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeptAnswer {
    /// Nothing: nobody has looked yet.
    Free,
    /// Somebody works on it.
    Held,
    /// Its holder is gone, and nobody has looked yet.
    Expired,
    /// An operator must release it.
    Blocked,
}

/// An entity with something pending.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StuckAnswer {
    /// The entity, as `kind/id`.
    pub entity: String,
    /// For how long the oldest of what is pending waits, in seconds.
    pub age_seconds: u64,
    /// Since when the oldest of what is pending waits.
    pub since: String,
    /// How many events wait.
    pub pending: u64,
    /// How many effects wait for their delivery.
    pub undelivered: u64,
    /// What keeps it from being worked on.
    pub lease: KeptAnswer,
    /// Who holds it, if somebody does.
    pub lock: Option<LockAnswer>,
    /// Why it is blocked, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

impl StuckAnswer {
    /// An entity as operators see it.
    #[must_use]
    pub fn new(stuck: &Stuck) -> Self {
        let lease = stuck.image.lease.as_ref();
        Self {
            entity: stuck.image.entity.to_string(),
            age_seconds: stuck.age_ms / 1000,
            since: rfc3339(stuck.since),
            pending: stuck.image.queue.len() as u64,
            undelivered: stuck.image.outbox.len() as u64,
            lease: match stuck.kept {
                Kept::Free => KeptAnswer::Free,
                Kept::Held => KeptAnswer::Held,
                Kept::Expired => KeptAnswer::Expired,
                Kept::Blocked => KeptAnswer::Blocked,
            },
            lock: lease.map(LockAnswer::new),
            cause: lease.and_then(|lease| match lease {
                Lease::Blocked { cause } => Some(cause.clone()),
                Lease::Held { .. } => None,
            }),
        }
    }
}

/// One page of entities, of which those with something pending are shown, the one that waits longest first.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StuckPage {
    /// The entities with something pending.
    pub items: Vec<StuckAnswer>,
    /// Where the next page starts; null on the last one.
    pub cursor: Option<String>,
}

/// What a sweep found.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SweepAnswer {
    /// How many entities were looked at.
    pub looked: u64,
    /// How many of them had work waiting that was run.
    pub ran: u64,
    /// How many somebody else works on; sweep again after the lease (30 s) to see what is left of them.
    pub held: u64,
    /// How many wait with effects that are to be tried again later.
    pub waiting: u64,
    /// Those that an operator must release.
    pub blocked: Vec<String>,
    /// Those that could not be run or read; the log says why.
    pub failed: Vec<String>,
    /// Where to go on: the time was over; null when every entity was looked at.
    pub cursor: Option<String>,
}

impl SweepAnswer {
    /// A sweep as operators see it.
    #[must_use]
    pub fn new(swept: Swept) -> Self {
        let names = |entities: Vec<shared::envelope::EntityId>| entities.iter().map(ToString::to_string).collect();
        Self {
            looked: swept.looked,
            ran: swept.ran,
            held: swept.held,
            waiting: swept.waiting,
            blocked: names(swept.blocked),
            failed: names(swept.failed),
            cursor: swept.next.map(|place| place.cursor()),
        }
    }
}

impl From<OperatorError> for Problem {
    fn from(error: OperatorError) -> Self {
        let detail = error.to_string();
        match error {
            OperatorError::NoSuchLetter { .. } => {
                Self::new("unknown-dead-letter", 404, "There is no such dead letter", detail)
            }
            OperatorError::NoSuchEntity(entity) => Self::unknown_entity(&entity),
            OperatorError::UnknownKind { kind, known } => Self::unknown_kind(&kind, &known),
            OperatorError::NoSuchKind(_) => Self::new("kind-not-known", 409, "The kind is not known here", detail),
            OperatorError::Doubtful { .. } => {
                Self::new("doubtful-dead-letter", 409, "It may have had its effect before", detail)
            }
            OperatorError::Superseded { event, .. } => {
                Self::new("superseded-dead-letter", 409, "Its key has had its effect since", detail)
                    .with("event_id", event.to_string())
            }
            OperatorError::Full(entity) => SubmitError::Full(entity).into(),
            OperatorError::NotBlocked(_) => Self::new("not-blocked", 409, "The entity is not blocked", detail),
            OperatorError::Malformed(malformed) => malformed.into(),
            OperatorError::Step(error) => error.into(),
        }
    }
}
