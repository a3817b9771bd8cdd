//! Trimming of the stream history: DynamoDB keeps a record for a day, this keeps it until it is done.

use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, params};

use super::DatabaseError;
use crate::sequence::Sequence;

/// What dynoxide adds to a stored sequence number when it tells it.
const TOLD: u128 = 100_000_000_000_000_000_000;

/// How long one delete may keep writers waiting, and the pause after it.
const TURN: Duration = Duration::from_millis(5);

/// Records in one delete, at least and at most.
const CHUNK: std::ops::RangeInclusive<u32> = 8..=1024;

/// Deletes the oldest records up to one that is done. It never takes the newest record of a table:
/// dynoxide derives the next sequence number from it, and a number must not be given twice, nor a
/// smaller one later, whatever the clock does.
const DELETE: &str = "DELETE FROM _stream_records WHERE id IN (
    SELECT id FROM _stream_records
    WHERE table_name = ?1 AND CAST(sequence_number AS INTEGER) <= ?2
        AND CAST(sequence_number AS INTEGER) <
            (SELECT MAX(CAST(sequence_number AS INTEGER)) FROM _stream_records WHERE table_name = ?1)
    ORDER BY CAST(sequence_number AS INTEGER)
    LIMIT ?3)";

/// Deletes stream records of one table through a connection of its own.
#[derive(Debug)]
pub struct Trimmer {
    connection: Connection,
    table: String,
    chunk: u32,
}

impl Trimmer {
    pub(super) fn new(connection: Connection, table: &str) -> Self {
        Self { connection, table: table.to_owned(), chunk: *CHUNK.start() }
    }

    /// Deletes every record up to and including this one, except the newest, and returns how many.
    /// It blocks, with pauses for the writers between small deletes. When the database is busy it
    /// leaves the rest for the next time.
    pub fn trim(&mut self, through: &Sequence) -> Result<usize, DatabaseError> {
        let Some(through) = stored(through) else {
            return Ok(0);
        };
        let mut trimmed = 0;
        loop {
            let begun = Instant::now();
            let deleted = match self.delete(through) {
                Ok(deleted) => deleted,
                Err(error) if is_busy(&error) => return Ok(trimmed),
                Err(error) => return Err(error.into()),
            };
            trimmed += deleted;
            if deleted < self.chunk as usize {
                return Ok(trimmed);
            }
            self.adapt(begun.elapsed());
            std::thread::sleep(TURN);
        }
    }

    fn delete(&self, through: i64) -> rusqlite::Result<usize> {
        let mut delete = self.connection.prepare_cached(DELETE)?;
        delete.execute(params![self.table, through, self.chunk])
    }

    /// Records differ in size by three orders of magnitude, so the chunk follows the time it takes.
    fn adapt(&mut self, took: Duration) {
        let chunk = if took > TURN { self.chunk / 2 } else { self.chunk * 2 };
        self.chunk = chunk.clamp(*CHUNK.start(), *CHUNK.end());
    }
}

/// The stored form of a sequence number; `None` for one that dynoxide never gave.
fn stored(told: &Sequence) -> Option<i64> {
    let told: u128 = told.as_str().parse().ok()?;
    i64::try_from(told.checked_sub(TOLD)?).ok()
}

fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
