//! The stored checkpoint of a stream: one small file, replaced as a whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::progress::Positions;

/// Where a stream's checkpoint is kept.
#[derive(Debug)]
pub struct CheckpointFile {
    path: PathBuf,
    stream: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    stream: String,
    shards: Positions,
}

impl CheckpointFile {
    /// The checkpoint of this stream in the directory. A stream that is created anew has another
    /// ARN and so another file: its sequence numbers mean something else.
    pub fn of(dir: &Path, stream: &str) -> Self {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }
        };
        let name: String = stream.chars().map(plain).collect();
        Self { path: dir.join(format!("checkpoint-{name}.json")), stream: stream.to_owned() }
    }

    /// The stored positions; none when there is no file yet, which means to start at the horizon.
    pub fn read(&self) -> io::Result<Positions> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Positions::new()),
            Err(error) => return Err(error),
        };
        match serde_json::from_slice::<Stored>(&text) {
            Ok(stored) if stored.stream == self.stream => Ok(stored.shards),
            Ok(_) => Ok(Positions::new()),
            Err(error) => {
                tracing::warn!(file = %self.path.display(), %error, "unreadable checkpoint; starting at the horizon");
                Ok(Positions::new())
            }
        }
    }

    /// Replaces the stored positions. A crash leaves the old ones or the new ones. It is not forced to
    /// the disk: whatever a power failure leaves is older or unreadable, and both only mean more to
    /// look at again.
    pub fn write(&self, shards: &Positions) -> io::Result<()> {
        let stored = Stored { stream: self.stream.clone(), shards: shards.clone() };
        let temporary = self.path.with_extension("json.new");
        fs::write(&temporary, serde_json::to_vec(&stored)?)?;
        fs::rename(temporary, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Position;
    use crate::sequence::Sequence;

    #[test]
    fn what_is_written_is_read_again_by_the_same_stream_only() {
        let dir = tempfile::tempdir().unwrap();
        let file = CheckpointFile::of(dir.path(), "arn:aws:x/stream/1.5");
        assert!(file.read().unwrap().is_empty());
        let position = Position { after: Some(Sequence::new("00012")), finished: true };
        let positions = Positions::from([("shard".to_owned(), position)]);
        file.write(&positions).unwrap();
        assert_eq!(file.read().unwrap(), positions);
        assert_eq!(file.read().unwrap()["shard"].after.as_ref().unwrap().as_str(), "00012");
        let other = CheckpointFile::of(dir.path(), "arn:aws:x-stream/1.5");
        assert_eq!(other.path, file.path);
        assert!(other.read().unwrap().is_empty());
    }

    #[test]
    fn an_unreadable_file_means_the_horizon() {
        let dir = tempfile::tempdir().unwrap();
        let file = CheckpointFile::of(dir.path(), "stream");
        fs::write(&file.path, b"{").unwrap();
        assert!(file.read().unwrap().is_empty());
    }
}
