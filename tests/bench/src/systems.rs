//! What is compared: Leasebox, and two other ways to process an entity's events one after the other.

pub mod calls;
pub mod lock_client;
pub mod ours;
pub mod three_writes;

use std::time::Duration;

use rand::Rng;
use shared::limits::{Direct, Settings};

use crate::bill::Bill;
use crate::connection::Connection;
use crate::systems::calls::Calls;
use crate::systems::lock_client::LockClient;
use crate::systems::ours::Ours;
use crate::systems::three_writes::ThreeWrites;

/// How long a caller waits for its event, in a system that is overloaded.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The lease of a lock, in milliseconds: longer than anything here takes.
pub const LEASE_MS: u64 = 30_000;

/// One of the things that are compared.
#[derive(Clone, Copy, Debug)]
pub struct System {
    /// What ids and files call it.
    pub key: &'static str,
    /// What tables call it.
    pub title: &'static str,
    /// What it is.
    pub design: Design,
}

/// How a system works.
#[derive(Clone, Copy, Debug)]
pub enum Design {
    /// The shipped client, with these settings.
    Leasebox(fn() -> Settings),
    /// A lock item around a state item, as lock clients do it.
    LockClient,
    /// Push, try lock, update: the mailbox that this project began with.
    ThreeWrites,
}

/// Everything that is compared, in the order of the tables; ratios are those of the first to the others.
pub const SYSTEMS: &[System] = &[
    System { key: "leasebox", title: "Leasebox", design: Design::Leasebox(Settings::default) },
    // A mode of Leasebox is one line here, by its settings.
    System { key: "direct", title: "Leasebox, direct path", design: Design::Leasebox(direct) },
    System { key: "alone", title: "Leasebox, each post alone", design: Design::Leasebox(alone) },
    System { key: "lock", title: "lock client", design: Design::LockClient },
    System { key: "three", title: "three-write mailbox", design: Design::ThreeWrites },
];

fn direct() -> Settings {
    Settings { direct: Direct::On, ..Settings::default() }
}

fn alone() -> Settings {
    Settings { shared_events: 1, ..Settings::default() }
}

/// What an event does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// It adds one to a counter.
    Count,
    /// It pays one into an account, whose events are kept.
    Deposit,
}

/// Why an event was not processed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failed(pub String);

/// A system that works on a table.
#[derive(Clone, Debug)]
pub enum Running {
    /// Leasebox.
    Ours(Ours),
    /// The lock client.
    LockClient(LockClient),
    /// The three-write mailbox.
    ThreeWrites(ThreeWrites),
}

impl Running {
    /// Starts a system; every call that it makes is put down to the bill.
    #[must_use]
    pub fn start(system: &System, connection: &Connection, work: Work) -> (Self, Bill) {
        let bill = Bill::default();
        let calls = || Calls::new(connection, bill.clone());
        let running = match system.design {
            Design::Leasebox(settings) => Self::Ours(Ours::new(connection, settings(), &bill, work)),
            Design::LockClient => Self::LockClient(LockClient::new(calls(), work)),
            Design::ThreeWrites => Self::ThreeWrites(ThreeWrites::new(calls(), work)),
        };
        (running, bill)
    }

    /// Makes an entity that nothing has happened to ready for events.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn prepare(&self, id: &str) -> Result<(), Failed> {
        match self {
            Self::Ours(ours) => ours.prepare(id).await,
            Self::LockClient(_) | Self::ThreeWrites(_) => self.event(0, id).await,
        }
    }

    /// Has an event processed by an entity, as one of the clients; it returns when the event is done.
    ///
    /// # Errors
    /// When it was not in time, or the database failed.
    pub async fn event(&self, client: usize, id: &str) -> Result<(), Failed> {
        match self {
            Self::Ours(ours) => ours.event(client, id).await,
            Self::LockClient(lock) => lock.event(id).await,
            Self::ThreeWrites(mailbox) => mailbox.event(id).await,
        }
    }

    /// What the events of an entity have come to.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn value(&self, id: &str) -> Result<u64, Failed> {
        match self {
            Self::Ours(ours) => ours.value(id).await,
            Self::LockClient(lock) => lock.value(id).await,
            Self::ThreeWrites(mailbox) => mailbox.value(id).await,
        }
    }
}

/// A name that nobody else has.
pub(crate) fn unique() -> String {
    format!("{:016x}", rand::rng().random::<u64>())
}
