//! The command line: the server itself, and the commands beside it.

use std::env;
use std::ffi::OsString;
use std::io::{BufWriter, stdout};
use std::path::Path;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use shared::live::machine_time;
use web::app::Service;
use web::operation::Operation;

use crate::connect::{Identity, config_of, connect};
use crate::{demo, journal, logging, operator, sam, scaffold, serve, shutdown, template};

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
    /// Print the OpenAPI document, which clients are generated from.
    Openapi,
    /// Write the app's routes into its SAM template, between two marks.
    Template(template::Options),
    /// Make a project of your own, with a first kind of entity.
    New(scaffold::New),
    /// Add a kind of entity to the project that this folder lies in.
    Add(scaffold::Add),
}

type Failure = Box<dyn std::error::Error>;

/// Runs an app as its development server, or a command on its table, by the arguments of the command line.
pub fn main(service: Service) -> ExitCode {
    main_of(service, env::args_os())
}

/// Runs an app by these arguments, of which the first is what the program is called.
pub fn main_of(service: Service, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.into_iter().peekable();
    let program = called(arguments.peek());
    let matches = command(&service).get_matches_from(arguments);
    let ran = tokio::runtime::Runtime::new()
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(run(service, &matches, &program)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the program is called, in its errors: the name of its file.
fn called(program: Option<&OsString>) -> String {
    let name = program.and_then(|program| Path::new(program).file_name());
    name.map_or_else(|| "leasebox".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The command line with what the app adds to it.
fn command(service: &Service) -> clap::Command {
    let own = |command: clap::Command| {
        service.operations.iter().fold(command, |command, operation| command.subcommand(subcommand(operation)))
    };
    let command = Arguments::command().mut_subcommand("operator", own);
    match service.demos.is_empty() {
        true => command.mut_subcommand("demo", |demo| demo.hide(true)),
        false => command.mut_subcommand("demo", |command| {
            command.mut_arg("name", |name| {
                name.value_parser(service.demos.iter().map(|demo| demo.name).collect::<Vec<_>>())
            })
        }),
    }
}

fn subcommand(operation: &Operation) -> clap::Command {
    let (name, help) = operation.argument;
    clap::Command::new(operation.name).about(operation.about).arg(Arg::new(name).help(help).required(true))
}

/// The operation of the app that is asked for, if one is, with its argument and the options around it.
fn own<'a>(service: &'a Service, matches: &ArgMatches) -> Option<(&'a Operation, String, operator::OwnOptions)> {
    let (name, operator) = matches.subcommand().filter(|(name, _)| *name == "operator")?.1.subcommand()?;
    let operation = service.operations.iter().find(|operation| operation.name == name)?;
    let argument = operator.get_one::<String>(operation.argument.0)?.clone();
    // Options that come before the command's name are handed on to it.
    Some((operation, argument, operator::OwnOptions::from_arg_matches(operator).ok()?))
}

async fn run(service: Service, matches: &ArgMatches, program: &str) -> Result<(), Failure> {
    let logging = logging::Options::from_arg_matches(matches)?;
    if let Err(error) = logging.start(env::var("RUST_LOG").ok().as_deref()) {
        eprintln!("{program}: {error}");
    }
    let given = env::var_os("AWS_ACCESS_KEY_ID").is_some();
    let identity = if given { Identity::Environment } else { Identity::Anyone };
    let server = async |endpoint: &str| connect(endpoint, identity).await;
    let any = async |endpoint: Option<&str>| config_of(endpoint, identity).await;
    if let Some((operation, argument, options)) = own(&service, matches) {
        return show(operator::run_own(options, &service.registry, (operation, argument), any).await?);
    }
    let arguments = Arguments::from_arg_matches(matches)?;
    match arguments.mode {
        None => serve::run(arguments.serve, service, server, shutdown::asked()).await?,
        Some(Mode::Sam(options)) => {
            let clients = async |endpoint: &str| connect(endpoint, identity).await.clients;
            sam::run(options, &service.hints, clients, || machine_time().0, shutdown::asked()).await?;
        }
        Some(Mode::New(options)) => print!("{}", scaffold::new(&options)?),
        Some(Mode::Add(options)) => print!("{}", scaffold::add(&options, Path::new("."))?),
        Some(Mode::Demo(options)) => demo::run(options, &service, server, &mut stdout()).await?,
        Some(Mode::Journal(options)) => {
            journal::run(options, &service.registry, any, &mut BufWriter::new(stdout())).await?;
        }
        Some(Mode::Openapi) => print!("{}", service.document()),
        Some(Mode::Template(options)) => print!("{}", template::run(&options, &service.routes)?),
        Some(Mode::Operator(options)) => show(operator::run(options, &service.registry, any).await?)?,
    }
    Ok(())
}

fn show(report: operator::Report) -> Result<(), Failure> {
    print!("{}", report.text);
    report.left.map_or(Ok(()), |left| Err(left.into()))
}
