//! What things cost, in DynamoDB's units: what tests hold, and what `docs/cost.md` multiplies with prices.

pub use testing::meter::Total;

/// What something costs, as the tests of costs hold it and `docs/cost.md` multiplies it with prices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Units {
    /// Write units.
    pub write: f64,
    /// Read units.
    pub read: f64,
}

/// An event of an entity that nobody holds.
pub const EVENT: Units = Units { write: 2.0, read: 0.0 };
/// The same on the direct path, which leaves nothing for drain to look at.
pub const DIRECT: Units = Units { write: 1.0, read: 0.5 };
/// An event of an entity that nobody holds, with an idempotency key.
pub const KEYED: Units = Units { write: 5.0, read: 1.0 };
/// Five events that share a commit.
pub const FIVE: Units = Units { write: 6.0, read: 0.0 };
/// A look of drain that finds nothing to do.
pub const LOOK: Units = Units { write: 0.0, read: 1.0 };
/// A deposit into an account that nobody holds.
pub const DEPOSIT: Units = Units { write: 5.0, read: 0.0 };
/// A transfer between two accounts that nobody holds.
pub const TRANSFER: Units = Units { write: 17.0, read: 2.0 };
/// Each of 24 deposits that are posted at once costs less.
pub const ONE_OF_MANY: f64 = 1.5;
/// A message between two users that nobody holds.
pub const MESSAGE: Units = Units { write: 23.0, read: 3.0 };
/// To read an entity.
pub const READ: Units = Units { write: 0.0, read: 1.0 };
