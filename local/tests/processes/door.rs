//! The database and the metrics of a running server, as a web page, a stranger and a program find them.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use local::connect::{Identity, connect};
use local::data_dir::read_endpoint;
use reqwest::Client;
use serde_json::{Value, json};

use crate::answer::get;
use crate::server::{Server, command, run};

/// What a page reads: everything.
const SCAN: &str = r#"{"TableName":"leasebox"}"#;

/// What a browser can send from a page, and a program without the key: a request with these lines and the rest of it right.
fn ask(address: &str, method: &str, path: &str, lines: &[&str], body: &str) -> (u16, String) {
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    head += "content-type: application/x-amz-json-1.0\r\nx-amz-target: DynamoDB_20120810.Scan\r\n";
    // As every SDK signs, and everybody can.
    head += "authorization: AWS4-HMAC-SHA256 Credential=local/20261121/us-east-1/dynamodb/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature=00\r\nx-amz-date: 20261121T120000Z\r\n";
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

async fn send(http: &Client, server: &Server, from: &str, content: &str) {
    let request = http.post(format!("{}/users/{from}/messages", server.url()));
    let sent = request.json(&json!({"to": "bob", "content": content})).send().await.unwrap();
    assert_eq!(sent.status(), 200);
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The address and the path of a URL.
fn taken_apart(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap();
    rest.split_at(rest.find('/').unwrap_or(rest.len()))
}

/// Everything that a page or a stranger can send to a URL, and what is said to it.
fn refuses_pages_and_strangers(url: &str) {
    let (address, path) = taken_apart(url);
    let (host, evil, wrong) =
        (format!("host: {address}"), "origin: http://evil.example", format!("/{}", "0".repeat(64)));
    let cases: [(&str, &str, &[&str], u16, &str); 13] = [
        ("POST", "/", &[&host, evil], 403, "AccessDeniedException"),
        ("POST", path, &[&host, evil], 403, "AccessDeniedException"),
        ("POST", path, &[&host, "origin: null"], 403, "AccessDeniedException"),
        ("POST", path, &[&host, "sec-fetch-site: cross-site"], 403, "AccessDeniedException"),
        ("POST", path, &[&host, "sec-fetch-site: same-origin"], 403, "AccessDeniedException"),
        ("POST", path, &["host: evil.example:8000"], 403, "localhost"),
        ("POST", path, &["host: 192.0.2.7"], 403, "localhost"),
        ("OPTIONS", path, &[&host, evil, "access-control-request-method: POST"], 403, "AccessDeniedException"),
        ("OPTIONS", path, &[&host], 405, "nothing but POST"),
        ("GET", "/", &[&host], 400, "database-url"),
        ("POST", "/", &[&host], 400, "UnrecognizedClientException"),
        ("POST", &wrong, &[&host], 400, "UnrecognizedClientException"),
        ("POST", &path[..path.len() - 1], &[&host], 400, "UnrecognizedClientException"),
    ];
    for (method, path, lines, status, told) in cases {
        let (answered, answer) = ask(address, method, path, lines, SCAN);
        assert_eq!(answered, status, "{method} {lines:?}: {answer}");
        assert!(answer.contains(told), "{method} {lines:?}: {answer}");
        let lower = answer.to_lowercase();
        assert!(!lower.contains("access-control-") && !lower.contains("bob"), "{method} {lines:?}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_answers_whoever_has_its_key_and_no_page() {
    let (http, dir) = (Client::new(), tempfile::tempdir().unwrap());
    let server = Server::start(&[Path::new("--data"), dir.path()]);
    send(&http, &server, "alice", "for bob alone").await;
    let endpoint = read_endpoint(dir.path()).unwrap();
    refuses_pages_and_strangers(&endpoint);

    // Who has read the file may do everything, by every name that is this machine's.
    let (address, path) = taken_apart(&endpoint);
    let port = address.rsplit(':').next().unwrap();
    for name in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let client = connect(&format!("http://{name}:{port}{path}"), Identity::Anyone).await.clients.dynamodb;
        let scanned = client.scan().table_name("leasebox").send().await;
        // Where there is no IPv6, the last one leads nowhere.
        assert!(scanned.is_ok_and(|scanned| scanned.count > 0) || name.starts_with('['), "{name}");
    }
    let stranger = connect(&format!("http://{address}"), Identity::Anyone).await.clients.dynamodb;
    let refused = stranger.delete_table().table_name("leasebox").send().await.unwrap_err();
    assert!(format!("{refused:?}").contains("UnrecognizedClientException"), "{refused:?}");
    let messages = get(&http, &format!("{}/users/bob/messages", server.url())).await;
    assert_eq!(messages["items"][0]["content"], "for bob alone");
    assert!(!server.said().contains(path), "the key is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_outlasts_a_restart_and_a_command_without_it_is_told_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&[Path::new("--data"), dir.path()]);
    let first = read_endpoint(dir.path()).unwrap();
    assert_eq!(server.stop().await.code(), Some(0));
    let _server = Server::start(&[Path::new("--data"), dir.path()]);
    let endpoint = read_endpoint(dir.path()).unwrap();
    assert_eq!(taken_apart(&endpoint).1, taken_apart(&first).1);
    assert_eq!(run(&["operator", "stuck", "--endpoint", &endpoint]).stdout, "Nothing is pending.\n");
    let without = format!("http://{}", taken_apart(&endpoint).0);
    let stranger = run(&["operator", "stuck", "--endpoint", &without]);
    assert!(stranger.code == Some(1) && stranger.stderr.contains("database-url"), "{stranger:?}");
    let server = run(&["--ephemeral", "--port", "0", "--endpoint", &without]);
    assert!(server.code == Some(1) && server.stderr.contains("database-url"), "{server:?}");
    let key = taken_apart(&endpoint).1;
    let gone = run(&["operator", "stuck", "--endpoint", &format!("http://127.0.0.1:9{key}")]);
    assert!(gone.code == Some(1) && gone.stderr.contains("http://127.0.0.1:9 did not"), "{gone:?}");
    assert!(!gone.stderr.contains(key), "{gone:?}");
}

/// `leasebox sam`, which is killed when this is dropped.
struct Sam(std::process::Child);

impl Drop for Sam {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sam_serves_answers_functions_and_no_page() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("made/env.json");
    // The next port is the queue's, and somebody may have taken it.
    let _sam = loop {
        let mut sam = command(&["sam", "--bind", "127.0.0.1", "--lambda", "http://127.0.0.1:9"]);
        let port = free_port().min(u16::MAX - 1).to_string();
        sam.arg("--data").arg(dir.path().join("data")).arg("--env-file").arg(&file).args(["--port", &port]);
        sam.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut sam = Sam(sam.spawn().unwrap());
        while !file.exists() && sam.0.try_wait().unwrap().is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        if file.exists() {
            break sam;
        }
    };
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let written: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let url = |name: &str| written["DrainFunction"][name].as_str().unwrap();
    for name in ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SQS"] {
        refuses_pages_and_strangers(url(name));
    }
    // As a container says it, whose own loopback this is not.
    let (address, path) = taken_apart(url("AWS_ENDPOINT_URL_DYNAMODB"));
    let port = address.rsplit(':').next().unwrap();
    let (status, answer) = ask(address, "POST", path, &[&format!("host: host.docker.internal:{port}")], SCAN);
    assert_eq!(status, 200, "{answer}");
    let queue = aws_sdk_sqs::Client::new(&connect(url("AWS_ENDPOINT_URL_SQS"), Identity::Anyone).await.config);
    queue.send_message().queue_url(url("WAKE_QUEUE_URL")).message_body("wake").send().await.unwrap();
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
        "database-url",
        "database-key",
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

    // As a copy that somebody made of it.
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
    let beyond = ["--ephemeral", "--bind", "0.0.0.0", "--open-to-everyone", "--metrics-port"];
    // On Linux every address of this network is this machine's, so it tells who listens on all of them.
    let other = Ipv4Addr::new(127, 0, 0, 2);
    let port = free_port();
    let server = Server::start(&[&beyond[..], &[&port.to_string()]].concat());
    let metrics = format!("127.0.0.1:{port}");
    let get = |host: &str| ask(&metrics, "GET", "/metrics", &[&format!("host: {host}")], "").0;
    assert_eq!((get("localhost:1"), get("evil.example")), (200, 403));
    assert!(TcpStream::connect((other, port)).is_err() || cfg!(not(target_os = "linux")), "it listens everywhere");
    drop(server);

    let port = free_port();
    let server = Server::start(&[&beyond[..], &[&port.to_string(), "--metrics-bind", "0.0.0.0"]].concat());
    let (metrics, named) = (format!("127.0.0.1:{port}"), ["host: metrics.example"]);
    assert_eq!(ask(&metrics, "GET", "/metrics", &named, "").0, 200);
    assert!(TcpStream::connect((other, port)).is_ok() || cfg!(not(target_os = "linux")), "it listens on loopback only");
    drop(server);
}
