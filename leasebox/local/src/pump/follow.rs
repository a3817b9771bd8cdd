//! Follows one shard: read, deliver, pause, until it is closed or the shutdown comes.

use std::time::Duration;

use super::delivery::{Delivered, Delivery};
use super::reader::{End, ReadError, Reader};
use super::{Nudge, Settings};
use crate::consumer::Consumer;

/// How following a shard ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// The shard is closed and done.
    Finished,
    /// The stream does not exist any more.
    Gone,
    /// The shutdown was asked for.
    Stopped,
}

/// Everything that following one shard needs.
#[derive(Debug)]
pub struct Follower<C> {
    /// The ARN of the stream.
    pub stream: String,
    /// The id of the shard.
    pub shard: String,
    /// Batch size and pauses.
    pub settings: Settings,
    /// Ends a pause early.
    pub nudge: Nudge,
    /// Where the records go.
    pub delivery: Delivery<C>,
}

impl<C: Consumer> Follower<C> {
    /// Reads the shard from where the reader stands.
    pub async fn follow(self, mut reader: Reader) -> Followed {
        let shutdown = self.delivery.shutdown.clone();
        let mut pause = self.settings.pause;
        let mut errors = 0;
        while !shutdown.is_requested() {
            let page = match reader.read(self.settings.batch).await {
                Ok(page) => page,
                Err(ReadError::Gone(cause)) => {
                    tracing::info!(shard = self.shard, cause, "the stream is gone");
                    return Followed::Gone;
                }
                Err(ReadError::Trimmed(_) | ReadError::Expired(_)) => continue,
                Err(ReadError::Other(cause)) => {
                    errors += 1;
                    if errors == 1 {
                        tracing::warn!(shard = self.shard, cause, "reading the stream fails; trying again");
                    }
                    shutdown.sleep(self.settings.retry.pause(errors)).await;
                    continue;
                }
            };
            errors = 0;
            let delivered = self.delivery.deliver(&self.stream, &self.shard, &page.records).await;
            if delivered == Delivered::Interrupted {
                return Followed::Stopped;
            }
            if page.end == End::Closed {
                self.delivery.progress.finish(&self.shard);
                return Followed::Finished;
            }
            let read = i32::try_from(page.records.len()).unwrap_or(i32::MAX);
            if read < self.settings.batch {
                pause = self.next_pause(pause, read);
                self.pause(pause).await;
            }
        }
        Followed::Stopped
    }

    fn next_pause(&self, last: Duration, read: i32) -> Duration {
        if read > 0 {
            return self.settings.pause;
        }
        last.mul_f32(1.5).min(self.settings.idle)
    }

    /// Waits for a nudge, but at least the shortest pause: under load every write nudges, and a
    /// read for each would cost more than the writes.
    async fn pause(&self, pause: Duration) {
        let shutdown = &self.delivery.shutdown;
        let nudged = self.nudge.0.notified();
        tokio::pin!(nudged);
        nudged.as_mut().enable();
        let shortest = pause.min(self.settings.pause);
        if shutdown.sleep(shortest).await.is_interrupted() {
            return;
        }
        tokio::select! {
            () = nudged => {}
            _ = shutdown.sleep(pause.saturating_sub(shortest)) => {}
        }
    }
}
