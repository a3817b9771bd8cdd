//! Whoever is connected hears of it at once; who is not there any more is forgotten.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::app;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use shared::limits::{Consumption, Direct};
use shared::live;

use crate::chat::user;
use crate::world::World;

/// The management endpoint of a WebSocket API.
#[derive(Clone, Default)]
struct Gateway {
    arrived: Arc<Mutex<Vec<(String, Value)>>>,
    gone: Arc<Mutex<BTreeSet<String>>>,
}

impl Gateway {
    /// Starts one, and a process whose pushes go there.
    async fn start(world: &World) -> (Self, World) {
        let gateway = Self::default();
        let app = Router::new().fallback(arrive).with_state(gateway.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let consumption = Consumption::Asked;
        let (table, connections) = (world.table.clone(), Some(url));
        let config = live::Config { table, lease_seconds: None, direct: Direct::Off, connections, consumption };
        let pushes = live::pushes(&world.config, &config);
        (gateway, world.pushing(app::registry(), pushes))
    }

    /// What has come since the last call, as (connection, type, number or unread), in order of connections.
    fn take(&self) -> Vec<(String, String, Value)> {
        let mut arrived = std::mem::take(&mut *self.arrived.lock().unwrap());
        arrived.sort_by(|one, other| one.0.cmp(&other.0));
        let told = |(connection, frame): (String, Value)| {
            let about = match frame["type"].as_str().unwrap() {
                "message" => json!([frame["message"]["n"], frame["message"]["content"], frame["unread"]]),
                "read" => json!([frame["with"], frame["unread"], frame["upto"]]),
                _ => frame["from"].clone(),
            };
            (connection, frame["type"].as_str().unwrap().to_owned(), about)
        };
        arrived.into_iter().map(told).collect()
    }

    fn is_gone(&self, connection: &str) {
        self.gone.lock().unwrap().insert(connection.to_owned());
    }
}

async fn arrive(State(gateway): State<Gateway>, uri: Uri, frame: String) -> Response {
    let connection = uri.path().strip_prefix("/@connections/").unwrap().to_owned();
    if gateway.gone.lock().unwrap().contains(&connection) {
        return (StatusCode::GONE, [("x-amzn-errortype", "GoneException")], "{}").into_response();
    }
    gateway.arrived.lock().unwrap().push((connection, serde_json::from_str(&frame).unwrap()));
    StatusCode::OK.into_response()
}

fn told(connection: &str, kind: &str, about: Value) -> (String, String, Value) {
    (connection.to_owned(), kind.to_owned(), about)
}

#[tokio::test]
async fn every_connection_of_both_hears_of_a_message_and_of_its_reading() {
    let world = World::new().await;
    let (gateway, process) = Gateway::start(&world).await;
    for (user, connection) in [("alice", "a-1"), ("alice", "a-2"), ("bob", "b-1"), ("carol", "c-1")] {
        process.connect(user, connection).await;
    }
    process.say("alice", "bob", "hi").await;
    let message = |unread: u64| json!([1, "hi", unread]);
    assert_eq!(
        gateway.take(),
        [told("a-1", "message", message(0)), told("a-2", "message", message(0)), told("b-1", "message", message(1))]
    );
    let read = process.frame("bob", "b-1", &json!({"type": "read", "with": "alice"})).await;
    assert_eq!(read, json!({"v": 1, "type": "read", "with": "alice", "unread": 0, "upto": 1}));
    assert_eq!(gateway.take(), [told("b-1", "read", json!(["alice", 0, 1]))]);
    let noted = json!({"v": 1, "type": "noted"});
    assert_eq!(process.frame("bob", "b-1", &json!({"type": "typing", "to": "alice"})).await, noted);
    assert_eq!(gateway.take(), [told("a-1", "typing", json!("bob")), told("a-2", "typing", json!("bob"))]);
    // Whom bob has not answered, he does not hear typing.
    assert_eq!(process.frame("alice", "a-1", &json!({"type": "typing", "to": "bob"})).await, noted);
    assert_eq!(gateway.take(), []);
    process.say("bob", "alice", "hello").await;
    gateway.take();
    assert_eq!(process.frame("alice", "a-1", &json!({"type": "typing", "to": "bob"})).await, noted);
    assert_eq!(gateway.take(), [told("b-1", "typing", json!("alice"))]);
}

#[tokio::test]
async fn messages_that_wait_together_are_pushed_in_their_order() {
    let world = World::new().await;
    let (gateway, process) = Gateway::start(&world).await;
    process.connect("bob", "b-1").await;
    let drafts: Vec<Value> =
        (1..=20).map(|n| json!({"type": "send", "to": "bob", "content": format!("number {n}")})).collect();
    process.submit(&user("alice"), shared::client::Mode::Inline, &drafts).await;
    let pushed: Vec<Value> = gateway.take().into_iter().map(|(_, _, about)| about).collect();
    let expected: Vec<Value> = (1..=20).map(|n| json!([n, format!("number {n}"), n])).collect();
    assert_eq!(pushed, expected);
}

#[tokio::test]
async fn a_connection_that_is_gone_is_forgotten_unless_it_was_just_opened() {
    let world = World::new().await;
    let (gateway, process) = Gateway::start(&world).await;
    let connections = async |process: &World| process.get("/users/bob/presence").await.body["connections"].clone();
    process.connect("bob", "b-1").await;
    process.connect("bob", "b-2").await;
    gateway.is_gone("b-1");
    // API Gateway takes no pushes before the answer to $connect has arrived: that is no sign of anything.
    process.say("alice", "bob", "too soon").await;
    process.work_off().await;
    assert_eq!(connections(&process).await, 2);
    process.advance(11_000);
    process.say("alice", "bob", "are you there?").await;
    process.work_off().await;
    assert_eq!(connections(&process).await, 1);
    gateway.take();
    process.say("alice", "bob", "and now?").await;
    assert_eq!(gateway.take(), [told("b-2", "message", json!([3, "and now?", 3]))]);
}
