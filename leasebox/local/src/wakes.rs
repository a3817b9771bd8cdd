//! The wake queue: messages that reach the consumer after a delay, as from an SQS queue.
//!
//! It lives in memory. A wake that a crash loses is sent again when the records that caused it are
//! looked at again, because each one holds the checkpoint (see [`crate::progress`]).

mod event;
mod queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::queue::{Message, Queue};
use crate::Clock;
use crate::consumer::{BatchResponse, Consumer, deliver_patiently};
use crate::dead_letters::DeadLetters;
use crate::progress::{Cause, Progress};
use crate::retry::Retry;
use crate::shutdown::Shutdown;

pub use self::event::QUEUE;

/// Messages in one event: what an event source mapping takes from SQS by default.
const BATCH: usize = 10;

/// Deliveries side by side.
const IN_FLIGHT: usize = 4;

/// A handle of the wake queue.
#[derive(Debug, Clone)]
pub struct Wakes {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Something new may be due first.
    changed: Notify,
    progress: Arc<Progress>,
    clock: Clock,
}

impl Wakes {
    /// An empty queue, whose messages hold back this progress.
    pub fn new(progress: Arc<Progress>, clock: Clock) -> Self {
        let (queue, changed) = (Mutex::default(), Notify::new());
        Self { shared: Arc::new(Shared { queue, changed, progress, clock }) }
    }

    /// Sends a message that is due after the delay, and returns its id. It holds the checkpoint at
    /// the delivery that sends it, until a consumer accepts it.
    pub fn send(&self, body: impl Into<String>, delay: Duration) -> String {
        let hold = self.shared.progress.hold();
        let sent = (self.shared.clock)();
        let id = self.queue().push(Instant::now() + delay, body.into(), sent, hold);
        self.shared.changed.notify_one();
        id
    }

    /// How many messages wait for their time.
    pub fn waiting(&self) -> usize {
        self.queue().len()
    }

    /// Delivers what is due until the shutdown; what is being delivered then is finished.
    pub async fn run<C: Consumer>(
        &self,
        consumer: Arc<C>,
        dead_letters: DeadLetters,
        retry: Retry,
        shutdown: Shutdown,
    ) {
        let mut deliveries = JoinSet::new();
        loop {
            tokio::select! {
                // First of all the shutdown: what comes back because of it must not go out again.
                biased;
                () = shutdown.requested() => break,
                Some(_) = deliveries.join_next(), if !deliveries.is_empty() => {}
                batch = self.due(), if deliveries.len() < IN_FLIGHT => {
                    let delivery = Delivery {
                        wakes: self.clone(),
                        consumer: Arc::clone(&consumer),
                        dead_letters: dead_letters.clone(),
                        retry,
                        shutdown: shutdown.clone(),
                    };
                    deliveries.spawn(delivery.deliver(batch));
                }
            }
        }
        while deliveries.join_next().await.is_some() {}
    }

    /// Takes the messages that are due, waiting for the first one.
    async fn due(&self) -> Vec<Message> {
        loop {
            let changed = self.shared.changed.notified();
            let next = {
                let mut queue = self.queue();
                let due = queue.take_due(Instant::now(), BATCH);
                if !due.is_empty() {
                    return due;
                }
                queue.next_due()
            };
            match next {
                Some(due) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(due) => {}
                },
                None => changed.await,
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One event's delivery.
struct Delivery<C> {
    wakes: Wakes,
    consumer: Arc<C>,
    dead_letters: DeadLetters,
    retry: Retry,
    shutdown: Shutdown,
}

impl<C: Consumer> Delivery<C> {
    async fn deliver(self, mut batch: Vec<Message>) {
        let now = (self.wakes.shared.clock)();
        for message in &mut batch {
            message.received += 1;
            message.first_received_ms.get_or_insert(now);
            self.wakes.shared.progress.begin(&message.hold);
        }
        let records: Vec<_> = batch.iter().map(event::to_json).collect();
        let cause = Cause::lowest(batch.iter().map(|message| message.hold.cause()));
        let event = json!({"Records": records});
        let attempt = deliver_patiently(&*self.consumer, || event.clone(), &self.shutdown);
        let Some(response) = cause.scope(attempt).await else {
            return batch.into_iter().for_each(|message| self.put_back(Duration::ZERO, message));
        };
        let failures = failures(&batch, response);
        for (message, failure) in batch.into_iter().zip(failures) {
            match failure {
                None => self.wakes.shared.progress.release(message.hold),
                Some(cause) => self.fail(message, &cause),
            }
        }
    }

    /// A failed message comes back after a pause, or goes to the dead letters in the end.
    fn fail(&self, message: Message, cause: &str) {
        if message.received >= self.retry.attempts {
            let record = event::to_json(&message);
            match self.dead_letters.keep(&record, message.received, cause) {
                Ok(()) => return self.wakes.shared.progress.release(message.hold),
                Err(error) => {
                    tracing::error!(%error, "the dead-letter file cannot be written; the wake is retried")
                }
            }
        }
        let pause = self.retry.pause(message.received);
        tracing::warn!(id = message.id, cause, attempts = message.received, ?pause, "a wake failed and is retried");
        self.put_back(pause, message);
    }

    fn put_back(&self, pause: Duration, message: Message) {
        self.wakes.shared.progress.postpone(&message.hold);
        self.wakes.queue().put_back(Instant::now() + pause, message);
        self.wakes.shared.changed.notify_one();
    }
}

/// Why each message failed; `None` when it was accepted. An id that is not in the batch fails all.
fn failures(batch: &[Message], response: BatchResponse) -> Vec<Option<String>> {
    let all = |cause: &str| vec![Some(cause.to_owned()); batch.len()];
    match response {
        BatchResponse::Accepted => vec![None; batch.len()],
        BatchResponse::Rejected(cause) => all(&cause),
        BatchResponse::Partial(ids) => {
            let is_known = |id: &String| batch.iter().any(|message| message.id == *id);
            if !ids.iter().all(is_known) {
                return all("an unknown message was reported as failed");
            }
            let failed = |message: &Message| ids.contains(&message.id);
            let cause = |failed: bool| failed.then(|| "reported as failed".to_owned());
            batch.iter().map(|message| cause(failed(message))).collect()
        }
    }
}

#[cfg(test)]
mod tests;
