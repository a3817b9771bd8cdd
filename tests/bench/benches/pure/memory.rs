//! The shipped client on the simulation's table: DynamoDB's expressions, executed at once in this process.

use std::sync::{Arc, Mutex};

use serde_dynamo::Item;
use shared::client::{Client, Mode, Submission};
use shared::envelope::{Draft, EntityId, Millis};
use shared::host::ReadHost;
use shared::limits::{self, Settings};
use shared::live::{Clock, Live};
use shared::mailbox::image::Mailbox;
use shared::push::Pushes;
use shared::registry::Kind;
use shared::store::{
    Consistency, Consumed, Delete, Key, Page, Query, ReadStore, Store, StoreError, Transaction, Update, Written,
};
use shared::table;
use simulation::table::{Rejected, Table};
use tokio::runtime::{Builder, Runtime};

/// A table in this process.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Table>>);

fn rejected(rejected: Rejected) -> Result<Written, StoreError> {
    match rejected {
        Rejected::Condition(old) => Ok(Written::Refused { old, clean: true }),
        Rejected::Occupied => Err(StoreError::Occupied(String::new())),
        Rejected::Other(cause) | Rejected::Invalid(cause) => Err(StoreError::Invalid(cause)),
    }
}

impl ReadStore for Memory {
    async fn get(&self, key: Key, _consistency: Consistency) -> Result<(Option<Item>, Consumed), StoreError> {
        Ok((self.0.lock().unwrap().get(&key, None), Consumed::default()))
    }

    async fn query(&self, query: Query) -> Result<Page, StoreError> {
        self.0.lock().unwrap().query(&query).map_err(|invalid| StoreError::Invalid(format!("{invalid:?}")))
    }
}

impl Store for Memory {
    async fn update(&self, update: Update) -> Result<Written, StoreError> {
        let updated = self.0.lock().unwrap().update(0, &update);
        updated.map(|(item, consumed, _)| Written::Applied { item, consumed }).or_else(rejected)
    }

    async fn transact(&self, transaction: Transaction) -> Result<Written, StoreError> {
        let written = self.0.lock().unwrap().transact(0, &Arc::new(transaction));
        written.map(|(consumed, _)| Written::Applied { item: Item::default(), consumed }).or_else(rejected)
    }

    async fn delete(&self, delete: Delete) -> Result<Written, StoreError> {
        let deleted = self.0.lock().unwrap().delete(0, &delete);
        deleted.map(|(consumed, _)| Written::Applied { item: Item::default(), consumed }).or_else(rejected)
    }
}

/// A process over such a table, and a runtime for its timers.
pub struct World {
    pub host: Live<Memory>,
    client: Client<Live<Memory>>,
    runtime: Runtime,
}

impl World {
    pub fn new() -> Self {
        let settings = Settings::default();
        let host = Live::new(Memory::default(), bench::registry(), settings, Pushes::Nowhere, Clock::machine());
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        Self { client: Client::new(host.clone()), host, runtime }
    }

    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub fn deadline(&self) -> Millis {
        self.host.now().plus(limits::FUNCTION_TIMEOUT_MS)
    }

    pub fn kind(&self, name: &str) -> &Kind {
        self.host.registry().kind(name).unwrap()
    }

    pub fn post(&self, entity: &EntityId, events: &[&str], mode: Mode) {
        let draft = |body: &&str| Draft { body: (*body).to_owned(), keyed: None, from: None, trace: None };
        let drafts: Vec<Draft> = events.iter().map(draft).collect();
        let submission = Submission { entity, drafts: &drafts, mode, wait_ms: 0, deadline: self.deadline() };
        self.run(self.client.submit(submission)).unwrap();
    }

    pub fn item(&self, entity: &EntityId) -> Item {
        let read = self.host.store().get(table::mailbox_key(entity), Consistency::Strong);
        self.run(read).unwrap().0.unwrap()
    }

    pub fn image(&self, entity: &EntityId) -> Mailbox {
        Mailbox::read(entity, self.item(entity)).unwrap()
    }
}
