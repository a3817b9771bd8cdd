//! A portion of the simulation that every test run plays: seeds without a violation, the same seed as the same run, and
//! planted bugs that are noticed. `cargo run --release --bin simulate` plays as many as one likes.

use simulation::campaign::{Plan, campaign, replay};
use simulation::fault::Fault;
use simulation::mutant::Mutant;

/// Seeds of this portion; other numbers than those of `simulate`'s default, so that together they are more.
const FROM: u64 = 500_000_000;

#[test]
fn no_seed_violates_an_invariant() {
    // More of them for mutants of the code, some of which show in few worlds only.
    let seeds = std::env::var("LEASEBOX_SEEDS").map_or(400, |seeds| seeds.parse().unwrap());
    let result = campaign(Plan { from: FROM, seeds, threads: 2, mutant: None }, &|_| {});
    println!("{} seeds, {} commands applied; {}", result.seeds, result.applied, result.faults());
    assert_eq!(result.failure, None, "replay it: cargo run --release --bin simulate -- --seed N");
    assert_eq!(result.seeds, seeds);
    assert!(result.applied > 5 * seeds, "{}", result.applied);
    for fault in Fault::ALL {
        assert!(result.tally.of(*fault) > 0, "no {}", fault.words());
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let mut traces = std::collections::HashSet::new();
    for seed in FROM..FROM + 40 {
        let (once, again) = (replay(seed, None, false), replay(seed, None, false));
        assert_eq!(once, again, "seed {seed}");
        traces.insert(once.trace);
    }
    assert_eq!(traces.len(), 40, "different seeds are different runs");
}

/// A planted bug must be noticed within so many seeds.
#[track_caller]
fn noticed(mutant: Mutant, within: u64) {
    let result = campaign(Plan { from: FROM, seeds: within, threads: 2, mutant: Some(mutant) }, &|_| {});
    assert!(result.failure.is_some(), "{} was not noticed", mutant.name());
    println!("{}: {:?}", mutant.name(), result.failure);
}

/// Those that few seeds show. `.ci/mutants` plants all of them, and says after how many seeds each is noticed.
#[test]
fn planted_bugs_are_noticed() {
    let rare = [Mutant::OwnerPerProcess, Mutant::ReplaceBlindly];
    for mutant in Mutant::ALL.iter().filter(|mutant| !rare.contains(mutant)) {
        noticed(*mutant, 2_000);
    }
}
