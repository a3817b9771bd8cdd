//! A store that counts what it is asked for, in DynamoDB's units: what a test holds its costs against.

use std::sync::{Arc, Mutex};

use serde_dynamo::Item;
use shared::store::{
    Consistency, Consumed, Delete, Key, Page, Query, ReadStore, Store, StoreError, Transaction, Update, Written,
};
use shared::table;

/// Counts around another store.
#[derive(Clone, Debug)]
pub struct Meter<S> {
    inner: S,
    total: Arc<Mutex<Total>>,
}

/// What was consumed of the database since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Total {
    /// Write units, those of failed conditions included.
    pub write: f64,
    /// Read units that were consumed.
    pub read: f64,
    /// How many updates and transactions there were.
    pub writes: u32,
    /// How many gets and queries there were.
    pub reads: u32,
    /// Of the writes, those whose condition failed.
    pub refused: u32,
    /// The largest item that an update left, in bytes.
    pub largest: usize,
    /// The largest page that a query brought, in bytes.
    pub page: usize,
}

impl<S> Meter<S> {
    /// A meter around a store, at zero.
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

impl<S: Store> ReadStore for Meter<S> {
    async fn get(&self, key: Key, consistency: Consistency) -> Result<(Option<Item>, Consumed), StoreError> {
        let got = self.inner.get(key, consistency).await;
        self.read(got.as_ref().map(|(_, consumed)| *consumed).unwrap_or_default());
        got
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

impl<S: Store> Store for Meter<S> {
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
}
