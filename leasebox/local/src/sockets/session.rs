//! One open socket: frames become events, answers and pushes become frames, until somebody leaves.

use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket};
use futures::future::FusedFuture;
use futures::stream::{SplitSink, SplitStream};
use futures::{FutureExt, SinkExt, StreamExt};
use lambda_http::{Body, Response};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, sleep_until, timeout};

use crate::sockets::connection::Connection;
use crate::sockets::ending::{End, Leaving, is_full, of_error};
use crate::sockets::member::Member;
use crate::sockets::outgoing::{Next, Outgoing};
use web::socket::Pace;

use crate::sockets::{Failed, Gateway, Handlers, MESSAGE_BYTES, event};

/// What both directions of a socket know.
struct Session<H> {
    gateway: Gateway<H>,
    connection: Arc<Connection>,
    /// One permit for each message that is not in hand.
    free: Arc<Semaphore>,
}

/// What came before on a socket.
#[derive(Default)]
struct Before {
    /// The last message that was handed over in its turn.
    in_turn: Option<JoinHandle<()>>,
    /// When one that comes seldom was handed over last.
    seldom: Option<Instant>,
}

/// Runs a socket to its end.
pub(super) async fn run<H: Handlers>(member: Member<H>, socket: WebSocket) {
    let Some((gateway, connection)) = member.parts() else { return };
    let free = Arc::new(Semaphore::new(gateway.0.settings.in_hand as usize));
    let session = Session { gateway, connection, free };
    let (sink, mut stream) = socket.split();
    let outgoing = &session.connection.outgoing;
    let writing = write(sink, &session.connection).fuse();
    tokio::pin!(writing);
    let leaving = tokio::select! {
        leaving = session.read(&mut stream) => leaving,
        // It ends when it has said good-bye, or when there is nobody to say it to.
        () = &mut writing => outgoing.end().map_or(Leaving::Broken, Leaving::Server),
    };
    // First the end is told, then the client: a client that does not answer holds up nobody.
    member.leave(leaving.end());
    let farewell = async {
        match &leaving {
            Leaving::Broken => {}
            Leaving::Client(_) => drain(&mut stream).await,
            Leaving::Server(end) => {
                let said = async {
                    session.settle().await;
                    outgoing.close(end.clone());
                    if !writing.is_terminated() {
                        (&mut writing).await;
                    }
                };
                tokio::join!(said, drain(&mut stream));
            }
            Leaving::Unreadable(end) => {
                outgoing.close(end.clone());
                if !writing.is_terminated() {
                    (&mut writing).await;
                }
                // To close at once would reset the connection, as it has bytes that nobody reads, and the client might
                // never see why.
                std::future::pending().await
            }
        }
    };
    // Whoever is not gone by then is cut off.
    let _ = timeout(session.gateway.0.settings.grace, farewell).await;
    outgoing.close(leaving.end());
}

impl<H: Handlers> Session<H> {
    /// Reads until somebody leaves, whatever is in hand, of which there is a bounded number.
    async fn read(&self, stream: &mut SplitStream<WebSocket>) -> Leaving {
        let mut before = Before::default();
        loop {
            let permit = tokio::select! {
                permit = Arc::clone(&self.free).acquire_owned() => permit,
                end = self.told() => return Leaving::Server(end),
            };
            // Nobody closes it.
            let Ok(permit) = permit else { return Leaving::Broken };
            let message = tokio::select! {
                message = stream.next() => message,
                end = self.told() => return Leaving::Server(end),
            };
            self.connection.touch();
            match message {
                Some(Ok(Message::Text(text))) => self.take(text.as_str(), &mut before, permit),
                Some(Ok(Message::Ping(_))) => {
                    self.connection.outgoing.pong();
                    // Whoever writes has its turn, so that only pongs wait which the client does not read.
                    yield_now().await;
                }
                Some(Ok(Message::Pong(_))) => {}
                Some(Ok(Message::Binary(_))) => return Leaving::Server(End::binary()),
                Some(Ok(Message::Close(frame))) => return Leaving::Client(End::of_client(frame)),
                Some(Err(error)) => return of_error(error),
                None => return Leaving::Broken,
            }
        }
    }

    /// Returns when this side must leave.
    async fn told(&self) -> End {
        tokio::select! {
            end = self.connection.outgoing.closed() => end,
            () = self.gateway.0.shutdown.requested() => End::going_away(),
            () = self.idle() => End::going_away(),
            () = sleep_until(self.connection.connected + self.gateway.0.settings.life) => End::going_away(),
        }
    }

    async fn idle(&self) {
        loop {
            let end = self.connection.last_active() + self.gateway.0.settings.idle;
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    }

    /// Hands a message over when it is its turn. As on Lambda, an invocation that has begun ends in its own time.
    fn take(&self, text: &str, before: &mut Before, permit: OwnedSemaphorePermit) {
        let event = event::message(&self.connection, text, (self.gateway.0.clock)());
        match self.gateway.0.handlers.pace(text) {
            Pace::AtOnce => drop(self.invoke(event, None, permit)),
            Pace::InTurn => before.in_turn = Some(self.invoke(event, before.in_turn.take(), permit)),
            Pace::Seldom => {
                let (now, pause) = (Instant::now(), self.gateway.0.settings.seldom);
                if before.seldom.is_some_and(|last| now < last + pause) {
                    self.connection.outgoing.push(words("Too Many Requests", &self.connection, &event));
                } else {
                    before.seldom = Some(now);
                    drop(self.invoke(event, None, permit));
                }
            }
        }
    }

    /// Invokes the handler, once the one before has ended.
    fn invoke(&self, event: Value, before: Option<JoinHandle<()>>, permit: OwnedSemaphorePermit) -> JoinHandle<()> {
        let (gateway, connection) = (self.gateway.clone(), Arc::clone(&self.connection));
        self.gateway.0.invocations.spawn(async move {
            if let Some(before) = before {
                // However it ended.
                let _ = before.await;
            }
            let answer = gateway.call(&event).await.and_then(frame);
            let answer = answer.unwrap_or_else(|Failed| words("Internal server error", &connection, &event));
            if !answer.is_empty() {
                // A socket that is closed by now has no reader for it.
                connection.outgoing.push(answer);
            }
            drop(permit);
        })
    }

    /// When the server ends, answers of what is in hand still go out, if they come soon.
    async fn settle(&self) {
        let settings = &self.gateway.0.settings;
        if self.gateway.0.shutdown.is_requested() {
            let _ = timeout(settings.grace / 2, self.free.acquire_many(settings.in_hand)).await;
        }
    }
}

/// API Gateway's own words, when a message has no other answer.
fn words(message: &str, connection: &Connection, event: &Value) -> String {
    let request = &event["requestContext"]["requestId"];
    json!({"message": message, "connectionId": connection.facts.id, "requestId": request}).to_string()
}

/// The frame that an answer is.
fn frame(response: Response<Body>) -> Result<String, Failed> {
    let text = match response.into_body() {
        Body::Text(text) => text,
        Body::Binary(bytes) => String::from_utf8(bytes).map_err(|_| Failed)?,
        _ => String::new(),
    };
    if text.len() > MESSAGE_BYTES {
        tracing::error!(bytes = text.len(), "an answer is larger than a message may be");
        return Err(Failed);
    }
    Ok(text)
}

/// Writes what waits, until the close frame is written or the client is gone.
async fn write(mut sink: SplitSink<WebSocket, Message>, connection: &Connection) {
    let outgoing: &Outgoing = &connection.outgoing;
    loop {
        let next = outgoing.next().await;
        let is_last = matches!(next, Next::Close(_));
        let sent = match next {
            Next::Text(text) => sink.send(Message::Text(text.into())).await,
            Next::Pongs => sink.flush().await,
            Next::Close(end) => sink.send(Message::Close(Some(end.frame()))).await,
        };
        connection.touch();
        if let Err(error) = sent {
            if is_full(error) {
                outgoing.give_up();
            }
            return;
        }
        if is_last {
            return;
        }
    }
}

/// Reads what the client still says, and lets the library answer its good-bye.
async fn drain(stream: &mut SplitStream<WebSocket>) {
    while let Some(Ok(_)) = stream.next().await {}
}
