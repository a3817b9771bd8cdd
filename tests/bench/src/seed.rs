//! The table of the project that this one goes back to, row for row: `hey` against one counter of the development server,
//! by two hundred clients at once; beside it the same load on a server that does nothing, for scale.

mod hey;
mod server;

use std::path::PathBuf;

pub use self::hey::Load;
use self::hey::hey;
use self::server::Server;
pub use self::server::{Scraped, bare};
use crate::run::Run;

/// Clients at once, as in the original.
pub const CLIENTS: usize = 200;

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// `hey` is not there, or did not say what it does otherwise.
    #[error("`hey` (the Debian package of that name): {0}")]
    Hey(String),
    /// The server is not built.
    #[error("{} is not there: `cargo build --release --bin leasebox` makes it", .0.display())]
    NotBuilt(PathBuf),
    /// A process does not start, or ended.
    #[error("a server does not start: {0}")]
    Process(#[from] std::io::Error),
    /// It did not say what it was asked.
    #[error("a server did not answer: {0}")]
    Answer(String),
}

/// How many requests are sent.
#[derive(Clone, Copy, Debug)]
pub struct Requests {
    /// To the server with shared writes, and to the one that does nothing.
    pub usual: usize,
    /// To the server without shared writes, which is slow.
    pub alone: usize,
    /// After how many of them memory is read.
    pub memory: usize,
}

/// What was measured of one server.
#[derive(Clone, Debug)]
pub struct Served {
    /// What the table calls it.
    pub title: &'static str,
    /// What `hey` said.
    pub load: Load,
    /// What the server's metrics said, for the requests of that load.
    pub scraped: Option<Scraped>,
    /// Its memory after all requests, in MB: at that time, and the most it ever had.
    pub memory: Option<Memory>,
}

/// Memory after a number of requests, in MB.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// After how many requests.
    pub requests: usize,
    /// What is resident then.
    pub resident: f64,
    /// The most that ever was.
    pub most: f64,
}

/// Whether everything is there that is needed.
///
/// # Errors
/// What is missing.
pub async fn check() -> Result<(), SeedError> {
    server::leasebox()?;
    hey::check().await
}

/// Measures all servers.
///
/// # Errors
/// When something that is needed is not there, or an answer is wrong.
pub async fn measure(run: &Run, requests: Requests) -> Result<Vec<Served>, SeedError> {
    let mut served = Vec::new();
    run.says("hey against a server that does nothing");
    let nothing = Server::bare().await?;
    let load = hey(&nothing.url("/counter/bench/increment"), requests.usual).await?;
    served.push(Served { title: "a bare axum handler, for scale", load, scraped: None, memory: None });
    drop(nothing);

    let directory = tempfile::tempdir()?;
    let data = directory.path().to_string_lossy().into_owned();
    let more = requests.memory.saturating_sub(requests.usual);
    let rows: [(&'static str, &[&str], usize, usize); 4] = [
        ("the development server", &["--ephemeral"], requests.usual, more),
        ("the same on the direct path", &["--ephemeral", "--direct", "on"], requests.usual, 0),
        ("the same, durable in a file", &["--data", &data], requests.usual, 0),
        ("the same in memory, writes not shared", &["--ephemeral", "--shared-events", "1"], requests.alone, 0),
    ];
    for (title, arguments, count, more) in rows {
        run.says(&format!("hey against {title}"));
        let server = Server::leasebox(arguments).await?;
        let (load, scraped) = increments(&server, count).await?;
        let memory = match more {
            0 => None,
            more => {
                run.says("hey goes on, for the server's memory");
                hey(&server.url("/counter/bench/increment"), more).await?;
                Some(server.memory(count + more)?)
            }
        };
        served.push(Served { title, load, scraped: Some(scraped), memory });
    }
    Ok(served)
}

/// Loads a new server, and asks it whether its counter is exact.
async fn increments(server: &Server, requests: usize) -> Result<(Load, Scraped), SeedError> {
    let before = server.scrape().await?;
    let load = hey(&server.url("/counter/bench/increment"), requests).await?;
    let scraped = server.scrape().await?.since(&before, load.answered);
    let counter = server.get("/counter/bench").await?;
    let value = counter["value"].as_u64().unwrap_or_default();
    // What was answered with anything but 200 may still have been counted later.
    if value < load.answered as u64 || value > requests as u64 {
        return Err(SeedError::Answer(format!("the counter is {value} after {} answers", load.answered)));
    }
    Ok((load, scraped))
}
