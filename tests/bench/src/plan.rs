//! What a run measures, in which order, and where it is written down.

use std::path::PathBuf;
use std::time::Duration;

use crate::compare::{self, CompareError, Compared, Extent, compare};
use crate::connection::Source;
use crate::growth::{self, CURVES};
use crate::report::{self, Machine, Page, ReportError};
use crate::run::Run;
use crate::seed::{self, Requests, SeedError};
use crate::workload::WORKLOADS;

/// The name of the seeds' table.
pub const SEEDS: &str = "seeds";
/// The name of the comparison, all workloads together.
pub const COMPARISON: &str = "comparison";
/// The name of the same comparison on a database as far away as DynamoDB.
pub const DISTANT: &str = "distant";

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The endpoint of a DynamoDB; none is the embedded one.
    pub database: Option<String>,
    /// Little of everything.
    pub quick: bool,
    /// One part only.
    pub only: Option<String>,
    /// Where it is written.
    pub out: PathBuf,
    /// What chance starts from.
    pub seed: u64,
}

/// Why a run ended.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A workload or a curve was not measured.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// The seeds' table was not measured.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// A distance was asked for where there is one.
    #[error(
        "`--only distant` holds the embedded database's answers back: with `--database` there is nothing to measure"
    )]
    Distance,
    /// Something was not written.
    #[error(transparent)]
    Report(#[from] ReportError),
}

/// The names that `--only` takes.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let curves = CURVES.iter().map(|curve| curve.key);
    [COMPARISON, DISTANT, SEEDS].into_iter().chain(curves).collect()
}

impl Plan {
    fn has(&self, name: &str) -> bool {
        // A database that is given is as far away as it is.
        (name != DISTANT || self.database.is_none()) && self.only.as_deref().is_none_or(|only| only == name)
    }

    fn extent(&self) -> Extent {
        match self.quick {
            true => Extent { rounds: 1, turn: Duration::from_millis(500), entities: 200 },
            false => Extent { rounds: 3, turn: Duration::from_secs(2), entities: 2_000 },
        }
    }

    fn requests(&self) -> Requests {
        match self.quick {
            true => Requests { usual: 10_000, alone: 1_000, memory: 0 },
            false => Requests { usual: 100_000, alone: 5_000, memory: 500_000 },
        }
    }

    /// Events at each size of a curve, and how far it goes.
    fn growth(&self) -> (usize, usize) {
        if self.quick { (50, 1_000) } else { (300, 100_000) }
    }

    /// How long the seeds' table takes, roughly.
    fn seeds_estimate(&self) -> Duration {
        Duration::from_secs(if self.quick { 10 } else { 130 })
    }

    fn estimate(&self) -> Duration {
        let mut estimate = Duration::ZERO;
        for _ in [COMPARISON, DISTANT].iter().filter(|name| self.has(name)) {
            estimate += compare::estimate(self.extent());
        }
        for curve in CURVES.iter().filter(|curve| self.has(curve.key)) {
            estimate += growth::estimate(curve, self.growth().1);
        }
        if self.has(SEEDS) {
            estimate += self.seeds_estimate();
        }
        estimate
    }

    /// The command that makes the same again.
    fn command(&self, name: &str) -> String {
        let mut command = format!("cargo run --release -p bench -- --only {name} --seed {}", self.seed);
        if self.quick {
            command += " --quick";
        }
        if self.database.is_some() {
            command += " --database URL";
        }
        command
    }

    /// Measures, and writes down each part as soon as it is measured.
    ///
    /// # Errors
    /// When a part cannot be measured or written.
    pub async fn run(&self) -> Result<(), PlanError> {
        if self.only.as_deref() == Some(DISTANT) && self.database.is_some() {
            return Err(PlanError::Distance);
        }
        let estimate = self.estimate();
        println!("This takes about {} min {} s.", estimate.as_secs() / 60, estimate.as_secs() % 60);
        let run = Run::new(self.seed, estimate);
        let mut page = Page::open(&self.out)?;
        let machine = Machine::here();
        let source = self.database.clone().map_or(Source::Process, Source::Endpoint);
        let stamp = |name: &str| machine.stamp(&self.command(name), source.title());
        if self.has(COMPARISON) {
            let compared = self.compare(&run, &source).await?;
            report::comparison(&mut page, &compared, &stamp(COMPARISON))?;
        }
        if self.has(DISTANT) {
            let compared = self.compare(&run, &Source::Distant).await?;
            let stamp = machine.stamp(&self.command(DISTANT), Source::Distant.title());
            report::distant(&mut page, &compared, &stamp)?;
        }
        let (events, most) = self.growth();
        for curve in CURVES.iter().filter(|curve| self.has(curve.key)) {
            let points = growth::measure(&run, &source, curve, events, most).await?;
            report::curve(&mut page, curve, &points, &stamp(curve.key))?;
        }
        if self.has(SEEDS) {
            self.seeds(&run, &mut page, &machine).await?;
        }
        run.ends();
        println!("Written to {}.", self.out.display());
        Ok(())
    }

    async fn compare(&self, run: &Run, source: &Source) -> Result<Vec<Compared>, PlanError> {
        let mut compared = Vec::new();
        for workload in WORKLOADS {
            compared.push(compare(run, source, self.extent(), *workload).await?);
        }
        Ok(compared)
    }

    async fn seeds(&self, run: &Run, page: &mut Page, machine: &Machine) -> Result<(), PlanError> {
        if let Err(missing) = seed::check().await {
            if self.only.is_some() {
                return Err(missing.into());
            }
            eprintln!("the seeds' table is left as it is: {missing}");
            return Ok(());
        }
        let served = seed::measure(run, self.requests()).await?;
        run.took(self.seeds_estimate());
        let database = "the development server's own";
        Ok(report::seed_table(page, &served, &machine.stamp(&self.command(SEEDS), database))?)
    }
}
