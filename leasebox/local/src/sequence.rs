//! Sequence numbers of stream records.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A position in a shard. The text is kept as it came, because the API wants it back unchanged;
/// it is compared as the number that it is (up to 40 digits, more than an integer type holds).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(String);

impl Sequence {
    /// Wraps the text of a sequence number.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn rank(&self) -> (usize, &str) {
        let digits = self.0.trim_start_matches('0');
        (digits.len(), digits)
    }
}

impl Ord for Sequence {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Sequence {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Sequence {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Sequence {}

impl fmt::Display for Sequence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_and_not_texts() {
        let ordered = ["000", "9", "0010", "11", "9999999999999999999999999999999999999999"];
        let sequences = ordered.map(Sequence::new);
        assert!(sequences.is_sorted_by(|a, b| a < b));
        assert_eq!(Sequence::new("0010"), Sequence::new("10"));
        assert_eq!(Sequence::new("0010").as_str(), "0010");
    }
}
