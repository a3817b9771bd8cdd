//! Every way of leaving: the client hears it, the handlers hear it once, and pushes are told "gone".

use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::SinkExt;
use shared::push::Pushed;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, coding};

use crate::sockets::Settings;
use crate::sockets::tests::world::{Client, World, until};

fn short() -> Settings {
    Settings { grace: Duration::from_millis(300), ..Settings::default() }
}

async fn is_gone(world: &World) {
    assert_eq!(world.pushes.push(&world.id(), "late").await, Pushed::Gone);
}

#[tokio::test]
async fn the_client_says_good_bye() {
    let reasons = [
        (Some(CloseFrame { code: CloseCode::Normal, reason: "done".into() }), (1000, "done".to_owned())),
        (Some(CloseFrame { code: CloseCode::Library(4001), reason: "".into() }), (4001, String::new())),
        (None, (1005, "Client-side close frame status not set".to_owned())),
    ];
    for (frame, left) in reasons {
        let world = World::new().await;
        let mut alice = world.open("alice").await;
        alice.0.send(Message::Close(frame.clone())).await.unwrap();
        assert_eq!(alice.farewell().await, frame, "the good-bye is answered");
        assert!(alice.next().await.is_none());
        assert_eq!(world.left().await, left);
        is_gone(&world).await;
    }
}

#[tokio::test]
async fn the_client_just_leaves() {
    let abnormal = (1006, "Connection Closed Abnormally".to_owned());
    for linger in [None, Some(Duration::ZERO)] {
        let world = World::new().await;
        let mut alice = world.open("alice").await;
        if linger.is_some() {
            alice.tcp().set_zero_linger().unwrap();
        }
        drop(alice);
        assert_eq!(world.left().await, abnormal);
        is_gone(&world).await;
    }
    // In the middle of a frame.
    let world = World::new().await;
    let mut alice = world.open("alice").await;
    alice.tcp().write_all(&[0x81, 0xfe, 0x10]).await.unwrap();
    drop(alice);
    assert_eq!(world.left().await, abnormal);
}

#[tokio::test]
async fn a_frame_that_is_not_taken_ends_the_socket() {
    let world = World::with(short()).await;
    let mut alice = world.open("alice").await;
    alice.0.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(alice.farewell().await.unwrap().code, CloseCode::Unsupported);
    assert_eq!(world.left().await.0, 1003);
    is_gone(&world).await;

    let text = |payload: Vec<u8>, is_final| {
        let code = if payload.first() == Some(&b'c') { coding::Data::Continue } else { coding::Data::Text };
        Message::Frame(Frame::message(payload, coding::OpCode::Data(code), is_final))
    };
    let part = || vec![b'c'; 32 * 1024];
    let first = || vec![b'x'; 32 * 1024];
    let frames = [
        (vec![text(vec![b'x'; 32 * 1024 + 1], true)], 1009),
        (vec![text(vec![b'x'; 4 * 1024 * 1024], true)], 1009),
        (
            vec![
                text(first(), false),
                text(part(), false),
                text(part(), false),
                text(part(), false),
                text(part(), true),
            ],
            1009,
        ),
        (vec![text(vec![0xc3, 0x28], true)], 1007),
        (vec![text(part(), true)], 1002),
    ];
    for (frames, code) in frames {
        let world = World::with(short()).await;
        let mut alice = world.open("alice").await;
        let Client(socket) = &mut alice;
        for frame in frames {
            // The server may be gone before the last byte is sent.
            let _ = tokio::time::timeout(Duration::from_millis(100), socket.send(frame)).await;
        }
        assert_eq!(alice.farewell().await.unwrap().code, CloseCode::from(code));
        assert_eq!(world.left().await.0, i64::from(code));
        is_gone(&world).await;
    }
}

#[tokio::test]
async fn a_message_of_the_largest_size_is_taken() {
    let world = World::new().await;
    let mut alice = world.open("alice").await;
    for index in 0..4 {
        let code = if index == 0 { coding::Data::Text } else { coding::Data::Continue };
        let frame = Frame::message(vec![b'x'; 32 * 1024], coding::OpCode::Data(code), index == 3);
        alice.0.send(Message::Frame(frame)).await.unwrap();
    }
    // The answer is one byte longer than a message may be.
    assert!(alice.hear().await.contains("Internal server error"));
    assert_eq!(world.seen("MESSAGE")[0]["body"].as_str().unwrap().len(), 128 * 1024);
}

#[tokio::test]
async fn a_socket_that_is_silent_or_old_is_closed() {
    let away = (1001, "Going away".to_owned());
    let world = World::with(Settings { idle: Duration::from_millis(400), ..short() }).await;
    let begun = Instant::now();
    let mut alice = world.open("alice").await;
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        alice.0.send(Message::Ping(vec![].into())).await.unwrap();
    }
    assert_eq!(alice.farewell().await.unwrap().code, CloseCode::Away);
    assert!(begun.elapsed() > Duration::from_millis(900), "whoever says something is not silent");
    assert_eq!(world.left().await, away);
    is_gone(&world).await;

    let world = World::with(Settings { life: Duration::from_millis(300), ..short() }).await;
    let mut alice = world.open("alice").await;
    assert_eq!(alice.ask("hello").await, "hello!");
    assert_eq!(alice.farewell().await.unwrap().code, CloseCode::Away);
    assert_eq!(world.left().await, away);
}

#[tokio::test]
async fn whoever_does_not_read_is_closed_and_holds_up_nobody() {
    let world = World::with(short()).await;
    let (mut bob, alice) = (world.open("bob").await, world.open("alice").await);
    let (slow, message) = (world.id(), Cow::<str>::Owned("m".repeat(100_000)));
    let mut sent = 0;
    while world.pushes.push(&slow, &message).await == Pushed::Arrived {
        sent += 1;
        assert!(sent < 1000, "there is no end to what waits");
    }
    assert!(sent >= 40, "{sent}");
    assert_eq!(bob.ask("hello").await, "hello!");
    assert_eq!(world.left().await.0, 1013);
    world.gateway.close();
    world.invocations.close();
    tokio::time::timeout(Duration::from_secs(5), world.invocations.wait()).await.expect("it holds up the end");
    drop(alice);
}

#[tokio::test]
async fn a_flood_of_questions_without_reading_the_answers_ends_the_same_way() {
    let world = World::with(Settings { waiting: 64, waiting_bytes: 256 * 1024, ..short() }).await;
    let (mut bob, mut alice) = (world.open("bob").await, world.open("alice").await);
    let question = "q".repeat(30_000);
    let flood = async {
        loop {
            if alice.0.send(Message::text(question.as_str())).await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), flood).await.expect("it is never closed");
    assert_eq!(bob.ask("hello").await, "hello!");
    assert_eq!(world.left().await.0, 1013);
}

#[tokio::test]
async fn at_the_end_everybody_is_told_and_every_end_is_processed() {
    let world = World::with(short()).await;
    let (mut alice, mut bob, deaf) = (world.open("alice").await, world.open("bob").await, world.open("deaf").await);
    alice.say("wait").await;
    until("a message in hand", || world.fake.waiting.load(Ordering::SeqCst) == 1).await;
    let end = async {
        world.gateway.close();
        world.invocations.close();
        tokio::time::timeout(Duration::from_secs(5), world.invocations.wait()).await.expect("it does not end");
    };
    let clients = async {
        assert_eq!(bob.farewell().await.unwrap().code, CloseCode::Away);
        world.fake.gate.add_permits(1);
        assert_eq!(alice.hear().await, "waited", "what is in hand is answered");
        assert_eq!(alice.farewell().await.unwrap().code, CloseCode::Away);
    };
    tokio::join!(end, clients);
    let left = world.seen("DISCONNECT");
    assert_eq!(left.len(), 3);
    assert!(left.iter().all(|event| event["disconnectStatusCode"] == 1001));
    drop(deaf);
    let mut late = world.open("late").await;
    assert_eq!(late.farewell().await.unwrap().code, CloseCode::Away);
}
