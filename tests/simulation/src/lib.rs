//! The shipped protocol in a simulated world: the real handlers, posts, visits, commits and looks, unchanged, on a
//! database, a clock, a stream, a queue and a network that come from a seed.
//!
//! One run is one seed, and the same seed is the same run. [`run`] plays it: clients ([`client`]) send requests to
//! processes ([`host`], [`sdk`]) that share a table ([`table`], which executes the very expressions that production
//! sends, [`expression`]), while faults ([`fault`]) strike at every step. The [`oracle`] judges every write and every
//! answer, and the whole when it has come to rest; [`audit`] replays journals by the shipped code, meanwhile and in the
//! end; [`history`] asks whether what clients saw has one order. [`mutant`] plants bugs, because tests that find none
//! prove nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub mod actor;
pub mod audit;
pub mod campaign;
pub mod client;
pub mod command;
pub mod expression;
pub mod fault;
pub mod fleet;
pub mod history;
pub mod host;
pub mod journaled;
pub mod mutant;
pub mod oracle;
pub mod run;
pub mod sdk;
pub mod stream;
pub mod table;
pub mod timeline;
pub mod world;

/// Locks what a single thread uses; a panic of a run ends that run only.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
