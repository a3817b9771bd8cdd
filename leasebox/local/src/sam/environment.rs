//! The environment of the functions' containers, as `sam local --env-vars` reads it.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::{private, sqs};

/// The functions, by their names in the template.
const FUNCTIONS: [&str; 3] = ["IngestFunction", "DrainFunction", "StatusFunction"];

/// What the functions are told. SAM passes on only what the template declares for a function.
#[derive(Debug)]
pub struct Environment {
    /// The database's endpoint URL.
    pub dynamodb: String,
    /// The wake queue's endpoint URL.
    pub queue: String,
    table: String,
}

impl Environment {
    /// The environment for these endpoints.
    pub fn new(dynamodb: &str, queue: &str, table: &str) -> Self {
        let (dynamodb, queue, table) = (dynamodb.to_owned(), queue.to_owned(), table.to_owned());
        Self { dynamodb, queue, table }
    }

    /// Writes the file, for its owner alone, and the directory that it is in.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            private::create_dir_all(parent)?;
        }
        private::replace(path, format!("{:#}\n", self.to_json()).as_bytes())
    }

    fn to_json(&self) -> Value {
        // SAM checks neither signatures nor tokens and serves no sockets: the functions are as open as the server.
        let variables = json!({
            "ALLOWED_ORIGINS": "http://localhost:3000,http://127.0.0.1:3000",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_ENDPOINT_URL_DYNAMODB": self.dynamodb,
            "AWS_ENDPOINT_URL_SQS": self.queue,
            "AWS_REGION": "us-east-1",
            "AWS_SECRET_ACCESS_KEY": "local",
            "CONNECTIONS_URL": "",
            "SOCKET_URL": "",
            "TABLE_NAME": self.table,
            "TICKET_KEY": hex::encode(rand::random::<[u8; 32]>()),
            "USERS": "open",
            "WAKE_QUEUE_URL": sqs::queue_url(&self.queue),
        });
        FUNCTIONS.map(|function| (function.to_owned(), variables.clone())).into_iter().collect()
    }
}
