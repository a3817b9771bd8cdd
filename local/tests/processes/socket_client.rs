//! A client's end of a socket, frame by frame.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as Wire;
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, coding};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::server::Server;

/// How long a frame may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A socket of one user.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn open(server: &Server, user: &str) -> Self {
        let (socket, _) = connect_async(format!("ws://{}/ws?user_id={user}", server.address())).await.unwrap();
        Self(socket)
    }

    /// Writes whatever it is.
    pub async fn write(&mut self, wire: Wire) {
        timeout(PATIENCE, self.0.send(wire)).await.expect("nobody reads what is sent").unwrap();
    }

    /// The same; whether somebody still reads it.
    pub async fn try_write(&mut self, wire: Wire) -> bool {
        matches!(timeout(Duration::from_secs(2), self.0.send(wire)).await, Ok(Ok(())))
    }

    pub async fn say(&mut self, frame: &Value) {
        self.write(Wire::text(frame.to_string())).await;
    }

    /// Writes a message in several frames.
    pub async fn write_in_parts(&mut self, parts: &[&[u8]]) {
        for (index, part) in parts.iter().enumerate() {
            let code = if index == 0 { coding::Data::Text } else { coding::Data::Continue };
            let frame = Frame::message(part.to_vec(), coding::OpCode::Data(code), index + 1 == parts.len());
            self.write(Wire::Frame(frame)).await;
        }
    }

    /// The next frame.
    pub async fn hear(&mut self) -> Value {
        loop {
            let wire = timeout(PATIENCE, self.0.next()).await.expect("nothing is heard");
            match wire.expect("the socket is closed").unwrap() {
                Wire::Text(text) => return serde_json::from_str(&text).unwrap(),
                Wire::Close(frame) => panic!("the socket is closed: {frame:?}"),
                _ => {}
            }
        }
    }

    /// The next frame of a type, whatever else comes before.
    pub async fn hear_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.hear().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// Says something, and brings the next frame of a type.
    pub async fn ask(&mut self, frame: &Value, kind: &str) -> Value {
        self.say(frame).await;
        self.hear_of(kind).await
    }

    /// A frame that is answered, to show that the socket is well.
    pub async fn ping(&mut self, name: &str) {
        let pong = self.ask(&json!({"type": "ping", "ref": name}), "pong").await;
        assert_eq!(pong["ref"], name, "{pong}");
    }

    /// Sends a message and brings what it was acknowledged with.
    pub async fn send(&mut self, id: &str, to: &str, content: &str) -> Value {
        self.ask(&json!({"type": "send", "id": id, "to": to, "content": content}), "ack").await
    }

    /// Every frame that comes until there is silence for so long.
    pub async fn until_silence(&mut self, silence: Duration) -> Vec<Value> {
        let mut heard = Vec::new();
        while let Ok(Some(Ok(wire))) = timeout(silence, self.0.next()).await {
            if let Wire::Text(text) = wire {
                heard.push(serde_json::from_str(&text).unwrap());
            }
        }
        heard
    }

    /// Reads to the end, and brings the code of the good-bye; none when nobody said it.
    pub async fn ended(&mut self) -> Option<u16> {
        let ended = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Wire::Close(frame))) => return frame.map(|frame| frame.code.into()),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        };
        timeout(PATIENCE, ended).await.expect("the socket stays open")
    }

    /// The same, unless there is silence for so long.
    pub async fn ended_or_silent(&mut self, silence: Duration) -> Option<u16> {
        loop {
            match timeout(silence, self.0.next()).await {
                Ok(Some(Ok(Wire::Close(frame)))) => return frame.map(|frame| frame.code.into()),
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(_)) | None) | Err(_) => return None,
            }
        }
    }
}
