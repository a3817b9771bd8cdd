//! Effects between their commit and their delivery.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::envelope::{Draft, EntityId, Keyed, Millis, body_hash};
use crate::limits;
use crate::text;
use crate::trace::{self, Trace};

/// The longest pause between two deliveries of one effect, in milliseconds.
const PAUSE_MOST_MS: u64 = 300_000;

/// One effect that is committed and not yet delivered. Its identity follows from where it came from, so a delivery
/// that happens twice is recognised by its receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// The sequence of the envelope that caused it.
    #[serde(rename = "s")]
    pub sequence: u64,
    /// Its number among that envelope's effects.
    #[serde(rename = "x")]
    pub index: u32,
    /// The entity that receives it.
    #[serde(rename = "r")]
    pub to: EntityId,
    /// The command as compact JSON.
    #[serde(rename = "b", with = "text::json")]
    pub body: String,
    /// When it was committed.
    #[serde(rename = "t")]
    pub at: Millis,
    /// How often its delivery failed.
    #[serde(rename = "n", default, skip_serializing_if = "none")]
    pub failures: u32,
    /// When it is due again after a failure.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Millis>,
    /// The trace and the visit that caused it, when the envelope's trace is recorded.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn none(failures: &u32) -> bool {
    *failures == 0
}

impl Outgoing {
    /// What is posted to the receiver: a keyed envelope whose key is derived from the sender's order.
    #[must_use]
    pub fn draft(&self, sender: &EntityId) -> Draft {
        let hash = body_hash([self.body.as_str()]);
        let keyed = Keyed::effect(sender, self.sequence, self.index as usize, &hash);
        Draft { body: self.body.clone(), keyed: Some(keyed), from: Some(sender.clone()), trace: self.trace }
    }

    /// Whether it may go out at this time.
    #[must_use]
    pub fn is_due(&self, now: Millis) -> bool {
        self.rest(now) == 0
    }

    /// How long it waits still, in milliseconds; a time beyond the longest pause is a wrong clock's and is not believed.
    fn rest(&self, now: Millis) -> u64 {
        let rest = self.due.unwrap_or_default().since(now);
        if rest > PAUSE_MOST_MS + limits::MARGIN_MS { 0 } else { rest }
    }

    /// Why it must never go out again, if so: its receiver no longer remembers whether it came before.
    #[must_use]
    pub fn given_up(&self, now: Millis) -> Option<String> {
        if now.since(self.at) > limits::RECEIPT_MS {
            return Some("it is older than the receipts that would recognise it".to_owned());
        }
        (self.failures >= limits::DELIVERY_FAILURES).then(|| format!("its delivery failed {} times", self.failures))
    }

    /// Counts one more failure: it is due again after 1 s, 2 s, 4 s and so on, up to five minutes.
    #[must_use]
    pub fn failed(mut self, now: Millis) -> Self {
        let pause = (1_000_u64 << self.failures.min(9)).min(PAUSE_MOST_MS);
        self.failures += 1;
        self.due = Some(now.plus(pause));
        self
    }
}

/// The first effect to each receiver: those behind it wait for it, so that the order between two entities is kept.
pub fn firsts(outbox: &[Outgoing]) -> impl Iterator<Item = &Outgoing> {
    let mut receivers = HashSet::new();
    outbox.iter().filter(move |outgoing| receivers.insert(&outgoing.to))
}

/// Whether anything may go out at this time.
#[must_use]
pub fn is_due(outbox: &[Outgoing], now: Millis) -> bool {
    firsts(outbox).any(|outgoing| outgoing.is_due(now))
}

/// When the first of these effects is due; none when one is due already, or when there is none.
#[must_use]
pub fn next_due(outbox: &[Outgoing], now: Millis) -> Option<Millis> {
    if is_due(outbox, now) { None } else { firsts(outbox).filter_map(|outgoing| outgoing.due).min() }
}

/// How much of an outbox these effects fill, by number or by size, whichever is more: 1 is all of it.
#[must_use]
pub fn fill(outbox: &[Outgoing]) -> f64 {
    // Names, numbers and punctuation of one entry come to less than 128 bytes, beside a trace.
    let traced = |outgoing: &Outgoing| outgoing.trace.map_or(0, |_| 7 + trace::BYTES);
    let size = |outgoing: &Outgoing| 128 + outgoing.to.as_str().len() + outgoing.body.len() + traced(outgoing);
    let bytes: usize = outbox.iter().map(size).sum();
    let share = |part: usize, whole: usize| part as f64 / whole as f64;
    share(outbox.len(), limits::OUTBOX_LENGTH).max(share(bytes, limits::OUTBOX_BYTES))
}

#[cfg(test)]
mod tests;
