//! A server that is killed: people go on writing, and everything arrives once.

use std::path::Path;

use reqwest::Client;
use serde_json::Value;

use crate::browser::Driver;
use crate::people::{log, send};
use crate::server::{Server, command};

/// Starts a server on a directory, and on the port of an earlier one.
fn start(data: &Path, port: &str) -> Server {
    Server::spawn(command(&["--data", data.to_str().unwrap(), "--port", port, "--metrics-port", "0"]))
}

fn port(server: &Server) -> String {
    server.address().rsplit(':').next().unwrap().to_owned()
}

/// That a user's log has exactly these messages, and its numbers no gap.
async fn has(http: &Client, server: &Server, user: &str, texts: &[&str]) {
    let all = log(http, server.url(), user).await;
    assert_eq!(all.iter().map(|message| message["content"].as_str().unwrap()).collect::<Vec<_>>(), texts);
    let numbers: Vec<u64> = all.iter().filter_map(|message| message["n"].as_u64()).collect();
    assert_eq!(numbers, (1..=texts.len() as u64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_the_server_is_away_arrives_once() {
    let (data, driver, http) = (tempfile::tempdir().unwrap(), Driver::start(), Client::new());
    let server = start(data.path(), "0");
    let port = port(&server);
    let (alice, bob) = (driver.person(server.url(), "alice").await, driver.person(server.url(), "bob").await);
    alice.begin("bob").await;
    bob.begin("alice").await;
    let mut texts = vec!["Before"];
    alice.say("Before").await;
    bob.reads(&texts).await;
    let twice = [["One", "Two", "Three", "Four"], ["Five", "Six", "Seven", "Eight"]];
    let mut server = Some(server);
    for round in twice {
        // The kill comes while messages are on their way: some are stored and not acknowledged, some are neither.
        for text in &round[..2] {
            alice.enter("#compose", text).await;
        }
        server.take().unwrap().kill();
        alice.loses_the_server().await;
        bob.loses_the_server().await;
        for text in &round[2..] {
            alice.enter("#compose", text).await;
        }
        texts.extend(round);
        alice.reads(&texts).await;
        alice.until("document.querySelectorAll('#messages li[data-state=pending]').length >= 2").await;
        server = Some(start(data.path(), &port));
        for window in [&alice, &bob] {
            window.says("#state", "online").await;
        }
        alice.acknowledged(texts.len()).await;
        bob.reads(&texts).await;
        alice.reads(&texts).await;
    }
    let server = server.unwrap();
    has(&http, &server, "alice", &texts).await;
    has(&http, &server, "bob", &texts).await;
    // It goes on as if nothing had been.
    bob.say("All there").await;
    texts.push("All there");
    alice.reads(&texts).await;
    bob.sees("alice", "true").await;
    alice.unread("bob", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_outlives_the_page() {
    let (data, driver, http) = (tempfile::tempdir().unwrap(), Driver::start(), Client::new());
    let server = start(data.path(), "0");
    let port = port(&server);
    let alice = driver.person(server.url(), "alice").await;
    alice.begin("bob").await;
    server.kill();
    alice.loses_the_server().await;
    alice.say("Do not forget me").await;
    alice.shows("#messages li[data-state=pending]", 1).await;
    let place: Value = alice.value("location.href").await;
    alice.go("about:blank").await;
    let server = start(data.path(), &port);
    alice.go(place.as_str().unwrap()).await;
    alice.acknowledged(1).await;
    alice.reads(&["Do not forget me"]).await;
    has(&http, &server, "bob", &["Do not forget me"]).await;
    // And it is forgotten once it has arrived.
    assert_eq!(alice.value("Object.keys(localStorage).length").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_gets_everything_that_was_said() {
    let (data, driver, http) = (tempfile::tempdir().unwrap(), Driver::start(), Client::new());
    let server = start(data.path(), "0");
    let port = port(&server);
    let bob = driver.person(server.url(), "bob").await;
    send(&http, server.url(), "alice", "bob", "before").await;
    bob.choose("alice").await;
    bob.reads(&["before"]).await;
    // The server goes, and when it is back this window has no way to its sockets for a while.
    server.kill();
    bob.loses_the_server().await;
    bob.value("void (window.Cut = WebSocket, window.WebSocket = null)").await;
    let server = start(data.path(), &port);
    let texts: Vec<String> = (1..=130).map(|number| format!("message {number}")).collect();
    for text in &texts {
        send(&http, server.url(), "alice", "bob", text).await;
    }
    bob.reads(&["before"]).await;
    bob.until("document.querySelector('#state').textContent !== 'online'").await;
    bob.value("void (window.WebSocket = window.Cut)").await;
    // More than one sync brings, and each of them once.
    bob.shows("#messages li[data-n]", 131).await;
    assert_eq!(bob.messages().await[1..], texts);
    bob.unread("alice", "").await;
}
