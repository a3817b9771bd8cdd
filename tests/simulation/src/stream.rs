//! The event sources of `drain`: the table's stream, in shards and batches, and the queue of wakes. Both deliver at
//! least once.

use std::collections::VecDeque;

use futures::channel::oneshot;
use futures::future::{Either, select};
use serde_dynamo::AttributeValue;
use serde_json::{Value, json};
use shared::limits::FUNCTION_TIMEOUT_MS;
use shared::table;
use shared::wake::Wake;

use crate::fault::Fault;
use crate::host::{SimHost, SimWakes};
use crate::table::Wrote;
use crate::timeline::OUTSIDE;
use crate::world::World;

/// Shards of the stream: records of different ones come in any order.
const SHARDS: usize = 2;
/// Records in a batch.
const BATCH: usize = 5;
/// How late a batch or a message may come, in milliseconds.
const LATE_MS: u64 = 60_000;
/// How long a message that was not processed stays invisible, in milliseconds.
const INVISIBLE_MS: u64 = 30_000;

/// The table's stream.
#[derive(Debug)]
pub struct Stream {
    shards: Vec<Shard>,
    next: u64,
}

#[derive(Debug, Default)]
struct Shard {
    records: VecDeque<(u64, String)>,
    followed: bool,
}

impl Default for Stream {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect(), next: 1 }
    }
}

/// Takes writes into the stream, as far as the event source's filter in template.yaml lets them pass.
pub fn record(world: &World, wrote: &[Wrote]) {
    let passes = |wrote: &&Wrote| {
        let pending = AttributeValue::S(table::PENDING.to_owned());
        let marked = wrote.new.as_ref().is_some_and(|new| new.get("pending") == Some(&pending));
        wrote.key.sk == table::MAILBOX && marked
    };
    for wrote in wrote.iter().filter(passes) {
        let shard = wrote.key.pk.bytes().map(usize::from).sum::<usize>() % SHARDS;
        let begin = world.stream(|stream| stream.append(shard, &wrote.key.pk));
        if begin {
            world.spawn(OUTSIDE, follow(world.clone(), shard));
        }
    }
}

impl Stream {
    /// Appends a record; says whether its shard is to be followed from now on.
    fn append(&mut self, shard: usize, pk: &str) -> bool {
        let number = self.next;
        self.next += 1;
        let Some(shard) = self.shards.get_mut(shard) else {
            return false;
        };
        shard.records.push_back((number, pk.to_owned()));
        !std::mem::replace(&mut shard.followed, true)
    }

    fn batch(&mut self, shard: usize) -> Vec<(u64, String)> {
        let Some(shard) = self.shards.get_mut(shard) else {
            return Vec::new();
        };
        let batch: Vec<_> = shard.records.iter().take(BATCH).cloned().collect();
        shard.followed = !batch.is_empty();
        batch
    }

    /// Everything before this record is done with.
    fn advance(&mut self, shard: usize, to: u64) {
        if let Some(shard) = self.shards.get_mut(shard) {
            shard.records.retain(|(number, _)| *number >= to);
        }
    }
}

/// The event source mapping of one shard, until nothing is left.
async fn follow(world: World, shard: usize) {
    loop {
        let late = if world.strikes(Fault::RecordsLate) { world.below(LATE_MS) } else { 0 };
        world.sleep(50 + world.below(400) + late).await;
        let batch = world.stream(|stream| stream.batch(shard));
        let Some(last) = batch.last().map(|(number, _)| *number) else {
            return;
        };
        let event = json!({"Records": batch.iter().map(stream_record).collect::<Vec<_>>()});
        if world.strikes(Fault::RecordsRepeated) {
            let (again, event) = (world.clone(), event.clone());
            world.spawn(OUTSIDE, async move {
                again.sleep(again.below(LATE_MS)).await;
                invoke(&again, event).await;
            });
        }
        // Everything from the lowest failure on is delivered again; without an answer everything is.
        let failed = invoke(&world, event).await.map(|failures| failures.iter().filter_map(|id| id.parse().ok()).min());
        let next = match failed {
            Some(None) => last + 1,
            Some(Some(lowest)) => lowest,
            None => batch.first().map_or(0, |(number, _)| *number),
        };
        world.stream(|stream| stream.advance(shard, next));
    }
}

fn stream_record((number, pk): &(u64, String)) -> Value {
    json!({
        "eventSource": "aws:dynamodb", "eventName": "MODIFY",
        "dynamodb": {"Keys": {"pk": {"S": pk}, "sk": {"S": table::MAILBOX}}, "SequenceNumber": number.to_string()}
    })
}

/// Sends a message that comes after a delay, and then until it is processed.
pub fn send(world: &World, wake: &Wake, delay_ms: u64) {
    // A wake is a flat struct of strings and numbers, which always serializes.
    let body = serde_json::to_string(wake).unwrap_or_default();
    let copies = if world.strikes(Fault::WakeRepeated) { 2 } else { 1 };
    for _ in 0..copies {
        let late = if world.strikes(Fault::WakeLate) { world.below(LATE_MS) } else { 0 };
        let delay = delay_ms + world.below(500) + late;
        world.spawn(OUTSIDE, bring(world.clone(), body.clone(), delay));
    }
}

async fn bring(world: World, body: String, delay: u64) {
    world.sleep(delay).await;
    let event = json!({"Records": [{"eventSource": "aws:sqs", "messageId": "message", "body": body}]});
    while invoke(&world, event.clone()).await.is_none_or(|failures| !failures.is_empty()) {
        world.sleep(INVISIBLE_MS).await;
    }
}

/// One invocation of `drain` in a process of its own. It brings the items that failed; nothing when it died.
async fn invoke(world: &World, event: Value) -> Option<Vec<String>> {
    let process = world.start();
    let (host, wakes) = (SimHost::new(world, process), SimWakes::new(world));
    let (answer, answered) = oneshot::channel();
    world.spawn(process, async move {
        use shared::host::ReadHost;
        let deadline = host.now().plus(FUNCTION_TIMEOUT_MS);
        let response = drain::handle(&host, &wakes, event, deadline).await;
        let _ = answer.send(response);
    });
    let response = match select(answered, world.sleep(FUNCTION_TIMEOUT_MS)).await {
        Either::Left((response, _)) => response.ok(),
        Either::Right(_) => {
            world.struck(Fault::TimeOver);
            None
        }
    };
    world.kill(process);
    let failures = response?.ok()?.get("batchItemFailures")?.as_array()?.clone();
    Some(failures.iter().filter_map(|failure| Some(failure.get("itemIdentifier")?.as_str()?.to_owned())).collect())
}
