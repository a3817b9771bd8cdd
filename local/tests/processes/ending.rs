//! Ctrl-C: what is in hand is finished, and nobody can hold up the end.

use std::time::{Duration, Instant};

use reqwest::Client;
use rustix::process::Signal;

use crate::answer::get;
use crate::raw::Raw;
use crate::server::Server;

/// How long the end may take on a busy machine. Without a bound it takes as long as anybody likes.
const BOUND: Duration = Duration::from_secs(30);

async fn increment(server: &Server, http: &Client) {
    let answer = http.post(format!("{}/counter/kept/increment", server.url())).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_holds_up_the_end_and_nothing_acknowledged_is_lost() {
    let (dir, http) = (tempfile::tempdir().unwrap(), Client::new());
    let data = dir.path().to_str().unwrap();
    let mut counted = 0;
    for what in ["half a head", "half a body", "an answer that nobody reads", "a socket that nobody reads"] {
        let server = Server::start(&["--data", data]);
        let mut client = Raw::narrow(&server).await;
        match what {
            "half a head" => client.write("GET /health HTTP/1.1\r\nhost: 127").await,
            "half a body" => {
                let head = "POST /counter/kept/increment HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100\r\n\r\n";
                client.write(format!("{head}{{\"am")).await;
            }
            "an answer that nobody reads" => {
                let asked = "GET /app.js HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".repeat(50_000);
                client.press(asked.as_bytes(), Duration::from_secs(1)).await.unwrap();
            }
            _ => client.upgrade("alice").await,
        }
        increment(&server, &http).await;
        counted += 1;
        server.signal(Signal::INT);
        let asked = Instant::now();
        assert!(server.ended().await.success(), "{what}");
        println!("with {what} it ended after {:?}", asked.elapsed());
        assert!(asked.elapsed() < BOUND, "{what}: {:?}", asked.elapsed());
    }
    let server = Server::start(&["--data", data]);
    assert_eq!(get(&http, &format!("{}/counter/kept", server.url())).await["value"], counted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once_and_nothing_acknowledged_is_lost() {
    let (dir, http) = (tempfile::tempdir().unwrap(), Client::new());
    let data = dir.path().to_str().unwrap();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let server = Server::start(&["--data", data]);
        // It would be waited for, for some seconds.
        let mut client = Raw::open(&server).await;
        client.write("POST /counter/kept/increment HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 9\r\n\r\n{").await;
        increment(&server, &http).await;
        server.signal(signal);
        // The first is heard once nobody new is taken.
        let address = server.address().replace("localhost", "127.0.0.1");
        while tokio::net::TcpStream::connect(&address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.signal(signal);
        assert_eq!(server.ended().await.code(), Some(code));
    }
    let server = Server::start(&["--data", data]);
    assert_eq!(get(&http, &format!("{}/counter/kept", server.url())).await["value"], 2);
}
