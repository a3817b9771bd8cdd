//! Runs `hey` and reads what it says.

use tokio::process::Command;

use crate::seed::{CLIENTS, SeedError};

/// What `hey` says of a load.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// Requests that were sent.
    pub sent: usize,
    /// Requests that were answered with 200.
    pub answered: usize,
    /// Requests a second.
    pub throughput: f64,
    /// Half of the requests took at most so long, in milliseconds.
    pub p50: f64,
    /// 99 of 100 took at most so long, in milliseconds.
    pub p99: f64,
}

/// Whether it is there.
pub async fn check() -> Result<(), SeedError> {
    // Without arguments it prints how it is used and fails.
    Command::new("hey").output().await.map(drop).map_err(|error| SeedError::Hey(error.to_string()))
}

/// Sends so many POST requests.
pub async fn hey(url: &str, requests: usize) -> Result<Load, SeedError> {
    let clients = CLIENTS.to_string();
    let arguments = ["-n", &requests.to_string(), "-c", &clients, "-m", "POST", url];
    let output = Command::new("hey").args(arguments).output().await;
    let output = output.map_err(|error| SeedError::Hey(error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    // It sends the same number for each client.
    let sent = requests / CLIENTS * CLIENTS;
    read(&said, sent).ok_or_else(|| SeedError::Hey(format!("it said something else: {said}")))
}

fn read(said: &str, sent: usize) -> Option<Load> {
    let after = |name: &str| said.lines().find_map(|line| line.trim().strip_prefix(name));
    let seconds = |name: &str| -> Option<f64> { after(name)?.trim().strip_suffix(" secs")?.parse().ok() };
    let answered = after("[200]").and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    Some(Load {
        sent,
        answered,
        throughput: after("Requests/sec:")?.trim().parse().ok()?,
        p50: seconds("50% in")? * 1000.0,
        p99: seconds("99% in")? * 1000.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_report_is_read() {
        let said = "
Summary:
  Total:	11.9090 secs
  Requests/sec:	8396.9812

Latency distribution:
  10% in 0.0131 secs
  50% in 0.0213 secs
  99% in 0.0871 secs

Status code distribution:
  [200]	99990 responses
  [503]	10 responses
";
        let load = Load { sent: 100_000, answered: 99_990, throughput: 8396.9812, p50: 21.3, p99: 87.1 };
        let read = read(said, 100_000).unwrap();
        assert_eq!((read.sent, read.answered, read.throughput), (load.sent, load.answered, load.throughput));
        assert!((read.p50 - load.p50).abs() < 1e-9 && (read.p99 - load.p99).abs() < 1e-9, "{read:?}");
        assert_eq!(super::read("no such host", 1), None);
    }
}
