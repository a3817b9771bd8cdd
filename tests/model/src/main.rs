//! Checks the mailbox protocol: every configuration as built, or one with a planted bug.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use model::check::check;
use model::config::Config;
use model::configs;
use model::mutant::Mutant;
use model::show::{is_sound, print};

/// Explores every state that the mailbox protocol can reach.
#[derive(Debug, Parser)]
struct Options {
    /// With the larger budgets of the long run.
    #[arg(long)]
    deep: bool,
    /// Only this configuration.
    #[arg(long, value_name = "NAME")]
    config: Option<String>,
    /// With this bug planted, in the configuration in which it must be found.
    #[arg(long, value_name = "NAME")]
    mutant: Option<String>,
    /// How many threads explore.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let mutant = match &options.mutant {
        None => None,
        Some(name) => match Mutant::ALL.iter().copied().find(|mutant| mutant.name() == name) {
            Some(mutant) => Some(mutant),
            None => return unknown("mutant", Mutant::ALL.iter().map(|mutant| mutant.name())),
        },
    };
    let name = options.config.as_deref().or(mutant.map(Mutant::config));
    let chosen: Vec<Config> =
        configs::ALL.iter().copied().filter(|config| name.is_none_or(|name| name == config.name)).collect();
    if chosen.is_empty() {
        return unknown("configuration", configs::ALL.iter().map(|config| config.name));
    }
    run(&chosen, &options, mutant)
}

fn unknown(what: &str, names: impl Iterator<Item = &'static str>) -> ExitCode {
    eprintln!("there is no such {what}; there are: {}", names.collect::<Vec<_>>().join(", "));
    ExitCode::FAILURE
}

fn run(configs: &[Config], options: &Options, mutant: Option<Mutant>) -> ExitCode {
    println!("{:<10} {:>12} {:>12} {:>6} {:>8}", "config", "unique", "total", "depth", "seconds");
    let (mut unique, mut total, mut took, mut bad) = (0, 0, Duration::ZERO, false);
    for config in configs {
        let config = if options.deep { config.deep() } else { *config };
        let report = check(config, mutant, options.threads);
        print(config.name, &report);
        bad |= !is_sound(&config, &report, mutant);
        unique += report.unique;
        total += report.total;
        took += report.took;
    }
    println!("{:<10} {unique:>12} {total:>12} {:>6} {:>8.1}", "all", "", took.as_secs_f64());
    if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
