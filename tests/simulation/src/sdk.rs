//! The store as a process sees it: what the SDK makes of the simulated database and of the network before it.
//!
//! A request travels on its own. Whoever sent it may have given up, have been frozen or have ended when it is applied.

use std::sync::Arc;

use futures::channel::oneshot;
use futures::future::{Either, pending, select};
use serde_dynamo::Item;
use shared::store::dynamodb::{ATTEMPT, ATTEMPTS, OPERATION};
use shared::store::{
    Consistency, Consumed, Delete, Key, Page, Query, ReadStore, Returns, Store, StoreError, Transaction, Update,
    Written,
};

use crate::actor::is_dying;
use crate::fault::Fault;
use crate::mutant::Mutant;
use crate::table::{Rejected, Wrote};
use crate::timeline::{OUTSIDE, ProcessId};
use crate::world::World;

/// Time for one attempt, in milliseconds.
const ATTEMPT_MS: u64 = ATTEMPT.as_millis() as u64;
/// Time for all attempts of one call, in milliseconds.
const OPERATION_MS: u64 = OPERATION.as_millis() as u64;
/// How late a request may arrive, or an answer: longer than any call, shorter than a client token lives.
const LATE_MS: u64 = 40_000;
/// The longest pause of a process: three leases.
const PAUSE_MS: u64 = 90_000;
/// How old an eventually consistent read may be.
const STALE_MS: u64 = 5_000;

/// The store of one process.
#[derive(Clone)]
pub struct SimStore {
    world: World,
    process: ProcessId,
}

/// What is asked of the database.
#[derive(Clone, Debug)]
enum Request {
    Get(Key, Consistency),
    Update(Update),
    Transact(Arc<Transaction>),
    Delete(Delete),
    Query(Query),
}

/// What the database answers.
#[derive(Clone, Debug)]
enum Answer {
    Got(Option<Item>),
    Applied(Item, Consumed),
    Refused(Option<Item>),
    Page(Page),
    Error(StoreError),
    /// An answer after which the SDK tries again.
    Again(StoreError),
}

impl SimStore {
    /// The store of this process.
    #[must_use]
    pub fn new(world: World, process: ProcessId) -> Self {
        Self { world, process }
    }

    fn mortal(&self) -> bool {
        self.process != OUTSIDE
    }

    async fn die<T>(&self) -> T {
        self.world.kill(self.process);
        pending().await
    }

    /// One call of the SDK, with its attempts. It brings the answer, and whether no attempt before the one that got it
    /// can have been applied.
    async fn call(&self, request: Request) -> Result<(Answer, bool), StoreError> {
        if is_dying() {
            return pending().await;
        }
        if self.mortal() && self.world.strikes(Fault::CrashBefore) {
            return self.die().await;
        }
        if self.mortal() && self.world.strikes(Fault::Pause) {
            self.world.freeze(self.process, self.world.below(PAUSE_MS));
            self.world.sleep(1).await;
        }
        let answered = self.attempts(request).await;
        if self.mortal() && self.world.strikes(Fault::CrashAnswered) {
            return self.die().await;
        }
        answered
    }

    async fn attempts(&self, request: Request) -> Result<(Answer, bool), StoreError> {
        let begun = self.world.now();
        let mut clean = true;
        for attempt in 1.. {
            let answer = match select(self.transmit(request.clone()), self.world.sleep(ATTEMPT_MS)).await {
                Either::Left((Ok(answer), _)) => answer,
                Either::Left((Err(_), _)) => Answer::Again(StoreError::Unknown("the connection broke".to_owned())),
                Either::Right(_) => Answer::Again(StoreError::Unknown("the attempt timed out".to_owned())),
            };
            let (error, last) = match answer {
                Answer::Again(error) => (error, attempt == ATTEMPTS || self.world.now() >= begun + OPERATION_MS),
                Answer::Error(error) => (error, true),
                answer => return Ok((answer, clean)),
            };
            clean &= !matches!(error, StoreError::Unknown(_));
            if last {
                return Err(if clean { error } else { StoreError::Unknown(error.to_string()) });
            }
            let most = 50 << attempt.min(4);
            self.world.sleep(1 + self.world.below(most)).await;
        }
        Err(StoreError::Unknown("there was no attempt".to_owned()))
    }

    /// Sends one request. What becomes of it is decided on the way, whatever becomes of its sender.
    fn transmit(&self, request: Request) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        let world = &self.world;
        if world.strikes(Fault::ResetBefore) {
            return answered;
        }
        if world.strikes(Fault::RequestLost) {
            world.after(LATE_MS, move |_| drop(answer));
            return answered;
        }
        let late = if world.strikes(Fault::RequestLate) { world.below(LATE_MS) } else { 0 };
        let process = self.process;
        world.after(1 + world.below(6) + late, move |world| arrive(world, process, request, answer));
        answered
    }
}

/// A request reaches the database.
fn arrive(world: &World, process: ProcessId, request: Request, sender: oneshot::Sender<Answer>) {
    let answer = serve(world, process, request);
    if process != OUTSIDE && world.strikes(Fault::CrashApplied) {
        world.kill(process);
    }
    if world.strikes(Fault::ReplyLost) {
        world.after(LATE_MS, move |_| drop(sender));
    } else if !world.strikes(Fault::ResetAfter) {
        let late = if world.strikes(Fault::ReplyLate) { world.below(LATE_MS) } else { 0 };
        world.after(1 + world.below(6) + late, move |_| {
            // Whoever asked may be gone.
            let _ = sender.send(answer);
        });
    }
}

fn serve(world: &World, process: ProcessId, request: Request) -> Answer {
    if world.strikes(Fault::Throttled) {
        return Answer::Again(StoreError::Throttled("simulated".to_owned()));
    }
    if world.strikes(Fault::InternalBefore) {
        return Answer::Again(StoreError::Unknown("an internal error".to_owned()));
    }
    let writes = matches!(request, Request::Update(_) | Request::Transact(_) | Request::Delete(_));
    if writes && world.strikes(Fault::Conflict) {
        return Answer::Error(StoreError::Conflict("simulated".to_owned()));
    }
    let answer = match request {
        Request::Get(key, consistency) => Answer::Got(get(world, process, &key, consistency)),
        Request::Query(query) => match world.table(|table| table.query(&query)) {
            Ok(page) => Answer::Page(page),
            Err(invalid) => Answer::Error(StoreError::Invalid(invalid.0)),
        },
        Request::Delete(delete) => delete_or_not(world, process, &delete),
        Request::Update(mut update) => {
            Mutant::spoil(world, process, &mut update);
            let now = world.now();
            let written = world.table(|table| table.update(now, &update));
            written_or_not(
                world,
                process,
                &update,
                written.map(|(item, consumed, wrote)| (item, consumed, vec![wrote])),
            )
        }
        Request::Transact(transaction) => {
            let mut transaction = transaction;
            Mutant::spoil_transaction(world, process, &mut transaction);
            let now = world.now();
            let written = world.table(|table| table.transact(now, &transaction));
            let nothing = || crate::expression::Attributes::new().into();
            written_or_not(
                world,
                process,
                &transaction.update,
                written.map(|(consumed, wrote)| (nothing(), consumed, wrote)),
            )
        }
    };
    if writes && world.strikes(Fault::InternalAfter) {
        return Answer::Again(StoreError::Unknown("an internal error".to_owned()));
    }
    answer
}

fn get(world: &World, process: ProcessId, key: &Key, consistency: Consistency) -> Option<Item> {
    let weak = consistency == Consistency::Eventual || Mutant::weakens_reads(world, process);
    let stale = weak && world.strikes(Fault::StaleRead);
    let as_of = stale.then(|| world.now() - world.below(STALE_MS));
    let item = world.table(|table| table.get(key, as_of));
    world.note((world.now(), process.0, &key.pk, item.is_some()));
    world.tell(|| format!("    process {} reads {} {}", process.0, key.pk, key.sk));
    item
}

fn written_or_not(
    world: &World,
    process: ProcessId,
    update: &Update,
    written: Result<(Item, Consumed, Vec<Wrote>), Rejected>,
) -> Answer {
    let answer = match written {
        Ok((item, consumed, wrote)) => {
            world.tell(|| format!("    process {} writes {}: {}", process.0, update.key.pk, told(update)));
            world.oracle(|oracle| oracle.wrote(update, &wrote));
            crate::stream::record(world, &wrote);
            Answer::Applied(item, consumed)
        }
        Err(Rejected::Condition(old)) => {
            world.tell(|| format!("    process {} is refused at {}: {}", process.0, update.key.pk, told(update)));
            Answer::Refused(old)
        }
        Err(Rejected::Occupied) => Answer::Error(StoreError::Occupied("a side record".to_owned())),
        Err(Rejected::Other(reason)) => Answer::Error(StoreError::Conflict(reason)),
        Err(Rejected::Invalid(reason)) => Answer::Error(StoreError::Refused(reason)),
    };
    let applied = matches!(answer, Answer::Applied(..));
    world.note((world.now(), process.0, &update.key.pk, update.update.len(), applied));
    answer
}

fn delete_or_not(world: &World, process: ProcessId, delete: &Delete) -> Answer {
    let now = world.now();
    let deleted = world.table(|table| table.delete(now, delete));
    world.note((world.now(), process.0, &delete.key.pk, deleted.is_ok()));
    match deleted {
        Ok((consumed, _)) => Answer::Applied(crate::expression::Attributes::new().into(), consumed),
        Err(Rejected::Condition(old)) => Answer::Refused(old),
        Err(Rejected::Occupied) => Answer::Error(StoreError::Occupied("a side record".to_owned())),
        Err(Rejected::Other(reason)) => Answer::Error(StoreError::Conflict(reason)),
        Err(Rejected::Invalid(reason)) => Answer::Error(StoreError::Refused(reason)),
    }
}

fn told(update: &Update) -> String {
    let short: String = update.update.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(160).collect();
    format!("{short} if {}", update.condition.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn unexpected<T>(answer: &Answer) -> Result<T, StoreError> {
    Err(StoreError::Invalid(format!("an answer to another question: {answer:?}")))
}

impl ReadStore for SimStore {
    async fn get(&self, key: Key, consistency: Consistency) -> Result<(Option<Item>, Consumed), StoreError> {
        let read = if consistency == Consistency::Strong { 1.0 } else { 0.5 };
        match self.call(Request::Get(key, consistency)).await?.0 {
            Answer::Got(item) => Ok((item, Consumed { write: 0.0, read })),
            other => unexpected(&other),
        }
    }

    async fn query(&self, query: Query) -> Result<Page, StoreError> {
        match self.call(Request::Query(query)).await?.0 {
            Answer::Page(page) => Ok(page),
            other => unexpected(&other),
        }
    }
}

impl Store for SimStore {
    async fn update(&self, update: Update) -> Result<Written, StoreError> {
        let mut written = written(self.call(Request::Update(update.clone())).await?)?;
        Mutant::disguise(&self.world, self.process, &update, &mut written);
        if let (Returns::Nothing, Written::Applied { item, .. }) = (update.returns, &mut written) {
            *item = Item::default();
        }
        Ok(written)
    }

    async fn transact(&self, transaction: Transaction) -> Result<Written, StoreError> {
        let update = transaction.update.clone();
        let mut written = written(self.call(Request::Transact(Arc::new(transaction))).await?)?;
        Mutant::disguise(&self.world, self.process, &update, &mut written);
        Ok(written)
    }

    async fn delete(&self, delete: Delete) -> Result<Written, StoreError> {
        written(self.call(Request::Delete(delete)).await?)
    }
}

fn written((answer, clean): (Answer, bool)) -> Result<Written, StoreError> {
    match answer {
        Answer::Applied(item, consumed) => Ok(Written::Applied { item, consumed }),
        Answer::Refused(old) => Ok(Written::Refused { old, clean }),
        other => unexpected(&other),
    }
}
