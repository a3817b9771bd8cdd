//! Starts, stops and restarts, the refused ones included.

use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use local::connect::{Identity, connect};
use local::database::Database;
use rand::SeedableRng;
use rand::rngs::StdRng;
use reqwest::Client;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::increment::{BOUND, DIGITS, Fate, LEASE, check, count, increments, post_all, reached, settle};
use crate::server::{Server, command, run};

async fn increment(http: &Client, url: &str, amount: i64) -> Value {
    let request = http.post(format!("{url}/counter/alice/increment")).json(&json!({"amount": amount}));
    request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
}

async fn value(http: &Client, url: &str) -> i64 {
    let answer = http.get(format!("{url}/counter/alice")).send().await.unwrap();
    answer.error_for_status().unwrap().json::<Value>().await.unwrap()["value"].as_i64().unwrap()
}

/// A request of which the server has the head and wants the body.
async fn begun(server: &Server, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let head = format!(
        "POST /counter/alice/increment HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut wanted = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    stream.read_exact(&mut wanted).await.unwrap();
    assert!(wanted.starts_with(b"HTTP/1.1 100 "), "{}", String::from_utf8_lossy(&wanted));
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_hand_is_answered_before_the_server_ends() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = Server::start(&["--ephemeral"]);
        let body = r#"{"amount":7}"#;
        let mut stream = begun(&server, body).await;
        server.signal(signal);
        let refused = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(server.address()).await.is_ok() {
            assert!(Instant::now() < refused, "it still takes connections after {signal:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.trim_end().ends_with(r#"{"counter_id":"alice","value":7}"#), "{answer}");
        assert_eq!(server.ended().await.code(), Some(0), "after {signal:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_loses_nothing_that_was_acknowledged() {
    let (http, dir) = (Client::new(), tempfile::tempdir().unwrap());
    let (data, lease) = (dir.path().to_str().unwrap(), LEASE.to_string());
    let server = Server::start(&["--data", data, "--lease", &lease]);
    let load = increments("stop", 12, 0..DIGITS, &mut StdRng::seed_from_u64(4));
    let (acknowledged, half) = (AtomicUsize::new(0), load.len() / 2);
    let url = server.url().to_owned();
    let urls = [url.as_str()];
    let stop = async {
        reached(&acknowledged, half).await;
        server.stop().await
    };
    // Whatever answers come are 2xx: anything else panics there.
    let (posted, status) = tokio::join!(post_all(&http, &urls, 24, load, &acknowledged), stop);
    assert_eq!(status.code(), Some(0));
    assert!(count(&posted, Fate::Unsent) > 0, "the stop was not in the middle");
    let server = Server::start(&["--data", data, "--lease", &lease]);
    settle(&http, server.url(), &posted, BOUND).await;
    check(&http, server.url(), &posted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn state_survives_restarts_of_either_kind() {
    let (http, dir) = (Client::new(), tempfile::tempdir().unwrap());
    let data = dir.path().join("made/on/the/way");
    let arguments = [Path::new("--data"), &data];
    let server = Server::start(&arguments);
    assert_eq!(increment(&http, server.url(), 5).await, json!({"counter_id": "alice", "value": 5}));
    assert_eq!(server.stop().await.code(), Some(0));

    let server = Server::start(&arguments);
    assert_eq!(value(&http, server.url()).await, 5);
    increment(&http, server.url(), -3).await;
    server.kill();

    let server = Server::start(&arguments);
    assert_eq!(value(&http, server.url()).await, 2);
    assert_eq!(increment(&http, server.url(), 1).await["value"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ephemeral_server_keeps_nothing() {
    let (http, dir) = (Client::new(), tempfile::tempdir().unwrap());
    for _ in 0..2 {
        let mut command = command(&["--ephemeral", "--port", "0"]);
        command.current_dir(dir.path()).env("TMPDIR", dir.path());
        let server = Server::spawn(command);
        assert_eq!(increment(&http, server.url(), 5).await["value"], 5);
        assert_eq!(server.stop().await.code(), Some(0));
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_state_is_kept_below_the_working_directory() {
    let (http, dir) = (Client::new(), tempfile::tempdir().unwrap());
    for expected in [5, 10] {
        let mut command = command(&["--port", "0"]);
        command.current_dir(dir.path());
        let server = Server::spawn(command);
        assert_eq!(increment(&http, server.url(), 5).await["value"], expected);
        assert_eq!(server.stop().await.code(), Some(0));
    }
    assert!(dir.path().join(".leasebox/data").is_dir());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_directory_or_port_is_refused() {
    let (http, dir) = (Client::new(), tempfile::tempdir().unwrap());
    let data = dir.path().to_str().unwrap();
    let first = Server::start(&["--data", data]);

    let refused = run(&["--data", data, "--port", "0"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains(&format!("{data} is in use by another process")), "{refused:?}");
    assert!(refused.stderr.contains("--data"), "{refused:?}");
    assert_eq!(refused.stdout, "");

    let port = first.address().rsplit(':').next().unwrap().to_owned();
    let refused = run(&["--ephemeral", "--port", &port]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains(&format!("127.0.0.1:{port} cannot be served")), "{refused:?}");
    assert!(refused.stderr.contains("--port"), "{refused:?}");
    assert_eq!(refused.stdout, "");

    // The first one did not notice.
    assert_eq!(increment(&http, first.url(), 1).await["value"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usual_variable_names_another_dynamodb() {
    let (http, dir) = (Client::new(), tempfile::tempdir().unwrap());
    let serving = Database::in_memory().unwrap().serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    for expected in [5, 10] {
        // With another directory each time, so that only the database can have kept the state.
        let data = dir.path().join(expected.to_string());
        let mut command = command(&[Path::new("--data"), &data, Path::new("--port"), Path::new("0")]);
        command.env("AWS_ENDPOINT_URL_DYNAMODB", serving.endpoint());
        let server = Server::spawn(command);
        assert_eq!(increment(&http, server.url(), 5).await["value"], expected);
        assert_eq!(server.stop().await.code(), Some(0));
        assert!(!data.join("dynamodb.sqlite").exists());
    }
    let database = connect(&serving.endpoint(), Identity::Anyone).await.clients.dynamodb;
    let tables = database.list_tables().send().await.unwrap();
    assert_eq!(tables.table_names(), ["leasebox"]);
}

#[test]
fn a_database_that_is_not_there_is_told() {
    // Port 9 discards what comes, where it exists at all; nobody serves a database on it.
    let refused = run(&["--ephemeral", "--port", "0", "--endpoint", "http://127.0.0.1:9"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.starts_with("leasebox: CreateTable of table leasebox"), "{refused:?}");
}

#[test]
fn the_help_names_every_option() {
    let said = run(&["--help"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let options = ["--data", "--ephemeral", "--bind", "--port", "--endpoint", "--table", "--lease", "sam"];
    for option in options.into_iter().chain(["AWS_ENDPOINT_URL_DYNAMODB", "--metrics-bind", "1 GB"]) {
        assert!(said.stdout.contains(option), "{option} is missing:\n{}", said.stdout);
    }
    let said = run(&["sam", "--help"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for option in ["--data", "--bind", "--port", "--endpoint", "--lambda", "--function", "--env-file"] {
        assert!(said.stdout.contains(option), "{option} is missing:\n{}", said.stdout);
    }
    let said = run(&["--version"]);
    assert_eq!((said.code, said.stdout), (Some(0), format!("leasebox {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn wrong_options_are_refused_by_name() {
    let cases: [(&[&str], &str); 8] = [
        (&["--colour", "red"], "--colour"),
        (&["serve"], "serve"),
        (&["--port", "70000"], "70000"),
        (&["--port", "none"], "none"),
        (&["--bind", "localhost"], "localhost"),
        (&["--lease", "0"], "--lease"),
        (&["--ephemeral", "--data", "here"], "--data"),
        (&["sam", "--ephemeral"], "--ephemeral"),
    ];
    for (arguments, told) in cases {
        let refused = run(arguments);
        assert_eq!(refused.code, Some(2), "{arguments:?}: {refused:?}");
        assert!(refused.stderr.starts_with("error:") && refused.stderr.contains(told), "{arguments:?}: {refused:?}");
        assert_eq!(refused.stdout, "");
    }
}
