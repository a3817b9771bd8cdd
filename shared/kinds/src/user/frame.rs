//! What a socket says to its client, version 1: JSON objects that are told apart by `type`.

use leasebox::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::user::{Conversation, Message};
use leasebox::shared::moment::rfc3339;

/// The version of the protocol on the socket.
pub const VERSION: u64 = 1;

/// A message as one of its two users sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shown {
    /// Its number in the log of this user, from 1 without gaps.
    pub n: u64,
    /// Its id, the same for both users.
    pub id: String,
    /// The user who sent it.
    pub from: String,
    /// The user who receives it.
    pub to: String,
    /// The text of the message.
    pub content: String,
    /// When it was sent, as RFC 3339 has it.
    pub at: String,
    /// What the client of this user calls it, if this user sent it and the client gave it a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

impl From<Message> for Shown {
    fn from(Message { n, id, from, to, content, at, client_id, .. }: Message) -> Self {
        Self { n, id, from, to, content, at: rfc3339(at), client_id }
    }
}

/// What a socket says to its client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Frame {
    /// A message that the client sent is durable.
    Ack {
        /// What the client calls it.
        id: String,
        /// Whether it has its place already.
        status: Kept,
        /// The message, once it has its place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<Shown>,
    },
    /// There is a new message in the log.
    Message {
        /// The message as this user sees it.
        message: Shown,
        /// How many messages of its conversation are not read.
        unread: u64,
    },
    /// What is read of a conversation.
    Read {
        /// The other user of the conversation.
        with: String,
        /// How many messages are not read.
        unread: u64,
        /// Up to which number of the log it is read.
        upto: u64,
    },
    /// A part of the log.
    Sync {
        /// The messages, oldest first.
        messages: Vec<Shown>,
        /// Where the next part begins: behind this number.
        since: u64,
        /// Whether that was all there is.
        complete: bool,
    },
    /// Somebody is typing to this user.
    Typing {
        /// The user who is typing.
        from: String,
    },
    /// It is known that the user is typing. Whoever is to hear of it does, and has nothing to answer.
    Noted {},
    /// The connection is there.
    Pong {
        /// The server's time, as RFC 3339 has it.
        at: String,
        /// How many messages the log has, or had a moment ago: a client that knows fewer has missed some.
        log: u64,
    },
    /// A frame was refused.
    Error {
        /// Why, as RFC 9457 has it.
        problem: Value,
        /// The client's id of the message that was not sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
}

/// How a message is kept that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    /// It has its place in the log.
    Stored,
    /// In the queue; it gets its place in a moment, and then arrives as others do.
    Queued,
}

impl Frame {
    /// The frame of a new message.
    pub(super) fn message(message: &Message, unread: u64) -> Self {
        Self::Message { message: message.clone().into(), unread }
    }

    /// The frame of what is read.
    pub(super) fn read(conversation: &Conversation) -> Self {
        let Conversation { with, read, .. } = conversation;
        Self::Read { with: with.clone(), unread: conversation.unread(), upto: read.upto }
    }

    /// The JSON that goes over the wire, with what the client wants echoed.
    #[must_use]
    pub fn to_json(&self, echo: Option<&str>) -> Value {
        // Every variant is a struct of what JSON can hold.
        let mut frame = serde_json::to_value(self).unwrap_or_default();
        frame["v"] = json!(VERSION);
        if let Some(echo) = echo {
            frame["ref"] = json!(echo);
        }
        frame
    }
}
