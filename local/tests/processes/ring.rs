//! Accounts that send one another money, and snapshots of all of them at one time, with what is on its way.

use std::collections::{BTreeMap, HashMap, HashSet};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{AttributeValue, Get, TransactGetItem};
use kinds::account::{Command, Credited, KIND, Sent, State, Transfer};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_dynamo::Item;
use shared::envelope::EntityId;
use shared::mailbox::image::Mailbox;
use shared::sourced::Snapshot;
use shared::store::Key;
use shared::table;

/// Items that DynamoDB reads in one transaction.
const TRANSACTION: usize = 100;

/// Accounts in one table.
pub struct Ring {
    pub client: Client,
    pub table: String,
    pub accounts: Vec<EntityId>,
}

/// All accounts as they were at one time.
#[derive(Debug)]
pub struct Balances {
    /// What is in the accounts.
    pub held: u64,
    /// What has left one account and neither reached another nor come back.
    pub flying: BTreeMap<String, u64>,
    /// Whether nothing waits in any queue or outbox.
    pub idle: bool,
}

impl Balances {
    /// All money that there is.
    pub fn total(&self) -> u64 {
        self.held + self.flying.values().sum::<u64>()
    }
}

/// A step of a transfer that lies in an outbox or a queue, and perhaps in both.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// The record of a credit that had its effect is at the receiver.
    Credit { id: String, to: EntityId, amount: u64 },
    /// The record of a refund that had its effect is at the payer.
    Refund { id: String, from: EntityId, amount: u64 },
}

impl Step {
    fn read(body: &str) -> Option<Self> {
        let account = |id: &str| EntityId::new(KIND, id).unwrap();
        match serde_json::from_str(body).unwrap() {
            Command::Credit(Transfer { id, to, amount, .. }) => {
                Some(Self::Credit { id: id.to_string(), to: account(&to), amount })
            }
            Command::Refund { transfer: Transfer { id, from, amount, .. }, .. } => {
                Some(Self::Refund { id: id.to_string(), from: account(&from), amount })
            }
            Command::Open { .. } | Command::Deposit { .. } | Command::Withdraw { .. } | Command::Transfer { .. } => {
                None
            }
        }
    }

    fn record(&self) -> Key {
        let (Self::Credit { id, to: at, .. } | Self::Refund { id, from: at, .. }) = self;
        table::record_key(at, &format!("transfer#{id}"))
    }

    /// The money that it still moves, beside the record that says whether it has.
    fn flying(self, record: Option<Item>) -> Option<(String, u64)> {
        match self {
            Self::Credit { id, amount, .. } => {
                let credited = record.map(read::<Credited>);
                credited.is_none().then_some((id, amount))
            }
            Self::Refund { id, amount, .. } => {
                let sent = read::<Sent>(record.expect("what is sent back was sent"));
                sent.refunded.is_none().then_some((id, amount))
            }
        }
    }
}

fn read<T: DeserializeOwned>(item: Item) -> T {
    #[derive(Deserialize)]
    struct Stored<T> {
        record: T,
    }
    serde_dynamo::from_item::<_, Stored<T>>(item).unwrap().record
}

impl Ring {
    /// All accounts at one time; none when too much is on its way for one transaction.
    pub async fn balances(&self) -> Option<Balances> {
        let mut candidates: Vec<Step> = Vec::new();
        loop {
            let records = candidates.iter().map(Step::record);
            let keys: Vec<Key> = self.accounts.iter().map(table::mailbox_key).chain(records).collect();
            if keys.len() > TRANSACTION {
                return None;
            }
            let mut items = self.at_once(&keys).await;
            let records = items.split_off(self.accounts.len());
            let mailboxes: Vec<Mailbox> = self
                .accounts
                .iter()
                .zip(items)
                .filter_map(|(id, item)| Some(Mailbox::read(id, item?).unwrap()))
                .collect();
            let steps: HashSet<Step> = mailboxes.iter().flat_map(steps).collect();
            if !steps.iter().all(|step| candidates.contains(step)) {
                candidates = steps.into_iter().collect();
                continue;
            }
            // What is no longer anywhere has had its effect.
            let present = candidates.into_iter().zip(records).filter(|(step, _)| steps.contains(step));
            let mut flying = BTreeMap::new();
            for (id, amount) in present.filter_map(|(step, record)| step.flying(record)) {
                assert_eq!(flying.insert(id.clone(), amount), None, "{id} is on its way there and back");
            }
            let idle = mailboxes.iter().all(|mailbox| mailbox.queue.is_empty() && mailbox.outbox.is_empty());
            return Some(Balances { held: mailboxes.iter().map(balance).sum(), flying, idle });
        }
    }

    /// Reads items at one time, each where its key is.
    async fn at_once(&self, keys: &[Key]) -> Vec<Option<Item>> {
        let get = |key: &Key| {
            let text = |text: &str| AttributeValue::S(text.to_owned());
            let key = HashMap::from([("pk".to_owned(), text(&key.pk)), ("sk".to_owned(), text(&key.sk))]);
            let get = Get::builder().table_name(&self.table).set_key(Some(key)).build().unwrap();
            TransactGetItem::builder().get(get).build()
        };
        for _ in 0..1000 {
            let request = self.client.transact_get_items().set_transact_items(Some(keys.iter().map(get).collect()));
            match request.send().await {
                Ok(read) => return read.responses.unwrap().into_iter().map(|one| one.item.map(Item::from)).collect(),
                // Another transaction was in the way, or the machine is busy.
                Err(error) => println!("a snapshot is taken again: {}", error.code().unwrap_or("no answer")),
            }
        }
        panic!("no snapshot could be taken")
    }
}

fn steps(mailbox: &Mailbox) -> Vec<Step> {
    let queued = mailbox.queue.iter().map(|envelope| envelope.body.as_str());
    let undelivered = mailbox.outbox.iter().map(|outgoing| outgoing.body.as_str());
    queued.chain(undelivered).filter_map(Step::read).collect()
}

fn balance(mailbox: &Mailbox) -> u64 {
    let snapshot: Option<Snapshot<State>> =
        mailbox.state.clone().map(|state| serde_dynamo::from_attribute_value(state).unwrap());
    snapshot.map_or(0, |snapshot| snapshot.state.balance)
}
