//! What one socket says, in which order it counts, and what it costs others.

use std::time::{Duration, Instant};

use reqwest::Client;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::answer::get;
use crate::database::Shared;
use crate::server::Server;
use crate::socket_client::Socket;

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_one_socket_are_stored_in_the_order_in_which_they_were_sent() {
    let (server, http) = (Server::start(&["--ephemeral"]), Client::new());
    for run in 0..60 {
        let user = format!("user-{run}");
        let mut socket = Socket::open(&server, &user).await;
        for n in 0..4 {
            let content = n.to_string();
            socket.say(&json!({"type": "send", "id": content, "ref": content, "to": "bob", "content": content})).await;
        }
        // Something beside them has its answer too.
        socket.say(&json!({"type": "ping", "ref": "beside"})).await;
        let mut heard = Vec::new();
        while heard.len() < 5 {
            let frame = socket.hear().await;
            if frame["ref"].is_string() {
                heard.push(frame["ref"].as_str().unwrap().to_owned());
            }
        }
        heard.retain(|name| name != "beside");
        assert_eq!(heard, ["0", "1", "2", "3"], "run {run}");
        let log = get(&http, &format!("{}/users/{user}/messages", server.url())).await;
        let stored: Vec<&Value> = log["items"].as_array().unwrap().iter().map(|message| &message["content"]).collect();
        assert_eq!(stored, ["0", "1", "2", "3"], "run {run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_hangs_delays_nobody_for_long() {
    let shared = Shared::new("hung").await;
    let (hung, well) = (shared.serve(), shared.serve());
    let alice = Socket::open(&hung, "alice").await;
    let (mut carol, mut typist) = (Socket::open(&well, "carol").await, Socket::open(&well, "dora").await);
    carol.send("m-1", "alice", "hello").await;
    hung.signal(Signal::STOP);
    let mut fastest = Duration::MAX;
    for index in 0..6 {
        let begun = Instant::now();
        carol.send(&format!("hung-{index}"), "alice", "are you there?").await;
        fastest = fastest.min(begun.elapsed());
    }
    println!("the fastest of six messages took {fastest:?}");
    // Of a server that hangs nobody hears within two seconds, whatever else the machine does.
    assert!(fastest < Duration::from_millis(1500), "{fastest:?}");
    typist.ping("beside").await;
    hung.signal(Signal::CONT);
    drop(alice);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_pushed_at_by_whom_they_never_answered_nor_at_any_pace() {
    let server = Server::start(&["--ephemeral"]);
    let (mut bob, mut mallory) = (Socket::open(&server, "bob").await, Socket::open(&server, "mallory").await);
    mallory.send("m-1", "bob", "hello?").await;
    bob.hear_of("message").await;
    let noted = mallory.ask(&json!({"type": "typing", "to": "bob", "ref": "t"}), "noted").await;
    assert_eq!(noted, json!({"v": 1, "type": "noted", "ref": "t"}));
    bob.ping("nothing came before").await;
    bob.send("b-1", "mallory", "hello").await;
    mallory.hear_of("message").await;
    let begun = Instant::now();
    // In whatever time that is, the first of them is pushed a second after the one that went before.
    let (mut said, mut pushed) = (0, 0);
    while pushed < 2 {
        mallory.say(&json!({"type": "typing", "to": "bob", "ref": "t"})).await;
        let answer = mallory.hear().await;
        said += 1;
        match answer["message"].as_str() {
            Some(words) => assert_eq!(words, "Too Many Requests", "{answer}"),
            None => {
                assert_eq!(answer, noted);
                assert_eq!(bob.hear_of("typing").await["from"], "mallory");
                pushed += 1;
            }
        }
    }
    println!("2 of {said} typing frames were pushed in {:?}", begun.elapsed());
    assert!(begun.elapsed() >= Duration::from_secs(1) && said > 2, "{said} in {:?}", begun.elapsed());
}
