//! Where the state is: a data directory, and the embedded database or one that is given.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::data_dir::{DataDir, DataDirError};
use crate::database::{Database, DatabaseError, Serving};
use crate::door::Key;
use crate::secret::{self, SecretError};

/// The file in the data directory with the key of what is served to functions.
const KEY: &str = "database-key";

/// Where to keep what this process writes.
#[derive(Debug, Clone)]
pub enum Keep {
    /// In this directory, across restarts.
    In(PathBuf),
    /// Nowhere: in memory, and in a temporary directory that is deleted at the end.
    Nothing,
}

/// Which database to use.
#[derive(Debug, Clone)]
pub enum Source {
    /// The embedded one, served on this address (port 0: a free one).
    Embedded(SocketAddr),
    /// The one at this endpoint URL.
    Endpoint(String),
}

/// Why there is no backend.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The data directory is taken or unusable.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The key is not usable.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// The embedded database does not start.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// An open data directory and a database that answers.
pub struct Backend {
    /// The database, when it is embedded. It is declared first, to be closed before the directory is
    /// given back.
    serving: Option<Serving>,
    endpoint: String,
    key: Key,
    dir: DataDir,
}

impl Backend {
    /// Takes the data directory, starts the database when it is the embedded one, and notes in the directory where it
    /// answers. The key outlasts a restart: a container that was told it need not be told again.
    pub async fn start(keep: &Keep, source: &Source) -> Result<Self, BackendError> {
        let dir = match keep {
            Keep::In(path) => DataDir::open(path)?,
            Keep::Nothing => DataDir::temporary()?,
        };
        let key = secret::kept(&dir.path().join(KEY), Key::read)?;
        let address = match source {
            Source::Endpoint(endpoint) => {
                dir.write_endpoint(endpoint)?;
                return Ok(Self { serving: None, endpoint: endpoint.clone(), key, dir });
            }
            Source::Embedded(address) => *address,
        };
        let database = match keep {
            Keep::In(_) => Database::open(dir.path())?,
            Keep::Nothing => Database::in_memory()?,
        };
        let serving = database.serve_with(address, key.clone()).await?;
        dir.write_endpoint(&serving.endpoint())?;
        Ok(Self { endpoint: serving.endpoint(), serving: Some(serving), key, dir })
    }

    /// The database's endpoint URL.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The key of what is served to functions.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The data directory that the server keeps its files in.
    pub fn dir(&self) -> &DataDir {
        &self.dir
    }

    /// The embedded database, if it is that.
    pub fn embedded(&self) -> Option<&Database> {
        self.serving.as_ref().map(Serving::database)
    }

    /// Finishes the database's requests in hand and closes everything.
    pub async fn stop(self) {
        if let Some(serving) = self.serving {
            serving.stop().await;
        }
    }
}

/// Whether an address cannot be served because this machine does not have it.
pub fn is_missing_address(error: &BackendError) -> bool {
    let BackendError::Database(DatabaseError::Serve { cause, .. }) = error else {
        return false;
    };
    cause.kind() == io::ErrorKind::AddrNotAvailable
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: &str = "127.0.0.1:0";

    #[tokio::test]
    async fn a_data_directory_is_free_again_after_the_stop() {
        let dir = tempfile::tempdir().unwrap();
        let keep = Keep::In(dir.path().to_owned());
        let source = Source::Embedded(LOOPBACK.parse().unwrap());
        let backend = Backend::start(&keep, &source).await.unwrap();
        let refused = Backend::start(&keep, &source).await.err().unwrap();
        assert!(refused.to_string().contains("in use by another process"), "{refused}");
        backend.stop().await;
        Backend::start(&keep, &source).await.unwrap().stop().await;
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_told() {
        let source = Source::Embedded("192.0.2.1:0".parse().unwrap());
        let refused = Backend::start(&Keep::Nothing, &source).await.err().unwrap();
        assert!(is_missing_address(&refused), "{refused}");
    }
}
