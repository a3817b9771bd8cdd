//! The journal: what has happened to an entity, event by event, in items that are written once.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_dynamo::{AttributeValue, Item};
use serde_json::{Map, Value};

use crate::actor::Fault;
use crate::envelope::{EntityId, EventId, Millis};
use crate::limits;
use crate::mailbox::image::Damaged;
use crate::store::Put;
use crate::table;

/// One event of a journal, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place, from 1 and without a gap: the version of the state that it leads to.
    pub version: u64,
    /// The name of what has happened: the event's `type`.
    pub r#type: String,
    /// The version of its form.
    pub schema: u32,
    /// When it was committed. Within one journal time never runs backwards, whatever the clocks do.
    pub at: Millis,
    /// The envelope that caused it, with its place in the mailbox's order.
    pub cause: EventId,
    /// The rest of it.
    pub payload: Map<String, Value>,
}

impl Entry {
    /// What the actor knows of it: the payload with the type.
    #[must_use]
    pub fn event(&self) -> Value {
        let mut event = self.payload.clone();
        event.insert("type".to_owned(), Value::from(self.r#type.as_str()));
        Value::Object(event)
    }

    /// Its size, in bytes as stored.
    #[must_use]
    pub fn bytes(&self) -> usize {
        table::value_bytes(&self.stored())
    }

    fn stored(&self) -> AttributeValue {
        // Strings, numbers and JSON always make an attribute.
        serde_dynamo::to_attribute_value(self).unwrap_or(AttributeValue::Null(true))
    }
}

/// Takes an event apart into its type and its payload.
///
/// # Errors
/// A [`Fault`] when it is no JSON object with a `type`.
pub fn take_apart<E: Serialize>(event: &E) -> Result<(String, Map<String, Value>), Fault> {
    let event = serde_json::to_value(event).map_err(|error| Fault::new(error.to_string()))?;
    let Value::Object(mut payload) = event else {
        return Err(Fault::new("an event must be a JSON object that is tagged by `type`"));
    };
    let Some(Value::String(r#type)) = payload.remove("type") else {
        return Err(Fault::new("an event must be tagged by `type`"));
    };
    Ok((r#type, payload))
}

/// The items that the events of one commit are written to: several share one, because a transaction pays for each item
/// at least twice a write. The first event of all has one of its own, so that a journal that begins anew, because its
/// mailbox was taken away, always finds the old one in its place.
#[derive(Debug, Default)]
pub struct Pages {
    pages: Vec<Page>,
}

#[derive(Debug)]
struct Page {
    last: u64,
    bytes: usize,
    events: Vec<AttributeValue>,
}

impl Pages {
    /// Adds events that follow those before them.
    pub fn extend(&mut self, entries: &[Entry]) {
        for entry in entries {
            let event = entry.stored();
            let bytes = 1 + table::value_bytes(&event);
            match self.pages.last_mut() {
                Some(page) if page.last > 1 && page.bytes + bytes <= limits::JOURNAL_ITEM_BYTES => {
                    page.events.push(event);
                    (page.last, page.bytes) = (entry.version, page.bytes + bytes);
                }
                _ => self.pages.push(Page { last: entry.version, bytes, events: vec![event] }),
            }
        }
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// The size of the events, in bytes as stored.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.pages.iter().map(|page| page.bytes).sum()
    }

    /// The items, to be written with the commit.
    pub fn puts(self, entity: &EntityId) -> impl Iterator<Item = Put> {
        self.pages.into_iter().map(move |page| {
            let item = HashMap::from([("events".to_owned(), AttributeValue::L(page.events))]);
            let condition = Some((table::JOURNAL_IF, Vec::new()));
            Put { key: table::journal_key(entity, page.last), item: item.into(), condition }
        })
    }
}

/// Reads one item of a journal.
///
/// # Errors
/// When it is not what was written.
pub fn read(item: Item) -> Result<Vec<Entry>, Damaged> {
    #[derive(Deserialize)]
    struct Stored {
        sk: String,
        events: Vec<Entry>,
    }
    let Stored { sk, events } =
        serde_dynamo::from_item(item).map_err(|error| Damaged(format!("a journal item: {error}")))?;
    let last = sk.strip_prefix(table::EVENT).and_then(|digits| digits.parse().ok());
    let follows =
        events.windows(2).all(|pair| matches!(pair, [one, next] if next.version.checked_sub(1) == Some(one.version)));
    match events.last() {
        Some(event) if last == Some(event.version) && follows => Ok(events),
        _ => Err(Damaged(format!("the events of {sk} are not those that it names"))),
    }
}

#[cfg(test)]
mod tests;
