//! A server that runs out of file descriptors, or whose disk is full: it refuses, loses nothing, and goes on when there is
//! room again.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::server::{Server, command};

/// Far longer than anything here takes, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server as a shell starts it that has done this before.
fn after(shell: &str, data: &Path) -> Server {
    let server = command(&[Path::new("--data"), data, Path::new("--port"), Path::new("0")]);
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{shell}; exec \"$0\" \"$@\"")).arg(server.get_program()).args(server.get_args());
    command.env_clear().envs(std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("AWS_")));
    Server::spawn(command)
}

/// Posts an increment for `drain` to run, and brings whether it was acknowledged.
async fn queue(http: &Client, url: &str) -> bool {
    let request = http.post(format!("{url}/counter/a/increment")).header("prefer", "respond-async");
    let Ok(answer) = request.json(&json!({"amount": 1})).send().await else { return false };
    let (status, body) = (answer.status(), answer.text().await.unwrap_or_default());
    assert!(status.is_success() || status == StatusCode::SERVICE_UNAVAILABLE, "{status}: {body}");
    status.is_success()
}

/// Waits until the counter has at least this value, and what was not acknowledged may have added, at most.
async fn reaches(http: &Client, url: &str, least: i64, most: i64) {
    let end = Instant::now() + PATIENCE;
    let mut found = Value::Null;
    while Instant::now() < end {
        if let Ok(answer) = http.get(format!("{url}/counter/a")).send().await {
            found = answer.json::<Value>().await.unwrap_or_default()["value"].clone();
            if found.as_i64().is_some_and(|value| (least..=most).contains(&value)) {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{found} is not from {least} to {most}");
}

/// Waits until the log has this.
async fn says(server: &Server, text: &str) {
    let end = Instant::now() + PATIENCE;
    while !server.said().contains(text) {
        assert!(Instant::now() < end, "it does not say {text:?}, but:\n{}", server.said());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_file_descriptors_goes_on_when_there_are_some_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = after("ulimit -n 64", dir.path());
    // One connection, kept for all of it.
    let http = Client::builder().pool_max_idle_per_host(1).build().unwrap();
    let mut acknowledged = 0;
    for _ in 0..3 {
        acknowledged += i64::from(queue(&http, server.url()).await);
    }
    reaches(&http, server.url(), 3, 3).await;
    let address = server.address().replace("localhost", "127.0.0.1");
    let crowd: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(&address).unwrap()).collect();
    // Each of these moves the position in the stream, which cannot be stored.
    let mut tried = 0;
    while !server.said().contains("checkpoint-") {
        tried += 1;
        assert!(tried < 200, "no checkpoint failed:\n{}", server.said());
        acknowledged += i64::from(queue(&http, server.url()).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told = server.said().matches("checkpoint-").count();
    drop(crowd);
    says(&server, "it works again").await;
    assert_eq!(told, 1, "it is said once for each outage:\n{}", server.said());
    let new = Client::new();
    assert!(queue(&new, server.url()).await);
    reaches(&new, server.url(), acknowledged + 1, 3 + i64::from(tried) + 1).await;
    assert_eq!(server.stop().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_cannot_be_written_or_read_ends_nothing() {
    let (dir, http) = (tempfile::tempdir().unwrap(), Client::new());
    let server = after(":", dir.path());
    assert!(queue(&http, server.url()).await);
    reaches(&http, server.url(), 1, 1).await;
    assert_eq!(server.stop().await.code(), Some(0));
    let entries = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let checkpoint = entries.into_iter().find(|path| path.to_string_lossy().contains("checkpoint-")).unwrap();
    std::fs::remove_file(&checkpoint).unwrap();
    // Nothing can take the place of a directory that is not empty.
    std::fs::create_dir_all(checkpoint.join("in the way")).unwrap();

    let server = after(":", dir.path());
    assert!(queue(&http, server.url()).await);
    reaches(&http, server.url(), 2, 2).await;
    says(&server, checkpoint.file_name().unwrap().to_str().unwrap()).await;
    assert_eq!(server.stop().await.code(), Some(0));
}

/// A limit of the size of files stands for a full disk: what is written fails as on one, with another number.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_room_refuses_and_goes_on_when_there_is_some() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};

    let (dir, http) = (tempfile::tempdir().unwrap(), Client::new());
    // Whose signal would end the process.
    let server = after("trap '' XFSZ", dir.path());
    let pid = Pid::from_raw(i32::try_from(server.pid()).unwrap());
    let limit = |bytes| prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
    for _ in 0..5 {
        assert!(queue(&http, server.url()).await);
    }
    limit(Some(0));
    let without = join_all((0..3).map(|_| queue(&http, server.url()))).await;
    assert_eq!(without, [false; 3], "there was no room");
    limit(None);
    for _ in 0..5 {
        assert!(queue(&http, server.url()).await, "there is room again:\n{}", server.said());
    }
    // Whether one of those without an answer was stored, nobody was told.
    let (acknowledged, tried) = (10, 13);
    reaches(&http, server.url(), acknowledged, tried).await;
    assert_eq!(server.stop().await.code(), Some(0));

    // What was acknowledged is on the disk.
    let server = after(":", dir.path());
    reaches(&http, server.url(), acknowledged, tried).await;
}
