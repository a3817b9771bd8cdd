//! A client of the chat as it should be: it sends again what was not acknowledged, asks for what it has missed, and goes
//! to another server when its own is gone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Wire;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Messages that a client has on their way at once.
const WINDOW: usize = 3;
/// How long a client waits for a word before it takes its socket for dead.
const SILENCE: Duration = Duration::from_secs(20);
/// How long a client may take with all that it has to say, on a busy machine, for each thousand messages of all.
pub const PATIENCE: Duration = Duration::from_secs(120);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Where the servers are: the killed one makes room for another.
pub struct Servers(Mutex<[String; 2]>);

impl Servers {
    pub fn new(addresses: [String; 2]) -> Self {
        Self(Mutex::new(addresses))
    }

    pub fn replace(&self, index: usize, address: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[index] = address;
    }

    pub fn address(&self, index: usize) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[index % 2].clone()
    }
}

/// What all clients share.
pub struct Load {
    pub servers: Servers,
    /// Messages that are acknowledged.
    pub acknowledged: AtomicUsize,
    /// Sockets that were cut.
    pub cuts: AtomicUsize,
    /// How long a client may take.
    pub patience: Duration,
}

/// A message that is to be sent.
#[derive(Clone, Debug)]
pub struct Draft {
    pub id: String,
    pub to: String,
    pub content: String,
}

/// One user's client.
pub struct Chatter {
    pub user: String,
    /// Messages by their numbers: what the user has seen.
    pub view: BTreeMap<u64, Value>,
    /// Up to which number each conversation is read.
    pub marks: BTreeMap<String, u64>,
    random: StdRng,
    drafts: VecDeque<Draft>,
    unacknowledged: BTreeMap<String, Draft>,
    unmarked: BTreeMap<String, u64>,
    sessions: usize,
}

/// How a session went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Session {
    Done,
    Cut,
}

impl Chatter {
    pub fn new(user: String, drafts: VecDeque<Draft>, random: StdRng) -> Self {
        let (view, marks, unacknowledged, unmarked) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { user, view, marks, random, drafts, unacknowledged, unmarked, sessions: 0 }
    }

    /// Says all that there is to say, over as many sockets as it takes.
    pub async fn run(&mut self, load: &Load) {
        let end = Instant::now() + load.patience;
        loop {
            assert!(Instant::now() < end, "{} has not said everything: {:?}", self.user, self.unacknowledged);
            if let Some(mut socket) = self.open(load).await
                && self.session(&mut socket, load).await == Some(Session::Done)
            {
                return;
            }
            // The socket is dropped without a word: as a phone in a tunnel does it.
            load.cuts.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Asks for what is still missing, once nobody sends any more.
    pub async fn catch_up(&mut self, load: &Load) {
        let end = Instant::now() + load.patience;
        loop {
            assert!(Instant::now() < end, "{} cannot catch up", self.user);
            let Some(mut socket) = self.open(load).await else { continue };
            while let Some(frame) = Self::next(&mut socket).await {
                match self.take(&frame, load) {
                    Some(true) if self.cursor() == frame["since"].as_u64().unwrap() => return,
                    Some(_) => self.sync(&mut socket).await.unwrap_or_default(),
                    None => {}
                }
            }
        }
    }

    /// Opens a socket and asks for what was missed; none when the server is not there.
    async fn open(&mut self, load: &Load) -> Option<Socket> {
        self.sessions += 1;
        let address = load.servers.address(self.sessions + self.random.random_range(0..2));
        let Ok((mut socket, _)) = connect_async(format!("ws://{address}/ws?user_id={}", self.user)).await else {
            tokio::time::sleep(Duration::from_millis(self.random.random_range(20..200))).await;
            return None;
        };
        self.sync(&mut socket).await?;
        Some(socket)
    }

    async fn session(&mut self, socket: &mut Socket, load: &Load) -> Option<Session> {
        let again: Vec<Draft> = self.unacknowledged.values().cloned().collect();
        for draft in again {
            Self::say(socket, &draft).await?;
        }
        for (with, upto) in self.unmarked.clone() {
            Self::write(socket, &json!({"type": "read", "with": with, "upto": upto})).await?;
        }
        loop {
            while self.unacknowledged.len() < WINDOW
                && let Some(draft) = self.drafts.pop_front()
            {
                self.unacknowledged.insert(draft.id.clone(), draft.clone());
                Self::say(socket, &draft).await?;
            }
            if self.unacknowledged.is_empty() && self.unmarked.is_empty() {
                return Some(Session::Done);
            }
            let frame = Self::next(socket).await?;
            if self.take(&frame, load) == Some(false) {
                self.sync(socket).await?;
            }
            if frame["type"] == "message" && self.random.random_bool(0.1) {
                self.read(socket, &frame["message"]).await?;
            }
            if self.random.random_bool(0.03) {
                return Some(Session::Cut);
            }
        }
    }

    async fn read(&mut self, socket: &mut Socket, message: &Value) -> Option<()> {
        let (with, upto) = (message["from"].as_str().unwrap().to_owned(), message["n"].as_u64().unwrap());
        if with == self.user {
            return Some(());
        }
        let mark = self.marks.entry(with.clone()).or_default();
        *mark = upto.max(*mark);
        self.unmarked.insert(with.clone(), *mark);
        Self::write(socket, &json!({"type": "read", "with": with, "upto": *mark})).await
    }

    /// Takes what a frame says. Of a part of the log it says whether that was all.
    fn take(&mut self, frame: &Value, load: &Load) -> Option<bool> {
        match frame["type"].as_str().unwrap() {
            "ack" => {
                if self.unacknowledged.remove(frame["id"].as_str().unwrap()).is_some() {
                    load.acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                if frame["status"] == "stored" {
                    self.see(&frame["message"]);
                }
            }
            "message" => self.see(&frame["message"]),
            "sync" => {
                frame["messages"].as_array().unwrap().iter().for_each(|message| self.see(message));
                return Some(frame["complete"] == true);
            }
            "read" => {
                let with = frame["with"].as_str().unwrap();
                if self.unmarked.get(with).is_some_and(|upto| frame["upto"].as_u64().unwrap() >= *upto) {
                    self.unmarked.remove(with);
                }
            }
            // Whatever is busy, is asked again when the socket is opened anew.
            "error" => assert!(matches!(frame["problem"]["status"].as_u64(), Some(429 | 503)), "{frame}"),
            other => panic!("{other}: {frame}"),
        }
        None
    }

    fn see(&mut self, message: &Value) {
        if let Some(before) = self.view.insert(message["n"].as_u64().unwrap(), message.clone()) {
            assert_eq!(before, *message, "{} has two messages of one number", self.user);
        }
    }

    /// The last number before the first gap.
    fn cursor(&self) -> u64 {
        (1..).zip(self.view.keys()).take_while(|(expected, n)| expected == *n).count() as u64
    }

    async fn sync(&self, socket: &mut Socket) -> Option<()> {
        Self::write(socket, &json!({"type": "sync", "since": self.cursor(), "limit": 100})).await
    }

    async fn say(socket: &mut Socket, Draft { id, to, content }: &Draft) -> Option<()> {
        Self::write(socket, &json!({"v": 1, "type": "send", "id": id, "to": to, "content": content})).await
    }

    async fn write(socket: &mut Socket, frame: &Value) -> Option<()> {
        socket.send(Wire::text(frame.to_string())).await.ok()
    }

    /// The next frame; none when the socket is dead.
    async fn next(socket: &mut Socket) -> Option<Value> {
        loop {
            let frame = tokio::time::timeout(SILENCE, socket.next()).await.ok()??;
            match frame.ok()? {
                Wire::Text(text) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    // What API Gateway says when a function failed; what was sent is sent again on another socket.
                    frame.get("type")?;
                    return Some(frame);
                }
                Wire::Close(_) => return None,
                _ => {}
            }
        }
    }
}
