//! Leasebox as it is shipped: two processes' clients over one table.
//!
//! What `drain` does is done here for the one case that needs it in a benchmark: an entity that is left with work and
//! without a holder is looked at, as its stream record would make `drain` do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kinds::account;
use kinds::account::Account;
use kinds::counter::{Counter, Increment};
use shared::client::{AskError, Client, SubmitError};
use shared::envelope::EntityId;
use shared::host::ReadHost;
use shared::limits::{self, Settings};
use shared::live::{Clock, Live};
use shared::look::{Company, attend};
use shared::mailbox::view;
use shared::push::Pushes;
use shared::registry::Registry;
use shared::store::Consistency;
use shared::store::dynamodb::DynamoDb;
use tokio::sync::mpsc;

use crate::bill::{Bill, Billed};
use crate::connection::Connection;
use crate::systems::{Failed, PATIENCE, Work};

/// The host of one process.
pub type Process = Live<Billed<DynamoDb>>;

/// The clients of a number of processes.
#[derive(Clone, Debug)]
pub struct Ours {
    clients: Arc<[Client<Process>]>,
    work: Work,
    /// Events that found the mailbox full and were posted again.
    refused: Arc<AtomicUsize>,
}

impl Ours {
    /// Two processes with these settings.
    #[must_use]
    pub fn new(connection: &Connection, settings: Settings, bill: &Bill, work: Work) -> Self {
        let clients = (0..2).map(|_| client(connection, crate::registry(), settings, bill)).collect();
        Self { clients, work, refused: Arc::default() }
    }

    /// Makes an entity ready for events.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn prepare(&self, id: &str) -> Result<(), Failed> {
        if self.work == Work::Count {
            return self.event(0, id).await;
        }
        let open = account::Command::Open { owner: "bench".to_owned(), initial_balance: 0 };
        self.client(0)?.ask::<Account>(id, open, PATIENCE).await.map(drop).map_err(failed)
    }

    /// Has one event processed.
    ///
    /// # Errors
    /// When it is not processed in time, or the database fails.
    pub async fn event(&self, client: usize, id: &str) -> Result<(), Failed> {
        let client = self.client(client)?;
        let until = client.host().now().plus(PATIENCE.as_millis() as u64);
        loop {
            let asked = match self.work {
                Work::Count => client.ask::<Counter>(id, Increment { amount: 1 }, PATIENCE).await.map(drop),
                Work::Deposit => {
                    client.ask::<Account>(id, account::Command::Deposit { amount: 1 }, PATIENCE).await.map(drop)
                }
            };
            match asked {
                // Whoever gets a 429 comes again.
                Err(AskError::Submit(SubmitError::Full(_))) if client.host().now() < until => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
                // Another process ran it and its reply is no longer at hand: it is done, as it is for the others, which
                // keep no replies.
                Err(AskError::Forgotten(_)) => return Ok(()),
                asked => return asked.map_err(failed),
            }
        }
    }

    /// What the events of an entity have come to.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn value(&self, id: &str) -> Result<u64, Failed> {
        let (kind, field) = match self.work {
            Work::Count => ("counter", "value"),
            Work::Deposit => ("account", "balance"),
        };
        let entity = EntityId::new(kind, id).map_err(failed)?;
        let image = view::mailbox(self.client(0)?.host(), &entity, Consistency::Strong).await.map_err(failed)?;
        let state = image.and_then(|image| image.state).ok_or_else(|| Failed(format!("{entity} has no state")))?;
        let state: serde_json::Value = serde_dynamo::from_attribute_value(state).map_err(failed)?;
        let number = [&state, &state["state"]].into_iter().find_map(|state| state[field].as_u64());
        number.ok_or_else(|| Failed(format!("{entity} has no {field}: {state}")))
    }

    fn client(&self, number: usize) -> Result<&Client<Process>, Failed> {
        self.clients.get(number % self.clients.len().max(1)).ok_or_else(|| Failed("there is no client".to_owned()))
    }
}

/// The client of a process, with its part of `drain` beside it.
#[must_use]
pub fn client(connection: &Connection, registry: Registry, settings: Settings, bill: &Bill) -> Client<Process> {
    let (left, found) = mpsc::unbounded_channel();
    let store = Billed::new(DynamoDb::new(&connection.config, &connection.table), bill.clone(), left);
    let host = Live::new(store, registry, settings, Pushes::Nowhere, Clock::machine());
    tokio::spawn(look(host.clone(), found));
    Client::new(host)
}

async fn look(host: Process, mut found: mpsc::UnboundedReceiver<EntityId>) {
    while let Some(entity) = found.recv().await {
        let deadline = host.now().plus(limits::FUNCTION_TIMEOUT_MS);
        if let Err(error) = attend(&host, &entity, None, Company::Others, deadline).await {
            eprintln!("{entity} could not be looked at: {error}");
        }
    }
}

fn failed(error: impl std::fmt::Display) -> Failed {
    Failed(error.to_string())
}
