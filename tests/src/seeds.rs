//! The seeds' own lines, with the port changed, by the real curl against the real server.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;

use futures::channel::oneshot;
use local::connect::{Identity, connect};
use local::serve::{Options, Server};
use serde_json::{Value, json};
use shared::envelope::EventId;
use shared::limits;
use tokio::task::{JoinHandle, spawn_blocking};

/// A development server on a free port, with its state in memory.
struct Running {
    port: u16,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Running {
    async fn start() -> Self {
        let options = Options {
            data: PathBuf::new(),
            ephemeral: true,
            bind: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            endpoint: std::env::var("DYNAMODB_ENDPOINT").ok(),
            table: testing::world::table_name(),
            lease: limits::LEASE_MS / 1000,
            direct: limits::Direct::Off,
            shared_events: limits::SHARED_EVENTS,
            access: Default::default(),
            metrics_bind: Ipv4Addr::LOCALHOST.into(),
            metrics_port: 0,
            consumed: limits::Consumption::Asked,
        };
        let connection = async |endpoint: &str| connect(endpoint, Identity::Anyone).await;
        let server = Server::start(options, kinds::app().service().unwrap(), connection).await.unwrap();
        let port = server.address().port();
        let (stop, stopped) = oneshot::channel::<()>();
        let ended =
            tokio::spawn(async move { server.run(async move { stopped.await.unwrap_or_default() }).await.unwrap() });
        Self { port, stop, ended }
    }

    /// Types a line into a shell, with the seed's port changed to this server's, and brings what it prints.
    async fn line(&self, line: &str) -> (u16, String, Value) {
        let seed = ["localhost:8080", "localhost:8181"].into_iter().find(|place| line.contains(place)).unwrap();
        let line = line.replace(seed, &format!("localhost:{}", self.port));
        // A proxy of this machine is not meant, and the status and the media type are to be seen too.
        let curl = r"curl --silent --show-error --noproxy '*' --write-out '%{http_code} %{content_type}'";
        let line = line.replacen("curl", curl, 1);
        let output = spawn_blocking(move || Command::new("sh").arg("-c").arg(line).output()).await.unwrap().unwrap();
        assert!(output.status.success(), "{output:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        let (body, told) = printed.split_once('\n').unwrap_or_else(|| panic!("no line's end: {printed}"));
        let (status, media) = told.split_once(' ').unwrap();
        (status.parse().unwrap(), media.to_owned(), serde_json::from_str(body).unwrap())
    }

    /// The body of an answer that must be a success.
    async fn ok(&self, line: &str) -> Value {
        let (status, media, body) = self.line(line).await;
        assert_eq!((status, media.as_str()), (200, "application/json"), "{line}: {body}");
        body
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap();
    }
}

/// An answer of `/webhook`, with the id taken out that nobody can foretell.
fn webhook(mut body: Value, sequence: u64) -> Value {
    let event: EventId = body["event_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(event.sequence, sequence, "{body}");
    body.as_object_mut().unwrap().remove("event_id");
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_webhook_seed_answers_as_its_document_shows() {
    let server = Running::start().await;
    let alice = server.ok("curl 'http://localhost:8080/webhook?user_id=alice&delta=5'").await;
    assert_eq!(webhook(alice, 1), json!({"user_id": "alice", "counter": 5}));
    let bob = server.ok("curl 'http://localhost:8080/webhook?user_id=bob&delta=3'").await;
    assert_eq!(webhook(bob, 1), json!({"user_id": "bob", "counter": 3}));
    let alice = json!({"user_id": "alice", "counter": 5, "pending": [], "lock": null});
    assert_eq!(server.ok("curl 'http://localhost:8080/status?user_id=alice'").await, alice);
    let bob = json!({"user_id": "bob", "counter": 3, "pending": [], "lock": null});
    let all = json!({"items": [alice, bob], "cursor": null});
    assert_eq!(server.ok("curl 'http://localhost:8080/status'").await, all);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_webhook_takes_posts_whatever_their_content_type_says() {
    let server = Running::start().await;
    let lines = [
        "curl -X POST 'http://localhost:8080/webhook?user_id=alice&delta=5'",
        r#"curl 'http://localhost:8080/webhook' -d '{"user_id": "alice", "delta": 5}'"#,
        r#"curl 'http://localhost:8080/webhook?user_id=alice' -d '{"delta": 5}'"#,
        r#"curl 'http://localhost:8080/webhook' -H 'Content-Type: text/xml' -d '{"user_id": "alice", "delta": 5}'"#,
        r#"curl 'http://localhost:8080/webhook' -H 'Content-Type:' -d '{"user_id": "alice", "delta": 5}'"#,
    ];
    for (line, sequence) in lines.into_iter().zip(1..) {
        let answer = webhook(server.ok(line).await, sequence);
        assert_eq!(answer, json!({"user_id": "alice", "counter": 5 * sequence}), "{line}");
    }
    let (status, media, body) = server.line("curl 'http://localhost:8080/webhook' -d 'user_id=alice&delta=5'").await;
    assert_eq!((status, media.as_str()), (400, "application/problem+json"), "a form is no JSON: {body}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_counter_seed_answers_as_its_document_shows() {
    let server = Running::start().await;
    let counter = |value: u64| json!({"counter_id": "my-counter", "value": value});
    assert_eq!(server.ok("curl localhost:8181/counter/my-counter").await, counter(0));
    assert_eq!(server.ok("curl -X POST localhost:8181/counter/my-counter/increment").await, counter(1));
    let five = r#"curl -X POST localhost:8181/counter/my-counter/increment -d '{"amount": 5}'"#;
    assert_eq!(server.ok(five).await, counter(6));
    assert_eq!(server.ok("curl localhost:8181/counter/my-counter").await, counter(6));
    let empty = "curl -X POST localhost:8181/counter/my-counter/increment -d '{}'";
    assert_eq!(server.ok(empty).await, counter(7));
    let bench = json!({"counter_id": "bench", "value": 0});
    assert_eq!(server.ok("curl localhost:8181/counter/bench").await, bench);
    server.stop().await;
}
