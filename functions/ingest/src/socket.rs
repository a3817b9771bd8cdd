//! A socket's events, as API Gateway sends them: it was opened, a frame has come, it was closed.
//!
//! Whose socket it is was decided before it was opened, by the authorizer, and comes with each event: what the client
//! says of that counts for nothing. Nothing is kept between events; what a frame asks for, it gets as this very answer.

use futures::future::join_all;
use lambda_http::aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequestContext as Context;
use serde_json::Value;
use shared::actors::user::frame::{Frame, Kept};
use shared::actors::user::{Command, KIND, Message, Reply};
use shared::chat::{self, history, log};
use shared::client::{Client, Mode, Receipted, Submission};
use shared::envelope::{Draft, EntityId, IdempotencyKey, Keyed, Millis, body_hash};
use shared::host::Host;
use shared::http::answer::Answer;
use shared::http::problem::Problem;
use shared::limits;
use shared::mailbox::view::Standing;
use shared::moment::rfc3339;
use shared::outcome::{Outcome, Settled};
use shared::store::Consistency;
use shared::trace::Trace;
use shared::visit::push;

use crate::frame::{self, Asked};

/// The most that one part of a log has on a socket, in bytes: API Gateway takes messages of 128 KB.
const SYNC_BYTES: usize = 96 * limits::KB;

/// Answers one event.
pub async fn answer<H: Host>(
    client: &Client<H>,
    context: &Context,
    (body, trace): (&[u8], Option<Trace>),
    deadline: Millis,
) -> Answer {
    let socket = match Socket::new(client, context, trace, deadline) {
        Ok(socket) => socket,
        Err(problem) => return problem.answer(),
    };
    match context.event_type.as_deref() {
        Some("CONNECT") => socket.opened().await.unwrap_or_else(Problem::answer),
        Some("DISCONNECT") => socket.closed().await.unwrap_or_else(Problem::answer),
        _ => socket.frame(body).await,
    }
}

/// A socket and its user.
struct Socket<'a, H> {
    client: &'a Client<H>,
    user: EntityId,
    connection: &'a str,
    /// The trace that Lambda began for the event.
    trace: Option<Trace>,
    deadline: Millis,
}

/// An answer without a word. API Gateway sends an empty frame for one, so no frame is answered by it.
fn silence() -> Answer {
    Answer { status: 200, headers: Vec::new(), body: String::new() }
}

impl<'a, H: Host> Socket<'a, H> {
    fn new(
        client: &'a Client<H>,
        context: &'a Context,
        trace: Option<Trace>,
        deadline: Millis,
    ) -> Result<Self, Problem> {
        let user = context.authorizer.fields.get("user").and_then(Value::as_str);
        let (Some(user), Some(connection)) = (user, context.connection_id.as_deref()) else {
            return Err(Problem::unauthorized("the event names no user: the API's authorizer has not seen it"));
        };
        Ok(Self { client, user: chat::user(user)?, connection, trace, deadline })
    }

    fn now(&self) -> Millis {
        self.client.host().now()
    }

    async fn opened(&self) -> Result<Answer, Problem> {
        self.renew(limits::DIALECT_WAIT_MS).await?;
        Ok(silence())
    }

    /// Says until when the connection counts as open, if nothing more is heard of it.
    async fn renew(&self, wait_ms: u64) -> Result<(), Problem> {
        let (connection, until) = (self.connection.to_owned(), self.now().plus(limits::CONNECTION_MS));
        self.post(&Command::UserOnline { connection, until }, None, wait_ms).await?;
        Ok(())
    }

    async fn closed(&self) -> Result<Answer, Problem> {
        self.post(&Command::UserOffline { connection: self.connection.to_owned() }, None, 0).await?;
        Ok(silence())
    }

    /// Answers a frame. Whatever is wrong with it is said in a frame: the socket stays open.
    async fn frame(&self, body: &[u8]) -> Answer {
        let frame = frame::read(body);
        let (answer, id) = match frame.asked {
            Ok(asked) => {
                let id = asked.id().map(str::to_owned);
                (self.asked(asked).await, id)
            }
            Err(problem) => (Err(problem), frame.id),
        };
        let said = answer.unwrap_or_else(|problem| Frame::Error { problem: problem.to_json(), id });
        Answer { body: said.to_json(frame.echo.as_deref()).to_string(), ..silence() }
    }

    async fn asked(&self, asked: Asked) -> Result<Frame, Problem> {
        match asked {
            Asked::Send { id, to, content } => self.send(id, to, content).await,
            Asked::Read { with, upto } => self.read(with, upto).await,
            Asked::Sync { since, limit } => self.sync(since, limit).await,
            Asked::Typing { to } => self.typing(&to).await,
            Asked::Ping {} => self.ping().await,
        }
    }

    async fn send(&self, id: String, to: String, content: String) -> Result<Frame, Problem> {
        let key = IdempotencyKey::new(&id)?;
        let command = Command::Send { to, content, client_id: Some(id.clone()) };
        let reply = self.post(&command, Some(&key), limits::DIALECT_WAIT_MS).await?;
        Ok(match reply {
            Some(Reply::Message(message)) => Frame::Ack { id, status: Kept::Stored, message: Some(message.into()) },
            None => Frame::Ack { id, status: Kept::Queued, message: None },
            Some(_) => return Err(Problem::dead("the reply is no message")),
        })
    }

    async fn read(&self, with: String, upto: Option<u64>) -> Result<Frame, Problem> {
        let command = Command::MessageRead { with: with.clone(), upto };
        match self.post(&command, None, limits::DIALECT_WAIT_MS).await? {
            Some(Reply::Conversation { with, unread, upto }) => Ok(Frame::Read { with, unread, upto }),
            _ => Err(Problem::not_yet(&format!("it is stored that the conversation with {with} is read"))),
        }
    }

    async fn sync(&self, since: u64, limit: Option<usize>) -> Result<Frame, Problem> {
        let limit = limit.unwrap_or(limits::MESSAGES);
        if !(1..=limits::MESSAGES_MOST).contains(&limit) {
            return Err(Problem::invalid(format!("`limit` takes a number from 1 to {}", limits::MESSAGES_MOST)));
        }
        let deadline = self.deadline.min(self.now().plus(limits::DIALECT_WAIT_MS));
        let mut part = log::since(self.client.host(), &self.user, since, limit, deadline).await?;
        part.shorten(SYNC_BYTES, |message: &Message| serde_json::to_string(message).map_or(0, |json| json.len()));
        let messages = part.messages.into_iter().map(Into::into).collect();
        Ok(Frame::Sync { messages, since: part.since, complete: part.complete })
    }

    async fn typing(&self, to: &str) -> Result<Frame, Problem> {
        let host = self.client.host();
        let receiver = chat::user(to)?;
        // Nobody is pushed at by those whom they never wrote to. The answer tells nobody which case it was.
        let conversation = history::summary(host, &self.user, receiver.id(), self.deadline).await?;
        if conversation.is_some_and(|conversation| conversation.incoming > 0) {
            let state = chat::state(host, &receiver, Consistency::Eventual).await?;
            let frame = Frame::Typing { from: self.user.id().to_owned() }.to_json(None).to_string();
            let end = self.deadline.min(self.now().plus(limits::PUSHES_MS));
            join_all(state.open(host.now()).map(|connection| push(host, &connection.id, &frame, end))).await;
        }
        Ok(Frame::Noted {})
    }

    /// A sign of life: it renews the connection when half of its time is over, or when it was forgotten.
    async fn ping(&self) -> Result<Frame, Problem> {
        let state = chat::state(self.client.host(), &self.user, Consistency::Eventual).await?;
        let now = self.now();
        let known = state.connections.iter().find(|connection| connection.id == self.connection);
        if known.is_none_or(|known| known.until.since(now) < limits::CONNECTION_MS / 2) {
            self.renew(0).await?;
        }
        Ok(Frame::Pong { at: rfc3339(now), log: state.log })
    }

    /// Posts an event of the user, and brings the reply; none when it is stored and not processed yet.
    async fn post(
        &self,
        command: &Command,
        key: Option<&IdempotencyKey>,
        wait_ms: u64,
    ) -> Result<Option<Reply>, Problem> {
        let drafts = [self.draft(command, key)?];
        let Self { client, user: entity, deadline, .. } = self;
        let submission = Submission { entity, drafts: &drafts, mode: Mode::Inline, wait_ms, deadline: *deadline };
        let Some(Receipted { standing, .. }) = client.submit(submission).await?.into_iter().next() else {
            return Ok(None);
        };
        match standing {
            Standing::Settled(Settled { outcome: Outcome::Reply(reply), .. }) => {
                let reply = serde_json::from_value(reply);
                reply.map(Some).map_err(|error| Problem::dead(&format!("the reply is none of a {KIND}'s: {error}")))
            }
            Standing::Settled(Settled { outcome: Outcome::Rejected(rejection), .. }) => {
                Err(Problem::rejected(rejection))
            }
            Standing::Settled(Settled { outcome: Outcome::Dead(cause), .. }) | Standing::Dead { cause } => {
                Err(Problem::dead(&cause))
            }
            Standing::Queued { .. } | Standing::Forgotten | Standing::Never => Ok(None),
        }
    }

    /// The stored form of an event, if the rules do not refuse it whatever else there is.
    fn draft(&self, command: &Command, key: Option<&IdempotencyKey>) -> Result<Draft, Problem> {
        // A command consists of what JSON can hold, and the kind is the one that it belongs to.
        let event = serde_json::to_value(command).unwrap_or_default();
        let kind = self.client.host().registry().kind(KIND).ok_or_else(|| Problem::unknown_kind(KIND, ""))?;
        let parsed = kind.parse(&self.user, &event).map_err(Problem::invalid)?;
        if let Some(rejection) = parsed.refused {
            return Err(Problem::rejected(rejection));
        }
        if parsed.body.len() > limits::PAYLOAD_BYTES {
            return Err(Problem::too_large("the message as JSON", parsed.body.len(), limits::PAYLOAD_BYTES));
        }
        let keyed = key.map(|key| Keyed::client(key, 0, &body_hash([parsed.body.as_str()])));
        Ok(Draft { body: parsed.body, keyed, from: None, trace: self.trace })
    }
}
