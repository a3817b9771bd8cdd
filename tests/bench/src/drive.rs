//! Drives a system: in a closed loop, where each client posts its next event when the last one is done, and in an open
//! loop, where events arrive at a fixed rate whatever becomes of those before them.
//!
//! Latency in the open loop counts from when an event was meant to be posted. A system that stands still for a second
//! then has all the events of that second against it, not one: there is no coordinated omission.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt, TryStreamExt};
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use crate::bill::{Bill, Total};
use crate::connection::Connection;
use crate::systems::{Failed, PATIENCE, Running, System};
use crate::workload::{Chooser, Workload};

/// What was measured of one system, in one round or in several.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Latencies in microseconds.
    pub latency: Histogram<u64>,
    /// Events that were done.
    pub done: u64,
    /// Events that were not.
    pub failed: u64,
    /// How long it took.
    pub took: Duration,
    /// What it cost.
    pub total: Total,
}

impl Default for Measured {
    fn default() -> Self {
        Self { latency: histogram(), done: 0, failed: 0, took: Duration::ZERO, total: Total::default() }
    }
}

/// Microseconds with three digits, without an end.
#[expect(clippy::expect_used, reason = "three digits are what the library takes")]
fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are allowed")
}

impl Measured {
    /// Events a second.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        self.done as f64 / self.took.as_secs_f64().max(1e-9)
    }

    /// A percentile of the latency, in milliseconds.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> f64 {
        self.latency.value_at_percentile(percent) as f64 / 1000.0
    }

    /// Write units an event.
    #[must_use]
    pub fn writes(&self) -> f64 {
        self.total.write / self.done.max(1) as f64
    }

    /// Read units an event.
    #[must_use]
    pub fn reads(&self) -> f64 {
        self.total.read / self.done.max(1) as f64
    }

    /// Adds another round.
    pub fn add(&mut self, round: &Self) {
        // Both have the same bounds, and grow when they must.
        let _ = self.latency.add(&round.latency);
        self.done += round.done;
        self.failed += round.failed;
        self.took += round.took;
        self.total = self.total.plus(round.total);
    }

    /// Notes an event that was done.
    pub fn done_in(&mut self, took: Duration) {
        self.done += 1;
        // It grows when it must.
        let _ = self.latency.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    fn note(&mut self, result: &Result<(), Failed>, took: Duration) {
        match result {
            Ok(()) => self.done_in(took),
            Err(failed) => {
                if self.failed == 0 {
                    eprintln!("an event was not processed: {failed}");
                }
                self.failed += 1;
            }
        }
    }
}

/// A system at work on a workload.
#[derive(Clone, Debug)]
pub struct Driver {
    /// What is driven.
    pub system: System,
    running: Running,
    bill: Bill,
    chooser: Arc<Chooser>,
    /// What all entities' values summed to when they were made.
    at_first: u64,
}

impl Driver {
    /// Starts a system, and makes its entities.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn start(system: System, on: &Connection, workload: Workload, seed: u64) -> Result<Self, Failed> {
        let (running, bill) = Running::start(&system, on, workload.work);
        let chooser = Arc::new(Chooser::new(workload, seed));
        let mut driver = Self { system, running, bill, chooser, at_first: 0 };
        let all = driver.chooser.all().map(|id| {
            let driver = &driver;
            async move { driver.running.prepare(&driver.own(&id)).await }
        });
        stream::iter(all).buffer_unordered(workload.clients).try_collect::<()>().await?;
        driver.at_first = driver.sum(workload.clients).await?;
        driver.bill.take();
        Ok(driver)
    }

    /// What all entities' values sum to.
    async fn sum(&self, clients: usize) -> Result<u64, Failed> {
        let ids: Vec<String> = self.chooser.all().map(|id| self.own(&id)).collect();
        let values = ids.iter().map(|id| self.running.value(id));
        stream::iter(values).buffer_unordered(clients).try_fold(0, async |sum, value| Ok(sum + value)).await
    }

    /// Says whether every event was counted once: at least those that were done, at most those that were posted.
    ///
    /// # Errors
    /// When it was not, or that cannot be read.
    pub async fn verify(&self, clients: usize, measured: &Measured) -> Result<(), Failed> {
        let counted = self.sum(clients).await? - self.at_first;
        if (measured.done..=measured.done + measured.failed).contains(&counted) {
            return Ok(());
        }
        let Measured { done, failed, .. } = measured;
        Err(Failed(format!("{}: {done} events were done, {failed} failed, {counted} counted", self.system.title)))
    }

    fn own(&self, id: &str) -> String {
        format!("{}-{id}", self.system.key)
    }

    async fn event(self, client: usize) -> Result<(), Failed> {
        let id = self.own(&self.chooser.next());
        self.running.event(client, &id).await
    }

    /// Each of `clients` posts its next event when the last one is done, for so long.
    pub async fn closed(&self, clients: usize, duration: Duration) -> Measured {
        self.bill.take();
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            let driver = self.clone();
            tasks.spawn(async move {
                let mut measured = Measured::default();
                while began.elapsed() < duration {
                    let posted = Instant::now();
                    let result = driver.clone().event(client).await;
                    measured.note(&result, posted.elapsed());
                }
                measured
            });
        }
        let mut measured = Measured::default();
        while let Some(Ok(part)) = tasks.join_next().await {
            measured.add(&part);
        }
        Measured { took: began.elapsed(), total: self.bill.take(), ..measured }
    }

    /// Events arrive at this rate for so long; whatever is not done some time after that has failed.
    pub async fn open(&self, rate: f64, duration: Duration) -> Measured {
        self.bill.take();
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        let arrivals = (rate * duration.as_secs_f64()).ceil() as usize;
        for number in 0..arrivals {
            let meant = Duration::from_secs_f64(number as f64 / rate);
            // The timer's grain is a millisecond: events that fall into the same one are posted together.
            let early = meant.saturating_sub(began.elapsed());
            if !early.is_zero() {
                tokio::time::sleep(early).await;
            }
            let driver = self.clone();
            tasks.spawn(async move {
                let result = driver.event(number).await;
                (result, began.elapsed().saturating_sub(meant))
            });
        }
        let mut measured = Measured::default();
        let rest = async {
            while let Some(Ok((result, took))) = tasks.join_next().await {
                measured.note(&result, took);
            }
        };
        // An event that fails has had this time already.
        let _ = tokio::time::timeout(PATIENCE + Duration::from_secs(1), rest).await;
        measured.failed = arrivals as u64 - measured.done;
        Measured { took: began.elapsed().max(duration), total: self.bill.take(), ..measured }
    }
}
