//! The queue of delayed looks, at the test's pace.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use shared::wake::{Wake, WakeError, Wakes};

/// Wakes that were sent and that the test delivers, or not.
#[derive(Clone, Debug, Default)]
pub struct SentWakes {
    sent: Arc<Mutex<Vec<(Wake, u64)>>>,
    broken: Arc<AtomicBool>,
}

impl SentWakes {
    /// The wakes sent since the last call, with their delays in milliseconds.
    pub fn take(&self) -> Vec<(Wake, u64)> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }

    /// Whether none was sent since they were last taken.
    pub fn is_empty(&self) -> bool {
        self.sent.lock().unwrap().is_empty()
    }

    /// From now on none can be sent.
    pub fn break_queue(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }
}

impl Wakes for SentWakes {
    async fn wake(&self, wake: &Wake, delay_ms: u64) -> Result<(), WakeError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(WakeError("the test broke the queue".to_owned()));
        }
        self.sent.lock().unwrap().push((wake.clone(), delay_ms));
        Ok(())
    }
}
