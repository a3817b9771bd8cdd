//! Who gets a socket, and what the others are told.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;

use crate::sockets::Settings;
use crate::sockets::tests::world::{PATIENCE, World, until};

#[tokio::test]
async fn a_socket_is_opened_and_knows_its_user_for_as_long_as_it_lives() {
    let world = World::new().await;
    let mut alice = world.open("alice").await;
    assert_eq!(alice.ask("hello").await, "hello!");
    let said: Value = serde_json::from_str(&alice.ask("who").await).unwrap();
    assert_eq!(said, json!({"user": "alice", "level": "3", "is_new": "true", "principalId": "alice"}));
    alice.0.close(None).await.unwrap();
    world.left().await;
    let seen = world.fake.seen.lock().unwrap().clone();
    let kinds: Vec<_> = seen.iter().map(|event| event["eventType"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["CONNECT", "MESSAGE", "MESSAGE", "DISCONNECT"]);
    let id = world.id();
    assert!(seen.iter().all(|event| event["connectionId"] == json!(id) && event["authorizer"]["user"] == "alice"));
}

#[tokio::test]
async fn whoever_is_not_let_in_is_told_why_and_leaves_nothing() {
    let world = World::new().await;
    let (status, body) = world.refused("").await;
    assert_eq!((status, &body["detail"]), (StatusCode::FORBIDDEN, &json!("say who you are")));
    assert_eq!((&body["type"], &body["status"]), (&json!("urn:leasebox:no-socket"), &json!(403)));
    let full = world.refused("?user_id=full").await;
    assert_eq!(full, (StatusCode::TOO_MANY_REQUESTS, json!({"title": "full"})));
    for user in ["panic", "panic-authorizer", "odd"] {
        let failed = world.refused(&format!("?user_id={user}")).await;
        assert_eq!(failed, (StatusCode::INTERNAL_SERVER_ERROR, json!({"message": "Internal server error"})), "{user}");
    }
    assert_eq!(world.open("alice").await.ask("still there").await, "still there!");
    world.left().await;
}

#[tokio::test]
async fn what_is_no_request_for_a_socket_is_refused() {
    let world = World::new().await;
    let plain = reqwest::get(format!("http://{}/ws?user_id=alice", world.address)).await.unwrap();
    assert_eq!(plain.status().as_u16(), 426);
    assert_eq!(plain.headers()["upgrade"], "websocket");
    assert_eq!(plain.json::<Value>().await.unwrap()["type"], "urn:leasebox:no-socket");

    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let requests = [
        ("", "400"),
        ("host: a\r\nhost: b\r\n", "400"),
        ("host: a b\r\n", "400"),
        ("host: a/?x#\r\n", "400"),
        ("host: a:99999\r\n", "400"),
        ("host: 1.2.3.999\r\n", "400"),
        ("host: [::1\r\n", "400"),
        ("host: a\r\nx-forwarded-proto: no scheme\r\ncookie: \u{e9}=%%\r\n", "101"),
    ];
    for (host, status) in requests {
        let request = format!("GET /ws?user_id=alice&%ff&=&&user_id=bob HTTP/1.1\r\n{host}{upgrade}\r\n");
        assert_eq!(said(&world, request.as_bytes()).await.split(' ').nth(1), Some(status), "{host:?}");
    }
}

#[tokio::test]
async fn garbage_harms_nobody() {
    let world = World::new().await;
    let mut alice = world.open("alice").await;
    for garbage in [&b"\x16\x03\x01\x02\x00"[..], b"\r\n\r\n\r\n", b"GET /ws HTTP/9\r\n\r\n", &[0xff; 100_000]] {
        said(&world, garbage).await;
    }
    assert_eq!(alice.ask("hello").await, "hello!");
    assert_eq!(world.seen("CONNECT").len(), 1);
}

/// What a server says to bytes, up to the first pause.
async fn said(world: &World, bytes: &[u8]) -> String {
    let mut tcp = TcpStream::connect(world.address).await.unwrap();
    // It may hang up before it has read everything.
    let _ = tcp.write_all(bytes).await;
    let mut buffer = vec![0; 4096];
    let read = tokio::time::timeout(Duration::from_millis(500), tcp.read(&mut buffer)).await;
    let read = read.ok().and_then(Result::ok).unwrap_or(0);
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

#[tokio::test]
async fn a_client_that_leaves_while_it_is_let_in_is_seen_to_leave() {
    let world = World::new().await;
    let opening = tokio::time::timeout(Duration::from_millis(200), world.try_open("?user_id=slow")).await;
    assert!(opening.is_err(), "$connect is not answered yet");
    until("a $connect", || !world.seen("CONNECT").is_empty()).await;
    assert_eq!(world.seen("DISCONNECT").len(), 0);
    world.fake.gate.add_permits(1);
    let (code, _) = tokio::time::timeout(PATIENCE, world.left()).await.unwrap();
    assert_eq!(code, 1006);
}

#[tokio::test]
async fn there_are_so_many_sockets_of_one_user_and_in_all() {
    let world = World::with(Settings { most: 3, most_of_one: 2, ..Settings::default() }).await;
    let (first, _second) = (world.open("alice").await, world.open("alice").await);
    let response = match world.try_open("?user_id=alice").await.map(|_| ()).unwrap_err() {
        Error::Http(response) => response,
        error => panic!("{error}"),
    };
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &"5".parse().unwrap()));
    let _bob = world.open("bob").await;
    let (status, problem) = world.refused("?user_id=carol").await;
    assert_eq!((status.as_u16(), &problem["type"]), (503, &json!("urn:leasebox:no-socket")), "{problem}");
    assert_eq!(world.seen("CONNECT").len(), 3, "whoever is refused is none of the handlers' business");
    drop(first);
    until("one left", || world.seen("DISCONNECT").len() == 1).await;
    world.open("alice").await;
}
