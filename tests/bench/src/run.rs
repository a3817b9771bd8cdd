//! A run of the benchmarks: its seed and its progress.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A run.
#[derive(Debug)]
pub struct Run {
    /// What chance starts from.
    pub seed: u64,
    bar: ProgressBar,
}

impl Run {
    /// A run that takes about so long.
    #[must_use]
    pub fn new(seed: u64, estimate: Duration) -> Self {
        let bar = ProgressBar::new(u64::try_from(estimate.as_millis()).unwrap_or(u64::MAX));
        // A style that cannot be read would leave the usual one.
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} % {elapsed} of about {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_secs(1));
        Self { seed, bar }
    }

    /// A run that nobody watches.
    #[must_use]
    pub fn hidden(seed: u64) -> Self {
        Self { seed, bar: ProgressBar::hidden() }
    }

    /// Says what is being done.
    pub fn says(&self, what: &str) {
        let seconds = self.bar.length().unwrap_or_default() / 1000;
        self.bar.set_message(format!("{}:{:02}  {what}", seconds / 60, seconds % 60));
        if self.bar.is_hidden() && !cfg!(test) {
            eprintln!("{what}");
        }
    }

    /// Something that was planned to take so long is done.
    pub fn took(&self, planned: Duration) {
        self.bar.inc(u64::try_from(planned.as_millis()).unwrap_or(u64::MAX));
    }

    /// Everything is done.
    pub fn ends(&self) {
        self.bar.finish_and_clear();
    }
}
