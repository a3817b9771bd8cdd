//! The stored checkpoint of a stream: one small file, replaced as a whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::private;
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

    /// The stored positions; none when there is no file yet, or none that can be read, which means to start
    /// at the horizon: only more is looked at again.
    pub fn read(&self) -> Positions {
        let stored = match fs::read(&self.path) {
            Ok(text) => serde_json::from_slice::<Stored>(&text).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Positions::new(),
            Err(error) => Err(error),
        };
        match stored {
            Ok(stored) if stored.stream == self.stream => stored.shards,
            Ok(_) => Positions::new(),
            Err(error) => {
                tracing::warn!(file = %self.path.display(), %error, "unreadable checkpoint; starting at the horizon");
                Positions::new()
            }
        }
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the stored positions. A crash leaves the old ones or the new ones. It is not forced to
    /// the disk: whatever a power failure leaves is older or unreadable, and both only mean more to
    /// look at again.
    pub fn write(&self, shards: &Positions) -> io::Result<()> {
        let stored = Stored { stream: self.stream.clone(), shards: shards.clone() };
        private::replace(&self.path, &serde_json::to_vec(&stored)?)
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
        assert!(file.read().is_empty());
        let position = Position { after: Some(Sequence::new("00012")), finished: true };
        let positions = Positions::from([("shard".to_owned(), position)]);
        file.write(&positions).unwrap();
        assert_eq!(file.read(), positions);
        assert_eq!(file.read()["shard"].after.as_ref().unwrap().as_str(), "00012");
        let other = CheckpointFile::of(dir.path(), "arn:aws:x-stream/1.5");
        assert_eq!(other.path, file.path);
        assert!(other.read().is_empty());
    }

    #[test]
    fn an_unreadable_file_means_the_horizon() {
        let dir = tempfile::tempdir().unwrap();
        let file = CheckpointFile::of(dir.path(), "stream");
        fs::write(&file.path, b"{").unwrap();
        assert!(file.read().is_empty());
    }
}
