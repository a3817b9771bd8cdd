//! The command `operator`: what the operator routes do, directly on a table.

mod print;

use aws_config::SdkConfig;
use clap::{Args, Subcommand};
use serde::Serialize;
use shared::client::Client;
use shared::envelope::{EntityId, Millis};
use shared::erased::AnyHost;
use shared::host::Host;
use shared::limits;
use shared::operator::dead_letters::LetterId;
use shared::operator::place::Place;
use shared::operator::resume::Head;
use shared::operator::sweep::Swept;
use shared::operator::{OperatorError, dead_letters, redrive, resume, stuck, sweep};
use shared::registry::Registry;
use web::operation::{self, Operation};
use web::operator::{
    DeadLetterAnswer, DeadLetterPage, DeletedAnswer, RedriveAllAnswer, RedriveAnswer, ResumeAnswer, StuckAnswer,
    StuckPage, SweepAnswer,
};

use crate::target_table::{TableOptions, TargetError, TargetTable};

/// The options of `operator`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    table: TableOptions,
    /// Print JSON, as the operator routes answer with.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What could not be processed or delivered.
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// Release a blocked entity: its first event runs again.
    Resume {
        /// Which, as KIND/ID.
        entity: EntityId,
        /// Put the first event to the dead letters instead of running it again.
        #[arg(long)]
        park: bool,
    },
    /// List entities with something pending, the one that waits longest first. It reads every mailbox.
    Stuck {
        /// Only those of this kind.
        #[arg(long)]
        kind: Option<String>,
    },
    /// Look at every entity, and run with this program what waits.
    Sweep {
        /// Only those of this kind.
        #[arg(long)]
        kind: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum DeadLetters {
    /// List an entity's dead letters, in order.
    List {
        /// Whose, as KIND/ID.
        entity: EntityId,
        /// How many at most.
        #[arg(long, default_value_t = limits::PAGE as u64, value_parser = clap::value_parser!(u64).range(1..=limits::PAGE_MOST as u64))]
        limit: u64,
        /// The name of the last one on the page before.
        #[arg(long, value_name = "NAME")]
        cursor: Option<LetterId>,
    },
    /// Show one.
    Show {
        /// Whose, as KIND/ID.
        entity: EntityId,
        /// Which, such as `event-7`.
        name: LetterId,
    },
    /// Post one again, or all of an entity in order.
    Redrive {
        /// Whose, as KIND/ID.
        entity: EntityId,
        /// Which, such as `event-7`; all when there is none.
        name: Option<LetterId>,
    },
    /// Delete one: what is in it is never processed.
    Delete {
        /// Whose, as KIND/ID.
        entity: EntityId,
        /// Which, such as `event-7`.
        name: LetterId,
    },
}

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is nothing to do it on.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// It could not be done.
    #[error(transparent)]
    Operator(OperatorError),
}

/// What a command did.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// For the standard output.
    pub text: String,
    /// What is left to do by hand, if anything is.
    pub left: Option<String>,
}

/// Runs an operator's command on the table that the options name. `connect` makes the SDK's configuration for an
/// endpoint, or for AWS.
pub async fn run(
    options: Options,
    registry: &Registry,
    connect: impl AsyncFn(Option<&str>) -> SdkConfig,
) -> Result<Report, CommandError> {
    let target = TargetTable::find(options.table, registry, connect).await?;
    told(&target, done(&target.host, options.command, options.json).await)
}

/// What is left of the options for a command that the app brings.
#[derive(Debug, Args)]
pub struct OwnOptions {
    #[command(flatten)]
    table: TableOptions,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

/// Does what an operation of the app does.
pub async fn run_own(
    options: OwnOptions,
    registry: &Registry,
    (operation, argument): (&Operation, String),
    connect: impl AsyncFn(Option<&str>) -> SdkConfig,
) -> Result<Report, CommandError> {
    let target = TargetTable::find(options.table, registry, connect).await?;
    let client = Client::new(AnyHost::new(&target.host));
    let done = (operation.run)(client, argument).await;
    told(
        &target,
        done.map(|operation::Report { json, text, left }| Report {
            left,
            ..report(options.json, &json, |_| text.clone())
        }),
    )
}

fn told(target: &TargetTable, done: Result<Report, OperatorError>) -> Result<Report, CommandError> {
    done.map_err(|error| match error.is_transient() {
        true => target.no_answer(error).into(),
        false => CommandError::Operator(error),
    })
}

async fn done<H: Host>(host: &H, command: Command, json: bool) -> Result<Report, OperatorError> {
    Ok(match command {
        Command::DeadLetters(command) => letters(host, command, json).await?,
        Command::Resume { entity, park } => {
            let head = if park { Head::Park } else { Head::Retry };
            let resumed = resume::resume(host, &entity, head, deadline(host)).await?;
            report(json, &ResumeAnswer::new(resumed), print::resumed)
        }
        Command::Stuck { kind } => report(json, &all_stuck(host, kind.as_deref()).await?, print::stuck),
        Command::Sweep { kind } => {
            let answer = SweepAnswer::new(sweep_all(host, kind.as_deref()).await?);
            let left = (!answer.failed.is_empty()).then(|| format!("could not be run: {}", answer.failed.join(", ")));
            Report { left, ..report(json, &answer, print::swept) }
        }
    })
}

async fn letters<H: Host>(host: &H, command: DeadLetters, json: bool) -> Result<Report, OperatorError> {
    Ok(match command {
        DeadLetters::List { entity, limit, cursor } => {
            let limit = usize::try_from(limit).unwrap_or(limits::PAGE);
            let page = dead_letters::list(host, &entity, cursor, limit).await?;
            report(json, &DeadLetterPage::new(page), print::letters)
        }
        DeadLetters::Show { entity, name } => {
            let letter = dead_letters::read(host, &entity, name, deadline(host)).await?;
            report(json, &DeadLetterAnswer::new(letter), print::letter)
        }
        DeadLetters::Redrive { entity, name: Some(name) } => {
            let redriven = redrive::one(host, &entity, name, deadline(host)).await?;
            report(json, &RedriveAnswer::new(redriven), print::redriven)
        }
        DeadLetters::Redrive { entity, name: None } => {
            let answer = redrive_all(host, &entity).await?;
            let left = answer.stopped.as_ref().map(|stopped| stopped.detail.clone());
            Report { left, ..report(json, &answer, print::all_redriven) }
        }
        DeadLetters::Delete { entity, name } => {
            dead_letters::delete(host, &entity, name, deadline(host)).await?;
            report(json, &DeletedAnswer { deleted: name.to_string() }, print::deleted)
        }
    })
}

async fn redrive_all<H: Host>(host: &H, entity: &EntityId) -> Result<RedriveAllAnswer, OperatorError> {
    let mut answer = RedriveAllAnswer { redriven: Vec::new(), stopped: None, more: true };
    while answer.more && answer.stopped.is_none() {
        let part = RedriveAllAnswer::new(redrive::all(host, entity, limits::PAGE_MOST, deadline(host)).await?);
        answer.redriven.extend(part.redriven);
        (answer.stopped, answer.more) = (part.stopped, part.more);
    }
    Ok(answer)
}

async fn all_stuck<H: Host>(host: &H, kind: Option<&str>) -> Result<StuckPage, OperatorError> {
    let mut place = Place::read(host.registry(), kind, None)?;
    let mut found = Vec::new();
    while let Some(next) = place {
        let (page, after) = stuck::stuck(host, next, limits::PAGE_MOST).await?;
        found.extend(page);
        place = after;
    }
    found.sort_by_key(|stuck| stuck.since);
    Ok(StuckPage { items: found.iter().map(StuckAnswer::new).collect(), cursor: None })
}

async fn sweep_all<H: Host>(host: &H, kind: Option<&str>) -> Result<Swept, OperatorError> {
    let mut place = Place::read(host.registry(), kind, None)?;
    let mut swept = Swept::default();
    while let Some(next) = place {
        // No longer than a function would: the leases that it takes are to outlast it.
        let part = sweep::sweep(host, next, host.now().plus(limits::FUNCTION_TIMEOUT_MS)).await?;
        place = part.next;
        swept.looked += part.looked;
        swept.ran += part.ran;
        swept.held += part.held;
        swept.waiting += part.waiting;
        swept.blocked.extend(part.blocked);
        swept.failed.extend(part.failed);
    }
    Ok(swept)
}

fn deadline<H: Host>(host: &H) -> Millis {
    host.now().plus(limits::FUNCTION_TIMEOUT_MS)
}

fn report<T: Serialize>(json: bool, answer: &T, print: impl Fn(&T) -> String) -> Report {
    // Every answer consists of what JSON can hold.
    let text = if json { serde_json::to_string_pretty(answer).unwrap_or_default() + "\n" } else { print(answer) };
    Report { text, left: None }
}
