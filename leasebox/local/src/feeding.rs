//! Everything that feeds a consumer, running together: pump, wake queue, and the history's upkeep.

use std::io;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use crate::Clock;
use crate::backend::Backend;
use crate::consumer::Consumer;
use crate::database::DatabaseError;
use crate::dead_letters::DeadLetters;
use crate::history;
use crate::progress::{Positions, Progress};
use crate::pump::{Clients, Nudge, Pump, Settings};
use crate::shutdown::{self, Shutdown, Trigger};
use crate::wakes::Wakes;

/// What has to exist before the consumer does, because the consumer sends wakes.
#[derive(Debug, Clone)]
pub struct Feed {
    /// The clients of the database and of its streams.
    pub clients: Clients,
    /// The table whose stream is followed.
    pub table: String,
    /// The queue that delivers wakes after their delay.
    pub wakes: Wakes,
    progress: Arc<Progress>,
}

/// Why the feeding does not start.
#[derive(Debug, thiserror::Error)]
pub enum FeedingError {
    /// The dead-letter file cannot be opened.
    #[error("the dead-letter file cannot be opened: {0}")]
    DeadLetters(#[from] io::Error),
    /// The embedded database's history cannot be reached.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The running tasks that feed `drain` from the stream and the wake queue.
#[derive(Debug)]
pub struct Feeding {
    trigger: Trigger,
    pump: JoinHandle<()>,
    others: Vec<JoinHandle<()>>,
    nudge: Nudge,
}

impl Feed {
    /// Prepares to feed from a table.
    pub fn new(clients: Clients, table: &str, clock: Clock) -> Self {
        let progress = Progress::new();
        let wakes = Wakes::new(Arc::clone(&progress), clock);
        Self { clients, table: table.to_owned(), wakes, progress }
    }

    /// Starts to feed the consumer.
    pub fn start<C: Consumer>(
        &self,
        backend: &Backend,
        consumer: Arc<C>,
        settings: Settings,
    ) -> Result<Feeding, FeedingError> {
        let dead_letters = DeadLetters::open(backend.dir().path())?;
        let (trigger, shutdown) = shutdown::channel();
        let (stored, positions) = watch::channel(Positions::new());
        let nudge = Nudge::default();
        let mut others = Vec::new();
        if let Some(database) = backend.embedded() {
            let (database, trimmer) = (database.clone(), database.trimmer(&self.table)?);
            let upkeep = history::keep_short(database, trimmer, positions, shutdown.clone());
            others.push(tokio::spawn(upkeep));
        }
        others.push(self.spawn_wakes(&consumer, &dead_letters, settings, &shutdown));
        let pump = Pump {
            clients: self.clients.clone(),
            table: self.table.clone(),
            consumer,
            progress: Arc::clone(&self.progress),
            directory: backend.dir().path().to_owned(),
            dead_letters,
            settings,
            nudge: nudge.clone(),
            stored,
        };
        let pump = tokio::spawn(pump.run(shutdown));
        Ok(Feeding { trigger, pump, others, nudge })
    }

    fn spawn_wakes<C: Consumer>(
        &self,
        consumer: &Arc<C>,
        dead_letters: &DeadLetters,
        settings: Settings,
        shutdown: &Shutdown,
    ) -> JoinHandle<()> {
        let (wakes, consumer) = (self.wakes.clone(), Arc::clone(consumer));
        let (dead_letters, shutdown) = (dead_letters.clone(), shutdown.clone());
        tokio::spawn(async move { wakes.run(consumer, dead_letters, settings.retry, shutdown).await })
    }
}

impl Feeding {
    /// Makes the pump look at the stream at once.
    pub fn nudge(&self) -> Nudge {
        self.nudge.clone()
    }

    /// Returns when the pump ends by itself, which it does only when it panics.
    pub async fn failed(&mut self) -> io::Error {
        match (&mut self.pump).await {
            Ok(()) => io::Error::other("the pump ended"),
            Err(error) => ended(error),
        }
    }

    /// Finishes what is being delivered, and stores how far it came.
    pub async fn stop(self) -> io::Result<()> {
        self.trigger.fire();
        for other in self.others {
            other.await.map_err(ended)?;
        }
        self.pump.await.map_err(ended)
    }
}

fn ended(error: JoinError) -> io::Error {
    io::Error::other(error)
}
