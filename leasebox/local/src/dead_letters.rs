//! What no delivery would take: kept in a file, one JSON object a line, rather than lost.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::private;

/// The dead-letter file of a data directory.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    path: PathBuf,
    file: Arc<Mutex<File>>,
}

impl DeadLetters {
    /// Opens `dead-letters.jsonl` in the directory, to append to it.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let path = dir.join("dead-letters.jsonl");
        let file = private::options().create(true).append(true).open(&path)?;
        Ok(Self { path, file: Arc::new(Mutex::new(file)) })
    }

    /// Keeps one record with the reason. Only when this succeeds may the record be given up.
    pub fn keep(&self, record: &Value, attempts: u32, cause: &str) -> io::Result<()> {
        let mut line = json!({"cause": cause, "attempts": attempts, "record": record}).to_string();
        line.push('\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let length = file.metadata()?.len();
        if let Err(error) = file.write_all(line.as_bytes()) {
            // On a full disk, half a line may be there. The next one is not to follow upon it.
            file.set_len(length)?;
            return Err(error);
        }
        file.sync_data()?;
        tracing::error!(
            attempts,
            cause,
            file = %self.path.display(),
            "gave up on a record; it is in the dead letters"
        );
        Ok(())
    }

    /// Where the letters are.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
