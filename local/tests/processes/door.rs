//! The database and the metrics of a running server, as a web page, a stranger and a program find them.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use local::connect::{Identity, connect};
use local::data_dir::read_endpoint;
use local::endpoint::{Endpoint, KEY_ID};
use reqwest::Client;
use serde_json::json;

use crate::answer::get;
use crate::server::{Server, command, run, run_on};

/// What a page reads: everything.
const SCAN: &str = r#"{"TableName":"leasebox"}"#;

/// What a browser can send from a page, and a program without the key: a request with these lines and the rest of it right.
fn ask(address: &str, method: &str, lines: &[&str], body: &str) -> (u16, String) {
    let mut head = format!("{method} / HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    head += "content-type: application/x-amz-json-1.0\r\nx-amz-target: DynamoDB_20120810.Scan\r\n";
    for line in lines {
        head += line;
        head += "\r\n";
    }
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

/// An `Authorization` that has the form of one, from somebody of this name who does not have the key.
fn signed_by(id: &str) -> String {
    format!(
        "authorization: AWS4-HMAC-SHA256 Credential={id}/20261121/us-east-1/dynamodb/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={}",
        "0".repeat(64)
    )
}

async fn send(http: &Client, server: &Server, from: &str, content: &str) {
    let request = http.post(format!("{}/users/{from}/messages", server.url()));
    let sent = request.json(&json!({"to": "bob", "content": content})).send().await.unwrap();
    assert_eq!(sent.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_answers_whoever_has_its_key_and_no_page() {
    let (http, dir) = (Client::new(), tempfile::tempdir().unwrap());
    let server = Server::start(&[Path::new("--data"), dir.path()]);
    send(&http, &server, "alice", "for bob alone").await;
    let endpoint = read_endpoint(dir.path()).unwrap();
    let address = endpoint.url.strip_prefix("http://").unwrap();
    let (host, date) = (format!("host: {address}"), "x-amz-date: 20261121T120000Z");
    let (anyone, impostor) = (signed_by("local"), signed_by(KEY_ID));
    let evil = "origin: http://evil.example";
    let cases: [(&str, &[&str], u16, &str); 12] = [
        ("POST", &[&host, &anyone, date, evil], 403, "AccessDeniedException"),
        ("POST", &[&host, &impostor, date, "origin: null"], 403, "AccessDeniedException"),
        ("POST", &[&host, &anyone, date, "sec-fetch-site: cross-site"], 403, "AccessDeniedException"),
        ("POST", &[&host, &anyone, date, "sec-fetch-site: same-origin"], 403, "AccessDeniedException"),
        ("POST", &["host: evil.example:8000", &anyone, date], 403, "localhost"),
        ("POST", &["host: 192.0.2.7", &anyone, date], 403, "localhost"),
        ("OPTIONS", &[&host, evil, "access-control-request-method: POST"], 403, "AccessDeniedException"),
        ("GET", &[&host], 400, "database.env"),
        ("POST", &[&host, date], 400, "database.env"),
        ("POST", &[&host, "authorization: Bearer x", date], 400, "AWS Signature Version 4"),
        ("POST", &[&host, &anyone, date], 400, "UnrecognizedClientException"),
        ("POST", &[&host, &impostor, date], 400, "UnrecognizedClientException"),
    ];
    for (method, lines, status, told) in cases {
        let (answered, answer) = ask(address, method, lines, SCAN);
        assert_eq!(answered, status, "{method} {lines:?}: {answer}");
        assert!(answer.contains(told), "{method} {lines:?}: {answer}");
        let lower = answer.to_lowercase();
        assert!(!lower.contains("access-control-") && !lower.contains("bob"), "{method} {lines:?}: {answer}");
    }

    // Who has read the file may do everything, by every name that is this machine's.
    let port = address.rsplit(':').next().unwrap();
    for name in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let endpoint = Endpoint { url: format!("http://{name}:{port}"), ..endpoint.clone() };
        let client = connect(&endpoint, Identity::Anyone).await.clients.dynamodb;
        let scanned = client.scan().table_name("leasebox").send().await;
        // Where there is no IPv6, the name leads nowhere.
        assert!(scanned.is_ok_and(|scanned| scanned.count > 0) || name.starts_with('['), "{name}");
    }
    let stranger = connect(&Endpoint::at(&endpoint.url), Identity::Anyone).await.clients.dynamodb;
    let refused = stranger.delete_table().table_name("leasebox").send().await.unwrap_err();
    assert!(format!("{refused:?}").contains("UnrecognizedClientException"), "{refused:?}");
    assert_eq!(
        get(&http, &format!("{}/users/bob/messages", server.url())).await["items"][0]["content"],
        "for bob alone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_without_the_key_is_told_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let _server = Server::start(&[Path::new("--data"), dir.path()]);
    let endpoint = read_endpoint(dir.path()).unwrap();
    assert_eq!(run_on(&endpoint, &["operator", "stuck"]).stdout, "Nothing is pending.\n");
    let stranger = run(&["operator", "stuck", "--endpoint", &endpoint.url]);
    assert!(stranger.code == Some(1) && stranger.stderr.contains("database.env"), "{stranger:?}");
    let server = run(&["--ephemeral", "--port", "0", "--endpoint", &endpoint.url]);
    assert!(server.code == Some(1) && server.stderr.contains("database.env"), "{server:?}");
}

/// The permissions of a directory and of all that is in it, by name.
fn modes(directory: &Path) -> Vec<(String, u32)> {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let mut modes = vec![(".".to_owned(), mode(directory))];
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        modes.push((entry.file_name().into_string().unwrap(), mode(&entry.path())));
    }
    modes
}

/// Nobody but its owner may read anything of it, and there is something of every kind.
fn assert_closed(directory: &Path) {
    let modes = modes(directory);
    for (name, mode) in &modes {
        assert_eq!(*mode, if name == "." { 0o700 } else { 0o600 }, "{name} of {modes:?}");
    }
    let kinds = [
        "lock",
        "database.env",
        "operator-token",
        "ticket-key",
        "dead-letters.jsonl",
        "dynamodb.sqlite",
        "checkpoint-",
    ];
    for kind in kinds.into_iter().chain(["dynamodb.sqlite-wal", "dynamodb.sqlite-shm"]) {
        assert!(modes.iter().any(|(name, _)| name.starts_with(kind)), "no {kind} in {modes:?}");
    }
}

/// A server from a shell with this mask, whatever the tests' own is.
fn masked(directory: &Path) -> Server {
    let server = command(&[Path::new("--data"), directory, Path::new("--port"), Path::new("0")]);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "umask 022; exec \"$0\" \"$@\""]).arg(server.get_program()).args(server.get_args());
    shell.env_clear().envs(std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("AWS_")));
    Server::spawn(shell)
}

/// Waits until the position in the stream is stored.
async fn checkpointed(directory: &Path) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !modes(directory).iter().any(|(name, _)| name.starts_with("checkpoint-") && name.ends_with(".json")) {
        assert!(std::time::Instant::now() < end, "no checkpoint came");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_keeps_is_its_owners_alone() {
    let (http, dir) = (Client::new(), tempfile::tempdir().unwrap());
    let made = dir.path().join("made/data");
    let server = masked(&made);
    send(&http, &server, "alice", "for bob alone").await;
    checkpointed(&made).await;
    assert_closed(&made);
    assert_eq!(fs::metadata(dir.path().join("made")).unwrap().permissions().mode() & 0o777, 0o700);
    server.kill();

    // As an earlier version left it.
    for (name, _) in modes(&made) {
        let open = if name == "." { 0o755 } else { 0o644 };
        fs::set_permissions(made.join(name), PermissionsExt::from_mode(open)).unwrap();
    }
    let server = masked(&made);
    assert!(server.said().contains("was open to other users"), "{}", server.said());
    send(&http, &server, "alice", "again").await;
    server.stop().await;
    let closed = modes(&made);
    assert!(closed.iter().all(|(_, mode)| mode & 0o77 == 0), "{closed:?}");

    // Not ours, and not ours to close.
    let others = dir.path().join("others");
    fs::create_dir(&others).unwrap();
    fs::set_permissions(&others, PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(others.join("letter"), "").unwrap();
    let refused = run(&[Path::new("--data"), &others, Path::new("--port"), Path::new("0")]);
    assert!(refused.code == Some(1) && refused.stderr.contains("chmod 700"), "{refused:?}");
    assert_eq!(modes(&others)[0].1, 0o755);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_stay_on_loopback_unless_it_is_said() {
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let beyond = ["--ephemeral", "--bind", "0.0.0.0", "--open-to-everyone", "--metrics-port"];
    // On Linux every address of this network is this machine's, so it tells who listens on all of them.
    let other = Ipv4Addr::new(127, 0, 0, 2);
    let port = free();
    let server = Server::start(&[&beyond[..], &[&port.to_string()]].concat());
    let name = |host: &str| format!("host: {host}\r\nx: y");
    let metrics = format!("127.0.0.1:{port}");
    // The path is the root here, which there is not.
    assert_eq!(ask(&metrics, "GET", &[&name("localhost:1")], "").0, 404);
    assert_eq!(ask(&metrics, "GET", &[&name("evil.example")], "").0, 403);
    assert!(TcpStream::connect((other, port)).is_err() || cfg!(not(target_os = "linux")), "it listens everywhere");
    drop(server);

    let port = free();
    let server = Server::start(&[&beyond[..], &[&port.to_string(), "--metrics-bind", "0.0.0.0"]].concat());
    assert_eq!(ask(&format!("127.0.0.1:{port}"), "GET", &[&name("metrics.example")], "").0, 404);
    assert!(TcpStream::connect((other, port)).is_ok() || cfg!(not(target_os = "linux")), "it listens on loopback only");
    drop(server);
}
