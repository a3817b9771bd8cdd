//! What the rules of the chat refuse.

use crate::actor::Rejection;
use crate::actors::user::{CLIENT_ID_BYTES, CONTENT_BYTES, ENCODED_BYTES, KIND};
use crate::envelope::EntityId;

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

/// Whether this may be a message. It travels as JSON, in which some characters take more than their own bytes.
pub(super) fn content(content: &str) -> Result<(), Rejection> {
    let (bytes, encoded) = (content.len(), serde_json::to_string(content).map_or(usize::MAX, |json| json.len()));
    if (1..=CONTENT_BYTES).contains(&bytes) && encoded <= ENCODED_BYTES {
        return Ok(());
    }
    let detail = format!(
        "the content has {bytes} bytes, {encoded} as JSON; a message has 1 to {CONTENT_BYTES}, and at most \
         {ENCODED_BYTES} as JSON"
    );
    Err(Rejection::new("invalid-content", 400, detail).with("bytes", bytes))
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
