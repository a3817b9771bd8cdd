//! What one request consumes: a host that counts what is asked of its store.
//!
//! Nothing global: whoever works for the request works with its host, so what it looks up, posts, runs and delivers is
//! counted, and what another request or process does for it is not. Posts that share a write are counted where it is
//! made: all of it on the one that leads, and nothing on those that it carries.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_dynamo::Item;

use crate::envelope::Millis;
use crate::host::{Host, ReadHost};
use crate::limits::Settings;
use crate::push::Pushed;
use crate::registry::Registry;
use crate::store::{
    Consistency, Consumed, Delete, Key, Page, Query, ReadStore, Store, StoreError, Transaction, Update, Written,
};
use crate::waiting::Waiting;

/// As the header has it: a dictionary of RFC 8941, `write=2, read=0.5`.
impl fmt::Display for Consumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "write={}, read={}", self.write, self.read)
    }
}

/// What was consumed so far.
#[derive(Clone, Debug, Default)]
struct Total(Arc<Mutex<Consumed>>);

impl Total {
    fn add(&self, consumed: Consumed) {
        // Two numbers are whole whatever happened, so a poisoned lock is as good as any.
        let mut total = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        total.write += consumed.write;
        total.read += consumed.read;
    }

    /// DynamoDB does not report what a failed condition costs.
    fn add_written(&self, written: &Result<Written, StoreError>) {
        if let Ok(Written::Applied { consumed, .. }) = written {
            self.add(*consumed);
        }
    }
}

/// A host whose store counts. Clones count together.
#[derive(Clone)]
pub struct Metered<H: ReadHost> {
    host: H,
    store: Counted<H::Store>,
}

impl<H: ReadHost> Metered<H> {
    /// Wraps a host and counts from zero what is consumed through it.
    #[must_use]
    pub fn new(host: &H) -> Self {
        let store = Counted { store: host.store().clone(), total: Total::default() };
        Self { host: host.clone(), store }
    }

    /// What was consumed through it.
    #[must_use]
    pub fn consumed(&self) -> Consumed {
        *self.store.total.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<H: ReadHost> ReadHost for Metered<H> {
    type Store = Counted<H::Store>;

    fn store(&self) -> &Self::Store {
        &self.store
    }

    fn registry(&self) -> &Registry {
        self.host.registry()
    }

    fn settings(&self) -> &Settings {
        self.host.settings()
    }

    fn now(&self) -> Millis {
        self.host.now()
    }

    fn stopwatch(&self) -> Duration {
        self.host.stopwatch()
    }

    fn random(&self) -> u64 {
        self.host.random()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        self.host.sleep(duration)
    }
}

impl<H: Host> Host for Metered<H> {
    fn waiting(&self) -> &Waiting {
        self.host.waiting()
    }

    fn push(&self, connection: &str, message: &str) -> impl Future<Output = Pushed> + Send {
        self.host.push(connection, message)
    }
}

/// A store that counts.
#[derive(Clone, Debug)]
pub struct Counted<S> {
    store: S,
    total: Total,
}

impl<S: ReadStore> ReadStore for Counted<S> {
    async fn get(&self, key: Key, consistency: Consistency) -> Result<(Option<Item>, Consumed), StoreError> {
        let (item, consumed) = self.store.get(key, consistency).await?;
        self.total.add(consumed);
        Ok((item, consumed))
    }

    async fn query(&self, query: Query) -> Result<Page, StoreError> {
        let page = self.store.query(query).await?;
        self.total.add(page.consumed);
        Ok(page)
    }
}

impl<S: Store> Store for Counted<S> {
    async fn update(&self, update: Update) -> Result<Written, StoreError> {
        let written = self.store.update(update).await;
        self.total.add_written(&written);
        written
    }

    async fn transact(&self, transaction: Transaction) -> Result<Written, StoreError> {
        let written = self.store.transact(transaction).await;
        self.total.add_written(&written);
        written
    }

    async fn delete(&self, delete: Delete) -> Result<Written, StoreError> {
        let written = self.store.delete(delete).await;
        self.total.add_written(&written);
        written
    }
}
