//! Log lines of the development server, on the standard error.

use std::io;

use clap::ValueEnum;
use shared::log::subscriber::{self, subscriber};
use tracing::subscriber::{SetGlobalDefaultError, set_global_default};

/// What is logged unless RUST_LOG says otherwise. On Lambda each post has its line; here what is worth a look is what goes
/// wrong, and no load is slowed by a terminal.
const FILTER: &str = "warn,dynoxide=error";

/// The options of logging.
#[derive(Clone, Copy, Debug, clap::Args)]
// Its default name is also that of the options that it is among.
#[group(id = "logging")]
pub struct Options {
    /// How log lines on the standard error look; RUST_LOG says which there are.
    #[arg(long, value_enum, value_name = "FORMAT", env = "LEASEBOX_LOG_FORMAT", default_value_t = Format::Text)]
    log_format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For a person.
    Text,
    /// As on Lambda.
    Json,
}

impl Options {
    /// Logs from now on.
    ///
    /// # Errors
    /// When the process already logs somewhere.
    pub fn start(self, filter: Option<&str>) -> Result<(), SetGlobalDefaultError> {
        let format = match self.log_format {
            Format::Text => subscriber::Format::Text,
            Format::Json => subscriber::Format::Json,
        };
        set_global_default(subscriber(format, filter.unwrap_or(FILTER), io::stderr))
    }
}
