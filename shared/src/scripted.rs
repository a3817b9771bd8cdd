//! A host for tests: its store answers what the test has written down, and its clock moves only when somebody sleeps.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_dynamo::Item;

use crate::envelope::Millis;
use crate::host::Host;
use crate::limits::Settings;
use crate::push::Pushed;
use crate::registry::Registry;
use crate::store::{Consistency, Consumed, Delete, Key, Page, Query, Store, StoreError, Transaction, Update, Written};
use crate::waiting::Waiting;

/// When every script begins.
pub(crate) const BEGINNING: Millis = Millis(1_790_000_000_000);

/// One answer of the store.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// To a read of one item.
    Item(Option<Item>),
    /// To a write.
    Written(Written),
    /// To anything.
    Error(StoreError),
    /// None, ever.
    Silence,
}

/// The host, which is its own store.
#[derive(Clone)]
pub(crate) struct Scripted {
    script: Arc<Mutex<Script>>,
    settings: Arc<Settings>,
    registry: Arc<Registry>,
    waiting: Waiting,
}

#[derive(Default)]
struct Script {
    now: u64,
    replies: VecDeque<Reply>,
    asked: Vec<String>,
    slept: Vec<u64>,
    random: u64,
}

impl Scripted {
    /// A host that answers these in turn; to be asked more is a bug of the test or of what it tests.
    pub(crate) fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let script = Script { now: BEGINNING.0, replies: replies.into_iter().collect(), ..Script::default() };
        Self {
            script: Arc::new(Mutex::new(script)),
            settings: Arc::default(),
            registry: Arc::new(crate::actors::registry()),
            waiting: Waiting::default(),
        }
    }

    /// What was asked for so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.script().asked.clone()
    }

    /// How long it slept, in milliseconds, each time.
    pub(crate) fn slept(&self) -> Vec<u64> {
        self.script().slept.clone()
    }

    /// What its chance says from now on.
    pub(crate) fn draw(&self, random: u64) {
        self.script().random = random;
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    async fn reply(&self, asked: String) -> Result<Reply, StoreError> {
        let reply = {
            let mut script = self.script();
            script.asked.push(asked);
            script.replies.pop_front().expect("the script is over")
        };
        match reply {
            Reply::Error(error) => Err(error),
            Reply::Silence => pending().await,
            reply => Ok(reply),
        }
    }

    async fn written(&self, asked: String) -> Result<Written, StoreError> {
        match self.reply(asked).await? {
            Reply::Written(written) => Ok(written),
            other => panic!("{other:?} answers no write"),
        }
    }
}

impl Store for Scripted {
    async fn get(&self, key: Key, consistency: Consistency) -> Result<(Option<Item>, Consumed), StoreError> {
        match self.reply(format!("{consistency:?} {}", key.sk)).await? {
            Reply::Item(item) => Ok((item, Consumed::default())),
            other => panic!("{other:?} answers no read"),
        }
    }

    async fn update(&self, update: Update) -> Result<Written, StoreError> {
        self.written(format!("update {}", update.key.sk)).await
    }

    async fn transact(&self, transaction: Transaction) -> Result<Written, StoreError> {
        self.written(format!("transact {}", transaction.update.key.sk)).await
    }

    async fn delete(&self, delete: Delete) -> Result<Written, StoreError> {
        self.written(format!("delete {}", delete.key.sk)).await
    }

    async fn query(&self, query: Query) -> Result<Page, StoreError> {
        let other = self.reply(format!("query {}", query.condition)).await?;
        panic!("{other:?} answers no query")
    }
}

impl Host for Scripted {
    type Store = Self;

    fn store(&self) -> &Self {
        self
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn now(&self) -> Millis {
        Millis(self.script().now)
    }

    fn stopwatch(&self) -> Duration {
        Duration::from_millis(self.script().now)
    }

    fn random(&self) -> u64 {
        self.script().random
    }

    /// Takes no time but the clock's, and moves that once it is waited for.
    async fn sleep(&self, duration: Duration) {
        let ms = u64::try_from(duration.as_millis()).unwrap();
        let mut script = self.script();
        script.now += ms;
        script.slept.push(ms);
    }

    fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    fn push(&self, _connection: &str, _message: &str) -> impl Future<Output = Pushed> + Send {
        std::future::ready(Pushed::Arrived)
    }
}

/// Runs what never really waits.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    futures::executor::block_on(future)
}
