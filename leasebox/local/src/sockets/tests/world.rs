//! A gateway on ports of its own, with handlers that note what they are handed.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use futures::{SinkExt, StreamExt};
use lambda_http::request::RequestContext;
use lambda_http::{Body, RequestExt, Response};
use serde_json::{Value, json};
use shared::live::machine_time;
use shared::push::Pushes;
use shared::store::dynamodb;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tokio_util::task::TaskTracker;

use crate::accept;
use web::socket::Pace;

use crate::sockets::{Gateway, Handlers, Settings};

/// Longer than anything here takes, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Handlers that do what frames and users tell them.
pub struct Fake {
    /// The context of every event, in the order of arrival, with its body.
    pub seen: Mutex<Vec<Value>>,
    /// What the authorizer was asked.
    pub asked: Mutex<Vec<Value>>,
    /// What `wait` waits for.
    pub gate: Semaphore,
    pub waiting: AtomicUsize,
    pub done: AtomicUsize,
}

impl Handlers for Fake {
    async fn authorize(&self, event: &Value) -> Value {
        self.asked.lock().unwrap().push(event.clone());
        let user = event["queryStringParameters"]["user_id"].as_str();
        assert_ne!(user, Some("panic-authorizer"));
        let (effect, context) = match user {
            Some("odd") => ("Allow", json!({"user": {"not": "text"}})),
            Some(user) => ("Allow", json!({"user": user, "level": 3, "is_new": true})),
            None => ("Deny", json!({"detail": "say who you are"})),
        };
        let statement = json!({"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]});
        json!({"principalId": user, "policyDocument": {"Statement": [statement]}, "context": context})
    }

    fn pace(&self, text: &str) -> Pace {
        match text.split(' ').next() {
            Some("turn") => Pace::InTurn,
            Some("seldom") => Pace::Seldom,
            _ => Pace::AtOnce,
        }
    }

    async fn invoke(&self, event: &str) -> Response<Body> {
        let request = lambda_http::request::from_str(event).unwrap();
        let RequestContext::WebSocket(context) = request.request_context() else { panic!("it is no socket's") };
        let body = match request.body() {
            Body::Text(text) => text.clone(),
            _ => String::new(),
        };
        let mut event = serde_json::to_value(&context).unwrap();
        event["body"] = json!(body);
        self.seen.lock().unwrap().push(event);
        let user = context.authorizer.fields["user"].as_str().unwrap().to_owned();
        match (context.event_type.as_deref().unwrap(), user.as_str(), body.as_str()) {
            ("CONNECT", "panic", _) | ("MESSAGE", _, "panic" | "turn panic") => panic!("as it was told"),
            ("CONNECT", "full", _) => answer(429, "{\"title\":\"full\"}".into()),
            ("CONNECT", "slow", _) | ("MESSAGE", _, "wait" | "turn wait") => {
                self.waiting.fetch_add(1, Ordering::SeqCst);
                self.gate.acquire().await.unwrap().forget();
                self.done.fetch_add(1, Ordering::SeqCst);
                answer(200, "waited".into())
            }
            ("MESSAGE", _, "who") => answer(200, serde_json::to_string(&context.authorizer.fields).unwrap().into()),
            ("MESSAGE", _, "bytes") => answer(200, vec![0xff].into()),
            ("MESSAGE", _, "wide") => answer(200, "w".repeat(128 * 1024 + 1).into()),
            ("MESSAGE", _, text) if text != "quiet" => answer(200, format!("{text}!").into()),
            _ => answer(200, Body::Empty),
        }
    }
}

fn answer(status: u16, body: Body) -> Response<Body> {
    Response::builder().status(status).header("content-type", "application/json").body(body).unwrap()
}

pub struct World {
    pub fake: Arc<Fake>,
    pub gateway: Gateway<Fake>,
    pub invocations: TaskTracker,
    pub address: SocketAddr,
    pub management: SocketAddr,
    pub pushes: Pushes,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub async fn with(settings: Settings) -> Self {
        let fake = Fake {
            seen: Mutex::default(),
            asked: Mutex::default(),
            gate: Semaphore::new(0),
            waiting: AtomicUsize::default(),
            done: AtomicUsize::default(),
        };
        let (fake, invocations) = (Arc::new(fake), TaskTracker::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let own = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let management = own.local_addr().unwrap();
        let clock = || machine_time().0;
        let gateway = Gateway::new(Arc::clone(&fake), invocations.clone(), management, settings, clock);
        let bounds = accept::Settings::default();
        tokio::spawn(accept::serve(listener, gateway.routes(), bounds, pending(), pending()));
        tokio::spawn(accept::serve(own, gateway.management(), bounds, pending(), pending()));
        Self { fake, gateway, invocations, address, management, pushes: pushes().await }
    }

    pub async fn open(&self, user: &str) -> Client {
        self.try_open(&format!("?user_id={user}")).await.unwrap()
    }

    pub async fn try_open(&self, query: &str) -> Result<Client, tungstenite::Error> {
        connect_async(format!("ws://{}/ws{query}", self.address)).await.map(|(socket, _)| Client(socket))
    }

    /// The refusal of a socket: its status and body.
    pub async fn refused(&self, query: &str) -> (StatusCode, Value) {
        match self.try_open(query).await.map(|_| ()).unwrap_err() {
            tungstenite::Error::Http(response) => {
                let body = response.body().as_deref().unwrap_or_default();
                (StatusCode::from_u16(response.status().as_u16()).unwrap(), serde_json::from_slice(body).unwrap())
            }
            error => panic!("{error}"),
        }
    }

    pub fn seen(&self, kind: &str) -> Vec<Value> {
        let seen = self.fake.seen.lock().unwrap();
        seen.iter().filter(|event| event["eventType"] == kind).cloned().collect()
    }

    /// The id of the connection that was opened last.
    pub fn id(&self) -> String {
        self.seen("CONNECT").last().unwrap()["connectionId"].as_str().unwrap().to_owned()
    }

    /// What the only `$disconnect` event says, once it is there.
    pub async fn left(&self) -> (i64, String) {
        until("a $disconnect", || !self.seen("DISCONNECT").is_empty()).await;
        // Time for a second one, which must not come.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let left = self.seen("DISCONNECT");
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(left[0]["connectionId"], json!(self.id()));
        (left[0]["disconnectStatusCode"].as_i64().unwrap(), left[0]["disconnectReason"].as_str().unwrap().to_owned())
    }
}

/// Pushes as any server of this machine sends them.
pub async fn pushes() -> Pushes {
    Pushes::by_connection(&dynamodb::settings().load().await)
}

pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !is_so() {
        assert!(tokio::time::Instant::now() < end, "there was never {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The client's end of a socket.
pub struct Client(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    pub async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// Waits for the next text frame.
    pub async fn hear(&mut self) -> String {
        match self.next().await {
            Some(Ok(Message::Text(text))) => text.as_str().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    pub async fn ask(&mut self, text: &str) -> String {
        self.say(text).await;
        self.hear().await
    }

    /// The good-bye of the other side, after any texts.
    pub async fn farewell(&mut self) -> Option<CloseFrame> {
        loop {
            match self.next().await {
                Some(Ok(Message::Close(frame))) => return frame,
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub async fn next(&mut self) -> Option<Result<Message, tungstenite::Error>> {
        tokio::time::timeout(PATIENCE, self.0.next()).await.expect("nothing came")
    }

    /// The TCP connection below the socket.
    pub fn tcp(&mut self) -> &mut TcpStream {
        match self.0.get_mut() {
            MaybeTlsStream::Plain(tcp) => tcp,
            _ => panic!("it is plain"),
        }
    }
}
