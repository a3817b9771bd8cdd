//! Runs envelopes through their actor: a pure function from an image to what is to be committed.
//!
//! Because it is pure, a batch that does not fit, or that newcomers joined, is simply run again.

use std::collections::HashMap;

use serde_dynamo::AttributeValue;

use crate::actor::{Effect, Fault, Poison};
use crate::envelope::{EntityId, Envelope, EventId, Millis};
use crate::journal::Pages;
use crate::limits;
use crate::mailbox::image::{Mailbox, Recent};
use crate::outbox::{self, Outgoing};
use crate::outcome::Outcome;
use crate::receipt::{Receipt, Receipts};
use crate::records::{Record, Records};
use crate::registry::{Kind, Ran, Stage, Unreadable};
use crate::store::Put;
use crate::table;
use crate::text::text;
use crate::trace::Trace;

/// What a number of envelopes made, ready to be committed.
#[derive(Debug, Default)]
pub struct Batch {
    /// How many envelopes leave the queue.
    pub taken: usize,
    /// The new state and the version of the kind that wrote it; none when it did not change.
    pub state: Option<(u32, AttributeValue)>,
    /// How each of them ended.
    pub recent: Vec<Recent>,
    /// Effects for the outbox.
    pub outgoing: Vec<Outgoing>,
    /// Receipts, dead letters and side records.
    pub puts: Vec<Put>,
    /// Messages to connections, each as the connection's id and a text, in order.
    pub pushes: Vec<(String, String)>,
    /// Why the batch ends before the next envelope.
    pub stop: Option<Stop>,
}

/// Why a batch ends before it has run everything that it could.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The next envelope cannot be processed.
    Fault(Fault),
    /// The next envelope is keyed and older than its receipt would be: whether it had its effect cannot be told.
    Expired,
    /// The next envelope's effects find no room beside those that wait for their delivery.
    OutboxFull,
}

/// What a batch is run from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The image of the mailbox.
    pub image: &'a Mailbox,
    /// The kind whose actor runs the envelopes.
    pub kind: &'a Kind,
    /// The receipts of everything that is keyed.
    pub receipts: &'a Receipts,
    /// The side records that were looked up.
    pub records: &'a Records,
    /// The time that receipts count from.
    pub now: Millis,
}

/// Runs at most `most` envelopes from the front of the queue.
///
/// # Errors
/// When the stored state cannot be used.
pub fn run(input: Input<'_>, most: usize) -> Result<Batch, Unreadable> {
    let mut most = most.min(input.image.queue.len());
    loop {
        let mut run = Run::new(input)?;
        let stop = run.envelopes(most);
        match run.finish(stop) {
            // What an envelope that does not fit did to the state must not stay: run without it.
            Finished::Shrink(to) => most = to,
            Finished::Batch(batch) => return Ok(batch),
        }
    }
}

/// Whether the first envelope only repeats a key: it had its effect, so there is no actor to run and nothing to die of.
#[must_use]
pub fn repeats(input: Input<'_>) -> bool {
    input.image.queue.first().is_some_and(|envelope| repeated(input, &Receipts::new(), envelope).is_some())
}

/// Puts the first envelope to the dead letters without running it; if it only repeats a key that has had its effect, it
/// is answered as the key is instead: what lies in the dead letters never had an effect.
#[must_use]
pub fn park(input: Input<'_>, cause: &str) -> Batch {
    let Some(envelope) = input.image.queue.first() else {
        return Batch::default();
    };
    if let Some(recent) = repeated(input, &Receipts::new(), envelope) {
        return Batch { taken: 1, recent: vec![recent], ..Batch::default() };
    }
    let event = EventId { sequence: input.image.first(), id: envelope.id };
    let outcome = Outcome::Dead(cause.to_owned());
    let mut puts = vec![dead_letter(input, event, envelope, cause)];
    if let Some(keyed) = &envelope.keyed {
        let receipt = Receipt::new(keyed, event, &outcome, input.now);
        puts.push(receipt.put(&input.image.entity, &keyed.name, envelope.at));
    }
    Batch { taken: 1, recent: vec![Recent::new(envelope.id, &outcome)], puts, ..Batch::default() }
}

fn dead_letter(input: Input<'_>, event: EventId, envelope: &Envelope, cause: &str) -> Put {
    let policy = match input.kind.poison {
        Poison::Park => "park",
        Poison::Skip => "skip",
        Poison::Block => "block",
    };
    let item = HashMap::from([
        ("cause".to_owned(), AttributeValue::S(cause.to_owned())),
        ("policy".to_owned(), AttributeValue::S(policy.to_owned())),
        ("at".to_owned(), table::number(input.now.0)),
        ("envelope".to_owned(), text(envelope)),
    ]);
    let key = table::dead_key(&input.image.entity, event.sequence);
    Put { key, item: item.into(), condition: None }
}

struct Run<'a> {
    input: Input<'a>,
    stage: Box<dyn Stage>,
    batch: Batch,
    written: Receipts,
    records: Records,
    journal: Pages,
    changed: bool,
}

enum Finished {
    Batch(Batch),
    Shrink(usize),
}

impl<'a> Run<'a> {
    fn new(input: Input<'a>) -> Result<Self, Unreadable> {
        let stage = input.kind.stage(input.image.stored())?;
        Ok(Self {
            input,
            stage,
            batch: Batch::default(),
            written: Receipts::new(),
            records: input.records.clone(),
            journal: Pages::default(),
            changed: false,
        })
    }

    /// Runs envelopes until one fails or does not fit; then the batch already holds more than it may.
    fn envelopes(&mut self, most: usize) -> Option<Stop> {
        let image = self.input.image;
        for (sequence, envelope) in (image.first()..).zip(image.queue.iter().take(most)) {
            if let Err(stop) = self.envelope(sequence, envelope) {
                return Some(stop);
            }
            self.batch.taken += 1;
            if let Some(stop) = self.overfull() {
                return Some(stop);
            }
        }
        None
    }

    fn envelope(&mut self, sequence: u64, envelope: &Envelope) -> Result<(), Stop> {
        let event = EventId { sequence, id: envelope.id };
        if let Some(recent) = repeated(self.input, &self.written, envelope) {
            self.batch.recent.push(recent);
            return Ok(());
        }
        if envelope.keyed.is_some() && self.input.now.since(envelope.at) > limits::RECEIPT_MS {
            return Err(Stop::Expired);
        }
        let ran = self.stage.run(&self.input.image.entity, sequence, envelope, (self.input.now, &self.records));
        let Ran { outcome, effects, journal } = ran.map_err(Stop::Fault)?;
        self.changed |= matches!(outcome, Outcome::Reply(_));
        self.journal.extend(&journal);
        self.batch.recent.push(Recent::new(envelope.id, &outcome));
        let trace = self.input.image.hop(sequence, envelope).map(|hop| hop.trace);
        for (index, effect) in effects.into_iter().enumerate() {
            self.effect((sequence, index, trace), effect);
        }
        if let Some(keyed) = &envelope.keyed {
            let receipt = Receipt::new(keyed, event, &outcome, self.input.now);
            self.put(receipt.put(&self.input.image.entity, &keyed.name, envelope.at));
            self.written.insert(keyed.name.clone(), receipt);
        }
        Ok(())
    }

    fn effect(&mut self, (sequence, index, trace): (u64, usize, Option<Trace>), effect: Effect) {
        match effect {
            Effect::Post { to, body } => {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                let at = self.input.now;
                self.batch.outgoing.push(Outgoing { sequence, index, to, body, at, failures: 0, due: None, trace });
            }
            Effect::Record(record) => {
                self.records.write(&record);
                self.put(side_record(&self.input.image.entity, record));
            }
            Effect::Push { connection, message } => self.batch.pushes.push((connection, message)),
        }
    }

    /// A transaction may name an item once, so a later record of the same name takes the place of an earlier one.
    fn put(&mut self, put: Put) {
        self.batch.puts.retain(|earlier| earlier.key != put.key);
        self.batch.puts.push(put);
    }

    /// What the batch would overfill, as the reason to end before its last envelope.
    fn overfull(&self) -> Option<Stop> {
        let batch = &self.batch;
        let too_much = |what: &str| Some(Stop::Fault(Fault::new(format!("its {what} cannot be stored: too large"))));
        if recent_bytes(&batch.recent) > limits::RECENT_BYTES + limits::REPLY_BYTES {
            return too_much("reply");
        }
        let records = batch.puts.len() + self.journal.len();
        if records > limits::RECORDS || records_bytes(&batch.puts) + self.journal.bytes() > limits::RECORDS_BYTES {
            return too_much("events and side records");
        }
        // Half of the outbox at once: so an outbox without room for them is at least half full, which a look can tell.
        if outbox::fill(&batch.outgoing) > 0.5 {
            return too_much("effects");
        }
        let full = outbox::fill(&batch.outgoing) + outbox::fill(&self.input.image.outbox) > 1.0;
        (full && !batch.outgoing.is_empty()).then_some(Stop::OutboxFull)
    }

    fn finish(mut self, stop: Option<Stop>) -> Finished {
        let ran = self.batch.recent.len();
        let overfull = stop.is_some() && self.overfull().is_some();
        if overfull && ran > 1 {
            return Finished::Shrink(ran - 1);
        }
        if overfull {
            return Finished::Batch(Batch { stop, ..Batch::default() });
        }
        if self.changed {
            match self.state() {
                Ok(state) => self.batch.state = Some(state),
                Err(_) if ran > 1 => return Finished::Shrink(ran / 2),
                Err(fault) => return Finished::Batch(Batch { stop: Some(Stop::Fault(fault)), ..Batch::default() }),
            }
        }
        self.batch.puts.extend(self.journal.puts(&self.input.image.entity));
        self.batch.stop = stop;
        Finished::Batch(self.batch)
    }

    fn state(&self) -> Result<(u32, AttributeValue), Fault> {
        let state = self.stage.stored()?;
        let bytes = table::value_bytes(&state);
        if bytes > limits::STATE_BYTES {
            let limit = limits::STATE_BYTES;
            return Err(Fault::new(format!("the state would have {bytes} bytes, {limit} are allowed")));
        }
        Ok((self.stage.schema(), state))
    }
}

fn side_record(entity: &EntityId, Record { name, item, expires, listed }: Record) -> Put {
    let mut attributes = HashMap::from([("record".to_owned(), AttributeValue::M(item.into()))]);
    if let Some(expires) = expires {
        attributes.insert(table::TTL.to_owned(), table::ttl(expires));
    }
    if let Some(listed) = listed {
        attributes.insert(table::LIST.to_owned(), AttributeValue::S(listed.list.name(entity)));
        attributes.insert(table::RANK.to_owned(), AttributeValue::S(listed.rank));
    }
    Put { key: table::record_key(entity, &name), item: attributes.into(), condition: None }
}

/// The answer to an envelope whose key was used before, also in the same batch.
fn repeated(input: Input<'_>, written: &Receipts, envelope: &Envelope) -> Option<Recent> {
    let keyed = envelope.keyed.as_ref()?;
    let known = |name: &str| written.get(name).or_else(|| input.receipts.get(name));
    let receipt = |name: &str| known(name).filter(|receipt| receipt.is_in_force(envelope.at));
    let reused = |receipt: &Receipt| receipt.hash != keyed.hash;
    // Events of one array share a key: if the array's first event stands for another body, so do all.
    if keyed.root.as_deref().and_then(receipt).is_some_and(reused) {
        return Some(Recent::new(envelope.id, &Outcome::key_reused()));
    }
    let receipt = receipt(&keyed.name)?;
    if reused(receipt) {
        return Some(Recent::new(envelope.id, &Outcome::key_reused()));
    }
    Some(Recent { id: envelope.id, outcome: receipt.outcome.clone(), original: Some(receipt.event) })
}

/// The stored size of recent entries, in bytes.
#[must_use]
pub fn recent_bytes(recent: &[Recent]) -> usize {
    // The id, two names and what JSON puts around them and the entry; the original's id is up to 45 bytes, in 7 others.
    recent.iter().map(|entry| 38 + entry.outcome.len() + entry.original.map_or(0, |_| 52)).sum()
}

fn records_bytes(puts: &[Put]) -> usize {
    puts.iter().map(|put| put.key.pk.len() + put.key.sk.len() + table::item_bytes(&put.item)).sum()
}

#[cfg(test)]
mod tests;
