//! What the command line shows of one configuration.

use crate::check::Report;
use crate::config::Config;
use crate::mutant::Mutant;

/// Prints one line of the table.
pub fn print(name: &str, report: &Report) {
    let seconds = report.took.as_secs_f64();
    println!("{name:<10} {:>12} {:>12} {:>6} {seconds:>8.1}", report.unique, report.total, report.depth);
}

/// Prints what is wrong, if anything is; says whether nothing is.
#[must_use]
pub fn is_sound(config: &Config, report: &Report, mutant: Option<Mutant>) -> bool {
    if let Some(violation) = &report.violation {
        println!("{}: violated in {} steps: {}", config.name, violation.steps, violation.property);
        println!("{}", violation.trace);
        return false;
    }
    let missed = config.reaches.iter().filter(|fact| !report.seen.contains(fact));
    let missed: Vec<&str> = missed.map(|fact| fact.text()).collect();
    if mutant.is_none() && !missed.is_empty() {
        println!("{}: never seen: {}", config.name, missed.join("; "));
        return false;
    }
    true
}
