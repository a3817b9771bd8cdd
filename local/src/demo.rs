//! `leasebox demo`: a demonstration that anybody can play, on a database in memory that is gone at its end.

mod accounts;

use std::io::{self, Write};
use std::net::SocketAddr;

use clap::{Args, Subcommand};
use shared::actors;
use shared::client::{AskError, Client};
use shared::limits::Settings;
use shared::live::{Clock, Live};
use shared::push::Pushes;
use shared::replay::ReplayError;
use shared::store::dynamodb::DynamoDb;

use crate::backend::{Backend, BackendError, Keep, Source};
use crate::serve::Connection;
use crate::table::{self, TableError};

/// The table's name; nobody else sees it.
const TABLE: &str = "leasebox";

/// The options of `leasebox demo`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    play: Play,
}

#[derive(Debug, Subcommand)]
enum Play {
    /// Event-sourced bank accounts: what is in them follows from their journals.
    Accounts,
}

/// Why a demonstration broke off.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// There is no database.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// There is no table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A command was not answered as it had to be.
    #[error("{account}: {error}")]
    Ask {
        /// Whose command.
        account: &'static str,
        /// Why.
        error: AskError,
    },
    /// A journal cannot be read.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The demonstration shows something that must not be.
    #[error("{0}")]
    Wrong(String),
    /// Nobody takes what is printed.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

/// Plays it, and prints to `out`. `connect` reaches the database at an endpoint.
///
/// # Errors
/// When the database does not start, or when anything is not as it is to be shown. It is none when the reader of `out` has
/// had enough.
pub async fn run(
    options: Options,
    connect: impl AsyncFn(&str) -> Connection,
    out: &mut impl Write,
) -> Result<(), DemoError> {
    let source = Source::Embedded(SocketAddr::from(([127, 0, 0, 1], 0)));
    let backend = Backend::start(&Keep::Nothing, &source).await?;
    let Connection { config, clients } = connect(backend.endpoint()).await;
    table::ensure(&clients.dynamodb, TABLE).await?;
    let store = DynamoDb::new(&config, TABLE);
    let host = Live::new(store, actors::registry(), Settings::default(), Pushes::Nowhere, Clock::machine());
    let played = match options.play {
        Play::Accounts => accounts::play(&Client::new(host), out).await,
    };
    backend.stop().await;
    match played {
        Err(DemoError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        played => played,
    }
}
