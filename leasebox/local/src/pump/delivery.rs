//! Hands the records of a shard to the consumer, in order, until each is accepted or dead.

use std::sync::Arc;

use aws_sdk_dynamodbstreams::types::Record;
use serde_json::{Map, Value};

use super::event;
use super::reader::sequence;
use crate::consumer::{BatchResponse, Consumer, deliver_patiently};
use crate::dead_letters::DeadLetters;
use crate::progress::Progress;
use crate::retry::Retry;
use crate::sequence::Sequence;
use crate::shutdown::Shutdown;

/// Delivers the records of one shard.
#[derive(Debug)]
pub struct Delivery<C> {
    /// The consumer that gets the records.
    pub consumer: Arc<C>,
    /// Where acceptance is noted.
    pub progress: Arc<Progress>,
    /// Where records go that nobody accepts.
    pub dead_letters: DeadLetters,
    /// How often that is tried.
    pub retry: Retry,
    /// What ends the retries when the server stops.
    pub shutdown: Shutdown,
}

/// How a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// Every record was accepted, or is in the dead letters.
    All,
    /// The shutdown came first; the rest is read again after a restart.
    Interrupted,
}

/// A record on its way.
struct Pending<'a> {
    sequence: Sequence,
    record: &'a Record,
}

/// What remains of a batch, and how it went so far.
struct Remainder<'a> {
    records: &'a [Pending<'a>],
    /// The stream that they are of.
    stream: &'a str,
    /// How many of them go into the next attempt.
    size: usize,
    /// Failures of the first record in a row.
    failures: u32,
}

impl<C: Consumer> Delivery<C> {
    /// Delivers what the filter lets through of these records, which were read in this order.
    pub async fn deliver(&self, stream: &str, shard: &str, records: &[Record]) -> Delivered {
        let wanted: Vec<Pending<'_>> = records
            .iter()
            .filter(|record| event::is_wanted(record))
            .filter_map(|record| sequence(record).map(|sequence| Pending { sequence, record }))
            .collect();
        let rest = Remainder { records: &wanted, stream, size: wanted.len(), failures: 0 };
        let delivered = self.deliver_wanted(shard, rest).await;
        if let (Delivered::All, Some(last)) = (delivered, records.iter().rev().find_map(sequence)) {
            self.progress.accept(shard, last);
        }
        delivered
    }

    async fn deliver_wanted(&self, shard: &str, mut rest: Remainder<'_>) -> Delivered {
        while !rest.records.is_empty() {
            let batch = &rest.records[..rest.size];
            let attempt = deliver_patiently(&*self.consumer, || to_event(batch, rest.stream), &self.shutdown);
            let Some(response) = self.progress.cause(shard).scope(attempt).await else {
                return Delivered::Interrupted;
            };
            let lowest = lowest_failure(batch, &response);
            let accepted = lowest.unwrap_or(batch.len());
            self.advance(shard, &mut rest, accepted);
            if lowest.is_none() {
                continue;
            }
            rest.failures += 1;
            self.give_up_when_exhausted(shard, &mut rest, &response);
            if rest.failures > 0 {
                let pause = self.retry.pause(rest.failures);
                tracing::warn!(shard, ?response, failures = rest.failures, ?pause, "a batch failed and is retried");
                if self.shutdown.sleep(pause).await.is_interrupted() {
                    return Delivered::Interrupted;
                }
            }
        }
        Delivered::All
    }

    /// The first `count` records are accepted; the rest is tried again from there.
    fn advance(&self, shard: &str, rest: &mut Remainder<'_>, count: usize) {
        let Some(last) = rest.records[..count].last() else {
            return;
        };
        self.progress.accept(shard, last.sequence.clone());
        rest.records = &rest.records[count..];
        rest.size = rest.size.min(rest.records.len());
        rest.failures = 0;
    }

    /// A record that keeps failing goes to the dead letters. When only the whole batch is known to
    /// have failed it is halved first, so that the others do not go with it.
    fn give_up_when_exhausted(&self, shard: &str, rest: &mut Remainder<'_>, response: &BatchResponse) {
        let cause = match response {
            BatchResponse::Rejected(cause) if rest.size > 1 => {
                tracing::debug!(shard, cause, "halving a batch that failed as a whole");
                rest.size = rest.size.div_ceil(2);
                return;
            }
            BatchResponse::Rejected(cause) => cause.as_str(),
            BatchResponse::Partial(_) | BatchResponse::Accepted => "reported as failed",
        };
        if rest.failures < self.retry.attempts {
            return;
        }
        let Some(record) = rest.records.first() else {
            return;
        };
        match self.dead_letters.keep(&event::to_json(record.record, rest.stream), rest.failures, cause) {
            Ok(()) => self.advance(shard, rest, 1),
            Err(error) => {
                tracing::error!(%error, "the dead-letter file cannot be written; the record is retried")
            }
        }
    }
}

/// A batch as one event. It is made anew for each attempt: most batches need one, and none then needs a copy.
fn to_event(batch: &[Pending<'_>], stream: &str) -> Value {
    let records = batch.iter().map(|pending| event::to_json(pending.record, stream)).collect();
    Value::Object(Map::from_iter([("Records".to_owned(), Value::Array(records))]))
}

/// The index of the record to retry from; `None` when all are accepted. An identifier that is not in
/// the batch fails all of it.
fn lowest_failure(batch: &[Pending<'_>], response: &BatchResponse) -> Option<usize> {
    let position = |identifier: &String| {
        let mut records = batch.iter();
        records.position(|record| record.sequence.as_str() == identifier).unwrap_or(0)
    };
    match response {
        BatchResponse::Accepted => None,
        BatchResponse::Partial(identifiers) => identifiers.iter().map(position).min(),
        BatchResponse::Rejected(_) => Some(0),
    }
}
