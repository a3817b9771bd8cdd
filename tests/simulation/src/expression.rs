//! The subset of DynamoDB's expressions that the protocol sends, parsed and evaluated.
//!
//! Whatever is outside the subset is an error and never a guess. Random differential tests in `tests/src/differential.rs`
//! compare it with real engines.

pub mod condition;
pub mod parse;
pub mod path;
pub mod update;

use std::collections::HashMap;

use serde_dynamo::AttributeValue;

pub use condition::{Condition, holds};
pub use update::{Change, apply};

/// The attributes of an item.
pub type Attributes = HashMap<String, AttributeValue>;

/// The values of an expression by their placeholders, with the colon.
pub type Bound = HashMap<&'static str, AttributeValue>;

/// Why an expression is refused: DynamoDB's ValidationException.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub String);

impl Invalid {
    /// A refusal with its reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// A number of the protocol's: all of them are integers.
pub(crate) fn integer(value: &AttributeValue) -> Option<i128> {
    match value {
        AttributeValue::N(digits) => digits.parse().ok(),
        _ => None,
    }
}
