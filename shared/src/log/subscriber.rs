//! Where log lines go and how they look: JSON on Lambda, text for a person.

use tracing::subscriber::{SetGlobalDefaultError, set_global_default};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::fmt::{MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, registry};

/// What the names of crates begin with that log nothing below `info`, whatever the filter says: there the SDK, the Lambda
/// runtime and what carries requests write out requests and events, with everybody's payload and tokens. An app's own crates
/// log what they like. A test holds this against every crate of the lock file that logs.
const FOREIGN: &[&str] = &[
    "aws",
    "axum",
    "dynoxide",
    "evmap",
    "h2",
    "hyper",
    "lambda",
    "loom",
    "metrics",
    "mio",
    "reqwest",
    "rustls",
    "serde",
    "tokio",
    "tower",
    "tungstenite",
];

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a person: one line of words.
    Text,
    /// For a program: one object a line, with the fields of the line in `fields`, those of the innermost span in `span`,
    /// and all spans around it in `spans`.
    Json,
}

/// What takes the lines that the directives of `filter` let through; what of these is no directive is left out.
pub fn subscriber<W>(format: Format, filter: &str, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = layer().with_writer(writer);
    let lines = match format {
        Format::Text => lines.boxed(),
        Format::Json => lines.json().boxed(),
    };
    registry().with(targets(filter)).with(filter_fn(is_discreet)).with(lines)
}

/// Targets and their levels, `error` for what is not named. Not `EnvFilter`, which compiles regular expressions at each
/// start, for fields that nobody filters by.
fn targets(filter: &str) -> Targets {
    let directives = filter.split(',').filter_map(|directive| directive.trim().parse::<Targets>().ok());
    directives.fold(Targets::new().with_default(LevelFilter::ERROR), |all, one| {
        let all = one.default_level().into_iter().fold(all, Targets::with_default);
        all.with_targets(one)
    })
}

fn is_discreet(line: &Metadata<'_>) -> bool {
    *line.level() <= Level::INFO || !is_foreign(line.target())
}

/// Whether a crate, by its name or by the target of a line, logs nothing below `info`.
#[must_use]
pub fn is_foreign(target: &str) -> bool {
    FOREIGN.iter().any(|name| target.starts_with(name))
}

/// Logs from now on as a function does: JSON on the standard output, in the span of the runtime, which has the request's
/// id (`requestId`) and the one of X-Ray (`xrayTraceId`), by which CloudWatch relates lines to traces.
///
/// Not the runtime's own subscriber: that writes text unless the function's configuration says JSON, and the metric
/// filter that alarms on `$.fields.alarm` would miss every line of a function that was deployed otherwise. Lines have
/// their time and level, because Lambda takes a JSON line without them for one of another level.
///
/// # Errors
/// When the process already logs somewhere.
pub fn on_lambda(variable: impl Fn(&str) -> Option<String>) -> Result<(), SetGlobalDefaultError> {
    // RUST_LOG first, which the template sets: with JSON, Lambda always gives a level, and that would always win.
    let filter = variable("RUST_LOG").or_else(|| variable("AWS_LAMBDA_LOG_LEVEL"));
    let filter = filter.filter(|filter| !filter.is_empty()).unwrap_or_else(|| "info".to_owned());
    // The only level that Lambda has and `tracing` has not.
    let filter = if filter.eq_ignore_ascii_case("fatal") { "error" } else { &filter };
    set_global_default(subscriber(Format::Json, filter, std::io::stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_what_it_says() {
        let level = |filter: &str, target: &str, level: Level| targets(filter).would_enable(target, &level);
        assert!(level("info", "shared::log", Level::INFO) && !level("info", "shared::log", Level::DEBUG));
        assert!(level("debug", "shared::log", Level::DEBUG) && !level("", "shared::log", Level::WARN));
        let mixed = "warn, shared=debug,dynoxide=error,=nonsense=";
        assert!(level(mixed, "shared::log", Level::DEBUG) && level(mixed, "other", Level::WARN));
        assert!(!level(mixed, "other", Level::INFO) && !level(mixed, "dynoxide", Level::WARN));
        assert!(level(mixed, "dynoxide", Level::ERROR));
    }
}
