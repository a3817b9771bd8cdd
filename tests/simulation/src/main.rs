//! Runs the simulation: many seeds, one seed again, or planted bugs.

use std::process::ExitCode;

use clap::Parser;
use simulation::command::{many, mutants, one};
use simulation::mutant::Mutant;

/// A run is thousands of small items that are copied: half of the time went into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the shipped protocol in simulated worlds, one for each seed.
#[derive(Parser)]
struct Options {
    /// How many seeds.
    #[arg(long, default_value_t = 20_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Replays one seed and tells everything that happens.
    #[arg(long)]
    seed: Option<u64>,
    /// Plants a bug, by its name.
    #[arg(long, value_parser = mutant)]
    mutant: Option<Mutant>,
    /// Plants every bug, one after the other, each in this many samples of up to `--seeds` seeds.
    #[arg(long)]
    mutants: Option<u64>,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn mutant(name: &str) -> Result<Mutant, String> {
    let names = || Mutant::ALL.iter().map(|mutant| mutant.name()).collect::<Vec<_>>().join(", ");
    Mutant::of(name).ok_or_else(|| format!("there are: {}", names()))
}

fn main() -> ExitCode {
    let Options { seeds, from, seed, mutant, mutants: samples, threads } = Options::parse();
    match (seed, samples) {
        (Some(seed), _) => one(seed, mutant),
        (None, Some(samples)) => mutants(samples, seeds, threads),
        (None, None) => many(simulation::campaign::Plan { from, seeds, threads, mutant }),
    }
}
