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
    pub id: Vec<u8>,
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

    pub fn seen(self) -> BTreeSet<&'a [u8]> {
        match self.get("seen") {
            Some(AttributeValue::Bs(ids)) => ids.iter().map(Vec::as_slice).collect(),
            _ => BTreeSet::new(),
        }
    }

    pub fn ids(self, list: &str) -> impl Iterator<Item = &'a [u8]> {
        self.list(list).iter().filter_map(id)
    }

    /// The last entries of what left the queue: id, outcome as JSON, and the sequence of the event whose key it repeated.
    pub fn last(self, count: usize) -> Vec<(Vec<u8>, Value, Option<u64>)> {
        let recent = self.list("recent");
        let entry = |entry: &AttributeValue| {
            let AttributeValue::M(map) = entry else {
                return None;
            };
            let outcome = match map.get("o") {
                Some(AttributeValue::S(text)) => serde_json::from_str(text).ok()?,
                _ => return None,
            };
            let original = match map.get("e") {
                Some(AttributeValue::S(event)) => Some(event.split('-').next()?.parse().ok()?),
                _ => None,
            };
            Some((id(entry)?.to_vec(), outcome, original))
        };
        recent.iter().skip(recent.len().saturating_sub(count)).filter_map(entry).collect()
    }

    pub fn evicted(self) -> Option<&'a [u8]> {
        match self.get("evicted") {
            Some(AttributeValue::B(id)) => Some(id),
            _ => None,
        }
    }

    pub fn queue_bytes(self) -> i128 {
        self.list("queue").iter().map(|envelope| 1 + value_bytes(envelope) as i128).sum()
    }

    /// The effects that wait, with their receivers and commands.
    pub fn effects(self) -> BTreeMap<Effect, (String, Option<Add>)> {
        let read = |effect: &AttributeValue| {
            let AttributeValue::M(effect) = effect else {
                return None;
            };
            let text = |name: &str| match effect.get(name) {
                Some(AttributeValue::S(text)) => Some(text.clone()),
                _ => None,
            };
            let place = (integer(effect.get("s")?)?, integer(effect.get("x")?)?);
            Some((place, (text("r")?, text("b").as_deref().and_then(command))))
        };
        self.list("outbox").iter().filter_map(read).collect()
    }
}

fn id(entry: &AttributeValue) -> Option<&[u8]> {
    match entry {
        AttributeValue::M(entry) => match entry.get("i") {
            Some(AttributeValue::B(id)) => Some(id),
            _ => None,
        },
        _ => None,
    }
}

fn command(body: &str) -> Option<Add> {
    serde_json::from_str(body).ok().map(|Command::Add(add)| add)
}

/// Reads an envelope.
pub fn letter(envelope: &AttributeValue) -> Option<Letter> {
    let AttributeValue::M(map) = envelope else {
        return None;
    };
    let key = match map.get("k") {
        Some(AttributeValue::M(key)) => match key.get("n") {
            Some(AttributeValue::S(name)) => Some(name.clone()),
            _ => None,
        },
        _ => None,
    };
    let body = match map.get("b") {
        Some(AttributeValue::S(body)) => command(body)?,
        _ => return None,
    };
    Some(Letter { id: id(envelope)?.to_vec(), add: body, key })
}
