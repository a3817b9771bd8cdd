//! What the command line shows: a replay, the closing lines of many seeds, and which planted bugs are noticed.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use crate::campaign::{Plan, campaign, replay};
use crate::mutant::Mutant;

/// Replays one seed, twice, and tells everything that happens.
#[must_use]
pub fn one(seed: u64, mutant: Option<Mutant>) -> ExitCode {
    let report = replay(seed, mutant, true);
    let again = replay(seed, mutant, false);
    let (applied, ms, trace) = (report.applied, report.virtual_ms, report.trace);
    println!("{applied} commands applied in {ms} ms of virtual time, trace {trace:016x}");
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

/// Runs many seeds.
#[must_use]
pub fn many(plan: Plan) -> ExitCode {
    let result = campaign(plan, &|done| progress(done, plan.seeds));
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
    let planted = plan.mutant.map(|mutant| format!(" --mutant {}", mutant.name())).unwrap_or_default();
    println!("VIOLATION of seed {seed}: {violation}");
    println!("replay it: cargo run --release --bin simulate -- --seed {seed}{planted}");
    ExitCode::FAILURE
}

fn progress(done: u64, of: u64) {
    // A log is no display.
    if (done.is_multiple_of(500) || done == of) && std::io::stderr().is_terminal() {
        eprint!("\r{done} of {of} seeds");
        if done == of {
            eprintln!();
        }
        // It is only a display.
        let _ = std::io::stderr().flush();
    }
}

/// Plants every bug, and says after how many seeds each is noticed; one that is not is a failure.
#[must_use]
pub fn mutants(samples: u64, most: u64, threads: usize) -> ExitCode {
    let mut missed = 0;
    for mutant in Mutant::ALL {
        let mut caught: Vec<u64> = (0..samples).filter_map(|sample| catch(*mutant, sample, most, threads)).collect();
        caught.sort_unstable();
        let median = caught.get(caught.len() / 2).filter(|_| caught.len() as u64 == samples);
        match median {
            Some(median) => println!("{:<20} noticed, after {median} seeds in the median of {samples}", mutant.name()),
            None => {
                missed += 1;
                println!("{:<20} MISSED in {} of {samples} samples", mutant.name(), samples - caught.len() as u64);
            }
        }
    }
    println!("{} of {} planted bugs noticed", Mutant::ALL.len() - missed, Mutant::ALL.len());
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// After how many seeds a bug is noticed, in seeds that no other sample uses.
fn catch(mutant: Mutant, sample: u64, most: u64, threads: usize) -> Option<u64> {
    let from = 1_000_000_000 + sample * most;
    let result = campaign(Plan { from, seeds: most, threads, mutant: Some(mutant) }, &|_| {});
    result.failure.map(|(seed, _)| seed - from + 1)
}
