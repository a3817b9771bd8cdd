//! One stream being followed: its stored position and the tasks of its shards.

use std::collections::BTreeMap;
use std::path::Path;

use tokio::task::{Id, JoinError, JoinSet};

use super::checkpoint::CheckpointFile;
use super::follow::Followed;
use crate::outage::Outage;
use crate::progress::Positions;
use crate::shutdown::Shutdown;

/// A stream that is being followed.
#[derive(Debug)]
pub struct Following {
    /// The ARN of the stream.
    pub stream: String,
    /// Where its position is stored.
    pub file: CheckpointFile,
    /// What is stored there.
    pub stored: Positions,
    /// Whether it can be stored.
    pub outage: Outage,
    /// One task for each shard that is being read.
    pub tasks: JoinSet<Followed>,
    /// The shards of the tasks.
    shards: BTreeMap<Id, String>,
}

impl Following {
    /// Goes on where the stored checkpoint is, or at the horizon when there is none.
    pub fn from_checkpoint(directory: &Path, stream: String) -> Self {
        let file = CheckpointFile::of(directory, &stream);
        let stored = file.read();
        Self { stream, file, stored, outage: Outage::default(), tasks: JoinSet::new(), shards: BTreeMap::new() }
    }

    /// Whether the shard is being read.
    pub fn is_running(&self, shard: &str) -> bool {
        self.shards.values().any(|running| running == shard)
    }

    /// Starts to read a shard.
    pub fn start(&mut self, shard: String, task: impl Future<Output = Followed> + Send + 'static) {
        let id = self.tasks.spawn(task).id();
        self.shards.insert(id, shard);
    }

    /// Notes that a task ended, and how. After a panic the shard is started again.
    pub fn end(&mut self, ended: Result<(Id, Followed), JoinError>) -> Followed {
        let (id, followed) = ended.unwrap_or_else(|error| {
            tracing::error!(%error, "following a shard failed; it is started again");
            (error.id(), Followed::Stopped)
        });
        self.shards.remove(&id);
        followed
    }

    /// Ends all tasks: at the shutdown when each has finished what is in hand, else at once.
    pub async fn finish(&mut self, shutdown: &Shutdown) {
        if shutdown.is_requested() {
            while self.tasks.join_next().await.is_some() {}
        }
        self.tasks.shutdown().await;
    }
}
