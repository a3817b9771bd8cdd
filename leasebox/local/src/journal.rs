//! The command `journal`: shows a journal, verifies it, and goes back in time, directly on a table.
//!
//! One page of the journal is in memory at a time, however long it is.

mod print;

use std::io::{self, Write};

use aws_config::SdkConfig;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use shared::envelope::{EntityId, Millis};
use shared::host::Host;
use shared::moment::read_rfc3339;
use shared::registry::{Kind, Registry};
use shared::replay::{self, ReplayError, Until, Verdict};
use shared::sourced::Snapshot;

use crate::target_table::{TableOptions, TargetError, TargetTable};

/// A replay here takes as long as it needs.
const NEVER: Millis = Millis(u64::MAX);

/// The options of `journal`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    table: TableOptions,
    /// Print JSON: an object a line.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the events, oldest first, one a line.
    Show {
        /// Whose, as KIND/ID.
        entity: EntityId,
        /// The version of the first event to print.
        #[arg(long, value_name = "N", default_value_t = 1)]
        from: u64,
        /// How many at most; all that there are without it.
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
    },
    /// Replay all events, and compare what follows with the snapshot. It fails when they differ.
    Verify {
        /// Whose, as KIND/ID.
        entity: EntityId,
    },
    /// Print the state that follows from the events up to a version or a time, or from all of them.
    State {
        /// Whose, as KIND/ID.
        entity: EntityId,
        /// Up to this version; 0 is before the first event.
        #[arg(long, value_name = "N", conflicts_with = "at")]
        version: Option<u64>,
        /// Up to this time, such as 2026-11-21T12:00:00Z.
        #[arg(long, value_name = "TIME", value_parser = time)]
        at: Option<Millis>,
    },
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is nothing to do it on.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// There is no such kind.
    #[error("there is no kind {kind}; there are {known}")]
    UnknownKind {
        /// The name that was asked for.
        kind: String,
        /// The names of those that there are.
        known: String,
    },
    /// The kind keeps none.
    #[error("a {kind} keeps no journal, only its state; journals are kept by: {keep}")]
    NoJournal {
        /// The name of the kind.
        kind: String,
        /// The names of those that keep one.
        keep: String,
    },
    /// Nothing was ever posted to the entity.
    #[error("there is no entity {0}: nothing was ever posted to it")]
    NoEntity(EntityId),
    /// The journal has not come so far.
    #[error("the journal of {entity} has {reached} events, so there is no version {version}")]
    NoVersion {
        /// The entity whose journal was read.
        entity: EntityId,
        /// The version that was asked for.
        version: u64,
        /// The version that there is.
        reached: u64,
    },
    /// The snapshot is not what the journal says. It is on the standard output, too.
    #[error("{entity} is not what its journal says")]
    Inconsistent {
        /// The entity whose snapshot and journal differ.
        entity: EntityId,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// Nobody takes what is printed.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

/// Does it, and prints to `out`. `connect` makes the SDK's configuration for an endpoint, or for AWS.
///
/// # Errors
/// When it cannot be done, or when what was to be verified is wrong. It is none when the reader of `out` has had enough.
pub async fn run(
    options: Options,
    registry: &Registry,
    connect: impl AsyncFn(Option<&str>) -> SdkConfig,
    out: &mut impl Write,
) -> Result<(), JournalError> {
    let target = TargetTable::find(options.table, registry, connect).await?;
    match done(&target.host, options.command, options.json, out).await {
        Err(JournalError::Replay(error)) if error.is_transient() => Err(target.no_answer(error).into()),
        Err(JournalError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

async fn done<H: Host>(host: &H, command: Command, json: bool, out: &mut impl Write) -> Result<(), JournalError> {
    match command {
        Command::Show { entity, from, limit } => show(host, &entity, from, limit, json, out).await?,
        Command::Verify { entity } => verify(host, &entity, json, out).await?,
        Command::State { entity, version, at } => state(host, &entity, (version, at), json, out).await?,
    }
    Ok(out.flush()?)
}

async fn show<H: Host>(
    host: &H,
    entity: &EntityId,
    from: u64,
    limit: Option<u64>,
    json: bool,
    out: &mut impl Write,
) -> Result<(), JournalError> {
    let (_, snapshot) = known(host, entity).await?;
    let (mut next, mut left) = (Some(from), limit.unwrap_or(u64::MAX));
    while let Some(from) = next.filter(|_| left > 0) {
        let items = usize::try_from(left).map_or(replay::STEP, |left| left.min(replay::STEP));
        let (entries, after) = replay::items(host, entity, from, items, NEVER).await.map_err(ReplayError::from)?;
        for entry in entries.into_iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
            left -= 1;
            print::entry(out, entry, snapshot.version, json)?;
        }
        out.flush()?;
        next = after;
    }
    Ok(())
}

async fn verify<H: Host>(host: &H, entity: &EntityId, json: bool, out: &mut impl Write) -> Result<(), JournalError> {
    let kind = kind(host, entity)?;
    // It shows itself on a terminal only.
    let bar = ProgressBar::new(0).with_style(style());
    let verified = replay::verify_entity(host, (kind, entity), NEVER, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    let verified = verified.await;
    bar.finish_and_clear();
    let verified = verified?.ok_or_else(|| JournalError::NoEntity(entity.clone()))?;
    print::verified(out, entity, &verified, json)?;
    match verified.verdict {
        Verdict::Consistent => Ok(()),
        Verdict::Differs | Verdict::Broken(_) => {
            out.flush()?;
            Err(JournalError::Inconsistent { entity: entity.clone() })
        }
    }
}

async fn state<H: Host>(
    host: &H,
    entity: &EntityId,
    (version, at): (Option<u64>, Option<Millis>),
    json: bool,
    out: &mut impl Write,
) -> Result<(), JournalError> {
    let (kind, now) = known(host, entity).await?;
    let until = match (version, at) {
        (Some(version), _) if version > now.version => {
            let (entity, reached) = (entity.clone(), now.version);
            return Err(JournalError::NoVersion { entity, version, reached });
        }
        (Some(version), _) => Until::Version(version),
        (None, Some(time)) => Until::Time(time),
        (None, None) => Until::Version(now.version),
    };
    let snapshot = replay::replay(host, (kind, entity), until, NEVER, |_| {}).await?.snapshot(entity)?;
    Ok(print::state(out, entity, &snapshot, json)?)
}

/// An entity's kind, if it keeps a journal.
fn kind<'a, H: Host>(host: &'a H, entity: &EntityId) -> Result<&'a Kind, JournalError> {
    let (registry, kind) = (host.registry(), entity.kind().to_owned());
    let names = |keeps: fn(&Kind) -> bool| {
        let names = registry.names().filter(|name| registry.kind(name).is_some_and(keeps));
        names.collect::<Vec<_>>().join(", ")
    };
    match registry.kind(&kind) {
        None => Err(JournalError::UnknownKind { kind, known: names(|_| true) }),
        Some(Kind { journal: false, .. }) => Err(JournalError::NoJournal { kind, keep: names(|kind| kind.journal) }),
        Some(kind) => Ok(kind),
    }
}

/// An entity with a journal, and its snapshot.
async fn known<'a, H: Host>(host: &'a H, entity: &EntityId) -> Result<(&'a Kind, Snapshot<Value>), JournalError> {
    let kind = kind(host, entity)?;
    let snapshot = replay::snapshot(host, (kind, entity)).await?;
    Ok((kind, snapshot.ok_or_else(|| JournalError::NoEntity(entity.clone()))?))
}

fn style() -> ProgressStyle {
    let template = "{wide_bar} {human_pos} of {human_len} events, {eta} left";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn time(text: &str) -> Result<Millis, String> {
    read_rfc3339(text).ok_or_else(|| "it takes a time of RFC 3339, such as 2026-11-21T12:00:00Z".to_owned())
}
