//! The comparison: every workload in both loops, the systems taking turns, so that a noisy neighbour disturbs all alike.

use std::time::Duration;

use crate::connection::{Connection, ConnectionError, Source};
use crate::drive::{Driver, Measured};
use crate::run::Run;
use crate::systems::{Failed, SYSTEMS, System};
use crate::workload::{WORKLOADS, Workload};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Turns of each system.
    pub rounds: usize,
    /// How long a turn is.
    pub turn: Duration,
    /// Entities at most.
    pub entities: usize,
}

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// There is no table.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A system does not work.
    #[error(transparent)]
    Failed(#[from] Failed),
}

/// What was measured of one workload.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Which.
    pub workload: Workload,
    /// Events a second in the open loop.
    pub rate: f64,
    /// Each system, in the order of the tables.
    pub systems: Vec<Both>,
}

/// What was measured of one system, round by round.
#[derive(Clone, Debug)]
pub struct Both {
    /// Which.
    pub system: System,
    /// In the closed loop.
    pub closed: Vec<Measured>,
    /// In the open loop.
    pub open: Vec<Measured>,
}

/// All rounds together.
#[must_use]
pub fn sum(rounds: &[Measured]) -> Measured {
    rounds.iter().fold(Measured::default(), |mut sum, round| {
        sum.add(round);
        sum
    })
}

/// The ratio of a quantity between two systems: of each round, and of these the one in the middle.
#[must_use]
pub fn ratio(ours: &[Measured], other: &[Measured], of: impl Fn(&Measured) -> f64) -> f64 {
    let mut ratios: Vec<f64> = ours.iter().zip(other).map(|(ours, other)| of(ours) / of(other).max(1e-9)).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}

/// How long all of it takes, roughly.
#[must_use]
pub fn estimate(extent: Extent) -> Duration {
    let turns = WORKLOADS.len() * SYSTEMS.len() * extent.rounds * 2;
    extent.turn * u32::try_from(turns).unwrap_or(u32::MAX) + preparation(extent) * 4
}

/// How long a workload's entities take to make, roughly.
fn preparation(extent: Extent) -> Duration {
    Duration::from_millis(4 * extent.entities as u64)
}

/// The systems in the order of a round: each round begins with another one, as the first may find the machine cold.
fn turns<'a>(drivers: &'a [Driver], systems: &'a mut [Both], round: usize) -> Vec<(&'a Driver, &'a mut Both)> {
    let mut turns: Vec<_> = drivers.iter().zip(systems).collect();
    let first = round % turns.len().max(1);
    turns.rotate_left(first);
    turns
}

/// Measures one workload.
///
/// # Errors
/// When there is no table, or a system does not work at all.
pub async fn compare(run: &Run, source: &Source, extent: Extent, workload: Workload) -> Result<Compared, CompareError> {
    let workload = Workload { entities: workload.entities.min(extent.entities), ..workload };
    let connection = Connection::open(source).await?;
    run.says(&format!("{}: the entities are made", workload.key));
    let mut drivers = Vec::new();
    for system in SYSTEMS {
        drivers.push(Driver::start(*system, &connection, workload, run.seed).await?);
    }
    run.took(preparation(extent));
    let mut systems: Vec<Both> =
        SYSTEMS.iter().map(|system| Both { system: *system, closed: Vec::new(), open: Vec::new() }).collect();
    for round in 1..=extent.rounds {
        for (driver, both) in turns(&drivers, &mut systems, round) {
            run.says(&format!("{}, closed loop, round {round}: {}", workload.key, driver.system.title));
            both.closed.push(driver.closed(workload.clients, extent.turn).await);
            run.took(extent.turn);
        }
    }
    // What the slowest does at half of its strength, all do.
    let slowest = systems.iter().map(|both| sum(&both.closed).throughput()).fold(f64::INFINITY, f64::min);
    let rate = (slowest / 2.0).max(1.0).round();
    for round in 1..=extent.rounds {
        for (driver, both) in turns(&drivers, &mut systems, round) {
            run.says(&format!("{}, open loop, round {round}: {}", workload.key, driver.system.title));
            both.open.push(driver.open(rate, extent.turn).await);
            run.took(extent.turn);
        }
    }
    for (driver, both) in drivers.iter().zip(&systems) {
        let mut all = sum(&both.closed);
        all.add(&sum(&both.open));
        driver.verify(workload.clients, &all).await?;
    }
    Ok(Compared { workload, rate, systems })
}
