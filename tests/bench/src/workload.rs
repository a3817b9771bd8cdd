//! Who the events are for.

use std::sync::atomic::{AtomicUsize, Ordering};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, Zipf};

use crate::systems::Work;

/// A stream of events for a number of entities.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// What `--only` and files call it.
    pub key: &'static str,
    /// What tables call it.
    pub title: &'static str,
    /// What its events do.
    pub work: Work,
    /// Which entity an event is for.
    pub choice: Choice,
    /// Entities there are.
    pub entities: usize,
    /// Clients that post at the same time, in the closed loop.
    pub clients: usize,
}

/// How an entity is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// One after the other, so that no two events meet.
    RoundRobin,
    /// By Zipf's law with an exponent of 1: the first of a thousand gets 13 of a hundred events.
    Zipf,
}

/// All of them, in the order of the report.
pub const WORKLOADS: &[Workload] = &[
    Workload {
        key: "idle",
        title: "idle: each event for an entity that nobody else uses",
        work: Work::Count,
        choice: Choice::RoundRobin,
        entities: 2_000,
        clients: 8,
    },
    Workload {
        key: "hot",
        title: "hot: all events for one entity",
        work: Work::Count,
        choice: Choice::RoundRobin,
        entities: 1,
        clients: 32,
    },
    Workload {
        key: "mixed",
        title: "mixed: 1,000 entities by Zipf's law",
        work: Work::Count,
        choice: Choice::Zipf,
        entities: 1_000,
        clients: 16,
    },
    Workload {
        key: "sourced",
        title: "event-sourced: deposits into 1,000 accounts, every event kept",
        work: Work::Deposit,
        choice: Choice::RoundRobin,
        entities: 1_000,
        clients: 8,
    },
];

/// Chooses entities, the same ones for the same seed.
#[derive(Debug)]
pub struct Chooser {
    workload: Workload,
    next: AtomicUsize,
    drawn: Vec<usize>,
}

/// Draws made at once; then they come again.
const DRAWS: usize = 100_000;

impl Chooser {
    /// A chooser for a workload.
    #[must_use]
    pub fn new(workload: Workload, seed: u64) -> Self {
        let drawn = match (workload.choice, Zipf::new(workload.entities as f64, 1.0)) {
            (Choice::Zipf, Ok(zipf)) => {
                let mut chance = StdRng::seed_from_u64(seed);
                (0..DRAWS).map(|_| zipf.sample(&mut chance) as usize - 1).collect()
            }
            _ => (0..workload.entities).collect(),
        };
        Self { workload, next: AtomicUsize::new(0), drawn }
    }

    /// The entity of the next event.
    #[must_use]
    pub fn next(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.id(self.drawn.get(number % self.drawn.len().max(1)).copied().unwrap_or_default())
    }

    /// All entities.
    pub fn all(&self) -> impl Iterator<Item = String> {
        (0..self.workload.entities).map(|number| self.id(number))
    }

    fn id(&self, number: usize) -> String {
        format!("{}-{number}", self.workload.key)
    }
}
