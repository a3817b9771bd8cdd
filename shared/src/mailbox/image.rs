//! The mailbox item as the protocol reads it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_dynamo::{AttributeValue, Item};

use crate::envelope::{EntityId, Envelope, EnvelopeId, EventId, Millis, Owner};
use crate::limits;
use crate::outbox::Outgoing;
use crate::outcome::{Outcome, Settled};
use crate::registry::Stored;
use crate::table;
use crate::text::{self, Text};
use crate::trace::Hop;

/// What no counter reaches in the life of an entity, and what leaves room to count on from.
const COUNTER_MOST: u64 = u64::MAX / 2;

/// Why an item cannot be read as a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Damaged(pub String);

/// Who holds an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// One acquisition, until a time by its own clock.
    Held {
        /// The acquisition that holds it: the fence of the holder's writes.
        owner: Owner,
        /// When the holder stops, unless it renews.
        until: Millis,
    },
    /// Nobody, until an operator releases the entity.
    Blocked {
        /// Why the entity was stopped.
        cause: String,
    },
}

/// One processed envelope whose reply is still at hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    /// The id of the envelope.
    #[serde(rename = "i")]
    pub id: EnvelopeId,
    /// The [`Outcome`] as JSON.
    #[serde(rename = "o", with = "text::json")]
    pub outcome: String,
    /// The event that had the effect, when this one only repeated its key.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub original: Option<EventId>,
}

impl Recent {
    /// The entry of an envelope that had its effect itself.
    #[must_use]
    pub fn new(id: EnvelopeId, outcome: &Outcome) -> Self {
        Self { id, outcome: outcome.to_json(), original: None }
    }

    /// The outcome as its waiters get it.
    #[must_use]
    pub fn settled(&self, sequence: u64) -> Settled {
        let outcome = serde_json::from_str(&self.outcome)
            .unwrap_or_else(|error| Outcome::Dead(format!("the stored outcome cannot be read: {error}")));
        let event = self.original.unwrap_or(EventId { sequence, id: self.id });
        Settled { event, outcome, replayed: self.original.is_some() }
    }
}

/// An image of a mailbox item, as of one write or read.
#[derive(Clone, Debug, PartialEq)]
pub struct Mailbox {
    /// The entity that the mailbox belongs to.
    pub entity: EntityId,
    /// Envelopes that wait, oldest first.
    pub queue: Vec<Envelope>,
    /// The stored size of the waiting envelopes, in bytes.
    pub bytes: u64,
    /// How many envelopes ever left the queue: the one at index `i` has the sequence `head + 1 + i`.
    pub head: u64,
    /// Grows by one with every write.
    pub version: u64,
    /// Who holds the entity; none when it is free.
    pub lease: Option<Lease>,
    /// The actor's state; none before the first commit that made one.
    pub state: Option<AttributeValue>,
    /// The version of the kind that wrote the state.
    pub schema: u32,
    /// The greatest id that ever left `recent`.
    pub evicted: Option<EnvelopeId>,
    /// The last envelopes that left the queue, without a gap up to `head`.
    pub recent: Vec<Recent>,
    /// Effects that are committed and not delivered.
    pub outbox: Vec<Outgoing>,
    /// How many effects ever left the outbox.
    pub sent: u64,
    /// Leases that were replaced since `head` last moved, or since the entity is suspect.
    pub attempts: u64,
    /// The envelope that a suspect entity was about to run.
    pub running: Option<u64>,
    /// Deaths while `running` was set.
    pub strikes: u64,
    /// Whether there is anything to do.
    pub pending: bool,
}

/// The attributes that deserialize as they are.
#[derive(Deserialize)]
struct Plain {
    #[serde(default)]
    queue: Vec<Text<Envelope>>,
    #[serde(default)]
    bytes: u64,
    #[serde(default)]
    head: u64,
    #[serde(default)]
    version: u64,
    #[serde(default)]
    schema: u32,
    #[serde(default)]
    recent: Text<Vec<Recent>>,
    #[serde(default)]
    outbox: Vec<Text<Outgoing>>,
    #[serde(default)]
    sent: u64,
    #[serde(default)]
    attempts: u64,
    running: Option<u64>,
    #[serde(default)]
    strikes: u64,
    pending: Option<String>,
}

impl Mailbox {
    /// The mailbox of an entity to which nothing was ever posted.
    #[must_use]
    pub fn new(entity: EntityId) -> Self {
        Self {
            entity,
            queue: Vec::new(),
            bytes: 0,
            head: 0,
            version: 0,
            lease: None,
            state: None,
            schema: 0,
            evicted: None,
            recent: Vec::new(),
            outbox: Vec::new(),
            sent: 0,
            attempts: 0,
            running: None,
            strikes: 0,
            pending: false,
        }
    }

    /// Reads an item of the table as a mailbox.
    ///
    /// # Errors
    /// When an attribute is not what the protocol writes.
    pub fn read(entity: &EntityId, item: Item) -> Result<Self, Damaged> {
        let mut attributes: HashMap<String, AttributeValue> = item.into();
        let lease = attributes.remove("lease").map(read_lease).transpose()?;
        let state = attributes.remove("state");
        let evicted = attributes.remove("evicted").map(read_id).transpose()?;
        let plain: Plain =
            serde_dynamo::from_item(Item::from(attributes)).map_err(|error| Damaged(error.to_string()))?;
        let counters = [plain.head, plain.version, plain.sent, plain.bytes, plain.attempts, plain.strikes];
        if counters.into_iter().any(|counter| counter > COUNTER_MOST) {
            return Err(Damaged("a counter is beyond everything that was ever counted".to_owned()));
        }
        if plain.recent.0.len() as u64 > plain.head {
            return Err(Damaged("more envelopes are recent than ever left the queue".to_owned()));
        }
        Ok(Self {
            entity: entity.clone(),
            queue: plain.queue.into_iter().map(|Text(envelope)| envelope).collect(),
            bytes: plain.bytes,
            head: plain.head,
            version: plain.version,
            lease,
            state,
            schema: plain.schema,
            evicted,
            recent: plain.recent.0,
            outbox: plain.outbox.into_iter().map(|Text(outgoing)| outgoing).collect(),
            sent: plain.sent,
            attempts: plain.attempts,
            running: plain.running,
            strikes: plain.strikes,
            pending: plain.pending.is_some(),
        })
    }

    /// Whether this very acquisition holds the lease.
    #[must_use]
    pub fn held_by(&self, me: &Owner) -> bool {
        matches!(&self.lease, Some(Lease::Held { owner, .. }) if owner == me)
    }

    /// Whether holders have died here, so that envelopes run one at a time until the queue is empty.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        self.attempts >= limits::SUSPECT_ATTEMPTS
    }

    /// The hop of a trace that running this envelope of the queue is, for whoever holds the lease: a batch that is run
    /// again is the same hop, and its effects hang on it.
    #[must_use]
    pub fn hop(&self, sequence: u64, envelope: &Envelope) -> Option<Hop> {
        let fence = match &self.lease {
            Some(Lease::Held { owner, .. }) => owner.0,
            Some(Lease::Blocked { .. }) | None => [0; 12],
        };
        Some(envelope.trace?.hop_of(fence, sequence))
    }

    /// The state as its actor reads it.
    #[must_use]
    pub fn stored(&self) -> Option<Stored<'_>> {
        self.state.as_ref().map(|state| Stored { schema: self.schema, state })
    }

    /// The sequence of the first envelope of the queue.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.head + 1
    }

    /// The event id of an envelope that waits or is recent.
    #[must_use]
    pub fn event(&self, id: EnvelopeId) -> Option<EventId> {
        let queued = (self.first()..).zip(&self.queue).find(|(_, envelope)| envelope.id == id);
        let sequence = match queued {
            Some((sequence, _)) => sequence,
            None => self.recents().find(|(_, recent)| recent.id == id)?.0,
        };
        Some(EventId { sequence, id })
    }

    /// The recent envelopes with their sequences.
    pub fn recents(&self) -> impl Iterator<Item = (u64, &Recent)> {
        (self.first() - self.recent.len() as u64..).zip(&self.recent)
    }

    /// How an envelope ended, if it did lately.
    #[must_use]
    pub fn settled(&self, id: EnvelopeId) -> Option<Settled> {
        self.recents().find(|(_, recent)| recent.id == id).map(|(sequence, recent)| recent.settled(sequence))
    }
}

#[cfg(test)]
impl Mailbox {
    /// A mailbox in which nothing has happened yet.
    pub(crate) fn blank(entity: &str) -> Self {
        Self::new(entity.parse().unwrap())
    }
}

fn read_id(value: AttributeValue) -> Result<EnvelopeId, Damaged> {
    let AttributeValue::B(id) = value else {
        return Err(Damaged("an id is no bytes".to_owned()));
    };
    id.try_into().map(EnvelopeId).map_err(|_| Damaged("an id has not 12 bytes".to_owned()))
}

fn read_lease(value: AttributeValue) -> Result<Lease, Damaged> {
    let AttributeValue::M(mut map) = value else {
        return Err(Damaged("the lease is no map".to_owned()));
    };
    let Some(AttributeValue::B(owner)) = map.remove("owner") else {
        return Err(Damaged("the lease has no owner".to_owned()));
    };
    if owner == table::BLOCKED {
        let cause = match map.remove("cause") {
            Some(AttributeValue::S(cause)) => cause,
            _ => String::new(),
        };
        return Ok(Lease::Blocked { cause });
    }
    let owner = owner.try_into().map_err(|_| Damaged("the lease's owner has not 12 bytes".to_owned()))?;
    let until = match map.remove("until") {
        Some(AttributeValue::N(digits)) => digits.parse().ok(),
        _ => None,
    };
    let until = until.ok_or_else(|| Damaged("the lease has no end".to_owned()))?;
    Ok(Lease::Held { owner: Owner(owner), until: Millis(until) })
}

/// A lease as it is stored.
#[must_use]
pub fn write_lease(lease: &Lease) -> AttributeValue {
    let map = match lease {
        Lease::Held { owner, until } => {
            [("owner", AttributeValue::B(owner.0.to_vec())), ("until", table::number(until.0))]
        }
        Lease::Blocked { cause } => {
            [("owner", AttributeValue::B(table::BLOCKED.to_vec())), ("cause", AttributeValue::S(cause.clone()))]
        }
    };
    AttributeValue::M(map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The size by which an envelope counts in `bytes`.
#[must_use]
pub fn envelope_bytes(envelope: &AttributeValue) -> usize {
    1 + table::value_bytes(envelope)
}

/// The size by which all of these do.
#[must_use]
pub fn envelopes_bytes(envelopes: &[Envelope]) -> usize {
    envelopes.iter().map(|envelope| envelope_bytes(&text::text(envelope))).sum()
}

#[cfg(test)]
mod tests;
