//! What an event costs and how long it takes, beside other ways to do the same on the same database.
//!
//! [`systems`] has what is compared, [`workload`] who the events are for, [`drive`] the two loops, [`bill`] what the
//! database is asked for. [`compare`] puts them together, [`growth`] measures what grows, [`seed`] repeats the table of
//! the project that this one goes back to, and [`report`] writes what came out. What is pure is in `benches/pure.rs`, and [`plan`] has the order of a run.

// The SDK's futures, within the client's, within a system's.
#![recursion_limit = "256"]

pub mod bill;
pub mod compare;
pub mod connection;
pub mod distance;
pub mod drive;
pub mod growth;
pub mod plan;
pub mod report;
pub mod run;
pub mod seed;
pub mod systems;
pub mod workload;

use shared::registry::{Kind, Registry};

/// The kinds that are posted to.
#[must_use]
pub fn registry() -> Registry {
    use kinds::{account::Account, counter::Counter, user::User};
    Registry::new([Kind::of::<Account>(), Kind::of::<Counter>(), Kind::of::<User>()])
}
