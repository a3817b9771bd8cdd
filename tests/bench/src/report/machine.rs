//! Where and when a run was made.

use std::fs;

use time::OffsetDateTime;
use time::macros::format_description;

/// What a reader must know of a run.
#[derive(Clone, Debug)]
pub struct Machine {
    day: String,
    processor: String,
    cores: usize,
}

impl Machine {
    /// This machine, today.
    #[must_use]
    pub fn here() -> Self {
        let day = OffsetDateTime::now_utc().format(format_description!("[year]-[month]-[day]"));
        let about = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let processor =
            model.map_or_else(|| "a processor of unknown model".to_owned(), |(_, model)| model.trim().to_owned());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { day: day.unwrap_or_default(), processor, cores }
    }

    /// The line under a table: which command made it, when, where, on which database.
    #[must_use]
    pub fn stamp(&self, command: &str, database: &str) -> String {
        let Self { day, processor, cores } = self;
        format!("Made by `{command}` on {day}, on {cores} cores of {processor}, database: {database}.")
    }
}
