//! Everything that the protocol asks of the world around it: the store, the time, chance, and the waiters.
//!
//! Functions take a host as an argument and nothing else from outside, so the same code runs on Lambda, in the
//! development server, and in a simulation whose clock and chance come from a seed.

use std::future::Future;
use std::time::Duration;

use crate::envelope::Millis;
use crate::limits::Settings;
use crate::push::Pushed;
use crate::registry::Registry;
use crate::store::{ReadStore, Store};
use crate::waiting::Waiting;

/// What a reader asks of the world. It has no way to write: that is what the function that reads is given.
pub trait ReadHost: Clone + Send + Sync + 'static {
    /// The store it has.
    type Store: ReadStore;

    /// The store that it reads from.
    fn store(&self) -> &Self::Store;

    /// The kinds of entity.
    fn registry(&self) -> &Registry;

    /// What may be chosen.
    fn settings(&self) -> &Settings;

    /// The time by this machine's clock. It decides when work resumes, never whether it is right.
    fn now(&self) -> Millis;

    /// The time since some moment of the past: for measuring only, and it never goes back.
    fn stopwatch(&self) -> Duration;

    /// A random number of 64 bits.
    fn random(&self) -> u64;

    /// Waits for so long by the host's clock.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// The world around the protocol.
pub trait Host: ReadHost<Store: Store> {
    /// Requests of this process that wait for an event.
    fn waiting(&self) -> &Waiting;

    /// Pushes a message to a connection, as best effort: failures are the host's to note. It says what became of it.
    fn push(&self, connection: &str, message: &str) -> impl Future<Output = Pushed> + Send;
}
