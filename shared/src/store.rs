//! DynamoDB as the protocol sees it: five operations that take the expressions of [`crate::table`].
//!
//! The SDK is one implementation ([`dynamodb`]); a simulated store that executes the same expressions is another.

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use serde_dynamo::{AttributeValue, Item};

pub mod dynamodb;

/// The primary key of an item.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The partition key: `kind/id`.
    pub pk: String,
    /// The sort key: what the item is to its entity.
    pub sk: String,
}

impl Key {
    /// A key of two strings.
    #[must_use]
    pub fn new(pk: &str, sk: &str) -> Self {
        Self { pk: pk.to_owned(), sk: sk.to_owned() }
    }
}

/// The values of an expression, by their placeholders. DynamoDB refuses one that is not used.
pub type Values = Vec<(&'static str, AttributeValue)>;

/// Whether a read must see every write that was acknowledged before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// It must, at the full price.
    Strong,
    /// It may be late, at half the price.
    Eventual,
}

/// What an update that is applied answers with; one that is refused answers with the item as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// The whole item after it.
    Item,
    /// Nothing: whoever writes it knows the item after it, and spares the database and itself its text.
    Nothing,
}

/// One conditional update of one item.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The key of the item.
    pub key: Key,
    /// The update expression, a constant of [`crate::table`] or made of several.
    pub update: Cow<'static, str>,
    /// The condition expression, under which the update is applied.
    pub condition: Cow<'static, str>,
    /// The values of both.
    pub values: Values,
    /// What it answers with, outside of a transaction, which never answers with an item.
    pub returns: Returns,
}

/// One item to be written whole, within a transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Put {
    /// The key of the item.
    pub key: Key,
    /// Its attributes besides the key.
    pub item: Item,
    /// The condition expression, when there is one, with its values.
    pub condition: Option<(&'static str, Values)>,
}

/// One item to be deleted, if it is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    /// The key of the item.
    pub key: Key,
    /// The condition expression, which takes no values.
    pub condition: &'static str,
}

/// One update and the items that are written and deleted with it, all or none.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// The update of the mailbox.
    pub update: Update,
    /// The items that are written whole: receipts, dead letters, side records and the journal.
    pub puts: Vec<Put>,
    /// What leaves the table with it.
    pub deletes: Vec<Delete>,
    /// DynamoDB's client token: one for one content, so that a repetition is recognised for ten minutes.
    pub token: String,
}

/// In which order of its sort key a query reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The smallest key first.
    Ascending,
    /// The greatest key first.
    Descending,
}

/// One page of a query of the table or of an index.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The index; none for the table itself.
    pub index: Option<&'static str>,
    /// What the page must show; an index can only be read late.
    pub consistency: Consistency,
    /// The key condition expression.
    pub condition: &'static str,
    /// The values of the condition.
    pub values: Values,
    /// Which end it begins at.
    pub order: Order,
    /// The last key of the page before.
    pub after: Option<Item>,
    /// Items on the page at most.
    pub limit: usize,
}

/// What an operation consumed, in DynamoDB's units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Consumed {
    /// Write units (WCU) that were consumed.
    pub write: f64,
    /// Read units (RCU) that were consumed.
    pub read: f64,
}

/// What became of a conditional write. To lose a race is an ordinary result.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    /// It was applied; an update brings the item as it is now, a transaction brings none.
    Applied {
        /// The item after the write.
        item: Item,
        /// What the write consumed, in DynamoDB's units.
        consumed: Consumed,
    },
    /// It was not applied, because its condition failed.
    Refused {
        /// The item as it is; none when it does not exist, or when what a transaction was to delete is not there.
        old: Option<Item>,
        /// Whether no earlier try of this call can have been applied: otherwise it may be what made the condition fail.
        clean: bool,
    },
}

/// One page of results.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The items of the page, in the query's order.
    pub items: Vec<Item>,
    /// The last key, when there may be more.
    pub last: Option<Item>,
    /// What the query consumed, in DynamoDB's units.
    pub consumed: Consumed,
}

/// Why an operation failed, all of its tries considered: an answer of the last one says nothing of those before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB asks for less traffic. Nothing was applied.
    #[error("DynamoDB is throttling: {0}")]
    Throttled(String),
    /// Another transaction touches the item. Nothing was applied.
    #[error("another transaction is in the way: {0}")]
    Conflict(String),
    /// No answer, or an answer that says nothing: time ran out, the connection broke, an internal error. A write may have
    /// been applied, or may still be.
    #[error("DynamoDB did not answer: {0}")]
    Unknown(String),
    /// DynamoDB does not take what is to be stored: a value of a form or a size that it does not have. Nothing was
    /// applied.
    #[error("DynamoDB does not take this: {0}")]
    Refused(String),
    /// The condition of an item that a transaction was to put failed: something is there that was not known of. Nothing was
    /// applied, by this or any earlier try; the same request fails again.
    #[error("a record is in the way: {0}")]
    Occupied(String),
    /// DynamoDB refuses the request as it is. Nothing was applied, and a repetition will not help.
    #[error("DynamoDB refuses the request: {0}")]
    Invalid(String),
}

impl StoreError {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Throttled(_) | Self::Conflict(_) | Self::Unknown(_) => true,
            Self::Refused(_) | Self::Occupied(_) | Self::Invalid(_) => false,
        }
    }
}

/// DynamoDB's operations that read. Whoever has nothing else cannot write, by its type.
pub trait ReadStore: Clone + Send + Sync + 'static {
    /// Reads one item by its key; none when it does not exist.
    fn get(
        &self,
        key: Key,
        consistency: Consistency,
    ) -> impl Future<Output = Result<(Option<Item>, Consumed), StoreError>> + Send;

    /// Reads one page of the table or of an index, in the order of the sort key.
    fn query(&self, query: Query) -> impl Future<Output = Result<Page, StoreError>> + Send;
}

/// DynamoDB's own operations, as far as the protocol uses them.
pub trait Store: ReadStore {
    /// Updates one item if its condition holds.
    fn update(&self, update: Update) -> impl Future<Output = Result<Written, StoreError>> + Send;

    /// Updates one item and writes and deletes others with it, if all conditions hold. A refusal brings the old item of
    /// the update.
    fn transact(&self, transaction: Transaction) -> impl Future<Output = Result<Written, StoreError>> + Send;

    /// Deletes one item if its condition holds.
    fn delete(&self, delete: Delete) -> impl Future<Output = Result<Written, StoreError>> + Send;
}

/// How long to wait before trying again, for the `attempt`-th time from 0: doubling from 20 ms to 640 ms, with full
/// jitter over the upper half so that competitors spread.
#[must_use]
pub fn backoff(attempt: u32, random: u64) -> Duration {
    let most = 20_u64 << attempt.min(5);
    Duration::from_millis(most / 2 + random % (most / 2 + 1))
}
