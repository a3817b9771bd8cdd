//! Metrics on Lambda: a line of CloudWatch's embedded metric format on the standard output after each invocation. CloudWatch
//! reads it from the log; nothing is sent.

use std::io;

use metrics_cloudwatch_embedded::{Builder, Collector};

use crate::metrics;

/// The dimension that every metric has beside its labels.
pub const FUNCTION: &str = "function";

/// What collects the metrics of this process.
#[derive(Clone, Copy)]
pub struct Emitter(&'static Collector);

impl Emitter {
    /// Collects from now on, into this namespace of CloudWatch, for the function of this name. Two stacks of one account
    /// have each a namespace of their own, so that neither rings the other's alarms.
    ///
    /// # Errors
    /// When the process already has a recorder.
    pub fn install(namespace: String, function: &'static str) -> Result<Self, metrics_cloudwatch_embedded::Error> {
        let collector = Builder::new().cloudwatch_namespace(namespace).with_dimension(FUNCTION, function).init()?;
        metrics::describe();
        Ok(Self(collector))
    }

    /// Writes what was collected since the last call. What cannot be written is noted and lost: a metric is no reason to
    /// fail an invocation.
    pub fn flush(self) {
        self.flush_to(io::stdout());
    }

    /// Writes what was collected since the last call to a writer, as [`Emitter::flush`] does to the standard output.
    pub fn flush_to(self, writer: impl io::Write) {
        if let Err(error) = self.0.flush(writer) {
            tracing::warn!(%error, "the metrics of an invocation were not written");
        }
    }
}
