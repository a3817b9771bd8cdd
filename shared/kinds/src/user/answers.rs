//! The dialect of the chat: what its routes take and answer.

use leasebox::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

use crate::chat::log::Part;
use crate::user::frame::Shown;
use crate::user::{Conversation, Last, Message, Presence, State};
use leasebox::shared::moment::rfc3339;
use leasebox::{EntityId, Millis};

/// The body that sends a message.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendBody {
    /// The id of the user who is to receive it.
    pub to: String,
    /// What: 1 byte to 8 KB.
    #[schemars(length(min = 1, max = 8192))]
    pub content: String,
    /// What the client calls the message. Sent again under the same name, it is one message.
    #[schemars(length(min = 1, max = 64))]
    pub client_id: Option<String>,
}

/// The body that marks a conversation as read.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadBody {
    /// Up to which number of the reader's log; everything, when it is left out.
    pub upto: Option<u64>,
}

/// How a conversation stands.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReadAnswer {
    /// The other user of the conversation.
    pub with: String,
    /// How many messages are not read.
    pub unread: u64,
    /// Up to which number of the reader's log it is read.
    pub upto: u64,
}

/// A conversation in a list.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationItem {
    /// The other user of the conversation.
    pub with: String,
    /// How many messages are not read.
    pub unread: u64,
    /// The last message, its content cut to 200 characters.
    pub last: Shown,
}

impl ConversationItem {
    /// A conversation as its user sees it.
    #[must_use]
    pub fn new(user: &EntityId, conversation: Conversation) -> Self {
        let (unread, with) = (conversation.unread(), conversation.with);
        let Last { n, id, from, content, at } = conversation.last;
        let to = if from == with { user.id().to_owned() } else { with.clone() };
        Self { with, unread, last: Shown { n, id, from, to, content, at: rfc3339(at), client_id: None } }
    }
}

/// One page of a user's conversations, newest first.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationPage {
    /// The user whose conversations they are.
    pub user_id: String,
    /// The conversations, newest first.
    pub items: Vec<ConversationItem>,
    /// The `cursor` of the next page; null on the last one.
    pub cursor: Option<String>,
}

/// One page of a conversation, newest first.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryPage {
    /// Whose side of it.
    pub user_id: String,
    /// The other user of the conversation.
    pub with: String,
    /// How many messages of the whole conversation are not read.
    pub unread: u64,
    /// The messages, newest first.
    pub items: Vec<Shown>,
    /// The `before` of the next, older page; null on the last one.
    pub before: Option<u64>,
}

impl HistoryPage {
    /// A page of a conversation.
    #[must_use]
    pub fn new(user: &EntityId, with: &str, unread: u64, (messages, more): (Vec<Message>, bool)) -> Self {
        let before = messages.last().map(|oldest| oldest.n).filter(|_| more);
        let items = messages.into_iter().map(Shown::from).collect();
        Self { user_id: user.id().to_owned(), with: with.to_owned(), unread, items, before }
    }
}

/// A part of a user's log, oldest first.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogPart {
    /// The user whose log it is.
    pub user_id: String,
    /// The messages: their numbers have no gaps.
    pub items: Vec<Shown>,
    /// The `since` of the next part.
    pub since: u64,
    /// Whether that was all there is.
    pub complete: bool,
}

impl LogPart {
    /// A part of a log.
    #[must_use]
    pub fn new(user: &EntityId, Part { messages, since, complete }: Part) -> Self {
        let items = messages.into_iter().map(Shown::from).collect();
        Self { user_id: user.id().to_owned(), items, since, complete }
    }
}

/// Whether a user is there.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PresenceAnswer {
    /// The user who was asked for.
    pub user_id: String,
    /// Whether at least one connection is open.
    pub online: bool,
    /// When a connection was last opened, renewed or closed; null when there never was one.
    pub last_seen: Option<String>,
    /// How many connections are open.
    pub connections: usize,
}

impl PresenceAnswer {
    /// The presence of a user.
    #[must_use]
    pub fn new(user: &EntityId, state: &State, now: Millis) -> Self {
        let connections = state.open(now).count();
        let last_seen = state.last_seen.map(rfc3339);
        Self { user_id: user.id().to_owned(), online: connections > 0, last_seen, connections }
    }
}

/// A user who is online.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OnlineUser {
    /// The id of the user.
    pub user_id: String,
    /// Always true, in a list of those who are online.
    pub online: bool,
    /// When a connection was last opened, renewed or closed.
    pub last_seen: String,
}

impl From<Presence> for OnlineUser {
    fn from(Presence { user, last_seen, .. }: Presence) -> Self {
        Self { user_id: user, online: true, last_seen: rfc3339(last_seen) }
    }
}

/// One page of those who are online.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OnlinePage {
    /// The users who are online.
    pub items: Vec<OnlineUser>,
    /// The `cursor` of the next page; null on the last one.
    pub cursor: Option<String>,
}
