//! What the database is asked for, counted as DynamoDB bills it, for every system alike.
//!
//! Neither DynamoDB nor an emulator reports what a failed condition costs, but it is billed: as many write units as the
//! item has that stood in the way, one at least. So it is counted here from the size of that item.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity};
use serde_dynamo::Item;
use shared::envelope::EntityId;
use shared::store::{
    Consistency, Consumed, Delete, Key, Page, Query, ReadStore, Store, StoreError, Transaction, Update, Written,
};
use shared::table;
use tokio::sync::mpsc::UnboundedSender;

/// What was consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Total {
    /// Write units, those of failed conditions included.
    pub write: f64,
    /// Read units.
    pub read: f64,
    /// Requests.
    pub calls: u64,
    /// Of the requests, writes whose condition failed.
    pub refused: u64,
}

impl Total {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            write: self.write + other.write,
            read: self.read + other.read,
            calls: self.calls + other.calls,
            refused: self.refused + other.refused,
        }
    }
}

/// The account that calls are put down to. Clones are the same bill.
#[derive(Clone, Debug, Default)]
pub struct Bill(Arc<Mutex<Total>>);

impl Bill {
    fn lock(&self) -> MutexGuard<'_, Total> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was consumed since the last call.
    pub fn take(&self) -> Total {
        std::mem::take(&mut self.lock())
    }

    /// A write that was applied.
    pub fn wrote<'a>(&self, capacities: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        let units: f64 = capacities.into_iter().filter_map(ConsumedCapacity::capacity_units).sum();
        self.count(Total { write: units, calls: 1, ..Total::default() });
    }

    /// A read.
    pub fn read(&self, capacity: Option<&ConsumedCapacity>) {
        let read = capacity.and_then(ConsumedCapacity::capacity_units).unwrap_or_default();
        self.count(Total { read, calls: 1, ..Total::default() });
    }

    /// A write whose condition failed on this item.
    pub fn refused(&self, old: Option<&HashMap<String, AttributeValue>>) {
        let units = old.map_or(1.0, |item| units(&Item::from(item.clone())));
        self.count(Total { write: units, calls: 1, refused: 1, ..Total::default() });
    }

    fn count(&self, what: Total) {
        let mut total = self.lock();
        *total = total.plus(what);
    }
}

/// The write units of an item of this size.
fn units(item: &Item) -> f64 {
    (table::item_bytes(item) as f64 / 1024.0).ceil().max(1.0)
}

/// A store whose calls are put down to a bill. It also says which entities are left with work and without a holder, as
/// their stream records would.
#[derive(Clone, Debug)]
pub struct Billed<S> {
    inner: S,
    bill: Bill,
    left: UnboundedSender<EntityId>,
}

impl<S> Billed<S> {
    /// Counts around a store.
    pub fn new(inner: S, bill: Bill, left: UnboundedSender<EntityId>) -> Self {
        Self { inner, bill, left }
    }

    fn count(&self, written: &Result<Written, StoreError>, factor: f64) {
        let (write, refused) = match written {
            Ok(Written::Applied { consumed, .. }) => (consumed.write, 0),
            Ok(Written::Refused { old, .. }) => (factor * old.as_ref().map_or(1.0, units), 1),
            Err(_) => (0.0, 0),
        };
        self.bill.count(Total { write, refused, calls: 1, ..Total::default() });
    }

    fn counted_read(&self, consumed: Consumed) {
        self.bill.count(Total { read: consumed.read, calls: 1, ..Total::default() });
    }

    fn tell(&self, key: &Key) {
        if let Ok(entity) = key.pk.parse() {
            // Nobody listens any more when the run is over.
            let _ = self.left.send(entity);
        }
    }
}

impl<S: Store> ReadStore for Billed<S> {
    async fn get(&self, key: Key, consistency: Consistency) -> Result<(Option<Item>, Consumed), StoreError> {
        let got = self.inner.get(key, consistency).await;
        self.counted_read(got.as_ref().map(|(_, consumed)| *consumed).unwrap_or_default());
        got
    }

    async fn query(&self, query: Query) -> Result<Page, StoreError> {
        let page = self.inner.query(query).await;
        self.counted_read(page.as_ref().map(|page| page.consumed).unwrap_or_default());
        page
    }
}

impl<S: Store> Store for Billed<S> {
    async fn update(&self, update: Update) -> Result<Written, StoreError> {
        let key = update.key.clone();
        let written = self.inner.update(update).await;
        self.count(&written, 1.0);
        if let Ok(Written::Applied { item, .. }) = &written
            && item.contains_key("pending")
            && !item.contains_key("lease")
        {
            self.tell(&key);
        }
        written
    }

    async fn transact(&self, transaction: Transaction) -> Result<Written, StoreError> {
        let update = &transaction.update.update;
        // A transaction returns no item, but its expression says as much.
        let leaves_work = match update.strip_prefix(table::DIRECT) {
            Some(parts) => parts.contains(table::DIRECT_LEASE),
            None => !update.contains("#pending") && !update.contains(table::RENEW),
        };
        let key = transaction.update.key.clone();
        let written = self.inner.transact(transaction).await;
        self.count(&written, 2.0);
        if leaves_work && matches!(written, Ok(Written::Applied { .. })) {
            self.tell(&key);
        }
        written
    }

    async fn delete(&self, delete: Delete) -> Result<Written, StoreError> {
        let written = self.inner.delete(delete).await;
        self.count(&written, 1.0);
        written
    }
}
