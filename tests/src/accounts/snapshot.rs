//! All the money of a number of accounts at one point in time: what they hold, and what is on its way between them.
//!
//! Money that has left an account is in its outbox, in a queue, or in both, until it has had its effect; whether it has
//! is told by the record of the transfer where it was to go. All of that is read in one transaction. What is on its way
//! is not known before, so a first look tells which records to read, and a look that shows others is taken again.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{Get, TransactGetItem};
use kinds::account::{Command, Credited, Sent, State, Transfer};
use serde_dynamo::Item;
use shared::envelope::EntityId;
use shared::mailbox::image::Mailbox;
use shared::sourced;
use shared::store::Key;
use shared::table;

use crate::accounts::{Attribute, account};
use crate::world::World;

/// Looks after which a look that shows only what is known is taken never to come.
const PATIENCE: usize = 2_000;
/// Items that one transaction reads at most.
const ITEMS: usize = 100;

/// All the money at one point in time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// What the accounts hold.
    pub held: u128,
    /// What is on its way, by what it is a step of.
    pub under_way: BTreeMap<Step, u64>,
    /// What is in an outbox or a queue although it has had its effect.
    pub done: usize,
}

/// One step of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// To the receiver.
    Credit(String),
    /// Back to the payer.
    Refund(String),
}

impl Snapshot {
    /// All of it.
    pub fn sum(&self) -> u128 {
        self.held + self.under_way.values().map(|amount| u128::from(*amount)).sum::<u128>()
    }
}

/// Looks at all the money of these accounts, between which alone it moves.
pub async fn snapshot(world: &World, accounts: &[EntityId]) -> Snapshot {
    let mut known = BTreeMap::new();
    for _ in 0..PATIENCE {
        let (mailboxes, records) = look(world, accounts, &known).await;
        let seen = steps(&mailboxes);
        if seen.keys().all(|step| known.contains_key(step)) {
            return weigh(&mailboxes, &seen, &records);
        }
        known.extend(seen.clone());
        if accounts.len() + known.len() > ITEMS {
            known = seen;
        }
    }
    panic!("after {PATIENCE} looks there still is something new")
}

/// What is in the outboxes and queues.
fn steps(mailboxes: &[Mailbox]) -> BTreeMap<Step, Transfer> {
    let mut steps = BTreeMap::new();
    for mailbox in mailboxes {
        let going = mailbox.outbox.iter().map(|outgoing| &outgoing.body);
        for body in going.chain(mailbox.queue.iter().map(|envelope| &envelope.body)) {
            match serde_json::from_str(body).unwrap() {
                Command::Credit(transfer) => steps.insert(Step::Credit(transfer.id.to_string()), transfer),
                Command::Refund { transfer, .. } => steps.insert(Step::Refund(transfer.id.to_string()), transfer),
                Command::Open { .. }
                | Command::Deposit { .. }
                | Command::Withdraw { .. }
                | Command::Transfer { .. } => None,
            };
        }
    }
    steps
}

/// Where a step leaves its record.
fn record(step: &Step, transfer: &Transfer) -> Key {
    let at = match step {
        Step::Credit(_) => account(&transfer.to),
        Step::Refund(_) => account(&transfer.from),
    };
    table::record_key(&at, &transfer.id.record())
}

/// Reads mailboxes and the records of steps, in one transaction.
async fn look(
    world: &World,
    accounts: &[EntityId],
    known: &BTreeMap<Step, Transfer>,
) -> (Vec<Mailbox>, BTreeMap<Step, Item>) {
    let keys =
        accounts.iter().map(table::mailbox_key).chain(known.iter().map(|(step, transfer)| record(step, transfer)));
    let gets = keys.map(|Key { pk, sk }| {
        let get = Get::builder().table_name(&world.table).key("pk", Attribute::S(pk)).key("sk", Attribute::S(sk));
        TransactGetItem::builder().get(get.build().unwrap()).build()
    });
    let read = world.sdk().transact_get_items().set_transact_items(Some(gets.collect())).send().await.unwrap();
    let mut items = read.responses.unwrap().into_iter().map(|response| response.item.filter(|item| !item.is_empty()));
    let mailboxes = accounts.iter().zip(&mut items);
    let mailboxes = mailboxes.filter_map(|(account, item)| Some(Mailbox::read(account, Item::from(item?)).unwrap()));
    let mailboxes = mailboxes.collect();
    let records = known.keys().cloned().zip(items).filter_map(|(step, item)| Some((step, Item::from(item?))));
    (mailboxes, records.collect())
}

fn weigh(mailboxes: &[Mailbox], seen: &BTreeMap<Step, Transfer>, records: &BTreeMap<Step, Item>) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for state in mailboxes.iter().filter_map(|mailbox| mailbox.state.clone()) {
        let account: sourced::Snapshot<State> = serde_dynamo::from_attribute_value(state).unwrap();
        snapshot.held += u128::from(account.state.balance);
    }
    for (step, transfer) in seen {
        if had_effect(step, records.get(step)) {
            snapshot.done += 1;
        } else {
            snapshot.under_way.insert(step.clone(), transfer.amount);
        }
    }
    snapshot
}

/// Whether a step was taken, as the record says.
fn had_effect(step: &Step, record: Option<&Item>) -> bool {
    #[derive(serde::Deserialize)]
    struct Stored<T> {
        record: T,
    }
    let Some(record) = record.cloned() else {
        return false;
    };
    match step {
        // However it was answered, it needs no other step than its own.
        Step::Credit(_) => serde_dynamo::from_item::<_, Stored<Credited>>(record).is_ok(),
        Step::Refund(_) => {
            let sent: Stored<Sent> = serde_dynamo::from_item(record).unwrap();
            sent.record.refunded.is_some()
        }
    }
}
