//! A world for tests: an app over a table of its own on an embedded DynamoDB, with a clock that the test moves, a store that
//! fails where the test wants it to, and what everything costs.
//!
//! The handlers are the ones that are deployed. What AWS does around them, the test does at its own pace: it delivers stream
//! records and wakes to `drain`, lets time pass, and ends processes between any two calls of the database.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on panics, and says why"
)]

pub mod faults;
pub mod meter;
pub mod wakes;
pub mod world;

use std::future::Future;

use tokio::runtime::Builder;

/// Runs an asynchronous test to its end, for a test of a crate that has no runtime of its own.
///
/// # Panics
/// When the system has no resources for a runtime.
pub fn run<F: Future>(test: F) -> F::Output {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

pub use faults::Fault;
pub use meter::Total;
pub use world::{Reply, World};
