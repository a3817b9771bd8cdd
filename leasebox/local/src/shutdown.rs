//! One signal that ends everything in order: what is in hand is finished, nothing new is begun.

use std::io;
use std::time::Duration;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
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

/// Returns when the process is asked to end, by Ctrl-C or SIGTERM, or when that cannot be awaited. It counts from the call.
/// Asked once more, the process ends at once, as a crash would end it: what is acknowledged is durable.
pub fn asked() -> impl Future<Output = ()> + Send + 'static {
    let (trigger, shutdown) = channel();
    match Signals::listen() {
        Ok(mut signals) => {
            tokio::spawn(async move {
                signals.next().await;
                trigger.fire();
                std::process::exit(signals.next().await)
            });
        }
        Err(error) => tracing::error!(%error, "the signal to stop cannot be awaited"),
    }
    async move { shutdown.requested().await }
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

/// Ctrl-C and SIGTERM, none of which is missed from when this is there.
#[cfg(unix)]
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for one, and returns the exit code of a process that it ends.
    async fn next(&mut self) -> i32 {
        let signal = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        };
        128 + signal.as_raw_value()
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for one, and returns the exit code of a process that it ends.
    async fn next(&mut self) -> i32 {
        match tokio::signal::ctrl_c().await {
            Ok(()) => 130,
            Err(_) => std::future::pending().await,
        }
    }
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
