//! Many seeds, side by side.

use std::panic;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::actor::{PANIC, registry};
use crate::fault::{Fault, Tally};
use crate::lock;
use crate::mutant::Mutant;
use crate::run::{Report, run};

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The first seed.
    pub from: u64,
    /// How many.
    pub seeds: u64,
    /// Threads.
    pub threads: usize,
    /// The planted bug.
    pub mutant: Option<Mutant>,
}

/// What came of it.
#[derive(Debug)]
pub struct Campaign {
    /// Seeds that were run.
    pub seeds: u64,
    /// The first violation that was found, with its seed.
    pub failure: Option<(u64, String)>,
    /// Commands that were applied.
    pub applied: u64,
    /// Virtual time, in milliseconds.
    pub virtual_ms: u64,
    /// Real time.
    pub took: Duration,
    /// Faults.
    pub tally: Arc<Tally>,
}

impl Campaign {
    /// The faults by kind, as far as any struck.
    #[must_use]
    pub fn faults(&self) -> String {
        let struck = Fault::ALL.iter().map(|fault| (fault.words(), self.tally.of(*fault)));
        struck
            .filter(|(_, times)| *times > 0)
            .map(|(words, times)| format!("{times} {words}"))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// Runs seeds until all are done or one fails.
pub fn campaign(plan: Plan, progress: &(dyn Fn(u64) + Sync)) -> Campaign {
    be_quiet_about_wanted_panics();
    let began = Instant::now();
    let (next, applied, virtual_ms) = (AtomicU64::new(plan.from), AtomicU64::new(0), AtomicU64::new(0));
    let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let failure: Mutex<Option<(u64, String)>> = Mutex::new(None);
    let (tally, registry) = (Arc::new(Tally::default()), Arc::new(registry()));
    std::thread::scope(|scope| {
        for _ in 0..plan.threads.max(1) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= plan.from + plan.seeds {
                        return;
                    }
                    let report = run(seed, plan.mutant, false, &registry, &tally);
                    applied.fetch_add(report.applied, Ordering::Relaxed);
                    virtual_ms.fetch_add(report.virtual_ms, Ordering::Relaxed);
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                    if let Some(violation) = report.violation {
                        stop.store(true, Ordering::Relaxed);
                        note(&failure, seed, violation);
                    }
                }
            });
        }
    });
    Campaign {
        seeds: done.load(Ordering::Relaxed),
        failure: lock(&failure).take(),
        applied: applied.load(Ordering::Relaxed),
        virtual_ms: virtual_ms.load(Ordering::Relaxed),
        took: began.elapsed(),
        tally,
    }
}

/// Of several failures the one of the lowest seed counts.
fn note(failure: &Mutex<Option<(u64, String)>>, seed: u64, violation: String) {
    let mut failure = lock(failure);
    if failure.as_ref().is_none_or(|(other, _)| seed < *other) {
        *failure = Some((seed, violation));
    }
}

/// Plays one seed, telling what happens when asked to.
#[must_use]
pub fn replay(seed: u64, mutant: Option<Mutant>, told: bool) -> Report {
    be_quiet_about_wanted_panics();
    run(seed, mutant, told, &Arc::new(registry()), &Arc::new(Tally::default()))
}

fn be_quiet_about_wanted_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&PANIC) {
                usual(info);
            }
        }));
    });
}
