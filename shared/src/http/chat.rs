//! The dialect of the chat: what its routes take and answer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::actors::user::frame::Shown;
use crate::actors::user::{Conversation, Last, Message, Presence, State};
use crate::chat::log::Part;
use crate::envelope::{EntityId, Millis};
use crate::http::problem::Problem;
use crate::moment::rfc3339;

/// The body that sends a message.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendBody {
    /// To whom.
    pub to: String,
    /// What: 1 byte to 8 KB.
    #[schema(min_length = 1, max_length = 8192)]
    pub content: String,
    /// What the client calls the message. Sent again under the same name, it is one message.
    #[schema(min_length = 1, max_length = 64)]
    pub client_id: Option<String>,
}

/// The body that marks a conversation as read.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadBody {
    /// Up to which number of the reader's log; everything, when it is left out.
    pub upto: Option<u64>,
}

/// How a conversation stands.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadAnswer {
    /// With whom.
    pub with: String,
    /// How many messages are not read.
    pub unread: u64,
    /// Up to which number of the reader's log it is read.
    pub upto: u64,
}

/// A conversation in a list.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationItem {
    /// With whom.
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
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationPage {
    /// Whose.
    pub user_id: String,
    /// The conversations.
    pub items: Vec<ConversationItem>,
    /// The `cursor` of the next page; null on the last one.
    #[schema(required)]
    pub cursor: Option<String>,
}

/// One page of a conversation, newest first.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryPage {
    /// Whose side of it.
    pub user_id: String,
    /// With whom.
    pub with: String,
    /// How many messages of the whole conversation are not read.
    pub unread: u64,
    /// The messages.
    pub items: Vec<Shown>,
    /// The `before` of the next, older page; null on the last one.
    #[schema(required)]
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
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogPart {
    /// Whose.
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
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PresenceAnswer {
    /// Who.
    pub user_id: String,
    /// Whether at least one connection is open.
    pub online: bool,
    /// When a connection was last opened, renewed or closed; null when there never was one.
    #[schema(required)]
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
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OnlineUser {
    /// Who.
    pub user_id: String,
    /// True.
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
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OnlinePage {
    /// Who.
    pub items: Vec<OnlineUser>,
    /// The `cursor` of the next page; null on the last one.
    #[schema(required)]
    pub cursor: Option<String>,
}

/// What the page has to know of the deployment that it talks to.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PageConfig {
    /// Where sockets are opened; null for `/ws` of the same host.
    #[schema(required)]
    pub socket_url: Option<String>,
    /// Whether a request needs the user's token, and a socket a ticket.
    pub tickets: bool,
}

impl Problem {
    /// It is stored, and nobody has processed it in the time that there was. Sending it again is needless.
    #[must_use]
    pub fn not_yet(what: &str) -> Self {
        Self::new("not-yet", 503, "It is not processed yet", format!("{what}; it is processed in a moment"))
    }
}
