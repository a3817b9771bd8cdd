//! Clients that do not do their part, on connections of their own.

use std::future::{pending, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::{Settings, serve};

const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// A server that is told when to stop, and when what is in hand is finished.
struct World {
    address: SocketAddr,
    /// Told when an answer that never comes is asked for.
    began: Arc<Notify>,
    stop: Arc<Notify>,
    finished: Arc<Notify>,
    served: JoinHandle<()>,
}

impl World {
    async fn new(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, finished) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (stopped, done) = (Arc::clone(&stop), Arc::clone(&finished));
        let began = Arc::new(Notify::new());
        let begins = Arc::clone(&began);
        let never = async move || {
            begins.notify_one();
            pending::<()>().await;
        };
        let router = Router::new().route("/", get(|| ready("well"))).route("/never", get(never));
        let served = tokio::spawn(async move {
            serve(listener, router, settings, stopped.notified(), done.notified()).await;
        });
        Self { address, began, stop, finished, served }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

async fn answered(client: &mut TcpStream) {
    client.write_all(ASK).await.unwrap();
    let mut answer = [0; 15];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

async fn is_ended(client: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset ends it as well.
    let _ = client.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn a_connection_waits_for_a_place_and_who_says_nothing_loses_it() {
    let settings = Settings { connections: 2, head: Duration::from_millis(300), ..Settings::default() };
    let world = World::new(settings).await;
    let (mut silent, mut slow) = (world.connect().await, world.connect().await);
    slow.write_all(b"GET / HT").await.unwrap();
    let begun = Instant::now();
    let mut third = world.connect().await;
    answered(&mut third).await;
    assert!(begun.elapsed() >= Duration::from_millis(250), "{:?}", begun.elapsed());
    is_ended(&mut silent).await;
    is_ended(&mut slow).await;
}

#[tokio::test]
async fn at_the_end_clients_have_the_grace_after_what_is_in_hand() {
    let world = World::new(Settings { grace: Duration::from_millis(200), ..Settings::default() }).await;
    let (mut idle, mut slow, mut waits) = (world.connect().await, world.connect().await, world.connect().await);
    answered(&mut idle).await;
    slow.write_all(b"GET / HT").await.unwrap();
    waits.write_all(b"GET /never HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    world.began.notified().await;
    world.stop.notify_one();
    is_ended(&mut idle).await;
    // What is in hand is waited for.
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(!world.served.is_finished());
    world.finished.notify_one();
    world.served.await.unwrap();
    is_ended(&mut slow).await;
    is_ended(&mut waits).await;
}
