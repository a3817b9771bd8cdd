//! How an event ended, as it is stored beside the state and in receipts and shown to whoever asks.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::actor::Rejection;
use crate::envelope::EventId;

/// How an event ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was applied, and this is the actor's reply.
    #[serde(rename = "r")]
    Reply(Value),
    /// The rules of the business refused it.
    #[serde(rename = "x")]
    Rejected(Rejection),
    /// It could not be processed and lies in the dead letters.
    #[serde(rename = "d")]
    Dead(String),
}

impl Outcome {
    /// The stored form, as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Every part is a string, a number or a `Value`, none of which fails to serialize.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The refusal of a key that was used for something else.
    #[must_use]
    pub fn key_reused() -> Self {
        Self::Rejected(Rejection::key_reused())
    }
}

/// An outcome together with the event that it belongs to: for a repeated key that is the first one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The event whose outcome this is.
    pub event: EventId,
    /// How the event ended.
    pub outcome: Outcome,
    /// Whether an earlier post with the same key had already had the effect.
    pub replayed: bool,
}
