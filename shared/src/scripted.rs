//! A host for tests: its store answers what the test has written down, and its clock moves only when somebody sleeps.

pub(crate) mod heard;

use std::collections::{HashMap, VecDeque};
use std::future::{Future, pending, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use serde_dynamo::{AttributeValue, Item};

use crate::envelope::Millis;
use crate::host::{Host, ReadHost};
use crate::limits::Settings;
use crate::mailbox::image::{Mailbox, write_lease};
use crate::push::Pushed;
use crate::registry::{Kind, Registry};
use crate::store::{
    Consistency, Consumed, Delete, Key, Page, Put, Query, ReadStore, Store, StoreError, Transaction, Update, Written,
};
use crate::table;
use crate::text::{text, texts};
use crate::toys::{Counter, Forwarder};
use crate::waiting::Waiting;

/// When every script begins.
pub(crate) const BEGINNING: Millis = Millis(1_790_000_000_000);

/// How often a script may look at its clock, so that a loop without an end fails rather than hangs.
const LOOKS: u32 = 10_000;

/// One answer of the store.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// To a read of one item.
    Item(Option<Item>),
    /// To a write.
    Written(Written),
    /// To a query.
    Page(Page),
    /// To anything.
    Error(StoreError),
    /// None, ever.
    Silence,
}

impl Reply {
    /// The mailbox, to a read.
    pub(crate) fn read(image: &Mailbox) -> Self {
        Self::Item(Some(item(image)))
    }

    /// The mailbox after a write.
    pub(crate) fn applied(image: &Mailbox) -> Self {
        Self::Written(Written::Applied { item: item(image), consumed: Consumed::default() })
    }

    /// What a transaction answers.
    pub(crate) fn committed() -> Self {
        let item = HashMap::<String, AttributeValue>::new().into();
        Self::Written(Written::Applied { item, consumed: Consumed::default() })
    }

    /// The mailbox that a condition failed on.
    pub(crate) fn refused(old: &Mailbox) -> Self {
        Self::Written(Written::Refused { old: Some(item(old)), clean: true })
    }

    /// A failure.
    pub(crate) fn error(of: fn(String) -> StoreError) -> Self {
        Self::Error(of("a test".to_owned()))
    }
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
    writes: Vec<(Update, Vec<Put>)>,
    queries: Vec<Query>,
    pushed: Vec<(String, String)>,
    slept: Vec<u64>,
    looks: u32,
    draws: VecDeque<u64>,
    random: u64,
}

impl Scripted {
    /// A host that answers these in turn; to be asked more is a bug of the test or of what it tests.
    pub(crate) fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let script = Script { now: BEGINNING.0, replies: replies.into_iter().collect(), ..Script::default() };
        Self {
            script: Arc::new(Mutex::new(script)),
            settings: Arc::default(),
            registry: Arc::new(Registry::new([Kind::of::<Counter>(), Kind::of::<Forwarder>()])),
            waiting: Waiting::default(),
        }
    }

    /// The same with another choice of what may be chosen.
    pub(crate) fn with(self, settings: Settings) -> Self {
        Self { settings: Arc::new(settings), ..self }
    }

    /// The same with no kinds but these.
    pub(crate) fn knowing(self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self { registry: Arc::new(Registry::new(kinds)), ..self }
    }

    /// What it answers next.
    pub(crate) fn reply_with(&self, replies: impl IntoIterator<Item = Reply>) {
        self.script().replies.extend(replies);
    }

    /// What was asked for so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.script().asked.clone()
    }

    /// The updates so far, with what was put in one transaction with them.
    pub(crate) fn writes(&self) -> Vec<(Update, Vec<Put>)> {
        self.script().writes.clone()
    }

    /// The queries so far.
    pub(crate) fn queries(&self) -> Vec<Query> {
        self.script().queries.clone()
    }

    /// What was pushed so far, and to which connection.
    pub(crate) fn pushed(&self) -> Vec<(String, String)> {
        self.script().pushed.clone()
    }

    /// How long it slept, in milliseconds, each time.
    pub(crate) fn slept(&self) -> Vec<u64> {
        self.script().slept.clone()
    }

    /// What its chance says from now on.
    pub(crate) fn draw(&self, random: u64) {
        self.script().random = random;
    }

    /// What its chance says next, one after the other, before it says the same again and again.
    pub(crate) fn draw_each(&self, draws: impl IntoIterator<Item = u64>) {
        self.script().draws.extend(draws);
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

impl ReadStore for Scripted {
    async fn get(&self, key: Key, consistency: Consistency) -> Result<(Option<Item>, Consumed), StoreError> {
        match self.reply(format!("{consistency:?} {}", key.sk)).await? {
            Reply::Item(item) => Ok((item, Consumed::default())),
            other => panic!("{other:?} answers no read"),
        }
    }

    async fn query(&self, query: Query) -> Result<Page, StoreError> {
        self.script().queries.push(query.clone());
        match self.reply(format!("query {}", query.condition)).await? {
            Reply::Page(page) => Ok(page),
            other => panic!("{other:?} answers no query"),
        }
    }
}

impl Store for Scripted {
    async fn update(&self, update: Update) -> Result<Written, StoreError> {
        self.script().writes.push((update.clone(), Vec::new()));
        self.written(format!("update {}", update.key.sk)).await
    }

    async fn transact(&self, transaction: Transaction) -> Result<Written, StoreError> {
        self.script().writes.push((transaction.update.clone(), transaction.puts));
        self.written(format!("transact {}", transaction.update.key.sk)).await
    }

    async fn delete(&self, delete: Delete) -> Result<Written, StoreError> {
        self.written(format!("delete {}", delete.key.sk)).await
    }
}

impl ReadHost for Scripted {
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
        let mut script = self.script();
        script.looks += 1;
        assert!(script.looks < LOOKS, "it goes on for ever");
        Millis(script.now)
    }

    fn stopwatch(&self) -> Duration {
        Duration::from_millis(self.script().now)
    }

    fn random(&self) -> u64 {
        let mut script = self.script();
        script.draws.pop_front().unwrap_or(script.random)
    }

    /// Takes no time but the clock's, which moves at its end; whatever else is ready goes first.
    async fn sleep(&self, duration: Duration) {
        let mut others = false;
        poll_fn(|context| {
            if std::mem::replace(&mut others, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        let ms = u64::try_from(duration.as_millis()).unwrap();
        let mut script = self.script();
        script.now += ms;
        script.slept.push(ms);
    }
}

impl Host for Scripted {
    fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    /// A connection may be called `gone`, `unknown` or `silent`; every other one is there.
    async fn push(&self, connection: &str, message: &str) -> Pushed {
        self.script().pushed.push((connection.to_owned(), message.to_owned()));
        match connection {
            "gone" => Pushed::Gone,
            "unknown" => Pushed::Unknown,
            "silent" => pending().await,
            _ => Pushed::Arrived,
        }
    }
}

/// A mailbox as it is stored.
pub(crate) fn item(image: &Mailbox) -> Item {
    fn value<T: serde::Serialize>(value: &T) -> Option<AttributeValue> {
        Some(serde_dynamo::to_attribute_value(value).unwrap())
    }
    let attributes = [
        ("queue", Some(texts(&image.queue))),
        ("bytes", value(&image.bytes)),
        ("head", value(&image.head)),
        ("version", value(&image.version)),
        ("lease", image.lease.as_ref().map(write_lease)),
        ("state", image.state.clone()),
        ("schema", value(&image.schema)),
        ("evicted", image.evicted.map(|id| AttributeValue::B(id.0.to_vec()))),
        ("recent", Some(text(&image.recent))),
        ("outbox", Some(texts(&image.outbox))),
        ("sent", value(&image.sent)),
        ("attempts", value(&image.attempts)),
        ("running", image.running.as_ref().and_then(value)),
        ("strikes", value(&image.strikes)),
        ("pending", image.pending.then(|| AttributeValue::S(table::PENDING.to_owned()))),
    ];
    let attributes = attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let item: Item = attributes.collect::<HashMap<_, _>>().into();
    assert_eq!(Mailbox::read(&image.entity, item.clone()).as_ref(), Ok(image), "a mailbox reads back what it is");
    item
}

/// That an update has every value that its expressions name, and no other: DynamoDB refuses it otherwise.
#[track_caller]
pub(crate) fn assert_complete(update: &Update) {
    let expressions = format!("{} {}", update.update, update.condition);
    let pieces = expressions.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    let named: std::collections::BTreeSet<&str> = pieces.filter(|piece| piece.starts_with(':')).collect();
    let given: std::collections::BTreeSet<&str> = update.values.iter().map(|(name, _)| *name).collect();
    assert_eq!((named, given.len()), (given, update.values.len()), "{expressions}");
}

/// One value of an update.
pub(crate) fn value_of(update: &Update, name: &str) -> Option<AttributeValue> {
    update.values.iter().find(|(given, _)| *given == name).map(|(_, value)| value.clone())
}

/// Runs what never really waits.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    futures::executor::block_on(future)
}
