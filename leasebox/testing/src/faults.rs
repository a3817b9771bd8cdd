//! A store that fails as real ones do: its process ends before or after a call, is frozen, or loses an answer.

use std::collections::HashSet;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_dynamo::{AttributeValue, Item};
use shared::envelope::EntityId;
use shared::store::{
    Consistency, Consumed, Delete, Key, Order, Page, Query, ReadStore, Returns, Store, StoreError, Transaction, Update,
    Written,
};
use shared::table;
use tokio::sync::Notify;

/// How long a test waits for the call that is to have a fault.
const PATIENCE: Duration = Duration::from_secs(30);

/// What happens at one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process ends before the call is made.
    DiesBefore,
    /// The process ends after the call took effect and before its answer arrives.
    DiesAfter,
    /// The process ends once the answer has arrived, before its next call or before anybody hears of it.
    DiesAfterReply,
    /// The answer is lost, and the SDK makes the same call again.
    AnswerLost,
    /// The network delivers the call twice: once more after the process's next call, or after its last one.
    Twice,
    /// The network delivers the call twice: once more after everything is done.
    TwiceLate,
    /// The process is frozen before the call until the test thaws it.
    Frozen,
}

/// The faults of one process.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    plan: Mutex<Plan>,
    struck: Notify,
    died: Notify,
    thawed: Notify,
}

/// A call that is to be delivered once more.
#[derive(Clone, Debug)]
enum Request {
    Get(Key, Consistency),
    Update(Update),
    Transact(Transaction),
    Delete(Delete),
    Query(Query),
}

/// A call that was made, and after the call of which number it is delivered again; none after everything.
#[derive(Debug)]
struct Repetition {
    request: Request,
    after: Option<u32>,
}

#[derive(Debug, Default)]
struct Plan {
    calls: u32,
    armed: Option<(u32, Fault)>,
    struck: bool,
    dying: bool,
    dead: bool,
    repetition: Option<Repetition>,
    broken: HashSet<String>,
    late: usize,
}

impl Faults {
    /// From now on calls count from 0, and call number `call` has this fault.
    pub fn arm(&self, call: u32, fault: Fault) {
        let mut plan = self.0.plan.lock().unwrap();
        (plan.calls, plan.armed, plan.struck) = (0, Some((call, fault)), false);
    }

    /// Every call for this entity is refused.
    pub fn break_entity(&self, entity: &EntityId) {
        self.0.plan.lock().unwrap().broken.insert(entity.as_str().to_owned());
    }

    /// From now on the index of lists does not have this many of the newest in each.
    pub fn delay_lists(&self, newest: usize) {
        self.0.plan.lock().unwrap().late = newest;
    }

    /// Calls since the faults were armed, or since the beginning.
    pub fn calls(&self) -> u32 {
        self.0.plan.lock().unwrap().calls
    }

    /// Whether the armed fault has struck.
    pub fn have_struck(&self) -> bool {
        self.0.plan.lock().unwrap().struck
    }

    /// Waits until the armed fault strikes.
    pub async fn strike(&self) {
        let struck = async {
            while !self.have_struck() {
                self.0.struck.notified().await;
            }
        };
        tokio::time::timeout(PATIENCE, struck).await.expect("the call that was to have a fault is not made");
    }

    /// Waits until this process dies; it may never do so.
    pub async fn death(&self) {
        loop {
            self.0.died.notified().await;
            if self.0.plan.lock().unwrap().dead {
                return;
            }
        }
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) {
        self.0.thawed.notify_one();
    }

    fn next(&self, pk: &str) -> Result<Option<Fault>, StoreError> {
        let mut plan = self.0.plan.lock().unwrap();
        if plan.broken.contains(pk) {
            return Err(StoreError::Invalid(format!("the test broke {pk}")));
        }
        if plan.dying {
            return Ok(Some(Fault::DiesBefore));
        }
        let call = plan.calls;
        plan.calls += 1;
        Ok(plan.armed.filter(|(armed, _)| *armed == call).map(|(_, fault)| fault))
    }

    /// Whether this process has died.
    pub fn have_died(&self) -> bool {
        self.0.plan.lock().unwrap().dead
    }

    /// The armed call happens once more, later.
    fn repeat(&self, request: Request, fault: Fault) {
        let mut plan = self.0.plan.lock().unwrap();
        let after = (fault == Fault::Twice).then_some(plan.calls);
        plan.repetition = Some(Repetition { request, after });
    }

    /// What is delivered once more now: after the call of that number, or after all.
    fn repetition(&self, ended: bool) -> Option<Request> {
        let mut plan = self.0.plan.lock().unwrap();
        let calls = plan.calls;
        let due = |repetition: &mut Repetition| ended || repetition.after.is_some_and(|after| calls > after);
        plan.repetition.take_if(due).map(|repetition| repetition.request)
    }

    fn struck(&self) {
        self.0.plan.lock().unwrap().struck = true;
        self.0.struck.notify_one();
    }

    async fn die<T>(&self) -> T {
        self.struck();
        self.0.plan.lock().unwrap().dead = true;
        self.0.died.notify_one();
        pending().await
    }

    /// Makes a call with the fault that is due. It brings the answer, and whether it is the answer to a repetition.
    async fn call<T, R>(
        &self,
        pk: &str,
        request: &Request,
        call: impl Fn() -> R + Send,
    ) -> Result<(T, bool), StoreError>
    where
        R: Future<Output = Result<T, StoreError>> + Send,
        T: Send,
    {
        match self.next(pk)? {
            None => Ok((call().await?, false)),
            Some(Fault::DiesBefore) => self.die().await,
            Some(Fault::DiesAfter) => {
                let _ = call().await;
                self.die().await
            }
            Some(Fault::DiesAfterReply) => {
                let answer = call().await;
                self.0.plan.lock().unwrap().dying = true;
                self.struck();
                Ok((answer?, false))
            }
            Some(fault @ (Fault::Twice | Fault::TwiceLate)) => {
                self.repeat(request.clone(), fault);
                self.struck();
                Ok((call().await?, false))
            }
            Some(Fault::AnswerLost) => {
                let _ = call().await;
                self.struck();
                Ok((call().await?, true))
            }
            Some(Fault::Frozen) => {
                self.struck();
                self.0.thawed.notified().await;
                Ok((call().await?, false))
            }
        }
    }
}

/// The table's stream: the mailboxes that were written, in order, as far as the event source's filter lets them pass.
#[derive(Clone, Debug, Default)]
pub struct Records(Arc<Mutex<Vec<EntityId>>>);

impl Records {
    /// The records since the last call.
    pub fn take(&self) -> Vec<EntityId> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }

    /// Puts records back that were delivered and not acknowledged.
    pub fn put_back(&self, records: &[EntityId]) {
        self.0.lock().unwrap().splice(0..0, records.iter().cloned());
    }

    /// A mailbox was written that has something pending.
    pub fn add(&self, pk: &str) {
        self.0.lock().unwrap().push(pk.parse().unwrap());
    }
}

/// A store with faults around another one.
#[derive(Clone, Debug)]
pub struct Faulty<S> {
    inner: S,
    faults: Faults,
    records: Records,
}

impl<S> Faulty<S> {
    /// A store with these faults, whose writes leave these records.
    pub fn new(inner: S, faults: Faults, records: Records) -> Self {
        Self { inner, faults, records }
    }
}

impl<S: Store> Faulty<S> {
    /// Makes a call with the fault that is due, and then the one that is to be delivered once more by now.
    async fn call<T, R>(&self, pk: &str, request: Request, call: impl Fn() -> R + Send) -> Result<(T, bool), StoreError>
    where
        R: Future<Output = Result<T, StoreError>> + Send,
        T: Send,
    {
        let answer = self.faults.call(pk, &request, call).await;
        if let Some(request) = self.faults.repetition(false) {
            self.once_more(request).await;
        }
        answer
    }

    /// Delivers the call that is to be delivered once more after everything else; says whether there was one.
    pub async fn repeat(&self) -> bool {
        match self.faults.repetition(true) {
            Some(request) => {
                self.once_more(request).await;
                true
            }
            None => false,
        }
    }

    /// Nobody hears the answer.
    async fn once_more(&self, request: Request) {
        match request {
            Request::Get(key, consistency) => drop(self.inner.get(key, consistency).await),
            Request::Update(update) => drop(self.updated(update).await),
            Request::Transact(transaction) => drop(self.transacted(transaction).await),
            Request::Delete(delete) => drop(self.inner.delete(delete).await),
            Request::Query(query) => drop(self.queried(query).await),
        }
    }

    /// Without what the index of lists does not have yet.
    async fn queried(&self, query: Query) -> Result<Page, StoreError> {
        let late = self.faults.0.plan.lock().unwrap().late;
        if late == 0 || query.index != Some(table::LISTS) {
            return self.inner.query(query).await;
        }
        let mut newest = Query { order: Order::Descending, limit: late, after: None, ..query.clone() };
        for (name, value) in &mut newest.values {
            match *name {
                ":from" => *value = AttributeValue::S("!".to_owned()),
                ":to" => *value = AttributeValue::S("~".to_owned()),
                _ => {}
            }
        }
        let newest = self.inner.query(newest).await?.items;
        let mut page = self.inner.query(Query { limit: query.limit + late, ..query.clone() }).await?;
        page.items.retain(|item| newest.iter().all(|new| new.get("sk") != item.get("sk")));
        page.items.truncate(query.limit);
        Ok(page)
    }

    async fn updated(&self, update: Update) -> Result<Written, StoreError> {
        let key = update.key.clone();
        // An answer without the item does not say whether it is pending; the write does.
        let pends = update.returns == Returns::Nothing && update.values.iter().any(|(name, _)| *name == ":p");
        let written = self.inner.update(update).await?;
        if let Written::Applied { item, .. } = &written
            && (pends || matches!(item.get("pending"), Some(AttributeValue::S(_))))
        {
            self.records.add(&key.pk);
        }
        Ok(written)
    }

    async fn transacted(&self, transaction: Transaction) -> Result<Written, StoreError> {
        let key = transaction.update.key.clone();
        let released = transaction.update.update.contains(table::RELEASE);
        let written = self.inner.transact(transaction).await?;
        if let (Written::Applied { .. }, false) = (&written, released) {
            self.records.add(&key.pk);
        }
        Ok(written)
    }
}

/// An answer as the SDK gives it, which says if an earlier attempt was made.
fn attempted((written, again): (Written, bool)) -> Written {
    match written {
        Written::Refused { old, clean } => Written::Refused { old, clean: clean && !again },
        applied @ Written::Applied { .. } => applied,
    }
}

impl<S: Store> ReadStore for Faulty<S> {
    async fn get(&self, key: Key, consistency: Consistency) -> Result<(Option<Item>, Consumed), StoreError> {
        let request = Request::Get(key.clone(), consistency);
        let got = self.call(&key.pk, request, || self.inner.get(key.clone(), consistency)).await?;
        Ok(got.0)
    }

    async fn query(&self, query: Query) -> Result<Page, StoreError> {
        let page = self.call("", Request::Query(query.clone()), || self.queried(query.clone())).await?;
        Ok(page.0)
    }
}

impl<S: Store> Store for Faulty<S> {
    async fn update(&self, update: Update) -> Result<Written, StoreError> {
        let request = Request::Update(update.clone());
        self.call(&update.key.pk, request, || self.updated(update.clone())).await.map(attempted)
    }

    async fn transact(&self, transaction: Transaction) -> Result<Written, StoreError> {
        let (pk, request) = (transaction.update.key.pk.clone(), Request::Transact(transaction.clone()));
        self.call(&pk, request, || self.transacted(transaction.clone())).await.map(attempted)
    }

    async fn delete(&self, delete: Delete) -> Result<Written, StoreError> {
        let request = Request::Delete(delete.clone());
        self.call(&delete.key.pk, request, || self.inner.delete(delete.clone())).await.map(attempted)
    }
}
