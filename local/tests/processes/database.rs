//! A table that several servers share, in the database that is given or in an embedded one.

use local::database::{Database, Serving};

use crate::increment::LEASE;
use crate::server::Server;

/// One table, and where it is.
pub struct Shared {
    pub endpoint: String,
    pub table: String,
    /// Kept, so that it goes on answering.
    _embedded: Option<Serving>,
}

impl Shared {
    /// A table of its own, whose name begins like this.
    pub async fn new(name: &str) -> Self {
        let (endpoint, _embedded) = match std::env::var("DYNAMODB_ENDPOINT") {
            Ok(endpoint) => (endpoint, None),
            Err(_) => {
                let database = Database::in_memory().unwrap();
                let serving = database.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
                (serving.endpoint(), Some(serving))
            }
        };
        let table = format!("{name}-{}-{:016x}", std::process::id(), rand::random::<u64>());
        Self { endpoint, table, _embedded }
    }

    /// A server on it.
    pub fn serve(&self) -> Server {
        let lease = LEASE.to_string();
        Server::start(&["--ephemeral", "--endpoint", &self.endpoint, "--table", &self.table, "--lease", &lease])
    }
}
