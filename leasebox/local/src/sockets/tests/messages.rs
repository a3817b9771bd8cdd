//! Frames and their answers: none waits for another, and none harms another.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::sockets::Settings;
use crate::sockets::tests::world::{World, until};

#[tokio::test]
async fn answers_come_as_they_are_ready() {
    let world = World::new().await;
    let (mut alice, mut bob) = (world.open("alice").await, world.open("bob").await);
    alice.say("wait").await;
    assert_eq!(alice.ask("quick").await, "quick!");
    assert_eq!(bob.ask("hello").await, "hello!");
    alice.say("quiet").await;
    world.fake.gate.add_permits(1);
    assert_eq!(alice.hear().await, "waited");
    alice.0.send(Message::Ping("p".into())).await.unwrap();
    assert_eq!(alice.next().await.unwrap().unwrap(), Message::Pong("p".into()), "the quiet one has no answer");
}

#[tokio::test]
async fn those_that_come_in_turn_wait_for_one_another_and_nobody_else_does() {
    let world = World::with(Settings { in_hand: 8, ..Settings::default() }).await;
    let (mut alice, mut bob) = (world.open("alice").await, world.open("bob").await);
    for text in ["turn wait", "turn 1", "turn panic", "turn 2"] {
        alice.say(text).await;
    }
    until("the first in hand", || world.fake.waiting.load(Ordering::SeqCst) == 1).await;
    assert_eq!(alice.ask("beside").await, "beside!");
    assert_eq!(bob.ask("turn of bob").await, "turn of bob!");
    let seen = world.seen("MESSAGE");
    assert!(seen.iter().all(|event| !["turn 1", "turn 2"].contains(&event["body"].as_str().unwrap())), "{seen:?}");
    world.fake.gate.add_permits(1);
    assert_eq!(alice.hear().await, "waited");
    assert_eq!(alice.hear().await, "turn 1!");
    assert!(alice.hear().await.contains("Internal server error"), "what fails ends its turn");
    assert_eq!(alice.hear().await, "turn 2!");
}

#[tokio::test]
async fn what_comes_seldom_is_refused_when_it_comes_often() {
    let world = World::with(Settings { seldom: Duration::from_secs(3600), ..Settings::default() }).await;
    let (mut alice, mut bob) = (world.open("alice").await, world.open("bob").await);
    assert_eq!(alice.ask("seldom 1").await, "seldom 1!");
    let refused: Value = serde_json::from_str(&alice.ask("seldom 2").await).unwrap();
    assert_eq!(refused["message"], "Too Many Requests");
    assert!(refused["connectionId"].is_string() && refused["requestId"].is_string(), "{refused}");
    assert_eq!(bob.ask("seldom 1").await, "seldom 1!");
    assert_eq!(alice.ask("hello").await, "hello!");
    let world = World::with(Settings { seldom: Duration::ZERO, ..Settings::default() }).await;
    let mut alice = world.open("alice").await;
    for text in ["seldom 1", "seldom 2"] {
        assert_eq!(alice.ask(text).await, format!("{text}!"));
    }
}

#[tokio::test]
async fn a_handler_that_panics_costs_one_answer() {
    let world = World::new().await;
    let (mut alice, mut bob) = (world.open("alice").await, world.open("bob").await);
    for text in ["panic", "bytes", "wide"] {
        let failed: Value = serde_json::from_str(&alice.ask(text).await).unwrap();
        assert_eq!(failed["message"], "Internal server error", "{text}");
        assert!(failed["connectionId"].is_string() && failed["requestId"].is_string(), "{failed}");
    }
    assert_eq!(alice.ask("hello").await, "hello!");
    assert_eq!(bob.ask("hello").await, "hello!");
}

#[tokio::test]
async fn only_so_many_messages_of_a_socket_are_in_hand_at_once() {
    let world = World::with(Settings { in_hand: 4, ..Settings::default() }).await;
    let mut alice = world.open("alice").await;
    for _ in 0..20 {
        alice.say("wait").await;
    }
    until("four in hand", || world.fake.waiting.load(Ordering::SeqCst) == 4).await;
    assert_eq!(world.open("bob").await.ask("hello").await, "hello!");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.fake.waiting.load(Ordering::SeqCst), 4);
    world.fake.gate.add_permits(20);
    for _ in 0..20 {
        assert_eq!(alice.hear().await, "waited");
    }
}

#[tokio::test]
async fn what_has_begun_ends_though_the_socket_closes() {
    let world = World::new().await;
    let mut alice = world.open("alice").await;
    alice.say("wait").await;
    until("a message in hand", || world.fake.waiting.load(Ordering::SeqCst) == 1).await;
    alice.0.close(None).await.unwrap();
    world.left().await;
    world.fake.gate.add_permits(1);
    until("its end", || world.fake.done.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn many_sockets_talk_at_once() {
    let world = World::new().await;
    let talks = (0..50).map(|user| {
        let world = &world;
        async move {
            let mut client = world.open(&format!("user-{user}")).await;
            for turn in 0..20 {
                let text = format!("{user}-{turn}");
                assert_eq!(client.ask(&text).await, format!("{text}!"));
            }
            client.0.close(None).await.unwrap();
            while client.0.next().await.is_some() {}
        }
    });
    futures::future::join_all(talks).await;
    until("fifty leaves", || world.seen("DISCONNECT").len() == 50).await;
    world.invocations.close();
    world.invocations.wait().await;
}
