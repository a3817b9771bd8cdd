//! What must be true, whatever happens. The oracle sees every write that was applied and every answer that a client
//! got, and knows nothing of how the protocol came to them.

mod commit;
mod image;
mod journal;
mod rest;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_dynamo::AttributeValue;
use shared::store::Update;
use shared::table;

use crate::actor::Add;
use crate::client::Post;
use crate::history::History;
use crate::table::Wrote;

pub use rest::{at_rest, patience};

/// What is known of one run.
#[derive(Debug, Default)]
pub struct Oracle {
    /// The first thing that was not as it must be.
    pub violation: Option<String>,
    /// What clients sent, by token.
    pub sent: HashMap<u64, Sent>,
    /// Posts with a key that are acknowledged.
    pub keyed: Vec<Post>,
    /// What was asked and answered, by entity.
    pub histories: BTreeMap<String, History>,
    entities: BTreeMap<String, Truth>,
    /// Keys of effects that their receivers have in their queues, or had.
    delivered: HashSet<(String, String)>,
    pushed: HashSet<String>,
    /// Effects that were committed, by sender and receiver, in order.
    effects: BTreeMap<(String, String), Vec<u64>>,
}

/// What a client knows of its command.
#[derive(Clone, Debug)]
pub struct Sent {
    /// To whom.
    pub pk: String,
    /// It.
    pub add: Add,
    /// Whether the client was told that it is stored.
    pub acknowledged: bool,
    /// Whether the client was told that it is not, and never will be.
    pub refused: bool,
    /// The event that the client holds, as text.
    pub event: Option<String>,
}

/// What is known of one entity.
#[derive(Debug, Default)]
struct Truth {
    /// Tokens in the order in which they were applied.
    applied: Vec<u64>,
    /// Ids of all envelopes that were ever appended.
    envelopes: HashSet<String>,
    /// Tokens of all envelopes that were ever appended.
    stored: HashSet<u64>,
    /// Tokens that lie in the dead letters.
    dead: HashSet<u64>,
    /// Tokens by the sequences that they had.
    sequences: HashMap<u64, u64>,
    /// Deaths of holders by the sequence that was running.
    strikes: HashMap<u64, u64>,
    /// What the side records hold.
    files: BTreeMap<String, u64>,
    /// Effects that the present write must commit.
    told: Vec<(String, u64)>,
    /// Commands that the present write applied, whose events it must have.
    causes: Vec<journal::Cause>,
    /// Effects that were given up.
    undelivered: HashSet<u64>,
}

/// Why something is not as it must be.
type Finding = Result<(), String>;

impl Oracle {
    /// Notes that something is not as it must be; the first such thing counts.
    pub fn violated(&mut self, what: impl Into<String>) {
        self.violation.get_or_insert(what.into());
    }

    /// A request was applied, and wrote these items.
    pub fn wrote(&mut self, request: &Update, wrote: &[Wrote]) {
        let mailbox = wrote.iter().find(|wrote| wrote.key.sk == table::MAILBOX);
        let me = request.values.iter().find_map(|(name, value)| match (*name, value) {
            (":me", AttributeValue::B(owner)) => Some(owner.as_slice()),
            _ => None,
        });
        let records: Vec<&Wrote> = wrote.iter().filter(|wrote| wrote.key.sk != table::MAILBOX).collect();
        let once = |record: &&Wrote| {
            Self::check_receipt(record)?;
            journal::written_once(record, mailbox)
        };
        let finding = records.iter().try_for_each(once).and_then(|()| match mailbox {
            Some(mailbox) => self.check_mailbox(mailbox, me, &records),
            None => Ok(()),
        });
        if let Err(violation) = finding {
            let pk = &request.key.pk;
            self.violated(format!("{pk}: {violation}"));
        }
    }

    /// A receipt stands for 24 hours, longer than any run: nobody may write another event over it.
    fn check_receipt(record: &Wrote) -> Finding {
        if !record.key.sk.starts_with("receipt#") {
            return Ok(());
        }
        let event = |version: &crate::table::Version| version.as_ref().and_then(|item| item.get("event").cloned());
        match (event(&record.old), event(&record.new)) {
            (Some(old), new) if new.as_ref() != Some(&old) => {
                Err(format!("receipt {} was overwritten: {old:?} by {new:?}", record.key.sk))
            }
            _ => Ok(()),
        }
    }

    /// A message was pushed: only what was applied may be, and nothing twice.
    pub fn pushed(&mut self, message: &str) {
        let known = message.parse().is_ok_and(|token: u64| self.entities.values().any(|truth| truth.has(token)));
        if !known {
            self.violated(format!("{message} was pushed before it was committed"));
        }
        if !self.pushed.insert(message.to_owned()) {
            self.violated(format!("{message} was pushed twice"));
        }
    }

    /// A client is told that its commands are stored: they must be.
    pub fn acknowledged(&mut self, tokens: &[u64]) {
        for token in tokens {
            let Some(sent) = self.sent.get_mut(token) else {
                continue;
            };
            sent.acknowledged = true;
            let stored = self.entities.get(&sent.pk).is_some_and(|truth| truth.stored.contains(token));
            if !stored {
                self.violated(format!("{token} was acknowledged and is not stored"));
            }
        }
    }

    /// A client is told that its commands are not stored, and never will be.
    pub fn refused(&mut self, tokens: &[u64]) {
        for token in tokens {
            if let Some(sent) = self.sent.get_mut(token) {
                sent.refused = true;
            }
        }
    }

    /// A client is told the place of its command: it must have it, and for good.
    pub fn placed(&mut self, token: u64, place: u64) {
        let index = usize::try_from(place).unwrap_or(usize::MAX).wrapping_sub(1);
        let pk = self.sent.get(&token).map(|sent| sent.pk.clone()).unwrap_or_default();
        let there = self.entities.get(&pk).and_then(|truth| truth.applied.get(index).copied());
        if there != Some(token) {
            self.violated(format!("{token} was answered with place {place} of {pk}, where {there:?} is"));
        }
    }

    /// A client is told that its command lies in the dead letters.
    pub fn died(&mut self, token: u64) {
        let pk = self.sent.get(&token).map(|sent| sent.pk.clone()).unwrap_or_default();
        if !self.entities.get(&pk).is_some_and(|truth| truth.dead.contains(&token)) {
            self.violated(format!("{token} was answered as dead, and {pk} has no such dead letter"));
        }
    }

    /// How many commands were applied in all.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.entities.values().map(|truth| truth.applied.len() as u64).sum()
    }
}

impl Truth {
    fn has(&self, token: u64) -> bool {
        self.applied.contains(&token)
    }
}
