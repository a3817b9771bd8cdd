//! The lock client: take a lock item, read the state, write it, let the lock go.
//!
//! It is what Amazon's lock client for DynamoDB does, made cheaper and quicker where that is possible without making it
//! wrong: it does not read the lock before it takes it, it looks at a held lock again after 10 to 20 ms instead of a
//! second, and no heartbeat is ever due. Every write recognises its own retry, and the state is written under its
//! version, so that a holder whose lock has expired changes nothing.

use std::time::{Duration, Instant};

use rand::Rng;
use shared::live::machine_time;

use crate::systems::calls::{Calls, Done, Item, Write, number, number_of, text, text_of};
use crate::systems::{Failed, LEASE_MS, PATIENCE, Work, unique};

const TAKE_IF: &str = "attribute_not_exists(pk) OR until_ms < :now OR holder = :me";
const WRITE: &str = "SET amount = :amount, version = :version, last_event = :event";
const WRITE_IF: &str = "attribute_not_exists(pk) OR version = :before";
const LET_GO_IF: &str = "holder = :me";

/// A process that works this way.
#[derive(Clone, Debug)]
pub struct LockClient {
    calls: Calls,
    work: Work,
}

impl LockClient {
    /// One over these calls.
    #[must_use]
    pub fn new(calls: Calls, work: Work) -> Self {
        Self { calls, work }
    }

    /// Processes one event.
    ///
    /// # Errors
    /// When the lock is not to be had in time, or the database fails.
    pub async fn event(&self, id: &str) -> Result<(), Failed> {
        let me = unique();
        self.take(id, &me).await?;
        let done = self.work(id, &me).await;
        let let_go = Write { condition: LET_GO_IF, values: vec![(":me", text(&me))], ..Write::default() };
        // A condition that fails says that it is gone already: by an earlier try, or because it expired.
        self.calls.delete(&pk(id), "lock", let_go).await?;
        done
    }

    /// What the entity's events have come to.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn value(&self, id: &str) -> Result<u64, Failed> {
        self.calls.get(&pk(id), "state").await.map(|state| number_of(&state, "amount"))
    }

    async fn take(&self, id: &str, me: &str) -> Result<(), Failed> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let now = machine_time().0;
            let lock: Item = [("holder".to_owned(), text(me)), ("until_ms".to_owned(), number(now + LEASE_MS))]
                .into_iter()
                .collect();
            let values = vec![(":now", number(now)), (":me", text(me))];
            let take = Write { condition: TAKE_IF, values, ..Write::default() };
            match self.calls.put(&pk(id), "lock", lock, take).await? {
                Done::Applied(_) => return Ok(()),
                Done::Refused(_) => tokio::time::sleep(again()).await,
            }
        }
        Err(Failed("the lock was not to be had".to_owned()))
    }

    /// The event itself, under the lock.
    async fn work(&self, id: &str, event: &str) -> Result<(), Failed> {
        let state = self.calls.get(&pk(id), "state").await?;
        let before = number_of(&state, "version");
        let values = vec![
            (":amount", number(number_of(&state, "amount") + 1)),
            (":version", number(before + 1)),
            (":before", number(before)),
            (":event", text(event)),
        ];
        let write = Write { update: WRITE.to_owned(), condition: WRITE_IF, values };
        let written = match self.work {
            Work::Count => self.calls.update(&pk(id), "state", write).await?,
            Work::Deposit => {
                let kept = (format!("event#{:020}", before + 1), happened(event));
                self.calls.update_and_put((&pk(id), "state"), write, (&kept.0, kept.1)).await?
            }
        };
        match written {
            Done::Applied(_) => Ok(()),
            Done::Refused(state) if text_of(&state, "last_event") == event => Ok(()),
            Done::Refused(_) => Err(Failed("the lock had expired".to_owned())),
        }
    }
}

fn pk(id: &str) -> String {
    format!("lock/{id}")
}

/// When to look again at a lock that is held.
fn again() -> Duration {
    Duration::from_micros(rand::rng().random_range(10_000..20_000))
}

fn happened(event: &str) -> Item {
    [("type", "deposited"), ("event_id", event)].map(|(name, value)| (name.to_owned(), text(value))).into()
}
