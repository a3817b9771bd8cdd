//! A user's socket: it was opened, a frame has come, it was closed.
//!
//! Nothing is kept between events; what a frame asks for, it gets as its very answer.

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use leasebox::shared::limits;
use leasebox::shared::moment::rfc3339;
use leasebox::shared::store::Consistency;
use leasebox::{AnyHost, Client, EntityId, IdempotencyKey, Pace, Problem, Socket, Sockets};

use crate::chat::{self, history, log};
use crate::user::asked::{self, Asked};
use crate::user::frame::{Frame, Kept};
use crate::user::{Command, Message, Reply, User};

/// The most that one part of a log has on a socket, in bytes: API Gateway takes messages of 128 KB.
const SYNC_BYTES: usize = 96 * limits::KB;

/// The sockets of the chat.
pub(super) struct Chat;

impl Sockets for Chat {
    fn opened<'a>(&'a self, socket: &'a Socket) -> BoxFuture<'a, Result<(), Problem>> {
        User::renew(socket, limits::DIALECT_WAIT_MS).boxed()
    }

    fn frame<'a>(&'a self, socket: &'a Socket, frame: &'a [u8]) -> BoxFuture<'a, String> {
        answered(socket, frame).boxed()
    }

    fn closed<'a>(&'a self, socket: &'a Socket) -> BoxFuture<'a, Result<(), Problem>> {
        let gone = Command::UserOffline { connection: socket.connection.clone() };
        async move { User::post(socket, &gone, None, 0).await.map(drop) }.boxed()
    }

    fn pace(&self, frame: &str) -> Pace {
        match asked::read(frame.as_bytes()).asked {
            Ok(Asked::Send { .. } | Asked::Read { .. }) => Pace::InTurn,
            // One that names nobody is refused, and pushes nothing.
            Ok(Asked::Typing { to }) if chat::user(&to).is_ok() => Pace::Seldom,
            Ok(Asked::Typing { .. } | Asked::Sync { .. } | Asked::Ping {}) | Err(_) => Pace::AtOnce,
        }
    }
}

/// Answers a frame. Whatever is wrong with it is said in a frame: the socket stays open.
async fn answered(socket: &Socket, body: &[u8]) -> String {
    let frame = asked::read(body);
    let (answer, id) = match frame.asked {
        Ok(asked) => {
            let id = asked.id().map(str::to_owned);
            (User::asked(socket, asked).await, id)
        }
        Err(problem) => (Err(problem), frame.id),
    };
    let said = answer.unwrap_or_else(|problem| Frame::Error { problem: problem.to_json(), id });
    said.to_json(frame.echo.as_deref()).to_string()
}

impl User {
    async fn asked(socket: &Socket, asked: Asked) -> Result<Frame, Problem> {
        match asked {
            Asked::Send { id, to, content } => Self::say(socket, id, to, content).await,
            Asked::Read { with, upto } => Self::read(socket, with, upto).await,
            Asked::Sync { since, limit } => Self::sync(socket, since, limit).await,
            Asked::Typing { to } => Self::typing(socket, &to).await,
            Asked::Ping {} => Self::ping(socket).await,
        }
    }

    /// Says until when the connection counts as open, if nothing more is heard of it.
    async fn renew(socket: &Socket, wait_ms: u64) -> Result<(), Problem> {
        let until = socket.now().plus(limits::CONNECTION_MS);
        let online = Command::UserOnline { connection: socket.connection.clone(), until };
        Self::post(socket, &online, None, wait_ms).await.map(drop)
    }

    async fn say(socket: &Socket, id: String, to: String, content: String) -> Result<Frame, Problem> {
        let key = IdempotencyKey::new(&id)?;
        let command = Command::Send { to, content, client_id: Some(id.clone()) };
        let reply = Self::post(socket, &command, Some(&key), limits::DIALECT_WAIT_MS).await?;
        Ok(match reply {
            Some(Reply::Message(message)) => Frame::Ack { id, status: Kept::Stored, message: Some(message.into()) },
            None => Frame::Ack { id, status: Kept::Queued, message: None },
            Some(_) => return Err(Problem::dead("the reply is no message")),
        })
    }

    async fn read(socket: &Socket, with: String, upto: Option<u64>) -> Result<Frame, Problem> {
        let command = Command::MessageRead { with: with.clone(), upto };
        match Self::post(socket, &command, None, limits::DIALECT_WAIT_MS).await? {
            Some(Reply::Conversation { with, unread, upto }) => Ok(Frame::Read { with, unread, upto }),
            _ => Err(Problem::not_yet(&format!("it is stored that the conversation with {with} is read"))),
        }
    }

    async fn sync(socket: &Socket, since: u64, limit: Option<usize>) -> Result<Frame, Problem> {
        let limit = limit.unwrap_or(limits::MESSAGES);
        if !(1..=limits::MESSAGES_MOST).contains(&limit) {
            return Err(Problem::invalid(format!("`limit` takes a number from 1 to {}", limits::MESSAGES_MOST)));
        }
        let deadline = socket.deadline.min(socket.now().plus(limits::DIALECT_WAIT_MS));
        let mut part = log::since(host(socket), &entity(socket)?, since, limit, deadline).await?;
        part.shorten(SYNC_BYTES, |message: &Message| serde_json::to_string(message).map_or(0, |json| json.len()));
        let messages = part.messages.into_iter().map(Into::into).collect();
        Ok(Frame::Sync { messages, since: part.since, complete: part.complete })
    }

    async fn typing(socket: &Socket, to: &str) -> Result<Frame, Problem> {
        let (receiver, user) = (chat::user(to)?, entity(socket)?);
        // Nobody is pushed at by those whom they never wrote to. The answer tells nobody which case it was.
        let conversation = history::summary(host(socket), &user, receiver.id(), socket.deadline).await?;
        if conversation.is_some_and(|conversation| conversation.incoming > 0) {
            let state = chat::state(host(socket), &receiver, Consistency::Eventual).await?;
            let frame = Frame::Typing { from: user.id().to_owned() }.to_json(None).to_string();
            let end = socket.deadline.min(socket.now().plus(limits::PUSHES_MS));
            join_all(state.open(socket.now()).map(|connection| socket.push(&connection.id, &frame, end))).await;
        }
        Ok(Frame::Noted {})
    }

    /// A sign of life: it renews the connection when half of its time is over, or when it was forgotten.
    async fn ping(socket: &Socket) -> Result<Frame, Problem> {
        let state = chat::state(host(socket), &entity(socket)?, Consistency::Eventual).await?;
        let now = socket.now();
        let known = state.connections.iter().find(|connection| connection.id == socket.connection);
        if known.is_none_or(|known| known.until.since(now) < limits::CONNECTION_MS / 2) {
            Self::renew(socket, 0).await?;
        }
        Ok(Frame::Pong { at: rfc3339(now), log: state.log })
    }

    /// Posts an event of the user, and brings the reply; none when it is stored and not processed yet.
    async fn post(
        socket: &Socket,
        command: &Command,
        key: Option<&IdempotencyKey>,
        wait_ms: u64,
    ) -> Result<Option<Reply>, Problem> {
        socket.post::<Self>(socket.user.as_str(), command, key, wait_ms).await
    }
}

fn host(socket: &Socket) -> &AnyHost {
    Client::host(&socket.client)
}

fn entity(socket: &Socket) -> Result<EntityId, Problem> {
    Ok(chat::user(socket.user.as_str())?)
}
