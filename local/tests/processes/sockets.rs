//! The socket's route beside the others, and sockets on one server and on two: what reaches across, what an end of a
//! server does to them, and that no client can do anything to another.

use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::Client;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::{Error, Message as Wire};

use crate::database::Shared;
use crate::server::Server;
use crate::socket_client::{PATIENCE, Socket};

const KB: usize = 1024;

async fn get(http: &Client, server: &Server, path: &str) -> Value {
    let answer = http.get(format!("{}{path}", server.url())).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{path}");
    answer.json().await.unwrap()
}

/// Waits until so many connections of a user are known.
async fn connections(http: &Client, server: &Server, user: &str, expected: u64) {
    let end = Instant::now() + PATIENCE;
    loop {
        let presence = get(http, server, &format!("/users/{user}/presence")).await;
        if presence["connections"] == expected {
            assert_eq!(presence["online"], expected > 0);
            return;
        }
        assert!(Instant::now() < end, "not {expected}: {presence}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_are_asked_for_where_everything_else_is() {
    let server = Server::start(&["--ephemeral"]);
    let nobody = connect_async(format!("ws://{}/ws", server.address())).await.map(|_| ()).unwrap_err();
    let Error::Http(refusal) = nobody else { panic!("{nobody}") };
    assert_eq!(
        (refusal.status().as_u16(), &refusal.headers()["content-type"]),
        (403, &"application/problem+json".parse().unwrap())
    );
    let http = Client::new();
    assert_eq!(http.get(format!("{}/ws?user_id=alice", server.url())).send().await.unwrap().status().as_u16(), 426);
    assert_eq!(http.get(format!("{}/health", server.url())).send().await.unwrap().status().as_u16(), 200);
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_says_reaches_the_other_on_another_server() {
    let shared = Shared::new("across").await;
    let (first, second) = (shared.serve(), shared.serve());
    let (mut alice, mut bob) = (Socket::open(&first, "alice").await, Socket::open(&second, "bob").await);
    let mut elsewhere = Socket::open(&first, "bob").await;
    let ack = alice.send("m-1", "bob", "hello").await;
    assert_eq!((&ack["id"], &ack["status"]), (&json!("m-1"), &json!("stored")), "{ack}");
    for socket in [&mut bob, &mut elsewhere] {
        let heard = socket.hear_of("message").await;
        let about = (&heard["message"]["from"], &heard["message"]["content"], &heard["unread"]);
        assert_eq!(about, (&json!("alice"), &json!("hello"), &json!(1)), "{heard}");
        assert_eq!((&heard["message"]["id"], heard["v"].as_u64()), (&ack["message"]["id"], Some(1)), "{heard}");
    }
    bob.say(&json!({"type": "typing", "to": "alice"})).await;
    assert_eq!(alice.hear_of("typing").await, json!({"v": 1, "type": "typing", "from": "bob"}));
    let read = json!({"v": 1, "type": "read", "with": "alice", "unread": 0, "upto": 1});
    assert_eq!(bob.ask(&json!({"type": "read", "with": "alice"}), "read").await, read);
    assert_eq!(elsewhere.hear_of("read").await, read);
    let answer = bob.send("m-1", "alice", "hi").await;
    assert_eq!(alice.hear_of("message").await["message"]["content"], "hi", "and {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_asked_to_end_says_good_bye_and_its_users_are_offline() {
    let (shared, http) = (Shared::new("good-bye").await, Client::new());
    let (ending, other) = (shared.serve(), shared.serve());
    let mut sockets = Vec::new();
    for user in ["alice", "alice", "bob", "carol"] {
        sockets.push(Socket::open(&ending, user).await);
    }
    let mut stays = Socket::open(&other, "carol").await;
    // Somebody who neither reads nor answers holds nobody up.
    let _deaf = Socket::open(&ending, "dave").await;
    connections(&http, &other, "alice", 2).await;
    ending.signal(Signal::TERM);
    let asked = Instant::now();
    let codes = join_all(sockets.iter_mut().map(Socket::ended)).await;
    assert_eq!(codes, [Some(1001); 4]);
    assert!(ending.ended().await.success());
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(15), "it took {took:?}");
    for (user, left) in [("alice", 0), ("bob", 0), ("carol", 1), ("dave", 0)] {
        let presence = get(&http, &other, &format!("/users/{user}/presence")).await;
        assert_eq!(presence["connections"], left, "{presence}");
    }
    stays.ping("still here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_a_server_that_was_killed_are_forgotten() {
    let (shared, http) = (Shared::new("killed").await, Client::new());
    let (victim, survivor) = (shared.serve(), shared.serve());
    let (mut alice, mut carol) = (Socket::open(&survivor, "alice").await, Socket::open(&survivor, "carol").await);
    let mut cut = Socket::open(&victim, "alice").await;
    // A connection that was just opened is not taken for gone.
    tokio::time::sleep(Duration::from_millis(10_100)).await;
    victim.kill();
    assert_eq!(cut.ended().await, None);
    connections(&http, &survivor, "alice", 2).await;
    carol.send("m-1", "alice", "are you there?").await;
    assert_eq!(alice.hear_of("message").await["message"]["content"], "are you there?");
    connections(&http, &survivor, "alice", 1).await;
    carol.send("m-2", "alice", "and now?").await;
    assert_eq!(alice.hear_of("message").await["message"]["content"], "and now?");
    alice.ping("well").await;
    connections(&http, &survivor, "carol", 1).await;
}

/// Frames that are answered by an error, and the status of it.
fn wrong_frames() -> Vec<(String, u16)> {
    let mut wrong: Vec<(String, u16)> =
        ["", " ", "garbage", "{", "{}", "[]", "null", "7", "\"send\"", "\u{0}", "{\"type\":\"ping\"}x", "\u{feff}{}"]
            .map(|text| (text.to_owned(), 400))
            .into();
    wrong.push(("[".repeat(30 * KB), 400));
    wrong.push(("{\"a\":".repeat(6_000), 400));
    // What is quoted is escaped, and escaped again: it must still fit a frame.
    for quoted in ["\u{7f}", "\u{80}", "\"", "\\\\", "💩", "x"] {
        let quoted = quoted.replace('"', "\\\"");
        let many = quoted.repeat(30 * KB / quoted.len());
        for frame in [
            format!(r#"{{"type":"sync","since":"{many}"}}"#),
            format!(r#"{{"type":"{many}"}}"#),
            format!(r#"{{"type":"ping","v":"{many}"}}"#),
            format!(r#"{{"type":"ping","{many}":1}}"#),
            format!(r#"{{"type":"ping","ref":"{many}"}}"#),
            format!(r#"{{"type":"read","with":"{many}"}}"#),
        ] {
            wrong.push((frame, 400));
        }
    }
    for number in ["18446744073709551616", "-1", "1e400", "1e19", "0.5", "\"0\"", "null", "true", "[]", "{}"] {
        wrong.push((format!(r#"{{"type":"sync","since":{number}}}"#), 400));
        if number != "null" {
            wrong.push((format!(r#"{{"type":"sync","since":0,"limit":{number}}}"#), 400));
            wrong.push((format!(r#"{{"type":"read","with":"bob","upto":{number}}}"#), 400));
        }
    }
    for value in [json!(7), json!(null), json!(true), json!([]), json!({}), json!(["bob"])] {
        let mut frames = vec![
            json!({"type": value}),
            json!({"type": "ping", "v": value}),
            json!({"type": "ping", "ref": value}),
            json!({"type": "typing", "to": value}),
            json!({"type": "read", "with": value}),
        ];
        for field in ["id", "to", "content"] {
            let mut frame = json!({"type": "send", "id": "x", "to": "bob", "content": "hi"});
            frame[field] = value.clone();
            frames.push(frame);
        }
        wrong.extend(frames.into_iter().map(|frame| (frame.to_string(), 400)));
    }
    for kind in ["fly", "SEND", "Ping", "", "ack", "error", "pong", "message", "$connect", "user_offline"] {
        wrong.push((json!({"type": kind}).to_string(), 400));
    }
    let long = "x".repeat(129);
    for name in ["", "a#b", "a/b", "a b", "a\u{0}b", "\u{0}", "💩", "..", ".", "é", "%2e", "a\nb", &long] {
        wrong.push((json!({"type": "send", "id": "x", "to": name, "content": "hi"}).to_string(), 400));
        wrong.push((json!({"type": "read", "with": name}).to_string(), 400));
        wrong.push((json!({"type": "typing", "to": name}).to_string(), 400));
    }
    for id in ["", "a b", "\u{0}", "💩", &"i".repeat(65)] {
        wrong.push((json!({"type": "send", "id": id, "to": "bob", "content": "hi"}).to_string(), 400));
    }
    for content in ["", &"c".repeat(8 * KB + 1), &"\u{1}".repeat(3_000), &"\"".repeat(8 * KB)] {
        wrong.push((json!({"type": "send", "id": "x", "to": "bob", "content": content}).to_string(), 400));
    }
    wrong.push((json!({"type": "send", "id": "x", "to": "mallory", "content": "to myself"}).to_string(), 400));
    wrong.push((json!({"type": "read", "with": "nobody", "upto": u64::MAX}).to_string(), 404));
    wrong.retain(|(frame, _)| frame.len() <= 32 * KB);
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_one_sends_is_answered_and_disturbs_nobody_else() {
    let (server, http) = (Server::start(&["--ephemeral"]), Client::new());
    let mut mallory = Socket::open(&server, "mallory").await;
    let (mut alice, mut bob) = (Socket::open(&server, "alice").await, Socket::open(&server, "bob").await);
    for (index, (frame, status)) in wrong_frames().into_iter().enumerate() {
        mallory.write(Wire::text(frame.as_str())).await;
        let answer = mallory.hear().await;
        assert_eq!((&answer["type"], &answer["problem"]["status"]), (&json!("error"), &json!(status)), "{frame:.300}");
        assert!(answer.to_string().len() < 32 * KB, "{frame:.300}");
        if index % 10 == 0 {
            mallory.ping("after an error").await;
            let content = format!("number {index}");
            let ack = alice.send(&format!("m-{index}"), "bob", &content).await;
            assert_eq!(ack["status"], "stored", "{ack}");
            assert_eq!(bob.hear_of("message").await["message"]["content"], content.as_str());
        }
    }
    // A message of several frames is one, and too large for this protocol before it is too large for a socket.
    let part = [b'x'; 30 * KB];
    mallory.write_in_parts(&[&part, &part, &part]).await;
    let answer = mallory.hear().await;
    assert_eq!((&answer["type"], &answer["problem"]["status"]), (&json!("error"), &json!(413)), "{answer}");
    mallory.write_in_parts(&[br#"{"type":"#, br#""ping""#, b"}"]).await;
    assert_eq!(mallory.hear().await["type"], "pong");
    mallory.send("fine", "bob", "a good one\u{0}💩").await;
    assert_eq!(bob.hear_of("message").await["message"]["content"], "a good one\u{0}💩");
    drop(mallory);

    let (frame, last) = ([b'x'; 32 * KB], [b'x'; KB]);
    let parts: Vec<&[u8]> = [&frame[..]; 4].into_iter().chain([&last[..]]).collect();
    for (what, code) in [("binary", 1003), ("33 KB in a frame", 1009), ("129 KB", 1009), ("no UTF-8", 1007)] {
        let mut mallory = Socket::open(&server, "mallory").await;
        match what {
            "binary" => mallory.write(Wire::binary(br#"{"type":"ping"}"#.to_vec())).await,
            "33 KB in a frame" => mallory.write(Wire::text("x".repeat(33 * KB))).await,
            "129 KB" => mallory.write_in_parts(&parts).await,
            _ => mallory.write_in_parts(&[&[b'"', 0xff, 0xfe, b'"']]).await,
        }
        assert_eq!(mallory.ended().await, Some(code), "{what}");
        alice.ping(what).await;
        bob.ping(what).await;
    }
    connections(&http, &server, "mallory", 0).await;
    assert!(!server.said().contains("panicked"), "{}", server.said());
    assert!(!server.said().contains(r#""level":"ERROR""#) && !server.said().contains(" ERROR "), "{}", server.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_that_nobody_reads_costs_neither_memory_nor_others_their_turn() {
    let server = Server::start(&["--ephemeral"]);
    let (mut alice, mut bob) = (Socket::open(&server, "alice").await, Socket::open(&server, "bob").await);
    for index in 0..12 {
        alice.send(&format!("large-{index}"), "mallory", &"x".repeat(8 * KB)).await;
    }
    let mut mallory = Socket::open(&server, "mallory").await;
    let before = server.memory();
    let flood = async {
        let (mut sent, frame) = (0, json!({"type": "sync", "since": 0, "limit": 100}).to_string());
        while sent < 2_000 && mallory.try_write(Wire::text(frame.as_str())).await {
            sent += 1;
        }
        sent
    };
    let others = async {
        let (mut slowest, mut most) = (Duration::ZERO, 0);
        for index in 0..50 {
            let began = Instant::now();
            let ack = alice.send(&format!("m-{index}"), "bob", "meanwhile").await;
            assert_eq!(ack["status"], "stored", "{ack}");
            bob.hear_of("message").await;
            (slowest, most) = (slowest.max(began.elapsed()), most.max(server.memory()));
        }
        (slowest, most)
    };
    let (sent, (slowest, most)) = tokio::join!(flood, others);
    println!("{sent} frames; memory {before} KB before, at most {most} KB; the slowest message took {slowest:?}");
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
    // A whole answer for each frame would be 190 MB.
    assert!(most < before + 80_000, "memory grew from {before} KB to {most} KB");
    // Who did not read is shown out, or has all answers by now.
    let code = mallory.ended_or_silent(Duration::from_secs(2)).await;
    assert!(matches!(code, None | Some(1013)), "{code:?}");
    let mut again = Socket::open(&server, "mallory").await;
    again.ping("again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_sixteen_connections_of_a_user_get_pushes() {
    let (server, http) = (Server::start(&["--ephemeral"]), Client::new());
    let mut sockets = Vec::new();
    for _ in 0..17 {
        sockets.push(Socket::open(&server, "alice").await);
    }
    let mut bob = Socket::open(&server, "bob").await;
    connections(&http, &server, "alice", 16).await;
    bob.send("m-1", "alice", "hello").await;
    for socket in sockets.iter_mut().skip(1) {
        assert_eq!(socket.hear().await["message"]["content"], "hello");
    }
    assert_eq!(sockets[0].until_silence(Duration::from_millis(500)).await, Vec::<Value>::new());
    // It is served all the same, and a sign of life makes it one of the newest.
    let synced = sockets[0].ask(&json!({"type": "sync", "since": 0}), "sync").await;
    assert_eq!(synced["messages"].as_array().unwrap().len(), 1);
    sockets[0].ping("here").await;
    bob.send("m-2", "alice", "and you?").await;
    assert_eq!(sockets[0].hear().await["message"]["content"], "and you?");
    assert_eq!(sockets[1].until_silence(Duration::from_millis(500)).await, Vec::<Value>::new());
    // A closed one makes no room for one that was forgotten, but is no longer counted.
    drop(sockets.split_off(10));
    connections(&http, &server, "alice", 9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_name_sent_twice_at_once_on_two_servers_is_one_message() {
    let (shared, http) = (Shared::new("twice").await, Client::new());
    let (first, second) = (shared.serve(), shared.serve());
    let (mut here, mut there) = (Socket::open(&first, "alice").await, Socket::open(&second, "alice").await);
    const ROUNDS: u64 = 20;
    for round in 0..ROUNDS {
        let (id, content) = (format!("m-{round}"), format!("number {round}"));
        let (one, other) = tokio::join!(here.send(&id, "bob", &content), there.send(&id, "bob", &content));
        let stored: Vec<&Value> = [&one, &other].into_iter().filter(|ack| ack["status"] == "stored").collect();
        assert!(stored.iter().all(|ack| ack["message"] == stored[0]["message"]), "{one} {other}");
        assert_eq!((&one["id"], &other["id"]), (&json!(id), &json!(id)));
        let again = there.send(&id, "bob", &content).await;
        assert_eq!(again["message"]["content"], content.as_str(), "{again}");
    }
    for user in ["alice", "bob"] {
        let log = get(&http, &first, &format!("/users/{user}/messages?limit=100")).await;
        assert_eq!((log["items"].as_array().unwrap().len() as u64, &log["complete"]), (ROUNDS, &json!(true)), "{user}");
    }
    let conversations = get(&http, &second, "/users/bob/conversations").await;
    assert_eq!(conversations["items"][0]["unread"], ROUNDS, "{conversations}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_takes_limits_and_numbers_to_their_ends() {
    let server = Server::start(&["--ephemeral"]);
    let mut alice = Socket::open(&server, "alice").await;
    for index in 0..3 {
        alice.send(&format!("m-{index}"), "bob", "hi").await;
    }
    for limit in [0, 101, u64::MAX] {
        let refused = alice.ask(&json!({"type": "sync", "since": 0, "limit": limit}), "error").await;
        assert_eq!(refused["problem"]["status"], 400, "{refused}");
    }
    for (since, limit, count, after, complete) in
        [(0, 100, 3, 3, true), (0, 1, 1, 1, false), (2, 1, 1, 3, true), (3, 1, 0, 3, true), (4, 1, 0, 4, true)]
    {
        let part = alice.ask(&json!({"type": "sync", "since": since, "limit": limit}), "sync").await;
        let about = (part["messages"].as_array().unwrap().len(), &part["since"], &part["complete"]);
        assert_eq!(about, (count, &json!(after), &json!(complete)), "{part}");
    }
    for since in [u64::MAX, u64::MAX - 1] {
        let part = alice.ask(&json!({"type": "sync", "since": since}), "sync").await;
        assert_eq!(part, json!({"v": 1, "type": "sync", "messages": [], "since": since, "complete": true}));
    }
    let wrong = format!(r#"{{"type":"sync","since":{}0}}"#, u64::MAX);
    alice.write(Wire::text(wrong)).await;
    assert_eq!(alice.hear_of("error").await["problem"]["status"], 400);
}
