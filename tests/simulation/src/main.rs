//! Runs the simulation: many seeds, one seed again, or planted bugs.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use simulation::campaign::{Plan, campaign, replay};
use simulation::mutant::Mutant;

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
    /// Plants every bug, one after the other, each with this many samples of up to `--seeds` seeds.
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
    let options = Options::parse();
    match (options.seed, options.mutants) {
        (Some(seed), _) => one(&options, seed),
        (None, Some(samples)) => simulation::campaign::mutants(samples, options.seeds, options.threads),
        (None, None) => many(&options),
    }
}

fn one(options: &Options, seed: u64) -> ExitCode {
    let report = replay(seed, options.mutant, true);
    let again = replay(seed, options.mutant, false);
    println!(
        "{} commands applied in {} ms of virtual time, trace {:016x}",
        report.applied, report.virtual_ms, report.trace
    );
    if report != again {
        println!("played again it was another run: {again:?}");
        return ExitCode::FAILURE;
    }
    match report.violation {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            println!("VIOLATION: {violation}");
            ExitCode::FAILURE
        }
    }
}

fn many(options: &Options) -> ExitCode {
    let plan = Plan { from: options.from, seeds: options.seeds, threads: options.threads, mutant: options.mutant };
    let result = campaign(plan, &|done| progress(done, options.seeds));
    eprintln!();
    println!("faults: {}", result.faults());
    let seconds = result.took.as_secs_f64();
    println!(
        "{} seeds in {seconds:.1} s ({:.0} a minute), {} commands applied, {:.1} days of virtual time",
        result.seeds,
        result.seeds as f64 / seconds * 60.0,
        result.applied,
        result.virtual_ms as f64 / 86_400_000.0
    );
    let Some((seed, violation)) = result.failure else {
        println!("no violation");
        return ExitCode::SUCCESS;
    };
    let planted = options.mutant.map(|mutant| format!(" --mutant {}", mutant.name())).unwrap_or_default();
    println!("VIOLATION of seed {seed}: {violation}");
    println!("replay it: cargo run --release --bin simulate -- --seed {seed}{planted}");
    ExitCode::FAILURE
}

fn progress(done: u64, of: u64) {
    if done.is_multiple_of(500) || done == of {
        eprint!("\r{done} of {of} seeds");
        // It is only a display.
        let _ = std::io::stderr().flush();
    }
}
