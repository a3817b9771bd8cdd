//! What a client says on a socket, version 1: JSON objects that are told apart by `type`.

use crate::user::frame::VERSION;
use leasebox::Problem;
use leasebox::shared::limits;
use serde::Deserialize;
use serde_json::{Map, Value};

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum Asked {
    /// To send a message.
    Send {
        /// What the client calls it. Sent again under the same name, it is one message.
        id: String,
        /// The id of the user who is to receive it.
        to: String,
        /// What it says: 1 byte to 8 KB.
        content: String,
    },
    /// To mark a conversation as read.
    Read {
        /// The other user of the conversation.
        with: String,
        /// Up to which number of the log; everything, when it is left out.
        upto: Option<u64>,
    },
    /// To have the messages behind a number.
    Sync {
        /// The number of the last message that the client has.
        since: u64,
        /// How many at most.
        limit: Option<usize>,
    },
    /// To tell somebody that the user is typing. Nothing is stored.
    Typing {
        /// The id of the user who is told.
        to: String,
    },
    /// Whether the connection is there. With braces: a variant without them would take any other fields.
    Ping {},
}

impl Asked {
    /// The client's id of a message.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Send { id, .. } => Some(id),
            Self::Read { .. } | Self::Sync { .. } | Self::Typing { .. } | Self::Ping {} => None,
        }
    }
}

/// A frame that was read, as far as it could be.
#[derive(Debug)]
pub struct Read {
    /// What the answer is to repeat.
    pub echo: Option<String>,
    /// The client's id of a message, also when the rest of the frame is wrong.
    pub id: Option<String>,
    /// What is asked for, or what is wrong.
    pub asked: Result<Asked, Problem>,
}

/// Reads a frame that a client sent, as far as it can be read.
#[must_use]
pub fn read(body: &[u8]) -> Read {
    let wrong = |problem| Read { echo: None, id: None, asked: Err(problem) };
    if body.len() > limits::FRAME_BYTES {
        return wrong(Problem::too_large("the frame", body.len(), limits::FRAME_BYTES));
    }
    let mut frame = match serde_json::from_slice(body) {
        Ok(Value::Object(frame)) => frame,
        Ok(_) => return wrong(Problem::invalid("the frame is JSON but no object: {\"type\": …}")),
        Err(error) => return wrong(Problem::invalid(format!("the frame is no JSON: {error}"))),
    };
    let id = frame.get("id").and_then(Value::as_str).filter(|id| id.len() <= limits::ECHO_BYTES).map(str::to_owned);
    let echo = match frame.remove("ref") {
        None => None,
        Some(Value::String(echo)) if echo.len() <= limits::ECHO_BYTES => Some(echo),
        Some(_) => {
            let problem = Problem::invalid(format!("`ref` takes a string of at most {} bytes", limits::ECHO_BYTES));
            return Read { echo: None, id, asked: Err(problem) };
        }
    };
    Read { echo, id, asked: asked(frame) }
}

fn asked(mut frame: Map<String, Value>) -> Result<Asked, Problem> {
    match frame.remove("v") {
        None => {}
        Some(version) if version.as_u64() == Some(VERSION) => {}
        Some(version) => {
            return Err(Problem::invalid(format!("`v` is {version}; this is version {VERSION} of the protocol")));
        }
    }
    let asked = serde_json::from_value(Value::Object(frame));
    asked.map_err(|error| {
        Problem::invalid(format!("there is no such frame; there are send, read, sync, typing and ping: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(frame: &str) -> Result<Asked, String> {
        read(frame.as_bytes()).asked.map_err(|problem| problem.to_json().to_string())
    }

    #[test]
    fn each_frame_is_read() {
        let send = Asked::Send { id: "c-1".to_owned(), to: "bob".to_owned(), content: "hi".to_owned() };
        assert_eq!(asked(r#"{"v":1,"type":"send","id":"c-1","to":"bob","content":"hi"}"#).unwrap(), send);
        assert_eq!(send.id(), Some("c-1"));
        let read = Asked::Read { with: "bob".to_owned(), upto: None };
        assert_eq!(asked(r#"{"type":"read","with":"bob"}"#).unwrap(), read);
        assert_eq!(asked(r#"{"type":"sync","since":7}"#).unwrap(), Asked::Sync { since: 7, limit: None });
        assert_eq!(asked(r#"{"type":"typing","to":"bob"}"#).unwrap(), Asked::Typing { to: "bob".to_owned() });
        assert_eq!(asked(r#"{"type":"ping"}"#).unwrap(), Asked::Ping {});
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (frame, said) in [
            ("", "no JSON"),
            ("[]", "no object"),
            ("{}", "missing field `type`"),
            (r#"{"type":"fly"}"#, "unknown variant"),
            (r#"{"type":"ping","v":2}"#, "version 1"),
            (r#"{"type":"ping","v":"1"}"#, "version 1"),
            (r#"{"type":"send","id":"a","to":"b"}"#, "missing field `content`"),
            (r#"{"type":"read","with":"b","until":1}"#, "unknown field"),
            (r#"{"type":"sync","since":-1}"#, "invalid value"),
            (r#"{"type":"ping","ref":7}"#, "`ref`"),
            (r#"{"type":"ping","to":"b"}"#, "unknown field"),
        ] {
            let error = asked(frame).unwrap_err();
            assert!(error.contains(said), "{frame}: {error}");
        }
        let deep = "[".repeat(10_000);
        assert!(asked(&deep).is_err());
        let large = format!(r#"{{"type":"ping","x":"{}"}}"#, "a".repeat(limits::FRAME_BYTES));
        assert!(asked(&large).unwrap_err().contains("32768"));
    }

    #[test]
    fn the_answer_knows_what_it_answers() {
        let frame = read(br#"{"type":"send","id":"c-9","ref":"r","to":7}"#);
        assert_eq!((frame.id.as_deref(), frame.echo.as_deref()), (Some("c-9"), Some("r")));
        assert!(frame.asked.is_err());
    }
}
