//! Pushes to connections: only after the commit, at most once, and never in the way.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};
use shared::envelope::EntityId;
use shared::limits::{Consumption, Direct, Settings};
use shared::live;
use shared::push::Pushes;

use crate::ledger::{ledger, registry, write};
use crate::world::World;
use testing::faults::Fault;

/// What came to the management endpoint: the path, the message, and what the ledger held at that time.
type Arrived = Vec<(String, String, Vec<String>)>;

/// The management endpoint of a WebSocket API, which looks at a ledger whenever a push arrives.
#[derive(Clone)]
struct Gateway {
    world: Arc<World>,
    ledger: EntityId,
    status: StatusCode,
    arrived: Arc<Mutex<Arrived>>,
}

impl Gateway {
    /// Starts one on a port of its own.
    async fn start(world: &World, ledger: &EntityId, status: StatusCode) -> (Self, String) {
        let world = Arc::new(world.other());
        let gateway = Self { world, ledger: ledger.clone(), status, arrived: Arc::default() };
        let app = Router::new().fallback(arrive).with_state(gateway.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (gateway, url)
    }

    fn arrived(&self) -> Arrived {
        self.arrived.lock().unwrap().clone()
    }
}

async fn arrive(State(gateway): State<Gateway>, uri: Uri, message: String) -> StatusCode {
    let entries = gateway.world.entries(&gateway.ledger).await;
    gateway.arrived.lock().unwrap().push((uri.path().to_owned(), message, entries));
    gateway.status
}

fn shout(text: &str) -> Value {
    json!({"type": "write", "text": text, "shout": ["c-1", "c-2"]})
}

/// A process whose pushes go to the URL, as a deployed one's do.
fn process(world: &World, url: &str) -> World {
    let (table, connections) = (world.table.clone(), Some(url.to_owned()));
    let config =
        live::Config { table, lease_seconds: None, direct: Direct::Off, connections, consumption: Consumption::Asked };
    let pushes = live::pushes(&world.config, &config);
    world.pushing(registry(), pushes)
}

async fn world() -> World {
    World::with(registry(), Settings::default()).await
}

#[tokio::test]
async fn they_go_out_after_the_commit() {
    let world = world().await;
    let alice = ledger("alice");
    let (gateway, url) = Gateway::start(&world, &alice, StatusCode::OK).await;
    assert_eq!(process(&world, &url).event(&alice, &shout("x")).await.status, 200);
    let mut arrived = gateway.arrived();
    arrived.sort();
    let expected = ["c-1", "c-2"].map(|connection| {
        (format!("/@connections/{connection}"), json!({"text": "x"}).to_string(), vec!["x".to_owned()])
    });
    assert_eq!(arrived, expected);
}

#[tokio::test]
async fn a_commit_that_is_repeated_or_lost_pushes_nothing_twice() {
    let world = world().await;
    let alice = ledger("alice");
    let (gateway, url) = Gateway::start(&world, &alice, StatusCode::OK).await;
    let (holder, newcomer) = (process(&world, &url), process(&world, &url));
    holder.faults.arm(1, Fault::Frozen);
    let first = shout("1");
    let (reply, ()) = tokio::join!(holder.event(&alice, &first), async {
        holder.faults.strike().await;
        newcomer.event(&alice, &shout("2")).await;
        assert_eq!(gateway.arrived(), []);
        holder.faults.thaw();
    });
    assert_eq!(reply.status, 200, "{reply:?}");
    let both = vec!["1".to_owned(), "2".to_owned()];
    let arrived = gateway.arrived();
    assert_eq!((arrived.len(), arrived.iter().all(|(.., entries)| *entries == both)), (4, true), "{arrived:?}");
}

#[tokio::test]
async fn a_connection_that_is_gone_or_a_gateway_that_fails_costs_the_message_and_nothing_else() {
    for status in [StatusCode::GONE, StatusCode::INTERNAL_SERVER_ERROR] {
        let world = world().await;
        let alice = ledger("alice");
        let (gateway, url) = Gateway::start(&world, &alice, status).await;
        let process = process(&world, &url);
        assert_eq!(process.event(&alice, &shout("x")).await.status, 200);
        assert_eq!(process.event(&alice, &write("y")).await.status, 200);
        world.idle(&alice).await;
        // A failure says nothing about whether the message arrived, so it is not sent again.
        assert_eq!(gateway.arrived().len(), 2, "{status}");
    }
}

#[tokio::test]
async fn without_a_gateway_they_are_dropped() {
    let world = world().await;
    let alice = ledger("alice");
    let nowhere = process(&world, "http://127.0.0.1:9");
    for world in [&world.pushing(registry(), Pushes::Nowhere), &nowhere] {
        assert_eq!(world.event(&alice, &shout("x")).await.status, 200);
        world.idle(&alice).await;
    }
    assert_eq!(world.entries(&alice).await, ["x", "x"]);
}
