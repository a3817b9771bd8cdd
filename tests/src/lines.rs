//! What this thread logs, as the functions write it: JSON, through the very subscriber that they have.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::Value;
use shared::log::subscriber::{Format, subscriber};
use tracing::Dispatch;
use tracing::subscriber::{DefaultGuard, set_default};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;

/// Beside a single subscriber, what is logged for the first time on a thread that has none counts as never wanted, by anybody.
static ANOTHER: LazyLock<Dispatch> =
    LazyLock::new(|| Dispatch::new(tracing_subscriber::registry().with(filter_fn(|_| false))));

/// Lines that are written while this lives.
pub struct Lines {
    written: Written,
    _listening: DefaultGuard,
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Listens from now on, with a filter as `RUST_LOG` has it.
    pub fn of(filter: &str) -> Self {
        LazyLock::force(&ANOTHER);
        let written = Written::default();
        let writer = written.clone();
        let listening = set_default(subscriber(Format::Json, filter, move || writer.clone()));
        Self { written, _listening: listening }
    }

    /// Everything that was written since the last call.
    pub fn text(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.written.0.lock().unwrap())).unwrap()
    }

    /// The lines that were written since the last call.
    pub fn take(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Those of these lines that say this.
pub fn saying<'a>(lines: &'a [Value], message: &'a str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |line| line["fields"]["message"] == message)
}
