//! Hostile neighbours: whatever one client does, or leaves undone, the server keeps its memory and answers the others.

use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::Client;
use serde_json::json;

use crate::answer::get;
use crate::raw::{PATIENCE, Raw};
use crate::server::Server;
use crate::socket_client::Socket;

const MB: u64 = 1024;

/// What the server may grow by, in KB. Without bounds it grows by several hundred MB in each of these tests.
const GROWTH: u64 = 100 * MB;

/// Does something, and brings the most memory that the server had meanwhile, in KB, with what came of it.
async fn watched<T>(server: &Server, act: impl Future<Output = T>) -> (u64, T) {
    let mut most = 0;
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    tokio::pin!(act);
    loop {
        tokio::select! {
            done = &mut act => return (most.max(server.memory()), done),
            _ = tick.tick() => most = most.max(server.memory()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_pings_and_never_reads_is_shown_out() {
    let server = Server::start(&["--ephemeral"]);
    let before = server.memory();
    let mut mallory = Raw::narrow(&server).await;
    mallory.upgrade("mallory").await;
    let ping = [&[0x89, 0x80 | 125, 0, 0, 0, 0][..], &[b'p'; 125]].concat().repeat(500);
    let (most, ended) = watched(&server, async {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if mallory.press(&ping, Duration::from_secs(1)).await.is_err() {
                return Some(begun.elapsed());
            }
        }
        None
    })
    .await;
    println!("memory {before} KB before, at most {most} KB; it was shown out after {ended:?}");
    assert!(ended.is_some(), "it goes on for ever");
    assert!(most < before + GROWTH, "memory grew from {before} KB to {most} KB");
    // Who reads is answered each time, however many they are.
    let mut alice = Socket::open(&server, "alice").await;
    for round in 0..1000 {
        alice.write(tokio_tungstenite::tungstenite::Message::Ping(vec![b'p'; 125].into())).await;
        if round % 100 == 0 {
            alice.ping("well").await;
        }
    }
    alice.ping("well").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_not_kept_beyond_what_counts_as_one() {
    let server = Server::start(&["--ephemeral"]);
    let before = server.memory();
    let part = [b'x'; 64 * 1024];
    let (most, answers) = watched(&server, async {
        let clients = (0..60).map(|index| {
            let server = &server;
            async move {
                let mut client = Raw::open(server).await;
                // Nobody says that they are an operator. Half of them say how much comes, and half do not.
                let declared = index % 2 == 0;
                let length = if declared { "content-length: 6291456" } else { "transfer-encoding: chunked" };
                client.write(format!("POST /operator/sweep HTTP/1.1\r\nhost: 127.0.0.1\r\n{length}\r\n\r\n")).await;
                for _ in 0..95 {
                    if declared {
                        client.write(part).await;
                    } else {
                        client.write([b"10000\r\n", &part[..], b"\r\n"].concat()).await;
                    }
                }
                client
            }
        });
        let mut clients = join_all(clients).await;
        // Now all of them have sent almost everything, and the server has read almost everything.
        for client in &mut clients {
            client.finish().await;
        }
        join_all(clients.iter_mut().map(Raw::rest)).await
    })
    .await;
    println!("memory {before} KB before, at most {most} KB");
    assert!(most < before + GROWTH, "memory grew from {before} KB to {most} KB");
    // What was cut short is not answered, or refused; never taken.
    assert!(answers.iter().all(|answer| !answer.starts_with("HTTP/1.1 2")), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_refused_for_what_is_wrong_with_them() {
    let server = Server::start(&["--ephemeral"]);
    let large = "x".repeat(64 * 1024 + 1);
    let chunked = format!("10001\r\n{large}\r\n0\r\n\r\n");
    let (chunk, length) = ("transfer-encoding: chunked", "content-length: 65537");
    for (what, header, body, status) in [
        ("no number", chunk, "zz\r\nabc\r\n", Some(400)),
        ("a longer chunk than it says", chunk, "3\r\nabcdef\r\n0\r\n\r\n", Some(400)),
        ("a number that does not end", chunk, &"0".repeat(8192), Some(408)),
        ("too large, and says so", length, &large, Some(413)),
        ("too large, and does not say so", chunk, &chunked, Some(413)),
        ("cut in a chunk", chunk, "5\r\nab", None),
        ("cut before the end", "content-length: 20", "{\"amount\":", None),
    ] {
        let mut client = Raw::open(&server).await;
        client
            .write(format!(
                "POST /counter/a/increment HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{header}\r\n\r\n{body}"
            ))
            .await;
        if status.is_none() {
            client.finish().await;
        }
        let answer = client.rest().await;
        match status {
            Some(status) => assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer:.300}"),
            // Whoever has left hears nothing, or what is wrong.
            None => assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{what}: {answer:.300}"),
        }
        if status == Some(400) {
            assert!(
                answer.contains("application/problem+json") && answer.contains("RFC 9112"),
                "{what}: {answer:.600}"
            );
        }
    }
    let http = Client::new();
    let counter = get(&http, &format!("{}/counter/a", server.url())).await;
    assert_eq!(counter["value"], json!(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_end_is_given_up() {
    let server = Server::start(&["--ephemeral"]);
    let mut slow = Raw::open(&server).await;
    let begun = Instant::now();
    slow.write("GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ").await;
    while slow.press(b"x", PATIENCE).await.is_ok() {
        assert!(begun.elapsed() < PATIENCE, "the server waits for ever");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("a slow head was given up after {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_only_stay_are_bounded_and_give_their_places_back() {
    let server = Server::start(&["--ephemeral"]);
    let before = server.memory();
    let (http, url) = (Client::builder().timeout(PATIENCE).build().unwrap(), format!("{}/counter/a", server.url()));
    let mut descriptors = 0;
    let (memory, idle) = watched(&server, async {
        let answered = async {
            // Those for whom there is no place yet wait until the first are shown out.
            let idle = join_all((0..1000).map(|_| Raw::open(&server))).await;
            get(&http, &url).await;
            idle
        };
        tokio::pin!(answered);
        loop {
            descriptors = descriptors.max(server.descriptors());
            tokio::select! {
                idle = &mut answered => return idle,
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
    })
    .await;
    println!("{descriptors} descriptors; memory {before} KB before, at most {memory} KB");
    assert!(descriptors < 900, "{descriptors} descriptors");
    assert!(memory < before + GROWTH, "memory grew from {before} KB to {memory} KB");
    drop(idle);
}
