//! The whole system in one process, for development: the embedded DynamoDB, the stream pump and the
//! wake queue stand in for what AWS runs around the functions.
//!
//! A write leaves a stream record in [`database`]; [`pump`] hands it to a [`consumer::Consumer`] as
//! Lambda's event source mapping would; what the consumer wants to see again later goes through
//! [`wakes`]. [`progress`] ties the two together: a record counts as done only when it was accepted
//! and no wake that it caused is outstanding, so a restart looks again at everything unfinished.

pub mod accept;
pub mod access;
pub mod backend;
pub mod bounds;
pub mod command;
pub mod connect;
pub mod consumer;
pub mod data_dir;
pub mod database;
pub mod dead_letters;
pub mod demo;
pub mod door;
pub mod feeding;
#[cfg(test)]
mod fixture;
pub mod front;
pub mod history;
pub mod journal;
pub mod jwt;
pub mod lambda;
pub mod logging;
pub mod metrics;
pub mod operator;
pub mod outage;
pub mod private;
pub mod progress;
pub mod pump;
pub mod retry;
pub mod sam;
pub mod scaffold;
pub mod secret;
pub mod sequence;
pub mod serve;
pub mod shutdown;
pub mod sockets;
pub mod sqs;
pub mod table;
pub mod target_table;
pub mod template;
pub mod wakes;

pub use command::{main, main_of};

/// Milliseconds since the epoch. Passed in, so that only `main.rs` reads the wall clock.
pub type Clock = fn() -> u64;
