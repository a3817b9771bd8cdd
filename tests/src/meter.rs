//! A store that counts what it is asked for, in DynamoDB's units.

use std::sync::{Arc, Mutex};

use serde_dynamo::Item;
use shared::store::{Consistency, Consumed, Delete, Key, Page, Query, Store, StoreError, Transaction, Update, Written};
use shared::table;

/// Counts around another store.
#[derive(Clone, Debug)]
pub struct Meter<S> {
    inner: S,
    total: Arc<Mutex<Total>>,
}

/// What was consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Total {
    /// Write units, those of failed conditions included.
    pub write: f64,
    /// Read units.
    pub read: f64,
    /// Updates and transactions.
    pub writes: u32,
    /// Gets and queries.
    pub reads: u32,
    /// Of the writes, those whose condition failed.
    pub refused: u32,
    /// The largest item that an update left, in bytes.
    pub largest: usize,
    /// The largest page that a query brought, in bytes.
    pub page: usize,
}

/// What something costs, as the tests of costs hold it and `docs/cost.md` multiplies it with prices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Units {
    /// Write units.
    pub write: f64,
    /// Read units.
    pub read: f64,
}

/// An event of an entity that nobody holds.
pub const EVENT: Units = Units { write: 2.0, read: 0.0 };
/// The same on the direct path, which leaves nothing for drain to look at.
pub const DIRECT: Units = Units { write: 1.0, read: 0.5 };
/// An event of an entity that nobody holds, with an idempotency key.
pub const KEYED: Units = Units { write: 5.0, read: 1.0 };
/// Five events that share a commit.
pub const FIVE: Units = Units { write: 6.0, read: 0.0 };
/// A look of drain that finds nothing to do.
pub const LOOK: Units = Units { write: 0.0, read: 1.0 };
/// A deposit into an account that nobody holds.
pub const DEPOSIT: Units = Units { write: 5.0, read: 0.0 };
/// A transfer between two accounts that nobody holds.
pub const TRANSFER: Units = Units { write: 17.0, read: 2.0 };
/// Each of 24 deposits that are posted at once costs less.
pub const ONE_OF_MANY: f64 = 1.5;
/// A message between two users that nobody holds.
pub const MESSAGE: Units = Units { write: 23.0, read: 3.0 };
/// To read an entity.
pub const READ: Units = Units { write: 0.0, read: 1.0 };

impl<S> Meter<S> {
    pub fn new(inner: S) -> Self {
        Self { inner, total: Arc::default() }
    }

    /// What was consumed since the last call.
    pub fn take(&self) -> Total {
        std::mem::take(&mut self.total.lock().unwrap())
    }

    /// The store that is counted.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn wrote(&self, written: &Result<Written, StoreError>, factor: f64) {
        let mut total = self.total.lock().unwrap();
        total.writes += 1;
        match written {
            Ok(Written::Applied { consumed, item }) => {
                total.write += consumed.write;
                total.largest = total.largest.max(table::item_bytes(item));
            }
            // A failed condition costs what a write of the item costs, though nothing reports it.
            Ok(Written::Refused { old, .. }) => {
                total.refused += 1;
                total.write += factor * old.as_ref().map_or(1.0, units);
            }
            Err(_) => {}
        }
    }

    fn read(&self, consumed: Consumed) {
        let mut total = self.total.lock().unwrap();
        total.reads += 1;
        total.read += consumed.read;
    }
}

fn units(item: &Item) -> f64 {
    (table::item_bytes(item) as f64 / 1024.0).ceil()
}

impl<S: Store> Store for Meter<S> {
    async fn get(&self, key: Key, consistency: Consistency) -> Result<(Option<Item>, Consumed), StoreError> {
        let got = self.inner.get(key, consistency).await;
        self.read(got.as_ref().map(|(_, consumed)| *consumed).unwrap_or_default());
        got
    }

    async fn update(&self, update: Update) -> Result<Written, StoreError> {
        let written = self.inner.update(update).await;
        self.wrote(&written, 1.0);
        written
    }

    async fn transact(&self, transaction: Transaction) -> Result<Written, StoreError> {
        let written = self.inner.transact(transaction).await;
        self.wrote(&written, 2.0);
        written
    }

    async fn delete(&self, delete: Delete) -> Result<Written, StoreError> {
        let written = self.inner.delete(delete).await;
        self.wrote(&written, 1.0);
        written
    }

    async fn query(&self, query: Query) -> Result<Page, StoreError> {
        let page = self.inner.query(query).await;
        self.read(page.as_ref().map(|page| page.consumed).unwrap_or_default());
        let bytes = page.as_ref().map_or(0, |page| page.items.iter().map(table::item_bytes).sum());
        let mut total = self.total.lock().unwrap();
        total.page = total.page.max(bytes);
        drop(total);
        page
    }
}
