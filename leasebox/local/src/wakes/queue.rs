//! Messages in the order in which they are due.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::progress::Hold;

/// A message on its way.
#[derive(Debug)]
pub struct Message {
    /// Its id, in the shape of a UUID.
    pub id: String,
    /// The text that was sent.
    pub body: String,
    /// When it was sent.
    pub sent_ms: u64,
    /// When it was first received.
    pub first_received_ms: Option<u64>,
    /// How often it was received.
    pub received: u32,
    /// What it holds back.
    pub hold: Hold,
}

/// The messages that wait for their time, the earliest first.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: BTreeMap<(Instant, u64), Message>,
    /// Distinguishes messages that are due at the same time.
    next: u64,
}

impl Queue {
    /// Puts a new message in and returns its id.
    pub fn push(&mut self, due: Instant, body: String, sent_ms: u64, hold: Hold) -> String {
        let id = message_id(sent_ms, self.next);
        let message = Message { id: id.clone(), body, sent_ms, first_received_ms: None, received: 0, hold };
        self.put_back(due, message);
        id
    }

    /// Puts a message back in that was taken before.
    pub fn put_back(&mut self, due: Instant, message: Message) {
        self.waiting.insert((due, self.next), message);
        self.next += 1;
    }

    /// Takes up to `limit` messages that are due, the earliest first.
    pub fn take_due(&mut self, now: Instant, limit: usize) -> Vec<Message> {
        let mut due = Vec::new();
        while due.len() < limit {
            match self.waiting.first_entry() {
                Some(first) if first.key().0 <= now => due.push(first.remove()),
                _ => break,
            }
        }
        due
    }

    /// When the next message is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.waiting.keys().next().map(|(due, _)| *due)
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }
}

/// An id that no other message of this queue has, nor one of an earlier process.
fn message_id(sent_ms: u64, number: u64) -> String {
    let digits = format!("{sent_ms:016x}{number:016x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_the_shape_of_a_uuid() {
        let id = message_id(1_761_000_000_000, 7);
        assert_eq!(id, "0000019a-03c7-8a00-0000-000000000007");
    }
}
