//! A table to measure on: in a database that is given, or in the embedded one, in a process of its own.

use std::process::Stdio;
use std::time::Duration;

use aws_config::SdkConfig;
use local::connect::{Identity, connect};
use local::database::{Database, DatabaseError, Serving};
use local::table;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::distance::{DISTANCE, relay};
use crate::systems::unique;

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The process of the embedded database does not start.
    #[error("the database's process does not start: {0}")]
    Process(#[from] std::io::Error),
    /// It ended before it said where it answers.
    #[error("the database's process did not say where it answers")]
    Silent,
    /// The database cannot be opened.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The table cannot be made.
    #[error(transparent)]
    Table(#[from] table::TableError),
}

/// Which database is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The one at this endpoint URL.
    Endpoint(String),
    /// A new embedded one, in memory, in another process of this program.
    Process,
    /// The same, as far away as DynamoDB is.
    Distant,
    /// A new embedded one, in memory, in this process: for tests.
    Here,
}

impl Source {
    /// What a report calls it.
    #[must_use]
    pub fn title(&self) -> &str {
        match self {
            Self::Endpoint(_) => "the one given by `--database`",
            Self::Process => "the embedded one, in memory, in a process of its own",
            Self::Distant => {
                "the embedded one, in memory, in a process of its own, each of its answers held back for 4 ms"
            }
            Self::Here => "the embedded one, in memory",
        }
    }
}

/// A table of its own, and how to reach it.
pub struct Connection {
    /// The SDK's configuration.
    pub config: SdkConfig,
    /// The table's name.
    pub table: String,
    /// Kept, so that it goes on answering.
    _keeper: Keeper,
}

/// What keeps a database answering.
enum Keeper {
    Process { _child: Child },
    Here { _serving: Serving },
    Nobody,
}

impl Connection {
    /// Makes a new table, in a new database unless one is given: nothing that was measured before weighs on it.
    ///
    /// # Errors
    /// When that cannot be done.
    pub async fn open(source: &Source) -> Result<Self, ConnectionError> {
        let (endpoint, keeper) = match source {
            Source::Endpoint(endpoint) => (endpoint.clone(), Keeper::Nobody),
            Source::Process => process(Duration::ZERO).await?,
            Source::Distant => process(DISTANCE).await?,
            Source::Here => here().await?,
        };
        let given = std::env::var_os("AWS_ACCESS_KEY_ID").is_some() && matches!(source, Source::Endpoint(_));
        let identity = if given { Identity::Environment } else { Identity::Anyone };
        let connection = connect(&endpoint, identity).await;
        let table = format!("bench-{}", unique());
        table::ensure(&connection.clients.dynamodb, &table).await?;
        Ok(Self { config: connection.config, table, _keeper: keeper })
    }
}

async fn embedded() -> Result<Serving, ConnectionError> {
    Ok(Database::in_memory()?.serve(([127, 0, 0, 1], 0).into()).await?)
}

async fn here() -> Result<(String, Keeper), ConnectionError> {
    let serving = embedded().await?;
    Ok((serving.endpoint(), Keeper::Here { _serving: serving }))
}

async fn process(distance: Duration) -> Result<(String, Keeper), ConnectionError> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["database", "--distance-ms", &distance.as_millis().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let said = child.stdout.take().ok_or(ConnectionError::Silent)?;
    let line = BufReader::new(said).lines().next_line().await?;
    let endpoint = line.filter(|line| line.starts_with("http")).ok_or(ConnectionError::Silent)?;
    Ok((endpoint, Keeper::Process { _child: child }))
}

/// Serves an embedded database, as the process that [`Source::Process`] starts, until its standard input ends: with the
/// process that started it. Its answers are held back for this time.
///
/// # Errors
/// When it cannot be served.
pub async fn serve(distance: Duration) -> Result<(), ConnectionError> {
    let serving = embedded().await?;
    match distance {
        Duration::ZERO => println!("{}", serving.endpoint()),
        distance => println!("{}", serving.endpoint_through(relay(serving.address(), distance).await?)),
    }
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    while input.next_line().await?.is_some() {}
    drop(serving);
    Ok(())
}
