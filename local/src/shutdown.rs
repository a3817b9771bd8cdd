//! One signal that ends everything in order: what is in hand is finished, nothing new is begun.

use std::time::Duration;

use tokio::sync::watch;

/// Ends everything that holds the matching [`Shutdown`]. Dropping it does the same.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

/// Tells a running part when to stop.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// How a pause ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// The time is over.
    Elapsed,
    /// The shutdown came first.
    Interrupted,
}

impl Pause {
    /// Whether the shutdown came first.
    pub fn is_interrupted(self) -> bool {
        self == Self::Interrupted
    }
}

/// Returns when the process is asked to end, or when that cannot be awaited.
pub async fn asked() {
    if let Err(error) = signal().await {
        tracing::error!(%error, "the signal to stop cannot be awaited");
    }
}

/// A trigger and what it triggers.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Asks every holder of the [`Shutdown`] to stop.
    pub fn fire(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Whether the shutdown was asked for.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns when the shutdown is asked for.
    pub async fn requested(&self) {
        // An error means that the trigger is gone, which ends things as well.
        let _ = self.0.clone().wait_for(|requested| *requested).await;
    }

    /// Waits for that long, or until the shutdown is asked for.
    pub async fn sleep(&self, pause: Duration) -> Pause {
        tokio::select! {
            () = self.requested() => Pause::Interrupted,
            () = tokio::time::sleep(pause) => Pause::Elapsed,
        }
    }
}

/// Returns at Ctrl-C or SIGTERM.
pub async fn signal() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pause_ends_early_when_the_trigger_fires_or_is_gone() {
        let (trigger, shutdown) = channel();
        let slept = shutdown.sleep(Duration::from_millis(1)).await;
        assert_eq!(slept, Pause::Elapsed);
        assert!(!shutdown.is_requested());
        trigger.fire();
        let slept = shutdown.sleep(Duration::from_secs(60)).await;
        assert_eq!(slept, Pause::Interrupted);

        let (trigger, shutdown) = channel();
        drop(trigger);
        shutdown.requested().await;
        assert!(shutdown.is_requested());
    }
}
