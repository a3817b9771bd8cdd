//! What the rules of the chat refuse.

use crate::user::{CLIENT_ID_BYTES, CONTENT_BYTES, CONTENT_JSON_BYTES, KIND};
use leasebox::{EntityId, Rejection};

/// Whether this may be the other side of a conversation.
pub(super) fn partner(user: &EntityId, with: &str) -> Result<(), Rejection> {
    match EntityId::new(KIND, with) {
        Err(malformed) => Err(Rejection::new("invalid-user", 400, malformed.to_string())),
        Ok(other) if other == *user => {
            Err(Rejection::new("message-to-itself", 400, "a conversation is with somebody else; name another user"))
        }
        Ok(_) => Ok(()),
    }
}

/// Whether this may be a message.
pub(super) fn content(content: &str) -> Result<(), Rejection> {
    match content.len() {
        bytes @ (0 | CONTENT_BYTES..) if bytes == 0 || bytes > CONTENT_BYTES => {
            let detail = format!("the content has {bytes} bytes; a message has 1 to {CONTENT_BYTES}");
            Err(Rejection::new("invalid-content", 400, detail).with("bytes", bytes))
        }
        _ => match serde_json::to_string(content).map_or(usize::MAX, |json| json.len()) {
            // On its way to the receiver it is an event, in JSON: one that does not fit must be refused before it is sent.
            bytes if bytes > CONTENT_JSON_BYTES => {
                let detail =
                    format!("the content has {bytes} bytes as JSON; a message has at most {CONTENT_JSON_BYTES}");
                Err(Rejection::new("invalid-content", 400, detail).with("bytes", bytes))
            }
            _ => Ok(()),
        },
    }
}

/// Whether a client may call a message this.
pub(super) fn client_id(id: Option<&str>) -> Result<(), Rejection> {
    match id {
        Some(id) if id.is_empty() || id.len() > CLIENT_ID_BYTES || !id.bytes().all(|byte| byte.is_ascii_graphic()) => {
            let detail =
                format!("a client's message id is 1 to {CLIENT_ID_BYTES} visible ASCII characters without spaces");
            Err(Rejection::new("invalid-client-id", 400, detail))
        }
        _ => Ok(()),
    }
}

/// There is nothing to be read.
pub(super) fn no_conversation(with: &str) -> Rejection {
    let detail = format!("there is no conversation with {with}: no message was sent or received");
    Rejection::new("unknown-conversation", 404, detail)
}
