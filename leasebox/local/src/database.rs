//! The embedded DynamoDB: dynoxide, served on a port of this process, in a file or in memory.
//!
//! Durability: dynoxide opens SQLite in WAL mode and leaves `synchronous` at FULL, so a write is
//! acknowledged after the log was forced to the disk: it survives `kill -9`, and a power failure as
//! far as the disk keeps its word. In memory nothing survives the process.

mod api;
mod index;
mod intact;
mod trim;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::net::TcpListener;

use crate::door::{Door, Key};
use crate::private;
use crate::shutdown::{self, Trigger};

use self::api::Place;
pub use self::trim::Trimmer;

/// How long the second connection waits for dynoxide's. It gives up sooner than dynoxide does (5 s),
/// because a trim can be tried again and a request cannot.
const BUSY_TIMEOUT: Duration = Duration::from_millis(500);

/// The database's file in a data directory.
const FILE: &str = "dynamodb.sqlite";

/// How long an open waits: another process may just be closing the file.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// Tells databases in memory apart: SQLite shares those of one name within the process.
static IN_MEMORY: AtomicU64 = AtomicU64::new(0);

/// Why the database cannot be opened or served.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The embedded database, dynoxide, refused to open.
    #[error("the embedded database cannot be opened: {0}")]
    Open(String),
    /// Its file is damaged.
    #[error(
        "{} is damaged: {what}. Nothing was changed. Put a copy that is whole in its place, or move it away, with the \
         files beside it whose names begin like its own, to start with an empty database",
        file.display()
    )]
    Damaged {
        /// The file that is damaged.
        file: PathBuf,
        /// What SQLite found first.
        what: String,
    },
    /// The second connection failed.
    #[error("the embedded database's stream history cannot be reached: {0}")]
    History(#[from] rusqlite::Error),
    /// The deletion of expired items failed.
    #[error("the embedded database's expired items cannot be deleted: {0}")]
    Expiry(String),
    /// The address cannot be served.
    #[error("the embedded database cannot be served on {address}: {cause}")]
    Serve {
        /// The address that cannot be served.
        address: SocketAddr,
        /// What the system said.
        cause: std::io::Error,
    },
}

/// An open embedded database.
#[derive(Clone)]
pub struct Database {
    dynoxide: dynoxide::Database,
    location: String,
    place: Place,
}

impl Database {
    /// Opens, or creates, the database file of a data directory. The directory's lock keeps other
    /// processes away from it. One that is damaged is refused: on what is missing in it, nobody would
    /// be told more than that a request failed.
    pub fn open(dir: &Path) -> Result<Self, DatabaseError> {
        let file = dir.join(FILE);
        let location = file.to_str().ok_or_else(|| DatabaseError::Open(format!("{} is not UTF-8", file.display())))?;
        // Its owner's alone; SQLite gives what it writes beside the file the file's own mode.
        let made = private::options().append(true).create(true).open(&file);
        made.map_err(|cause| DatabaseError::Open(format!("{}: {cause}", file.display())))?;
        intact::check(&file)?;
        Self::at(location.to_owned(), Place::File)
    }

    /// A database in memory. It is SQLite's own shared in-memory file system rather than a plain
    /// `:memory:`, which no second connection could reach. It holds up to 1 GB.
    pub fn in_memory() -> Result<Self, DatabaseError> {
        let number = IN_MEMORY.fetch_add(1, Ordering::Relaxed);
        Self::at(format!("file:/leasebox-{number}?vfs=memdb"), Place::Memory)
    }

    fn at(location: String, place: Place) -> Result<Self, DatabaseError> {
        let dynoxide = dynoxide::Database::new(&location);
        let dynoxide = dynoxide.map_err(|error| DatabaseError::Open(error.to_string()))?;
        let history = connect(&location)?;
        history.busy_timeout(OPEN_TIMEOUT)?;
        index::create(&history)?;
        Ok(Self { dynoxide, location, place })
    }

    /// Something that deletes the table's stream records once they are done with.
    pub fn trimmer(&self, table: &str) -> Result<Trimmer, DatabaseError> {
        Ok(Trimmer::new(connect(&self.location)?, table))
    }

    /// Deletes the items whose time to live is over, as DynamoDB does in the background.
    pub fn delete_expired(&self) -> Result<usize, DatabaseError> {
        self.dynoxide.sweep_ttl().map_err(|error| DatabaseError::Expiry(error.to_string()))
    }

    /// Serves the APIs on the address to whoever is told the endpoint, which has a new key in it.
    pub async fn serve(self, address: SocketAddr) -> Result<Serving, DatabaseError> {
        self.serve_with(address, Key::fresh()).await
    }

    /// Serves the DynamoDB and Streams APIs on the address (port 0: a free one) to whoever has the key, in
    /// a thread of its own: every request blocks on SQLite, and on a runtime shared with the callers enough
    /// of them at once would block those that hold what they wait for.
    pub async fn serve_with(self, address: SocketAddr, key: Key) -> Result<Serving, DatabaseError> {
        let failed = |cause| DatabaseError::Serve { address, cause };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let listener = listener.into_std().map_err(failed)?;
        let (trigger, shutdown) = shutdown::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(failed)?;
        let routes = Door::new(key.clone(), address.ip()).before(api::routes(self.dynoxide.clone(), self.place));
        let thread = std::thread::Builder::new().name("dynamodb".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let served = match TcpListener::from_std(listener) {
                    Ok(listener) => {
                        let stop = async move { shutdown.requested().await };
                        axum::serve(listener, routes).with_graceful_shutdown(stop).await
                    }
                    Err(error) => Err(error),
                };
                if let Err(error) = served {
                    tracing::error!(%error, "the embedded database stopped serving");
                }
            });
        });
        let thread = thread.map_err(failed)?;
        Ok(Serving { address, key, database: self, trigger, thread })
    }
}

/// An embedded database that answers on a port. Dropping it stops it without waiting.
pub struct Serving {
    address: SocketAddr,
    key: Key,
    database: Database,
    trigger: Trigger,
    thread: JoinHandle<()>,
}

impl Serving {
    /// The address at which the database answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint URL to give to an SDK.
    pub fn endpoint(&self) -> String {
        self.endpoint_through(self.address)
    }

    /// The endpoint URL to give to an SDK that reaches the database through a relay at this address.
    pub fn endpoint_through(&self, relay: SocketAddr) -> String {
        self.key.url(relay)
    }

    /// The database behind it.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Finishes the requests in hand and closes the database.
    pub async fn stop(self) {
        self.trigger.fire();
        let thread = self.thread;
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the embedded database's thread panicked");
        }
        drop(self.database);
    }
}

/// Opens a second connection, with the flags that dynoxide's own has.
fn connect(location: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(location, OpenFlags::default())?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

#[cfg(test)]
mod tests;
