//! The mailbox protocol of Leasebox: actors that keep nothing in memory, on one DynamoDB table.
//!
//! One event's journey, in the order of the modules:
//!
//! 1. Its command is checked against its kind ([`registry`], [`actor`]) and sealed in an [`envelope`].
//! 2. [`mailbox::post`] appends it to the entity's queue and takes the lease if it is free, in one write.
//! 3. Whoever holds the lease runs a [`visit`]: the [`batch`] of waiting envelopes goes through the pure actor, and
//!    [`mailbox::commit`] takes the results into the item, under the lease's fence. What an event is decided with beside
//!    the state is read before ([`lookup`], [`records`]).
//! 4. Effects lie in the [`outbox`] and are sent to their receivers by [`deliver`]; [`mailbox::settle`] ticks them off.
//! 5. A stream record or a [`wake`] makes `drain` look at the entity, and [`mailbox::takeover`] takes a lease that is
//!    free or was left behind ([`look`]).
//!
//! Where it is switched on, [`direct`] takes events for an idle entity past the queue: [`mailbox::direct`] is the only write.
//!
//! What the protocol cannot decide by itself is left to a person: [`operator`]. What that person sees: [`log`], [`metrics`],
//! one [`trace`] through all of the above, and the [`consumption`] of one request.
//!
//! [`testing`] runs an actor by itself, for its tests.
//!
//! [`client`] puts these together for whoever posts and wants an answer. [`table`] is the schema on one screen,
//! [`limits`] all numbers, [`store`] DynamoDB's operations as a trait, [`host`] everything else from outside.

pub mod actor;
pub mod batch;
pub mod client;
pub mod consumption;
pub mod deliver;
pub mod direct;
pub mod emf;
pub mod envelope;
pub mod erased;
pub mod host;
pub mod journal;
pub mod key;
pub mod lambda;
pub mod limits;
pub mod live;
pub mod log;
pub mod look;
pub mod lookup;
pub mod mailbox;
pub mod metrics;
pub mod moment;
pub mod operator;
pub mod outbox;
pub mod outcome;
pub mod push;
pub mod receipt;
pub mod records;
pub mod registry;
pub mod replay;
#[cfg(test)]
mod scripted;
pub mod sharing;
pub mod sourced;
pub mod store;
pub mod table;
pub mod testing;
pub mod text;
#[cfg(test)]
mod toys;
pub mod trace;
pub mod visit;
pub mod waiting;
pub mod wake;
