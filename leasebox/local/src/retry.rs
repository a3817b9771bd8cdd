//! How often, and how far apart, a failed delivery is tried again.

use std::time::Duration;

/// Exponential backoff with a bounded number of attempts.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Deliveries of one record before it goes to the dead letters.
    pub attempts: u32,
    /// The pause after the first failure; it doubles with each further one.
    pub first: Duration,
    /// No pause is longer than this.
    pub longest: Duration,
}

impl Default for Retry {
    /// About half a minute in all: enough for a restart of whatever failed, short enough to notice.
    fn default() -> Self {
        Self { attempts: 10, first: Duration::from_millis(100), longest: Duration::from_secs(10) }
    }
}

impl Retry {
    /// The pause after that many failures in a row.
    pub fn pause(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let retry = Retry { attempts: 3, first: Duration::from_millis(10), longest: Duration::from_millis(35) };
        let pauses = [1, 2, 3, 4, u32::MAX].map(|failures| retry.pause(failures).as_millis());
        assert_eq!(pauses, [10, 20, 35, 35, 35]);
    }
}
