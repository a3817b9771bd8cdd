//! The parts of a stored mailbox that the oracle compares, read without the protocol's own code.

use std::collections::{BTreeMap, BTreeSet};

use serde_dynamo::AttributeValue;
use serde_json::Value;
use shared::table::value_bytes;

use crate::actor::{Add, Command};
use crate::expression::{Attributes, integer};

/// One stored mailbox, or none.
#[derive(Clone, Copy)]
pub struct Image<'a>(pub Option<&'a Attributes>);

/// What the oracle reads in an envelope.
#[derive(Debug)]
pub struct Letter {
    /// Its id.
    pub id: String,
    /// The command.
    pub add: Add,
    /// The name of its receipt.
    pub key: Option<String>,
}

/// An effect by its sequence and index.
pub type Effect = (i128, i128);

impl<'a> Image<'a> {
    pub fn get(self, name: &str) -> Option<&'a AttributeValue> {
        self.0?.get(name)
    }

    pub fn number(self, name: &str) -> i128 {
        self.get(name).and_then(integer).unwrap_or(0)
    }

    pub fn list(self, name: &str) -> &'a [AttributeValue] {
        match self.get(name) {
            Some(AttributeValue::L(list)) => list,
            _ => &[],
        }
    }

    /// What was applied: a state lies in the item as it is, or in its snapshot.
    pub fn entries(self) -> Vec<u64> {
        let Some(AttributeValue::M(stored)) = self.get("state") else {
            return Vec::new();
        };
        let state = match stored.get("state") {
            Some(AttributeValue::M(state)) => state,
            _ => stored,
        };
        match state.get("entries") {
            Some(AttributeValue::L(entries)) => {
                entries.iter().filter_map(integer).filter_map(|token| u64::try_from(token).ok()).collect()
            }
            _ => Vec::new(),
        }
    }

    pub fn owner(self) -> Option<&'a [u8]> {
        match self.get("lease") {
            Some(AttributeValue::M(lease)) => match lease.get("owner") {
                Some(AttributeValue::B(owner)) => Some(owner),
                _ => None,
            },
            _ => None,
        }
    }

    /// The ids of what waits and of what left the queue lately.
    pub fn known(self) -> BTreeSet<String> {
        let waiting = self.list("queue").iter().filter_map(document);
        waiting.chain(self.recent()).filter_map(|entry| id(&entry)).collect()
    }

    fn recent(self) -> Vec<Value> {
        match self.get("recent").and_then(document) {
            Some(Value::Array(recent)) => recent,
            _ => Vec::new(),
        }
    }

    /// The last entries of what left the queue: id, outcome, and the sequence of the event whose key it repeated.
    pub fn last(self, count: usize) -> Vec<(String, Value, Option<u64>)> {
        let recent = self.recent();
        let entry = |entry: &Value| {
            let original = match entry["e"].as_str() {
                Some(event) => Some(event.split('-').next()?.parse().ok()?),
                None => None,
            };
            Some((id(entry)?, entry.get("o")?.clone(), original))
        };
        recent.iter().skip(recent.len().saturating_sub(count)).filter_map(entry).collect()
    }

    pub fn evicted(self) -> Option<String> {
        match self.get("evicted") {
            Some(AttributeValue::B(id)) => Some(id.iter().map(|byte| format!("{byte:02x}")).collect()),
            _ => None,
        }
    }

    pub fn queue_bytes(self) -> i128 {
        self.list("queue").iter().map(|envelope| 1 + value_bytes(envelope) as i128).sum()
    }

    /// The effects that wait, with their receivers and commands.
    pub fn effects(self) -> BTreeMap<Effect, (String, Option<Add>)> {
        let read = |effect: &AttributeValue| {
            let effect = document(effect)?;
            let place = (effect["s"].as_i64()?.into(), effect["x"].as_i64()?.into());
            Some((place, (effect["r"].as_str()?.to_owned(), command(&effect["b"]))))
        };
        self.list("outbox").iter().filter_map(read).collect()
    }
}

/// What a text says that is JSON.
pub fn document(text: &AttributeValue) -> Option<Value> {
    match text {
        AttributeValue::S(text) => serde_json::from_str(text).ok(),
        _ => None,
    }
}

fn id(entry: &Value) -> Option<String> {
    entry["i"].as_str().map(str::to_owned)
}

fn command(body: &Value) -> Option<Add> {
    serde_json::from_value(body.clone()).ok().map(|Command::Add(add)| add)
}

/// Reads an envelope.
pub fn letter(envelope: &AttributeValue) -> Option<Letter> {
    let envelope = document(envelope)?;
    let key = envelope["k"]["n"].as_str().map(str::to_owned);
    Some(Letter { id: id(&envelope)?, add: command(&envelope["b"])?, key })
}
