//! The servers that are loaded, each a process of its own.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use axum::Router;
use axum::routing::any;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};

use crate::seed::{Memory, SeedError};

/// A server that answers; it ends with this.
pub struct Server {
    base: String,
    metrics: Option<String>,
    child: Child,
    /// Kept, so that it may go on printing.
    _said: Lines<BufReader<ChildStdout>>,
}

/// What the server's metrics say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scraped {
    /// Write units, as DynamoDB reports them; divided by events after [`Scraped::since`].
    pub writes: f64,
    /// Read units, likewise.
    pub reads: f64,
    /// The sum of the actor's own time, in seconds.
    handler_sum: f64,
    /// How many batches it is a sum of.
    handler_count: f64,
}

impl Scraped {
    fn read(page: &str) -> Self {
        let sum = |name: &str| -> f64 {
            let lines = page.lines().filter(|line| line.starts_with(name));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        Self {
            writes: sum("leasebox_write_units_total"),
            reads: sum("leasebox_read_units_total"),
            handler_sum: sum("leasebox_handler_seconds_sum"),
            handler_count: sum("leasebox_handler_seconds_count"),
        }
    }

    /// What has come since, for each of so many events.
    #[must_use]
    pub fn since(self, before: &Self, events: usize) -> Self {
        let events = events.max(1) as f64;
        Self {
            writes: (self.writes - before.writes) / events,
            reads: (self.reads - before.reads) / events,
            handler_sum: self.handler_sum - before.handler_sum,
            handler_count: self.handler_count - before.handler_count,
        }
    }

    /// The actor's own time for an event, in microseconds.
    #[must_use]
    pub fn handler_us(&self) -> f64 {
        self.handler_sum / self.handler_count.max(1.0) * 1e6
    }
}

/// Where the development server is: cargo puts it beside this program.
pub fn leasebox() -> Result<PathBuf, SeedError> {
    let path = std::env::current_exe()?.with_file_name("leasebox");
    if path.exists() { Ok(path) } else { Err(SeedError::NotBuilt(path)) }
}

impl Server {
    /// The development server with these options, on free ports.
    pub async fn leasebox(arguments: &[&str]) -> Result<Self, SeedError> {
        let mut command = Command::new(leasebox()?);
        command.args(["--port", "0", "--metrics-port", "0"]).args(arguments);
        Self::start(command, true).await
    }

    /// A server that does nothing.
    pub async fn bare() -> Result<Self, SeedError> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bare");
        Self::start(command, false).await
    }

    async fn start(mut command: Command, has_metrics: bool) -> Result<Self, SeedError> {
        let silent = |what: &str| SeedError::Answer(format!("it did not say where {what} is"));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut said = BufReader::new(child.stdout.take().ok_or_else(|| silent("anything"))?).lines();
        let (mut base, mut metrics) = (None, None);
        while base.is_none() || (has_metrics && metrics.is_none()) {
            let Some(line) = said.next_line().await? else {
                return Err(silent("what it serves"));
            };
            let url = line.split_whitespace().next_back().filter(|word| word.starts_with("http")).map(str::to_owned);
            match () {
                () if line.contains("listens on") => base = url.map(|url| url.replace("localhost", "127.0.0.1")),
                () if line.trim_start().starts_with("metrics") => metrics = url,
                () => {}
            }
        }
        Ok(Self { base: base.ok_or_else(|| silent("it"))?, metrics, child, _said: said })
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Reads JSON.
    pub async fn get(&self, path: &str) -> Result<Value, SeedError> {
        let text = text(&self.url(path)).await?;
        serde_json::from_str(&text).map_err(|error| SeedError::Answer(format!("{error}: {text}")))
    }

    /// Reads the metrics.
    pub async fn scrape(&self) -> Result<Scraped, SeedError> {
        match &self.metrics {
            Some(url) => text(url).await.map(|page| Scraped::read(&page)),
            None => Ok(Scraped::default()),
        }
    }

    /// The memory of its process.
    pub fn memory(&self, requests: usize) -> Result<Memory, SeedError> {
        let status = self.child.id().map(|id| fs::read_to_string(format!("/proc/{id}/status"))).transpose();
        let status = status?.ok_or_else(|| io::Error::other("it has ended"))?;
        let megabytes = |name: &str| -> f64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
        };
        Ok(Memory { requests, resident: megabytes("VmRSS:"), most: megabytes("VmHWM:") })
    }
}

async fn text(url: &str) -> Result<String, SeedError> {
    let answer = |error: reqwest::Error| SeedError::Answer(error.to_string());
    reqwest::get(url).await.map_err(answer)?.text().await.map_err(answer)
}

/// Serves a handler that does nothing, for scale, until the process is ended.
///
/// # Errors
/// When it cannot be served.
pub async fn bare() -> Result<(), SeedError> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("bare listens on http://{}", listener.local_addr()?);
    let router = Router::new().fallback_service(any(async || r#"{"counter_id":"bench","value":1}"#));
    axum::serve(listener, router).await?;
    Ok(())
}
