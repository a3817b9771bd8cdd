//! The user of a chat: messages, conversations with unread counts, and presence.
//!
//! Each user has a log of their own: the messages that they sent and received, numbered without gaps. The state has what is
//! small; messages and the summaries of conversations are side records, so a message costs the same however many there
//! are. The messages and the marks of what was read are the truth: a summary that is missing or damaged is made from
//! them, from the last message alone, because each message knows how many came in before it.

pub mod answers;
pub mod asked;
mod conversation;
pub mod frame;
mod presence;
mod refill;
mod rejections;
mod routes;
mod socket;
mod views;

use serde::{Deserialize, Serialize};

use leasebox::schemars::{self, JsonSchema};
use leasebox::shared::limits;
use leasebox::{Actor, App, EntityId, Event, Fault, Lookup, Millis, Rejection, Role, Turn};

pub use conversation::{
    Conversation, Last, MESSAGES, Mark, Message, last_message, mark_name, message_name, rank, summary_name,
};
pub use presence::{Connection, ONLINE_LISTS, Presence, online_list};

/// Adds the user, its routes, its sockets and the command of operators for it.
pub(crate) fn add<R: Role>(app: App<R>) -> App<R> {
    views::add(routes::add(app.kind::<User>())).sockets(socket::Chat).operation(refill::OPERATION)
}

/// The name of the kind.
pub const KIND: &str = "user";
/// The list of a user's messages, by their numbers.
pub const LOG: &str = "log";
/// The list of a user's conversations, by the number of their last message.
pub const CONVERSATIONS: &str = "conversations";
/// The length of a message, in bytes.
pub const CONTENT_BYTES: usize = 8 * 1024;
/// Its length as JSON, where a control character takes six bytes: an event, without what else is in it.
pub const CONTENT_JSON_BYTES: usize = limits::PAYLOAD_BYTES - 1024;
/// The length of a client's message id, in bytes.
pub const CLIENT_ID_BYTES: usize = 64;

/// A user of the chat.
#[derive(Debug)]
pub struct User;

/// What a user's mailbox remembers: nothing that grows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct State {
    /// How many messages the log has.
    pub log: u64,
    /// How many conversations there are.
    pub conversations: u64,
    /// The connections that are open, as far as is known.
    pub connections: Vec<Connection>,
    /// When a connection was last opened, renewed or closed.
    pub last_seen: Option<Millis>,
}

/// What a user is asked to do, and what happens to one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Sends a message to another user.
    Send {
        /// The id of the user who is to receive it.
        to: String,
        /// What it says: 1 byte to 8 KB.
        content: String,
        /// What the client calls it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_id: Option<String>,
    },
    /// A message has come in. From users only.
    MessageReceived {
        /// The message's id, which both users know.
        id: String,
        /// What it says: 1 byte to 8 KB.
        content: String,
        /// When its sender sent it.
        at: Millis,
    },
    /// Marks messages of a conversation as read.
    MessageRead {
        /// Those of this user.
        with: String,
        /// Up to this number of the log; all, when it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        upto: Option<u64>,
    },
    /// A connection was opened, or is still there. From the socket only.
    UserOnline {
        /// The id of the connection.
        connection: String,
        /// Until when it counts as open if nothing is heard of it.
        until: Millis,
    },
    /// A connection was closed. From the socket only.
    UserOffline {
        /// The id of the connection.
        connection: String,
    },
    /// A push found that a connection is not there. From the protocol only.
    ConnectionGone {
        /// The id of the connection.
        connection: String,
    },
    /// Write the summary of a conversation anew, from the messages. From operators only.
    Refill {
        /// The other user of the conversation.
        with: String,
    },
}

/// What a user answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Reply {
    /// To a message that was sent: the message as it is in the log.
    Message(Message),
    /// To a message that came in, which nobody waits for: its number in the log.
    Logged {
        /// Its number in the log.
        n: u64,
    },
    /// To what concerns a conversation: how it stands.
    Conversation {
        /// The other user of the conversation.
        with: String,
        /// How many messages are not read.
        unread: u64,
        /// Up to which number of the log it is read.
        upto: u64,
    },
    /// To connections that come and go.
    Presence {
        /// How many connections are open.
        connections: usize,
    },
}

impl Actor for User {
    const KIND: &'static str = KIND;
    type State = State;
    type Command = Command;
    type Reply = Reply;

    fn handle(state: &State, event: &Event<'_, Command>) -> Result<Turn<Self>, Fault> {
        match &event.command {
            Command::Send { to, content, client_id } => {
                conversation::send(state, event, to, content, client_id.as_ref())
            }
            Command::MessageReceived { id, content, at } => {
                let Some(from) = event.from.filter(|from| from.kind() == KIND) else {
                    return Err(Fault::new("a message comes in from a user only"));
                };
                conversation::receive(state, event, from.id(), Message::incoming(id, from, event.entity, content, *at))
            }
            Command::MessageRead { with, upto } => conversation::read(state, event, with, *upto),
            Command::UserOnline { connection, until } => presence::online(state, event, connection, *until),
            Command::UserOffline { connection } => presence::offline(state, event, connection),
            Command::ConnectionGone { connection } => presence::gone(state, event, connection),
            Command::Refill { with } => conversation::refill(state, event, with),
        }
    }

    fn lookups(event: &Event<'_, Command>) -> Vec<Lookup> {
        match &event.command {
            Command::Send { to: with, .. } => conversation::lookups(event, with),
            Command::MessageReceived { .. } => {
                event.from.map(|from| conversation::lookups(event, from.id())).unwrap_or_default()
            }
            Command::MessageRead { with, upto } => conversation::lookups_of_reading(event, with, *upto),
            Command::Refill { with } => conversation::truth(with),
            Command::UserOnline { .. } | Command::UserOffline { .. } | Command::ConnectionGone { .. } => Vec::new(),
        }
    }

    fn gone(connection: &str) -> Option<Command> {
        Some(Command::ConnectionGone { connection: connection.to_owned() })
    }

    fn admits(command: &Command) -> bool {
        match command {
            Command::Send { .. } | Command::MessageRead { .. } => true,
            Command::MessageReceived { .. }
            | Command::UserOnline { .. }
            | Command::UserOffline { .. }
            | Command::ConnectionGone { .. }
            | Command::Refill { .. } => false,
        }
    }

    fn check(entity: &EntityId, command: &Command) -> Result<(), Rejection> {
        match command {
            Command::Send { to, content, client_id } => rejections::partner(entity, to)
                .and_then(|()| rejections::content(content))
                .and_then(|()| rejections::client_id(client_id.as_deref())),
            Command::MessageRead { with, .. } | Command::Refill { with } => rejections::partner(entity, with),
            Command::MessageReceived { .. }
            | Command::UserOnline { .. }
            | Command::UserOffline { .. }
            | Command::ConnectionGone { .. } => Ok(()),
        }
    }
}
