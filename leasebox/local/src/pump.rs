//! The stream pump: what Lambda's event source mapping does between a table and a function.
//!
//! Every shard is read in order and from its stored position, children after their parents; the
//! filter lets pending mailboxes through; a batch is retried from its lowest failed record; what
//! nobody accepts goes to the dead letters. Delivery is at least once: the position is stored a
//! little after it is reached, and never past a record whose wakes are outstanding.

mod checkpoint;
mod delivery;
mod event;
mod follow;
mod following;
mod reader;
mod shards;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use shared::store::dynamodb::told;
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;

use self::delivery::Delivery;
use self::follow::{Followed, Follower};
use self::following::Following;
use self::reader::{ReadError, Reader};
use self::shards::Lineage;
use crate::consumer::Consumer;
use crate::dead_letters::DeadLetters;
use crate::progress::{Positions, Progress};
use crate::retry::Retry;
use crate::shutdown::Shutdown;

/// The clients of the database and of its streams, for one endpoint.
#[derive(Debug, Clone)]
pub struct Clients {
    /// The client of tables and items.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The client of the tables' streams.
    pub streams: aws_sdk_dynamodbstreams::Client,
}

/// How the stream is read, batched and retried: the settings of Lambda's event source mapping.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Records in one batch, at most.
    pub batch: i32,
    /// The pause after a read that did not fill a batch; it lets the next one gather.
    pub pause: Duration,
    /// What that pause grows to while nothing comes.
    pub idle: Duration,
    /// How often to look for new shards. A shard's end makes it look at once.
    pub discovery: Duration,
    /// How often the position is stored, at most.
    pub checkpoint: Duration,
    /// How failed batches are retried.
    pub retry: Retry,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            batch: 100,
            pause: Duration::from_millis(20),
            idle: Duration::from_millis(200),
            discovery: Duration::from_secs(30),
            checkpoint: Duration::from_millis(200),
            retry: Retry::default(),
        }
    }
}

/// Wakes an idle pump, so that it looks at the stream at once.
#[derive(Debug, Clone, Default)]
pub struct Nudge(Arc<Notify>);

impl Nudge {
    /// Says that something was written, so that the pump looks now.
    pub fn nudge(&self) {
        self.0.notify_waiters();
    }
}

/// Feeds a consumer from a table's stream.
#[derive(Debug)]
pub struct Pump<C> {
    /// The clients of the database and of its streams.
    pub clients: Clients,
    /// The table whose stream is followed.
    pub table: String,
    /// Who gets the records.
    pub consumer: Arc<C>,
    /// Shared with the wake queue.
    pub progress: Arc<Progress>,
    /// Where the position is stored.
    pub directory: PathBuf,
    /// Where records go that nobody accepts.
    pub dead_letters: DeadLetters,
    /// Batch size, pauses, retries.
    pub settings: Settings,
    /// Makes it look at once.
    pub nudge: Nudge,
    /// Tells the stored positions, for trimming what lies before them.
    pub stored: watch::Sender<Positions>,
}

/// Which stream the table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The one that is followed.
    This,
    /// Another, because the table was made anew.
    Another,
}

impl<C: Consumer> Pump<C> {
    /// Follows the table's stream until the shutdown; what is being delivered then is finished. A directory
    /// that takes no checkpoint keeps it from nothing: a restart only looks at more again.
    pub async fn run(self, shutdown: Shutdown) {
        let mut told = String::new();
        while !shutdown.is_requested() {
            match self.find_stream().await {
                Ok(stream) => self.follow(stream, &shutdown).await,
                Err(cause) if cause == told => {}
                Err(cause) => {
                    tracing::warn!(table = self.table, cause, "no stream to follow yet");
                    told = cause;
                }
            }
            shutdown.sleep(Duration::from_millis(500)).await;
        }
    }

    async fn find_stream(&self) -> Result<String, String> {
        let request = self.clients.dynamodb.describe_table().table_name(&self.table);
        let described = request.send().await;
        let described = described.map_err(|error| told(&error))?;
        let stream = described.table.and_then(|table| table.latest_stream_arn);
        stream.ok_or_else(|| "the table has no stream".to_owned())
    }

    /// Runs a task for each shard whose turn it is, and stores how far they are. It returns when the
    /// table has another stream, or at the shutdown.
    async fn follow(&self, stream: String, shutdown: &Shutdown) {
        let mut following = Following::from_checkpoint(&self.directory, stream);
        self.progress.restore(following.stored.clone());
        tracing::debug!(stream = following.stream, from = ?following.stored, "following");
        let mut discovery = tokio::time::interval(self.settings.discovery);
        let mut checkpoint = tokio::time::interval(self.settings.checkpoint);
        checkpoint.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.requested() => break,
                _ = checkpoint.tick() => self.store(&mut following),
                _ = discovery.tick() => match self.discover(&mut following, shutdown).await {
                    Ok(Found::This) => {}
                    Ok(Found::Another) | Err(ReadError::Gone(_)) => break,
                    Err(error) => {
                        tracing::warn!(stream = following.stream, %error, "the stream's shards cannot be listed");
                        discovery.reset_after(self.settings.discovery.min(Duration::from_secs(1)));
                    }
                },
                Some(ended) = following.tasks.join_next_with_id() => {
                    if following.end(ended) == Followed::Gone {
                        break;
                    }
                    discovery.reset_after(Duration::from_millis(10));
                }
            }
        }
        following.finish(shutdown).await;
        self.store(&mut following);
    }

    /// Stores the position when it moved. When that fails, it is tried again with the next one.
    fn store(&self, following: &mut Following) {
        let now = self.progress.checkpoint();
        if now == following.stored {
            return;
        }
        let written = following.file.write(&now);
        if following.outage.tell(format_args!("writing {}", following.file.path().display()), written).is_some() {
            following.stored = now.clone();
            self.stored.send_replace(now);
        }
    }

    /// Starts the shards whose turn it is, and forgets those that the stream no longer has. A stream
    /// of which nothing is left to read may have been replaced, with its table.
    async fn discover(&self, following: &mut Following, shutdown: &Shutdown) -> Result<Found, ReadError> {
        let lineage = Lineage::describe(&self.clients.streams, &following.stream).await?;
        for shard in self.progress.checkpoint().keys().filter(|shard| !lineage.contains(shard)) {
            self.progress.forget(shard);
        }
        for shard in lineage.ready(|shard| self.progress.accepted(shard).finished) {
            if !following.is_running(&shard) {
                let task = self.follower(&following.stream, &shard, shutdown);
                following.start(shard, task);
            }
        }
        let replaced = following.tasks.is_empty() && self.find_stream().await.is_ok_and(|now| now != following.stream);
        Ok(if replaced { Found::Another } else { Found::This })
    }

    fn follower(&self, stream: &str, shard: &str, shutdown: &Shutdown) -> impl Future<Output = Followed> + use<C> {
        self.progress.open(shard);
        let after = self.progress.accepted(shard).after;
        let reader = Reader::new(self.clients.streams.clone(), stream, shard, after);
        let follower = Follower {
            stream: stream.to_owned(),
            shard: shard.to_owned(),
            settings: self.settings,
            nudge: self.nudge.clone(),
            delivery: Delivery {
                consumer: Arc::clone(&self.consumer),
                progress: Arc::clone(&self.progress),
                dead_letters: self.dead_letters.clone(),
                retry: self.settings.retry,
                shutdown: shutdown.clone(),
            },
        };
        follower.follow(reader)
    }
}

#[cfg(test)]
mod tests;
