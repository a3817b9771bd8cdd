//! The mailbox protocol as built, explored state by state.
//!
//! The model is of the expressions in `shared/src/table.rs` and of the decisions around them; each module names the
//! files that it follows. Whatever can go wrong has a budget along each path ([`config::Budget`]): invocations that die,
//! requests without an answer, which are applied at any later time or never, leases that are judged expired while their
//! holders work under them, records and wakes that come twice. With finite budgets every run ends, so that liveness is
//! a property of the states in which nothing happens any more; a test shows that no run goes round in a circle.
//!
//! A state knows the time only as far as effects wait for it. Whether a lease is over is a choice, so every clock is
//! covered; the ids of clients are ordered by their numbers and not by when they post, so wrong clocks are covered there
//! too.
//!
//! Left out are: the 24 hours of receipts, limits in bytes and of the outbox, the same key with another body, an outbox
//! entry that is given up, pushes, what waiters are told, damaged items, posts that share a write, and that `drain`
//! attends to suspect entities one at a time. There are two entities, and effects go from one to the other only.

pub mod check;
pub mod client;
pub mod config;
pub mod configs;
pub mod direct;
pub mod drain;
pub mod fact;
pub mod list;
pub mod mailbox;
pub mod mutant;
pub mod property;
pub mod reply;
pub mod request;
pub mod show;
pub mod system;
pub mod visit;
pub mod world;
