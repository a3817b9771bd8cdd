//! The dialect of the chat: its requests.

use serde_json::Value;
use shared::actors::user::Command;
use shared::chat;
use shared::envelope::{EntityId, IdempotencyKey};
use shared::http::chat::{ReadBody, SendBody};
use shared::http::problem::Problem;
use shared::http::routes::Chatting;
use shared::http::routing::Params;

use crate::request::{Dialect, object};

/// What a request to the chat posts.
#[derive(Debug)]
pub struct Said {
    /// Whose.
    pub user: EntityId,
    /// The event.
    pub event: Value,
    /// The key under which it has one effect, if the client has named it.
    pub key: Option<IdempotencyKey>,
    /// How the answer looks.
    pub dialect: Dialect,
}

/// Reads a request to the chat.
///
/// # Errors
/// The problem to answer with.
pub fn read(chatting: Chatting, params: &Params, body: &[u8]) -> Result<Said, Problem> {
    let user = chat::user(params.get("id"))?;
    match chatting {
        Chatting::Send => {
            let form = r#"the body is empty; it takes {"to": "bob", "content": "hello"}"#;
            let SendBody { to, content, client_id } = object(body)?.ok_or_else(|| Problem::invalid(form))?;
            let key = client_id.as_deref().map(IdempotencyKey::new).transpose()?;
            Ok(Said { user, event: event(&Command::Send { to, content, client_id }), key, dialect: Dialect::Message })
        }
        Chatting::Read => {
            let ReadBody { upto } = object(body)?.unwrap_or_default();
            let with = chat::user(params.get("other"))?.id().to_owned();
            let event = event(&Command::MessageRead { with, upto });
            Ok(Said { user, event, key: None, dialect: Dialect::Conversation })
        }
        // Tickets are no events, and API Gateway sends the rest to `status`.
        Chatting::Ticket
        | Chatting::Conversations
        | Chatting::History
        | Chatting::Log
        | Chatting::Presence
        | Chatting::Online => Err(Problem::wrong_method("POST", "GET, HEAD")),
    }
}

/// A command consists of what JSON can hold.
fn event(command: &Command) -> Value {
    serde_json::to_value(command).unwrap_or_default()
}
