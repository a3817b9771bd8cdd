//! `demo`: a demonstration that anybody can play, on a database in memory that is gone at its end.

use std::io::{self, Write};
use std::net::SocketAddr;

use clap::Args;
use shared::client::Client;
use shared::erased::AnyHost;
use shared::limits::Settings;
use shared::live::{Clock, Live};
use shared::push::Pushes;
use shared::store::dynamodb::DynamoDb;
use web::app::Service;
use web::operation::PlayError;

use crate::backend::{Backend, BackendError, Keep, Source};
use crate::serve::Connection;
use crate::table::{self, TableError};

/// The table's name; nobody else sees it.
const TABLE: &str = "leasebox";

/// The options of `demo`.
#[derive(Debug, Args)]
pub struct Options {
    /// Which.
    #[arg(value_name = "NAME")]
    name: String,
}

/// Why a demonstration broke off.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// There is none of that name.
    #[error("there is no demonstration `{name}`; there are: {known}")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names of those that there are.
        known: String,
    },
    /// There is no database.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// There is no table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The demonstration itself broke off.
    #[error("{0}")]
    Played(PlayError),
}

/// Plays it, and prints to `out`. `connect` reaches the database at an endpoint.
///
/// # Errors
/// When the database does not start, or when anything is not as it is to be shown. It is none when the reader of `out` has
/// had enough.
pub async fn run(
    options: Options,
    service: &Service,
    connect: impl AsyncFn(&str) -> Connection,
    out: &mut (dyn Write + Send),
) -> Result<(), DemoError> {
    let names = || service.demos.iter().map(|demo| demo.name).collect::<Vec<_>>().join(", ");
    let demo = service.demos.iter().find(|demo| demo.name == options.name);
    let demo = demo.ok_or_else(|| DemoError::Unknown { name: options.name.clone(), known: names() })?;
    let source = Source::Embedded(SocketAddr::from(([127, 0, 0, 1], 0)));
    let backend = Backend::start(&Keep::Nothing, &source).await?;
    let Connection { config, clients } = connect(backend.endpoint()).await;
    table::ensure(&clients.dynamodb, TABLE).await?;
    let store = DynamoDb::new(&config, TABLE);
    let host = Live::new(store, service.registry.clone(), Settings::default(), Pushes::Nowhere, Clock::machine());
    let played = (demo.play)(Client::new(AnyHost::new(&host)), out).await;
    backend.stop().await;
    match played {
        Err(error) if is_broken_pipe(&error) => Ok(()),
        played => played.map_err(DemoError::Played),
    }
}

fn is_broken_pipe(error: &PlayError) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
