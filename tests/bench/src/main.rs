//! The command line of the benchmarks.
// The SDK's futures, within the client's, within a system's.
#![recursion_limit = "256"]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bench::plan::{self, Plan};
use bench::{connection, seed};
use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;

/// As in the development server, whose database is the one that is measured.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Measures what events cost and how long they take, and writes it down.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    mode: Option<Mode>,
    /// Another DynamoDB than the embedded one.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Measure little: to see that everything works.
    #[arg(long)]
    quick: bool,
    /// Measure only this.
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(plan::names()))]
    only: Option<String>,
    /// Where the page and its plots are written.
    #[arg(long, value_name = "DIR", default_value = "docs/performance")]
    out: PathBuf,
    /// What chance starts from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// Measure only the seeds' table: short for `--only seeds`.
    Seed,
    /// Serve an embedded database until the standard input ends.
    #[command(hide = true)]
    Database {
        /// How long each answer is held back, in milliseconds.
        #[arg(long, default_value_t = 0)]
        distance_ms: u64,
    },
    /// Serve a handler that does nothing.
    #[command(hide = true)]
    Bare,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let Arguments { mode, database, quick, only, out, seed } = arguments;
    let only = match mode {
        Some(Mode::Database { distance_ms }) => {
            return Ok(connection::serve(Duration::from_millis(distance_ms)).await?);
        }
        Some(Mode::Bare) => return Ok(seed::bare().await?),
        Some(Mode::Seed) => Some(plan::SEEDS.to_owned()),
        None => only,
    };
    Ok(Plan { database, quick, only, out, seed }.run().await?)
}
