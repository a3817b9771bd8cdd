//! How far the stream is done with: accepted by the consumer, and no wake outstanding.
//!
//! A wake lives in memory only. What re-creates it after a crash is looking again at the records that
//! caused it, so every outstanding wake *holds* the position that was done when its cause was being
//! delivered, and the checkpoint (and with it the trimming) never passes a hold:
//!
//! - A wake sent while a batch is delivered holds the position before that batch.
//! - A wake sent while another wake is delivered inherits that wake's hold.
//! - A wake sent from nobody knows where (over HTTP, by a function in a container) holds whatever
//!   any delivery in flight could have meant: late, never wrong.
//!
//! Who caused it is known from a task-local, set around each delivery, so that consumers and their
//! wake queue need not pass anything along.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::sequence::Sequence;

tokio::task_local! {
    static CAUSE: Cause;
}

/// The position in each shard that a delivery started from; `None` is the shard's beginning.
/// Shards that it has nothing to do with are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cause(Arc<BTreeMap<String, Option<Sequence>>>);

impl Cause {
    /// What one delivery from several causes goes back to: the lowest position in each shard.
    pub fn lowest<'a>(causes: impl IntoIterator<Item = &'a Cause>) -> Self {
        let mut lowest = BTreeMap::new();
        for (shard, after) in causes.into_iter().flat_map(|cause| cause.0.iter()) {
            let entry = lowest.entry(shard.clone()).or_insert_with(|| after.clone());
            if after < entry {
                entry.clone_from(after);
            }
        }
        Self(Arc::new(lowest))
    }

    /// Runs a delivery; wakes sent by it are attributed to this cause.
    pub async fn scope<F: Future>(self, delivery: F) -> F::Output {
        CAUSE.scope(self, delivery).await
    }
}

/// Where to go on in a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The last record that is done; `None` before the first.
    pub after: Option<Sequence>,
    /// Whether the shard is closed and everything in it is done.
    #[serde(default)]
    pub finished: bool,
}

/// The positions of all shards of a stream, by shard id.
pub type Positions = BTreeMap<String, Position>;

/// An outstanding wake's hold on the checkpoint. It ends by [`Progress::release`] only: one that is
/// lost, by a panic or at shutdown, keeps holding, which costs a second look and never loses one.
#[derive(Debug)]
pub struct Hold {
    id: u64,
    cause: Cause,
}

impl Hold {
    /// What it goes back to.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }
}

/// The progress of one stream's consumption, shared by the pump and the wake queue.
#[derive(Debug, Default)]
pub struct Progress {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    accepted: Positions,
    holds: HashMap<u64, Held>,
    next_hold: u64,
}

#[derive(Debug)]
struct Held {
    cause: Cause,
    stage: Stage,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    InFlight,
}

impl Progress {
    /// A progress that knows of no shard yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Goes on from stored positions, instead of whatever was known.
    pub fn restore(&self, positions: Positions) {
        self.state().accepted = positions;
    }

    /// The shard is being read from now on; from its beginning, unless a position was restored.
    pub fn open(&self, shard: &str) {
        self.state().accepted.entry(shard.to_owned()).or_default();
    }

    /// The position up to which a shard's records are accepted.
    pub fn accepted(&self, shard: &str) -> Position {
        self.state().accepted.get(shard).cloned().unwrap_or_default()
    }

    /// Everything in the shard up to this record is accepted.
    pub fn accept(&self, shard: &str, to: Sequence) {
        self.state().accepted.entry(shard.to_owned()).or_default().after = Some(to);
    }

    /// The shard is closed and everything in it is accepted.
    pub fn finish(&self, shard: &str) {
        self.state().accepted.entry(shard.to_owned()).or_default().finished = true;
    }

    /// The shard is no longer part of the stream.
    pub fn forget(&self, shard: &str) {
        self.state().accepted.remove(shard);
    }

    /// The cause of a delivery of this shard's next records.
    pub fn cause(&self, shard: &str) -> Cause {
        let after = self.accepted(shard).after;
        Cause(Arc::new(BTreeMap::from([(shard.to_owned(), after)])))
    }

    /// Holds the checkpoint for a wake that is being sent by whatever runs now.
    pub fn hold(&self) -> Hold {
        let known = CAUSE.try_with(Cause::clone).ok();
        let mut state = self.state();
        let cause = known.unwrap_or_else(|| state.earliest_cause());
        let id = state.next_hold;
        state.next_hold += 1;
        state.holds.insert(id, Held { cause: cause.clone(), stage: Stage::Waiting });
        Hold { id, cause }
    }

    /// The wake is being delivered now.
    pub fn begin(&self, hold: &Hold) {
        self.set_stage(hold, Stage::InFlight);
    }

    /// The wake was not accepted and waits again.
    pub fn postpone(&self, hold: &Hold) {
        self.set_stage(hold, Stage::Waiting);
    }

    /// The wake is done, or in the dead letters.
    pub fn release(&self, hold: Hold) {
        self.state().holds.remove(&hold.id);
    }

    /// How many wakes are outstanding.
    pub fn outstanding(&self) -> usize {
        self.state().holds.len()
    }

    /// The positions that a restart may start from: what is accepted and not held.
    pub fn checkpoint(&self) -> Positions {
        let state = self.state();
        let mut positions = state.accepted.clone();
        for held in state.holds.values() {
            for (shard, after) in held.cause.0.iter() {
                let Some(position) = positions.get_mut(shard) else {
                    continue;
                };
                position.finished = false;
                if *after < position.after {
                    position.after.clone_from(after);
                }
            }
        }
        positions
    }

    fn set_stage(&self, hold: &Hold, stage: Stage) {
        if let Some(held) = self.state().holds.get_mut(&hold.id) {
            held.stage = stage;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The lowest position that anything in flight started from.
    fn earliest_cause(&self) -> Cause {
        let accepted = self.accepted.iter();
        let accepted = accepted.map(|(shard, position)| (shard.clone(), position.after.clone()));
        let accepted = Cause(Arc::new(accepted.collect()));
        let in_flight = self.holds.values().filter(|held| held.stage == Stage::InFlight);
        Cause::lowest(in_flight.map(|held| &held.cause).chain([&accepted]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<Sequence> {
        Some(Sequence::new(text))
    }

    fn after(progress: &Progress) -> Option<Sequence> {
        progress.checkpoint()["shard"].after.clone()
    }

    #[tokio::test]
    async fn a_wake_holds_the_position_before_the_batch_that_sent_it() {
        let progress = Progress::new();
        progress.accept("shard", Sequence::new("5"));
        let cause = progress.cause("shard");
        let hold = cause.scope(async { progress.hold() }).await;
        progress.accept("shard", Sequence::new("9"));
        progress.finish("shard");
        assert_eq!(progress.checkpoint()["shard"], Position { after: at("5"), finished: false });
        progress.release(hold);
        assert_eq!(progress.checkpoint()["shard"], Position { after: at("9"), finished: true });
    }

    #[tokio::test]
    async fn a_wake_sent_by_a_wake_inherits_its_hold() {
        let progress = Progress::new();
        progress.accept("shard", Sequence::new("5"));
        let first = progress.cause("shard").scope(async { progress.hold() }).await;
        progress.accept("shard", Sequence::new("9"));
        let second = first.cause().clone().scope(async { progress.hold() }).await;
        progress.release(first);
        assert_eq!(after(&progress), at("5"));
        progress.release(second);
        assert_eq!(after(&progress), at("9"));
    }

    #[tokio::test]
    async fn a_wake_of_unknown_cause_holds_what_any_delivery_in_flight_could_mean() {
        let progress = Progress::new();
        progress.accept("shard", Sequence::new("5"));
        let waiting = progress.cause("shard").scope(async { progress.hold() }).await;
        progress.accept("shard", Sequence::new("7"));
        let flying = progress.cause("shard").scope(async { progress.hold() }).await;
        progress.begin(&flying);
        progress.accept("shard", Sequence::new("10"));
        let unknown = progress.hold();
        progress.release(waiting);
        progress.release(flying);
        assert_eq!(after(&progress), at("7"));
        progress.release(unknown);
        assert_eq!(after(&progress), at("10"));
    }

    #[test]
    fn a_hold_of_the_beginning_is_lower_than_any_record() {
        let progress = Progress::new();
        progress.open("shard");
        let hold = progress.hold();
        progress.accept("shard", Sequence::new("1"));
        assert_eq!(after(&progress), None);
        progress.release(hold);
        assert_eq!(after(&progress), at("1"));
    }
}
