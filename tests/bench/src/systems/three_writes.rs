//! The mailbox that this project began with: push the event, try to lock, update and unlock.
//!
//! One item has queue, lock and state. Whoever gets the lock runs everything that waits and drops it from the queue in
//! the write that unlocks. Whoever does not get it waits for the result by consistent reads, with Leasebox's own pauses,
//! and tries again when it finds the lock free. It is spared what would make it safe: a push that is retried after a lost
//! answer counts twice, and an event whose pusher dies waits for the next one.

use std::collections::HashMap;
use std::time::Instant;

use aws_sdk_dynamodb::types::AttributeValue;
use rand::Rng;
use shared::live::machine_time;
use shared::store::backoff;
use shared::table;

use crate::systems::calls::{Calls, Done, Item, Write, number, number_of, text};
use crate::systems::{Failed, LEASE_MS, PATIENCE, Work, unique};

const MAILBOX: &str = "mailbox";
const PUSH: &str = "SET waiting = list_append(if_not_exists(waiting, :none), :events)";
const LOCK: &str = "SET holder = :me, until_ms = :until";
const LOCK_IF: &str = "(attribute_not_exists(holder) OR until_ms < :now) AND size(waiting) > :zero";
const UPDATE: &str = "SET amount = :amount, completed = :completed REMOVE holder, until_ms, ";
const UPDATE_IF: &str = "holder = :me";

/// A process that works this way.
#[derive(Clone, Debug)]
pub struct ThreeWrites {
    calls: Calls,
    work: Work,
}

impl ThreeWrites {
    /// One over these calls.
    #[must_use]
    pub fn new(calls: Calls, work: Work) -> Self {
        Self { calls, work }
    }

    /// Processes one event, or waits until somebody has.
    ///
    /// # Errors
    /// When it was not in time, or the database fails.
    pub async fn event(&self, id: &str) -> Result<(), Failed> {
        let sequence = self.push(id).await?;
        let began = Instant::now();
        let mut processed = self.run(id).await?;
        let mut attempt = 0;
        // Who ran the event itself knows it without looking.
        while processed < sequence && began.elapsed() < PATIENCE {
            let pause = backoff(attempt, rand::rng().random());
            tokio::time::sleep(pause).await;
            attempt += 1;
            let item = self.calls.get(&pk(id), MAILBOX).await?;
            processed = number_of(&item, "completed");
            if processed < sequence && !is_locked(&item) {
                processed = self.run(id).await?;
            }
        }
        if processed >= sequence {
            return Ok(());
        }
        Err(Failed("the event was not processed in time".to_owned()))
    }

    /// What the entity's events have come to.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn value(&self, id: &str) -> Result<u64, Failed> {
        self.calls.get(&pk(id), MAILBOX).await.map(|item| number_of(&item, "amount"))
    }

    /// Pushes an event, and says which one of all it is.
    async fn push(&self, id: &str) -> Result<u64, Failed> {
        let event = HashMap::from([("id".to_owned(), text(&unique())), ("delta".to_owned(), number(1))]);
        let values = vec![
            (":none", AttributeValue::L(Vec::new())),
            (":events", AttributeValue::L(vec![AttributeValue::M(event)])),
        ];
        match self.calls.update(&pk(id), MAILBOX, Write { update: PUSH.to_owned(), condition: "", values }).await? {
            Done::Applied(item) => Ok(number_of(&item, "completed") + waiting(&item) as u64),
            Done::Refused(_) => Err(Failed("a push has no condition".to_owned())),
        }
    }

    /// Runs whatever waits, for as long as something does, if the lock is to be had; and says up to which event.
    async fn run(&self, id: &str) -> Result<u64, Failed> {
        let (me, mut done) = (unique(), 0);
        while let Some(item) = self.lock(id, &me).await? {
            let events = waiting(&item);
            let processed = number_of(&item, "completed") + events as u64;
            let values = vec![
                (":amount", number(number_of(&item, "amount") + events as u64)),
                (":completed", number(processed)),
                (":me", text(&me)),
            ];
            let update = format!("{UPDATE}{}", table::elements("waiting", events));
            let write = Write { update, condition: UPDATE_IF, values };
            let Some(newcomers) = self.update(id, write, processed, item).await? else {
                // Its lock has expired, and somebody else went on.
                break;
            };
            done = processed;
            if newcomers == 0 {
                break;
            }
        }
        Ok(done)
    }

    async fn lock(&self, id: &str, me: &str) -> Result<Option<Item>, Failed> {
        let now = machine_time().0;
        let values =
            vec![(":me", text(me)), (":until", number(now + LEASE_MS)), (":now", number(now)), (":zero", number(0))];
        let write = Write { update: LOCK.to_owned(), condition: LOCK_IF, values };
        Ok(match self.calls.update(&pk(id), MAILBOX, write).await? {
            Done::Applied(item) => Some(item),
            Done::Refused(_) => None,
        })
    }

    /// Updates and unlocks, and says how many events wait then, as far as that is known; nothing when the lock was lost.
    async fn update(&self, id: &str, write: Write, processed: u64, item: Item) -> Result<Option<u64>, Failed> {
        let done = match self.work {
            Work::Count => self.calls.update(&pk(id), MAILBOX, write).await?,
            Work::Deposit => {
                let events = item.get("waiting").cloned().unwrap_or(AttributeValue::L(Vec::new()));
                let kept = HashMap::from([("events".to_owned(), events)]);
                let sk = format!("event#{processed:020}");
                self.calls.update_and_put((&pk(id), MAILBOX), write, (&sk, kept)).await?
            }
        };
        Ok(match done {
            Done::Applied(item) => Some(waiting(&item) as u64),
            Done::Refused(_) => None,
        })
    }
}

fn pk(id: &str) -> String {
    format!("three/{id}")
}

fn waiting(item: &Item) -> usize {
    item.get("waiting").and_then(|list| list.as_l().ok()).map_or(0, Vec::len)
}

fn is_locked(item: &Item) -> bool {
    item.contains_key("holder") && number_of(item, "until_ms") >= machine_time().0
}
