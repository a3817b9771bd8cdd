//! The index that keeps writes fast however long the stream history is.

use rusqlite::Connection;

/// dynoxide finds the next sequence number as the maximum over the table's stream records, and reads
/// a shard by a range of them; without an index both look at every record. The shard id comes last
/// so that describing a stream needs nothing but the index.
const CREATE: &str = "CREATE INDEX IF NOT EXISTS leasebox_stream_records
    ON _stream_records (table_name, CAST(sequence_number AS INTEGER), shard_id)";

/// Creates the index when it is missing.
pub fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(CREATE)
}
