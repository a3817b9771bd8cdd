//! The only loop: run, commit, deliver, release; bounded by rounds and by the deadline.
//!
//! Whoever holds an entity's lease visits it. Every step starts from the image that the last write returned, and
//! whatever a crash leaves between two steps is found by the next holder.

mod all;
mod next;
mod tell;

use crate::actor::Poison;
use crate::batch::{self, Batch, Input, Stop};
use crate::deliver::{self, Delivery};
use crate::envelope::{Millis, Owner};
use crate::host::Host;
use crate::limits;
use crate::log::{self, quiet};
use crate::lookup;
use crate::mailbox::StepError;
use crate::mailbox::commit::{Commit, Committed, Ending, Note, commit, note};
use crate::mailbox::image::Mailbox;
use crate::mailbox::settle::{Settle, settle};
use crate::metrics;
use crate::receipt::{self, Receipts};
use crate::records::{NONE, Records};
use crate::registry::{Kind, Unreadable};
use crate::store::StoreError;
use crate::visit::all::name;
use crate::visit::next::{Next, next};

pub use all::{go_on, visit_all};
pub use tell::{Pushes, push};

/// An entity whose lease this invocation holds.
#[derive(Debug)]
pub struct Held {
    /// The item, as of the write that took the lease.
    pub image: Mailbox,
    /// The acquisition by which the lease is held.
    pub me: Owner,
}

/// What an invocation may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// When the invocation ends; no round starts in the last two seconds before it.
    pub deadline: Millis,
    /// Other entities that may still be visited.
    pub hops: u32,
}

/// How a visit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The lease is released; what may be left is not due, or the stream wakes `drain` for it.
    Released,
    /// Somebody else holds the lease.
    Lost,
    /// An operator must release the entity.
    Blocked,
    /// The lease is left to expire: the outbox has no room, and the queue waits for it.
    Waiting,
    /// The lease is left to expire, because this program cannot run the entity: another version may.
    Stopped(String),
}

/// A visit that has ended.
#[derive(Debug)]
pub struct Visited {
    /// How the visit ended. After an error the lease is handed over if that could be done, or else left to expire.
    pub end: Result<End, StepError>,
    /// Entities whose leases this visit's deliveries took: they must be visited next.
    pub follow: Vec<Held>,
    /// Messages to connections, of what is committed.
    pub pushes: Pushes,
}

/// Visits one entity until nothing is left to do, the rounds or the time are over, or the lease is lost.
pub async fn visit<H: Host>(host: &H, held: Held, budget: &mut Budget) -> Visited {
    let _holding = host.waiting().hold(held.me);
    let Some(kind) = host.registry().kind(held.image.entity.kind()) else {
        let end = End::Stopped(format!("there is no kind {}", held.image.entity.kind()));
        let pushes = Pushes::none(held.image.entity);
        return Visited { end: Ok(end), follow: Vec::new(), pushes };
    };
    metrics::acquired(&held.image, host.now());
    let (began, rounds, pushes, follow) = (host.stopwatch(), host.settings().rounds, Vec::new(), Vec::new());
    let Held { image, me } = held;
    let (head, alone, occupied, busy) = (image.head, None, None, false);
    let mut visit = Visit { host, kind, image, me, budget, rounds, alone, occupied, busy, pushes, follow };
    let end = visit.steps().await;
    let rounds = host.settings().rounds - visit.rounds;
    metrics::visited(kind.name, rounds, matches!(end, Ok(End::Lost)));
    log::visited(&log::Visited {
        entity: &visit.image.entity,
        fence: me,
        end: name(&end),
        rounds,
        envelopes: visit.image.head.saturating_sub(head),
        took: host.stopwatch().saturating_sub(began),
    });
    let pushes = Pushes { entity: visit.image.entity, messages: visit.pushes };
    Visited { end, follow: visit.follow, pushes }
}

struct Visit<'a, H: Host> {
    host: &'a H,
    kind: &'a Kind,
    image: Mailbox,
    me: Owner,
    budget: &'a mut Budget,
    rounds: u32,
    /// The envelope that failed once: it is run once more, alone.
    alone: Option<u64>,
    /// The envelope whose records were refused once, because one was in the way.
    occupied: Option<u64>,
    /// Whether newcomers have spoilt a release: then the next commits keep the lease, rather than fail again.
    busy: bool,
    pushes: Vec<(String, String)>,
    follow: Vec<Held>,
}

impl<H: Host> Visit<'_, H> {
    async fn steps(&mut self) -> Result<End, StepError> {
        loop {
            match self.step().await {
                Ok(None) => {}
                Ok(Some(end)) => return Ok(end),
                Err(error) => {
                    self.give_back(&error).await;
                    return Err(error);
                }
            }
        }
    }

    /// Hands the entity over after an error of the store, so that neither its lease nor a mark stands against it.
    async fn give_back(&mut self, error: &StepError) {
        if !matches!(error, StepError::Store(error) if error.is_transient()) {
            return;
        }
        let rest = self.image.outbox.clone();
        let write = Settle { image: &self.image, rest: &rest, puts: &[], me: self.me, ending: Ending::HandOver };
        if let Err(error) = settle(self.host, write, self.budget.deadline).await {
            tracing::debug!(entity = %self.image.entity, error = quiet(error), "the lease is left to expire");
        }
    }

    async fn step(&mut self) -> Result<Option<End>, StepError> {
        let now = self.host.now();
        match next(&self.image, now, self.is_over(now)) {
            Next::Deliver => self.deliver(now).await,
            Next::Run => self.run(now).await,
            Next::Finish(ending) => {
                let rest = self.image.outbox.clone();
                self.settle(&Delivery { rest, ..Delivery::default() }, ending).await
            }
        }
    }

    fn is_over(&self, now: Millis) -> bool {
        self.rounds == 0 || now >= self.last_step()
    }

    /// Until when a step may begin, and its tries be repeated; what is left then is for handing over.
    fn last_step(&self) -> Millis {
        Millis(self.budget.deadline.0.saturating_sub(limits::FINISH_MS))
    }

    async fn run(&mut self, now: Millis) -> Result<Option<End>, StepError> {
        let suspect = self.image.is_suspect();
        let alone = suspect || self.alone == Some(self.image.first());
        let most = if alone { 1 } else { self.host.settings().batch.min(self.image.queue.len()) };
        let envelopes = self.image.queue.get(..most).unwrap_or_default();
        let receipts = receipt::look_up(self.host, &self.image.entity, envelopes, self.last_step()).await?;
        let input = self.input(&receipts, &NONE, now);
        if suspect
            && !batch::repeats(input)
            && let Some(end) = self.mark(now).await?
        {
            return Ok(end);
        }
        let records = Box::pin(lookup::look_up(self.host, self.kind, &self.image, most, self.last_step())).await?;
        let input = self.input(&receipts, &records, now);
        let began = self.host.stopwatch();
        let ran = batch::run(input, most);
        let took = self.host.stopwatch().saturating_sub(began);
        metrics::ran(&self.image, ran.as_ref().map_or(0, |batch| batch.taken), now, took);
        match ran {
            Ok(batch) if batch.taken > 0 => self.commit(batch).await,
            Ok(batch) => self.stopped(now, batch.stop).await,
            Err(unreadable) => self.unreadable(unreadable).await,
        }
    }

    fn input<'a>(&'a self, receipts: &'a Receipts, records: &'a Records, now: Millis) -> Input<'a> {
        Input { image: &self.image, kind: self.kind, receipts, records, now }
    }

    /// Says that the first envelope is about to run, unless too many holders have died of it already, or it cannot
    /// run for a reason of which it is innocent.
    async fn mark(&mut self, now: Millis) -> Result<Option<Option<End>>, StepError> {
        if let Err(unreadable) = self.kind.stage(self.image.stored()) {
            return self.unreadable(unreadable).await.map(Some);
        }
        if self.image.strikes >= limits::STRIKES {
            let cause = format!("{} holders died while they ran it", self.image.strikes);
            return self.poison(now, &cause).await.map(Some);
        }
        let marked = note(self.host, &self.image, self.me, Note::Running, self.last_step()).await?;
        Ok(self.take_up(marked, None).map(Some))
    }

    /// The first envelope did not make it into a batch.
    async fn stopped(&mut self, now: Millis, stop: Option<Stop>) -> Result<Option<End>, StepError> {
        match stop {
            Some(Stop::Fault(fault)) if self.alone == Some(self.image.first()) => {
                self.poison(now, &fault.to_string()).await
            }
            Some(Stop::Fault(_)) => {
                self.alone = Some(self.image.first());
                Ok(None)
            }
            Some(Stop::Expired) => self.park(now, "it waited longer than its key is remembered").await,
            // Backpressure: the queue waits until its effects find room, for as long as this lease lasts.
            Some(Stop::OutboxFull) | None => {
                let rest = self.image.outbox.clone();
                let kept = self.settle(&Delivery { rest, ..Delivery::default() }, Ending::Keep).await?;
                Ok(Some(kept.unwrap_or(End::Waiting)))
            }
        }
    }

    async fn unreadable(&mut self, unreadable: Unreadable) -> Result<Option<End>, StepError> {
        match unreadable {
            Unreadable::Newer { .. } => Ok(Some(End::Stopped(unreadable.to_string()))),
            // Every envelope would fail alike, and none of them is to blame.
            Unreadable::Damaged(_) => self.block(&unreadable.to_string()).await,
        }
    }

    async fn poison(&mut self, now: Millis, cause: &str) -> Result<Option<End>, StepError> {
        match self.kind.poison {
            Poison::Block => self.block(cause).await,
            Poison::Park | Poison::Skip => self.park(now, cause).await,
        }
    }

    async fn block(&mut self, cause: &str) -> Result<Option<End>, StepError> {
        let (entity, sequence) = (&self.image.entity, self.image.first());
        // Its cause, in the lease, may quote what an envelope says.
        tracing::error!(alarm = "blocked", %entity, sequence, "the entity is blocked until an operator releases it");
        let blocked = note(self.host, &self.image, self.me, Note::Blocked(cause), self.last_step()).await?;
        Ok(Some(match blocked {
            Committed::Applied(_) => End::Blocked,
            Committed::Newcomers(_) | Committed::Lost(_) => End::Lost,
        }))
    }

    async fn park(&mut self, now: Millis, cause: &str) -> Result<Option<End>, StepError> {
        let (entity, sequence) = (self.image.entity.clone(), self.image.first());
        let envelopes = self.image.queue.get(..1).unwrap_or_default();
        let receipts = receipt::look_up(self.host, &entity, envelopes, self.last_step()).await?;
        let batch = batch::park(self.input(&receipts, &NONE, now), cause);
        match self.kind.poison {
            // It only repeated a key: it is answered, not parked.
            _ if batch.puts.is_empty() => {}
            // Its cause, which is there too, may quote it.
            Poison::Skip => tracing::warn!(%entity, sequence, "an envelope is skipped to the dead letters"),
            Poison::Park | Poison::Block => {
                tracing::error!(alarm = "dead-letter", %entity, sequence, "an envelope is parked in the dead letters");
            }
        }
        self.write(batch).await
    }

    /// Commits what envelopes made. What DynamoDB does not take, such as a number of 40 digits, is a fault of theirs.
    async fn commit(&mut self, batch: Batch) -> Result<Option<End>, StepError> {
        let now = self.host.now();
        match self.write(batch).await {
            Err(StepError::Store(StoreError::Refused(_))) if self.alone != Some(self.image.first()) => {
                self.alone = Some(self.image.first());
                Ok(None)
            }
            Err(StepError::Store(StoreError::Refused(cause))) => self.poison(now, &cause).await,
            // An operator's redrive may have written a receipt since they were read: then reading them again helps.
            Err(StepError::Store(StoreError::Occupied(_))) if self.occupied != Some(self.image.first()) => {
                self.occupied = Some(self.image.first());
                Ok(None)
            }
            // Or the mailbox is not the one that its journal was written with, and no envelope is to blame.
            Err(StepError::Store(error @ StoreError::Occupied(_))) => self.block(&error.to_string()).await,
            result => result,
        }
    }

    async fn write(&mut self, batch: Batch) -> Result<Option<End>, StepError> {
        self.rounds = self.rounds.saturating_sub(1);
        let ending = self.ending(&batch);
        if matches!(batch.stop, Some(Stop::Fault(_))) {
            self.alone = Some(self.image.first() + batch.taken as u64);
        }
        let write = Commit { image: &self.image, batch: &batch, me: self.me, ending };
        let committed = commit(self.host, write, self.last_step()).await?;
        if let Committed::Applied(_) = &committed {
            self.publish(&batch);
            metrics::committed(self.kind.name, &batch.recent);
            self.pushes.extend(batch.pushes);
        }
        let done = (ending != Ending::Keep).then_some(End::Released);
        Ok(self.take_up(committed, done))
    }

    fn ending(&self, batch: &Batch) -> Ending {
        let all = batch.taken == self.image.queue.len();
        match (all && !self.busy && batch.outgoing.is_empty(), self.rounds == 0) {
            (true, _) if self.image.outbox.is_empty() => Ending::Release,
            (true, _) => Ending::Leave,
            (false, true) => Ending::HandOver,
            (false, false) => Ending::Keep,
        }
    }

    /// Tells whoever waits, and the log: only now that it is durable.
    fn publish(&self, batch: &Batch) {
        log::ran(&self.image, self.me, &batch.recent);
        for (sequence, recent) in (self.image.first()..).zip(&batch.recent) {
            self.host.waiting().settle(recent.id, &recent.settled(sequence));
        }
    }

    async fn deliver(&mut self, now: Millis) -> Result<Option<End>, StepError> {
        self.rounds = self.rounds.saturating_sub(1);
        let mut delivery = deliver::deliver(self.host, &self.image, now, self.last_step(), self.budget.hops).await;
        self.budget.hops = self.budget.hops.saturating_sub(u32::try_from(delivery.follow.len()).unwrap_or(u32::MAX));
        self.follow.append(&mut delivery.follow);
        let now = self.host.now();
        let mut after = self.image.clone();
        after.outbox.clone_from(&delivery.rest);
        let ending = match next(&after, now, self.is_over(now)) {
            Next::Finish(ending) => ending,
            Next::Deliver | Next::Run => Ending::Keep,
        };
        self.settle(&delivery, ending).await
    }

    async fn settle(&mut self, delivery: &Delivery, ending: Ending) -> Result<Option<End>, StepError> {
        let write = |image, ending| Settle { image, rest: &delivery.rest, puts: &delivery.dead, me: self.me, ending };
        let deadline = if ending == Ending::HandOver { self.budget.deadline } else { self.last_step() };
        let mut settled = settle(self.host, write(&self.image, ending), deadline).await?;
        let mut done = (ending != Ending::Keep).then_some(End::Released);
        if let Committed::Newcomers(image) = &settled
            && (delivery.rest != image.outbox || !delivery.dead.is_empty())
        {
            // Newcomers kept the lease from being released; what went out must be ticked off all the same.
            settled = settle(self.host, write(image, Ending::Keep), deadline).await?;
            done = None;
        }
        Ok(self.take_up(settled, done))
    }

    /// Goes on from what a write returned; `done` is how the visit ends if it was applied.
    fn take_up(&mut self, committed: Committed, done: Option<End>) -> Option<End> {
        match committed {
            Committed::Applied(image) => {
                // An earlier try of a write that ends the visit shows as applied only with the lease gone.
                let held = image.held_by(&self.me);
                self.image = *image;
                done.filter(|_| !held)
            }
            Committed::Newcomers(image) => {
                self.busy = true;
                self.image = *image;
                None
            }
            Committed::Lost(image) => {
                for (sequence, recent) in image.recents() {
                    self.host.waiting().settle(recent.id, &recent.settled(sequence));
                }
                Some(End::Lost)
            }
        }
    }
}

#[cfg(test)]
mod tests;
