//! The command line of `leasebox`.

use std::io::{BufWriter, stdout};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use local::connect::{Identity, config_of, connect};
use local::{demo, journal, logging, operator, sam, serve, shutdown};
use mimalloc::MiMalloc;
use shared::live::machine_time;

/// The embedded database makes thousands of small values for a request, and malloc would take a third of its time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Actors on Lambda and DynamoDB, all in one process.
#[derive(Debug, Parser)]
#[command(name = "leasebox", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    mode: Option<Mode>,
    #[command(flatten)]
    serve: serve::Options,
    #[command(flatten)]
    logging: logging::Options,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// Serve what `sam local` lacks: the database, the wake queue, and the stream.
    Sam(sam::Options),
    /// Look after dead letters and what is stuck, on the table of a running server or any other.
    Operator(operator::Options),
    /// Show, verify and replay what has happened to an entity, on the same tables.
    Journal(journal::Options),
    /// Play a demonstration, on a database in memory.
    Demo(demo::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(error) = arguments.logging.start(std::env::var("RUST_LOG").ok().as_deref()) {
        eprintln!("leasebox: {error}");
    }
    let given = std::env::var_os("AWS_ACCESS_KEY_ID").is_some();
    let identity = if given { Identity::Environment } else { Identity::Anyone };
    match run(arguments, identity).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("leasebox: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments, identity: Identity) -> Result<(), Box<dyn std::error::Error>> {
    let server = async |endpoint: &str| connect(endpoint, identity).await;
    let any = async |endpoint: Option<&str>| config_of(endpoint, identity).await;
    match arguments.mode {
        None => serve::run(arguments.serve, server, shutdown::asked()).await?,
        Some(Mode::Sam(options)) => {
            let clients = async |endpoint: &str| connect(endpoint, identity).await.clients;
            sam::run(options, clients, || machine_time().0, shutdown::asked()).await?;
        }
        Some(Mode::Demo(options)) => demo::run(options, server, &mut stdout()).await?,
        Some(Mode::Journal(options)) => journal::run(options, any, &mut BufWriter::new(stdout())).await?,
        Some(Mode::Operator(options)) => {
            let report = operator::run(options, any).await?;
            print!("{}", report.text);
            if let Some(left) = report.left {
                return Err(left.into());
            }
        }
    }
    Ok(())
}
