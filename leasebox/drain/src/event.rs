//! From a batch of stream records or queue messages to the entities to look at.
//!
//! Of a record only its key and its number are read: an image that a newer program wrote, or that nobody can read, must
//! not keep `drain` from looking at the entity.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};
use shared::envelope::{EntityId, Millis};
use shared::log::quiet;
use shared::table;
use shared::wake::Wake;

/// Why a whole batch cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event cannot be read: {0}")]
pub struct Unreadable(pub String);

/// One batch, by entity.
#[derive(Debug, Default)]
pub struct Batch {
    /// The entities to look at, in the order of their first items.
    pub groups: Vec<Group>,
    /// The items that cannot be read: they exhaust their retries and end in the dead-letter queue.
    pub unreadable: Vec<String>,
    /// When the oldest of the stream's records was made, to the second.
    pub oldest: Option<Millis>,
}

/// One entity to look at.
#[derive(Debug)]
pub struct Group {
    /// The entity to look at.
    pub entity: EntityId,
    /// The looks to take, each with the items that fail if it does.
    pub looks: Vec<(Vec<String>, Option<Wake>)>,
}

/// The items that are to be delivered again.
#[derive(Debug)]
pub struct Failures(Vec<String>);

impl Failures {
    /// Begins with items that have failed already.
    #[must_use]
    pub fn new(items: Vec<String>) -> Self {
        Self(items)
    }

    /// Adds items that have failed too.
    pub fn extend(&mut self, items: impl IntoIterator<Item = String>) {
        self.0.extend(items);
    }

    /// A partial-batch response as both event sources take it.
    #[must_use]
    pub fn into_response(self) -> Value {
        let failures: Vec<Value> = self.0.into_iter().map(|item| json!({"itemIdentifier": item})).collect();
        json!({"batchItemFailures": failures})
    }
}

#[derive(Deserialize)]
struct Records {
    #[serde(rename = "Records")]
    records: Vec<Value>,
}

/// Reads a batch of the table's stream or of the wake queue.
///
/// # Errors
/// When it is neither source's, or an item that cannot be read has no identity to report it by.
pub fn read(event: Value) -> Result<Batch, Unreadable> {
    let Records { records } = serde_json::from_value(event).map_err(|error| Unreadable(error.to_string()))?;
    let mut batch = Batch::default();
    let mut places = HashMap::new();
    for record in records {
        batch.oldest = batch.oldest.into_iter().chain(created(&record)).min();
        let source = record.get("eventSource").and_then(Value::as_str).unwrap_or_default();
        let read = match source {
            "aws:dynamodb" => stream_record(&record)?,
            "aws:sqs" => message(&record)?,
            other => return Err(Unreadable(format!("`{other}` is no event source of this function"))),
        };
        match read {
            Read::Look(entity, item, wake) => batch.add(&mut places, entity, item, wake),
            Read::Unreadable(item) => batch.unreadable.push(item),
            Read::Other => {}
        }
    }
    Ok(batch)
}

enum Read {
    Look(EntityId, String, Option<Wake>),
    Unreadable(String),
    /// A record of something that is no mailbox: the filter lets none through, and nothing is to be done about one.
    Other,
}

impl Batch {
    fn add(&mut self, places: &mut HashMap<EntityId, usize>, entity: EntityId, item: String, wake: Option<Wake>) {
        let place = *places.entry(entity.clone()).or_insert_with(|| {
            self.groups.push(Group { entity, looks: Vec::new() });
            self.groups.len() - 1
        });
        let Some(group) = self.groups.get_mut(place) else {
            return;
        };
        // One look serves all records of an entity; a wake is judged by the lease that it was sent for.
        match group.looks.iter_mut().find(|(_, other)| *other == wake) {
            Some((items, _)) => items.push(item),
            None => group.looks.push((vec![item], wake)),
        }
    }
}

fn created(record: &Value) -> Option<Millis> {
    let seconds = record.pointer("/dynamodb/ApproximateCreationDateTime")?.as_f64()?;
    Some(Millis((seconds * 1000.0) as u64))
}

fn stream_record(record: &Value) -> Result<Read, Unreadable> {
    let sequence = record.pointer("/dynamodb/SequenceNumber").and_then(Value::as_str).map(str::to_owned);
    let Some(sequence) = sequence.filter(|sequence| !sequence.is_empty()) else {
        return Err(Unreadable("a stream record has no SequenceNumber".to_owned()));
    };
    let key = |name: &str| record.pointer(&format!("/dynamodb/Keys/{name}/S")).and_then(Value::as_str);
    if key("sk") != Some(table::MAILBOX) {
        return Ok(Read::Other);
    }
    Ok(match key("pk").unwrap_or_default().parse() {
        Ok(entity) => Read::Look(entity, sequence, None),
        Err(error) => unreadable(sequence, &error),
    })
}

fn message(record: &Value) -> Result<Read, Unreadable> {
    let id = record.get("messageId").and_then(Value::as_str).unwrap_or_default().to_owned();
    if id.is_empty() {
        return Err(Unreadable("a message has no messageId".to_owned()));
    }
    let body = record.get("body").and_then(Value::as_str).unwrap_or_default();
    Ok(match serde_json::from_str::<Wake>(body) {
        Ok(wake) => Read::Look(wake.entity.clone(), id, Some(wake)),
        Err(error) => unreadable(id, &error),
    })
}

fn unreadable(item: String, error: &dyn std::fmt::Display) -> Read {
    tracing::error!(item, error = quiet(error), "an item cannot be read; it will end in the dead-letter queue");
    Read::Unreadable(item)
}
