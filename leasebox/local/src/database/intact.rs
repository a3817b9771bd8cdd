//! Whether a database file is whole: cut short or overwritten, it would answer all requests but those that miss something.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{DatabaseError, OPEN_TIMEOUT};

/// From this size on, in bytes, it is said that the file is being read: the check takes a third of a second a gigabyte from
/// memory, and as long as the disk needs else.
const LARGE: u64 = 256 * 1024 * 1024;

/// Looks at every page of the file. One that is new is whole.
///
/// # Errors
/// When it is damaged, or cannot be read.
pub fn check(file: &Path) -> Result<(), DatabaseError> {
    if std::fs::metadata(file).is_ok_and(|file| file.len() >= LARGE) {
        tracing::warn!(file = %file.display(), "the database is large; before it is served, it is checked as a whole");
    }
    let damaged = |what: String| DatabaseError::Damaged { file: file.to_owned(), what };
    match first_damage(file, OPEN_TIMEOUT) {
        Ok(told) if told == "ok" => Ok(()),
        Ok(told) => Err(damaged(told)),
        Err(error) if is_damage(&error) => Err(damaged(error.to_string())),
        Err(error) => Err(DatabaseError::Open(format!("{}: {error}", file.display()))),
    }
}

fn first_damage(file: &Path, timeout: Duration) -> rusqlite::Result<String> {
    let connection = Connection::open_with_flags(file, OpenFlags::default())?;
    connection.busy_timeout(timeout)?;
    connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
