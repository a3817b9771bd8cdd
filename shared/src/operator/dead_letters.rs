//! Dead letters: what could not be processed, and what could not be delivered, each with its cause.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde_dynamo::{AttributeValue, Item};

use crate::envelope::{EntityId, Envelope, Malformed, Millis};
use crate::host::{Host, ReadHost};
use crate::limits;
use crate::mailbox::persist;
use crate::operator::OperatorError;
use crate::outbox::Outgoing;
use crate::receipt;
use crate::store::{Consistency, Delete, Key, Order, Query, ReadStore, Store, StoreError, Written};
use crate::table;
use crate::text::Text;

/// Which dead letter of an entity: `event-7` is the one of its seventh event, `effect-7-0` is the first effect of that
/// event. Events come before effects, and both are in the order in which they were processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LetterId {
    /// An event that could not be processed, by its place in the entity's order.
    Event(u64),
    /// An effect that could not be delivered, by the event that caused it and its number among that event's effects.
    Effect(u64, u32),
}

impl LetterId {
    /// The key of the item in which it lies.
    #[must_use]
    pub fn key(self, entity: &EntityId) -> Key {
        match self {
            Self::Event(sequence) => table::dead_key(entity, sequence),
            Self::Effect(sequence, index) => table::undelivered_key(entity, sequence, index),
        }
    }

    fn of_sort_key(sk: &str) -> Option<Self> {
        if let Some(sequence) = sk.strip_prefix(table::DEAD) {
            return Some(Self::Event(sequence.parse().ok()?));
        }
        let (sequence, index) = sk.strip_prefix(table::UNDELIVERED)?.split_once('#')?;
        Some(Self::Effect(sequence.parse().ok()?, index.parse().ok()?))
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(sequence) => write!(f, "event-{sequence}"),
            Self::Effect(sequence, index) => write!(f, "effect-{sequence}-{index}"),
        }
    }
}

impl FromStr for LetterId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let parse = || {
            if let Some(sequence) = text.strip_prefix("event-") {
                return Some(Self::Event(sequence.parse().ok()?));
            }
            let (sequence, index) = text.strip_prefix("effect-")?.split_once('-')?;
            Some(Self::Effect(sequence.parse().ok()?, index.parse().ok()?))
        };
        // Each has one spelling: no leading zeros, no signs.
        let letter = parse().filter(|letter| letter.to_string() == text);
        letter.ok_or_else(|| {
            let text: String = text.chars().take(40).collect();
            Malformed(format!("`{text}` is not a dead letter's name: event-7, or effect-7-0"))
        })
    }
}

/// What a dead letter holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// The envelope as it was.
    Event(Envelope),
    /// The effect as it was.
    Effect(Outgoing),
    /// Something that this program cannot read, and why.
    Unreadable(String),
}

/// A dead letter: an event or an effect that was given up, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// The entity that it belongs to.
    pub entity: EntityId,
    /// Its name within the entity.
    pub id: LetterId,
    /// The event or the effect itself.
    pub content: Content,
    /// Why it is here.
    pub cause: String,
    /// The policy by which it was put here: `park`, `skip` or `block`; an effect has none.
    pub policy: Option<String>,
    /// When it was put here.
    pub at: Millis,
}

#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    cause: String,
    policy: Option<String>,
    #[serde(default)]
    at: Millis,
}

impl Letter {
    /// A letter that cannot be read is shown as such: whoever lists them must see it, and may delete it.
    fn read(entity: &EntityId, id: LetterId, item: Item) -> Self {
        let mut attributes: HashMap<String, AttributeValue> = item.into();
        let missing = || Content::Unreadable("it is empty".to_owned());
        let unreadable = |error: serde_dynamo::Error| Content::Unreadable(error.to_string());
        let content = match id {
            LetterId::Event(_) => attributes.remove("envelope").map_or_else(missing, |value| {
                serde_dynamo::from_attribute_value(value)
                    .map_or_else(unreadable, |Text(envelope)| Content::Event(envelope))
            }),
            LetterId::Effect(..) => attributes.remove("effect").map_or_else(missing, |value| {
                serde_dynamo::from_attribute_value(value)
                    .map_or_else(unreadable, |Text(effect)| Content::Effect(effect))
            }),
        };
        let stored = serde_dynamo::from_item(Item::from(attributes));
        let Stored { cause, policy, at } = stored.unwrap_or(Stored {
            cause: "the cause cannot be read".to_owned(),
            policy: None,
            at: Millis::default(),
        });
        Self { entity: entity.clone(), id, content, cause, policy, at }
    }
}

/// One page of an entity's dead letters, in order, and the last of the page when there may be more.
///
/// # Errors
/// When the store fails.
pub async fn list<H: ReadHost>(
    host: &H,
    entity: &EntityId,
    after: Option<LetterId>,
    limit: usize,
) -> Result<(Vec<Letter>, Option<LetterId>), StoreError> {
    let limit = limit.clamp(1, limits::PAGE_MOST);
    let mut letters = Vec::new();
    if !matches!(after, Some(LetterId::Effect(..))) {
        let (events, more) = range(host, entity, table::DEAD, after, limit).await?;
        letters = events;
        if more {
            let last = letters.last().map(|letter: &Letter| letter.id);
            return Ok((letters, last));
        }
    }
    let room = limit - letters.len();
    if room == 0 {
        // Whether there are effects is told by the next page.
        let last = letters.last().map(|letter| letter.id);
        return Ok((letters, last));
    }
    let after = after.filter(|after| matches!(after, LetterId::Effect(..)));
    let (effects, more) = range(host, entity, table::UNDELIVERED, after, room).await?;
    letters.extend(effects);
    let last = letters.last().map(|letter| letter.id).filter(|_| more);
    Ok((letters, last))
}

async fn range<H: ReadHost>(
    host: &H,
    entity: &EntityId,
    prefix: &'static str,
    after: Option<LetterId>,
    limit: usize,
) -> Result<(Vec<Letter>, bool), StoreError> {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let start = after.map(|letter| {
        let Key { pk, sk } = letter.key(entity);
        HashMap::from([("pk".to_owned(), AttributeValue::S(pk)), ("sk".to_owned(), AttributeValue::S(sk))]).into()
    });
    // By a consistent read: what was redriven a moment ago must not be redriven again in vain.
    let query = Query {
        index: None,
        consistency: Consistency::Strong,
        condition: table::LIST_ITEMS,
        values: vec![(":pk", text(entity.as_str())), (":prefix", text(prefix))],
        order: Order::Ascending,
        after: start,
        limit,
    };
    let page = host.store().query(query).await?;
    let more = page.last.is_some();
    let letter = |item: Item| {
        let Some(AttributeValue::S(sk)) = item.get("sk") else { return None };
        let id = LetterId::of_sort_key(sk)?;
        Some(Letter::read(entity, id, item))
    };
    Ok((page.items.into_iter().filter_map(letter).collect(), more))
}

/// Reads one dead letter of an entity.
///
/// # Errors
/// When it is not there, or the store fails beyond the deadline.
pub async fn read<H: ReadHost>(
    host: &H,
    entity: &EntityId,
    letter: LetterId,
    deadline: Millis,
) -> Result<Letter, OperatorError> {
    let item = receipt::get(host, letter.key(entity), deadline).await?;
    let item = item.ok_or_else(|| OperatorError::NoSuchLetter { entity: entity.clone(), letter })?;
    Ok(Letter::read(entity, letter, item))
}

/// Deletes a dead letter: what was in it is never processed.
///
/// # Errors
/// When it is not there, or the store fails beyond the deadline: then it may be deleted or not.
pub async fn delete<H: Host>(
    host: &H,
    entity: &EntityId,
    letter: LetterId,
    deadline: Millis,
) -> Result<(), OperatorError> {
    let delete = Delete { key: letter.key(entity), condition: table::DELETE_IF };
    match persist(host, deadline, || host.store().delete(delete.clone())).await? {
        (Written::Applied { .. }, _) => Ok(()),
        (Written::Refused { clean: true, .. }, true) => {
            Err(OperatorError::NoSuchLetter { entity: entity.clone(), letter })
        }
        // An earlier try had no answer: it may be what deleted it, and it is gone in any case.
        (Written::Refused { .. }, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_what_they_write() {
        let entity = EntityId::new("counter", "a").unwrap();
        for letter in [LetterId::Event(7), LetterId::Effect(7, 0), LetterId::Effect(u64::MAX, 99)] {
            assert_eq!(letter.to_string().parse(), Ok(letter));
            assert_eq!(LetterId::of_sort_key(&letter.key(&entity).sk), Some(letter));
        }
        for wrong in ["", "7", "event-", "event-07", "event-+7", "effect-7", "effect-7-00", "dead#7", "event-7-0"] {
            assert!(wrong.parse::<LetterId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_in_the_order_of_their_sort_keys() {
        let entity = EntityId::new("counter", "a").unwrap();
        let letters = [LetterId::Event(9), LetterId::Event(10), LetterId::Effect(2, 9), LetterId::Effect(2, 10)];
        assert!(letters.is_sorted() && letters.map(|letter| letter.key(&entity)).is_sorted());
    }
}
