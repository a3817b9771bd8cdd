//! The kinds of entity there are, one file each, and the registry that knows them all.

pub mod account;
pub mod counter;
pub mod user;

use crate::registry::{Kind, Registry};

/// Every kind that this deployment runs: one line each.
#[must_use]
pub fn registry() -> Registry {
    Registry::new([Kind::of::<account::Account>(), Kind::of::<counter::Counter>(), Kind::of::<user::User>()])
}
