//! One side of a conversation: its messages, its summary, and what is read of it.

use leasebox::{EntityId, Event, Fault, List, Lookup, Millis, Record, Records, Turn, schemars};
use serde::{Deserialize, Serialize};

use crate::user::frame::Frame;
use crate::user::rejections;
use crate::user::{CONVERSATIONS, Command, KIND, LOG, Reply, State, User};
use leasebox::shared::records::Unusable;

/// What of a message its conversation's summary shows, in characters.
const PREVIEW: usize = 200;

/// A message in one user's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Message {
    /// Its number in the log, from 1.
    pub n: u64,
    /// Its id, the same on both sides.
    pub id: String,
    /// The user who sent it.
    pub from: String,
    /// The user who receives it.
    pub to: String,
    /// The text of the message.
    pub content: String,
    /// When it was sent, by the clock of whoever took it in.
    pub at: Millis,
    /// What the sender's client calls it; only the sender knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// How many messages of the conversation have come in, this one included.
    pub incoming: u64,
}

/// What is read of a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// How many of the messages that came in.
    pub incoming: u64,
    /// Up to which number of the log.
    pub upto: u64,
}

/// The summary of a conversation: what a list shows of it. It follows from its last message and the mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// The other user of the conversation.
    pub with: String,
    /// The last message, cut to 200 characters.
    pub last: Last,
    /// How many messages have come in.
    pub incoming: u64,
    /// How far this user has read it.
    pub read: Mark,
}

/// The last message of a conversation, as its summary shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// Its number in the log.
    pub n: u64,
    /// The message's id, which both users know.
    pub id: String,
    /// The user who sent it.
    pub from: String,
    /// How its text begins.
    pub content: String,
    /// When it was sent.
    pub at: Millis,
}

impl Message {
    /// A message that has come in and has no place in the log yet.
    pub(super) fn incoming(id: &str, from: &EntityId, to: &EntityId, content: &str, at: Millis) -> Self {
        let (from, to) = (from.id().to_owned(), to.id().to_owned());
        Self { n: 0, id: id.to_owned(), from, to, content: content.to_owned(), at, client_id: None, incoming: 0 }
    }
}

impl Conversation {
    /// The summary that follows from the truth.
    #[must_use]
    pub fn of(with: &str, last: &Message, read: Mark) -> Self {
        let content = last.content.chars().take(PREVIEW).collect();
        let Message { n, id, from, at, incoming, .. } = last.clone();
        Self { with: with.to_owned(), last: Last { n, id, from, content, at }, incoming, read }
    }

    /// How many messages are not read.
    #[must_use]
    pub fn unread(&self) -> u64 {
        self.incoming.saturating_sub(self.read.incoming)
    }

    fn record(&self) -> Result<Record, Fault> {
        let record = Record::new(summary_name(&self.with), self)?;
        Ok(record.listed(List::Own(CONVERSATIONS), rank(self.last.n)))
    }

    fn reply(&self) -> Reply {
        Reply::Conversation { with: self.with.clone(), unread: self.unread(), upto: self.read.upto }
    }
}

/// What the names of the records of messages begin with.
pub const MESSAGES: &str = "message#";

/// A number of the log as lists and names have it: their order is that of numbers.
#[must_use]
pub fn rank(n: u64) -> String {
    format!("{n:020}")
}

/// The name of the record of a message.
#[must_use]
pub fn message_name(with: &str, n: u64) -> String {
    format!("{MESSAGES}{with}#{}", rank(n))
}

/// The name of the record of a conversation's summary.
#[must_use]
pub fn summary_name(with: &str) -> String {
    format!("conversation#{with}")
}

/// The name of the record of what is read of a conversation.
#[must_use]
pub fn mark_name(with: &str) -> String {
    format!("read#{with}")
}

/// The last message of a conversation up to a number.
#[must_use]
pub fn last_message(with: &str, upto: u64) -> Lookup {
    Lookup::Last { from: message_name(with, 0), to: message_name(with, upto) }
}

/// What a summary follows from.
pub(super) fn truth(with: &str) -> Vec<Lookup> {
    vec![last_message(with, u64::MAX), Lookup::Named(mark_name(with))]
}

/// A message is decided with the summary; and with the truth, when that does not help.
pub(super) fn lookups(event: &Event<'_, Command>, with: &str) -> Vec<Lookup> {
    let summary = Lookup::Named(summary_name(with));
    match event.records.named::<Conversation>(&summary_name(with)) {
        Ok(Some(_)) | Err(Unusable::NotLookedUp(_)) => vec![summary],
        Ok(None) | Err(Unusable::Damaged { .. }) => truth(with),
    }
}

/// To read up to a message is decided with that message besides.
pub(super) fn lookups_of_reading(event: &Event<'_, Command>, with: &str, upto: Option<u64>) -> Vec<Lookup> {
    let mut lookups = lookups(event, with);
    if let Some(upto) = upto {
        let named = message_name(with, upto);
        // A reader names a message, and anything else is before or between them.
        lookups.push(match event.records.named::<Message>(&named) {
            Ok(None) => last_message(with, upto),
            _ => Lookup::Named(named),
        });
    }
    lookups
}

/// The conversation as it stands; none before its first message.
fn find(records: &Records, with: &str) -> Result<Option<Conversation>, Fault> {
    match records.named(&summary_name(with)) {
        Ok(Some(conversation)) => Ok(Some(conversation)),
        Ok(None) | Err(Unusable::Damaged { .. }) => from_truth(records, with),
        Err(error @ Unusable::NotLookedUp(_)) => Err(error.into()),
    }
}

fn from_truth(records: &Records, with: &str) -> Result<Option<Conversation>, Fault> {
    let last: Option<Message> = records.last(&message_name(with, 0), &message_name(with, u64::MAX))?;
    let mark: Option<Mark> = records.named(&mark_name(with))?;
    Ok(last.map(|last| Conversation::of(with, &last, mark.unwrap_or_default())))
}

pub(super) fn send(
    state: &State,
    event: &Event<'_, Command>,
    to: &str,
    content: &str,
    client_id: Option<&String>,
) -> Result<Turn<User>, Fault> {
    let receiver = EntityId::new(KIND, to).map_err(|malformed| Fault::new(malformed.to_string()))?;
    // The sender's own place of it, which no other message has.
    let id = format!("{}~{}", event.entity.id(), event.id);
    let message =
        Message { client_id: client_id.cloned(), ..Message::incoming(&id, event.entity, &receiver, content, event.at) };
    let command = Command::MessageReceived { id, content: content.to_owned(), at: event.at };
    log(state, event, to, message)?.post::<User>(&receiver, &command)
}

pub(super) fn receive(
    state: &State,
    event: &Event<'_, Command>,
    from: &str,
    message: Message,
) -> Result<Turn<User>, Fault> {
    log(state, event, from, message)
}

/// Gives a message its place: in the log, in its conversation, and before the eyes of whoever is connected.
fn log(state: &State, event: &Event<'_, Command>, with: &str, message: Message) -> Result<Turn<User>, Fault> {
    let before = find(event.records, with)?;
    let comes_in = u64::from(message.from == with);
    let incoming = before.as_ref().map_or(0, |before| before.incoming).saturating_add(comes_in);
    let n = state.log.checked_add(1).ok_or_else(|| Fault::new("the log has no further number"))?;
    let message = Message { n, incoming, ..message };
    let read = before.as_ref().map_or_else(Mark::default, |before| before.read);
    let after = Conversation::of(with, &message, read);
    let state = State {
        log: message.n,
        conversations: state.conversations.saturating_add(u64::from(before.is_none())),
        ..state.clone()
    };
    let frame = Frame::message(&message, after.unread());
    let record = Record::new(message_name(with, message.n), &message)?;
    let record = record.listed(List::Own(LOG), rank(message.n));
    let reply = if message.from == with { Reply::Logged { n: message.n } } else { Reply::Message(message) };
    let turn = Turn::reply(state.clone(), reply).write(record).write(after.record()?);
    Ok(state.push(turn, event.at, &frame))
}

pub(super) fn read(
    state: &State,
    event: &Event<'_, Command>,
    with: &str,
    upto: Option<u64>,
) -> Result<Turn<User>, Fault> {
    let Some(before) = find(event.records, with)? else {
        return Ok(Turn::reject(rejections::no_conversation(with)));
    };
    let to = match upto {
        None => Some(Mark { incoming: before.incoming, upto: before.last.n }),
        Some(upto) => {
            let last: Option<Message> = match event.records.named(&message_name(with, upto))? {
                Some(named) => Some(named),
                None => event.records.last(&message_name(with, 0), &message_name(with, upto))?,
            };
            last.map(|last| Mark { incoming: last.incoming, upto: last.n })
        }
    };
    // What was read stays read, also when a late reader comes.
    let read = match to {
        Some(to) if to.upto > before.read.upto => to,
        _ => return Ok(Turn::reply(state.clone(), before.reply())),
    };
    let after = Conversation { read, ..before };
    let frame = Frame::read(&after);
    let turn = Turn::reply(state.clone(), after.reply());
    let turn = turn.record(&mark_name(with), &read, None)?.write(after.record()?);
    Ok(state.push(turn, event.at, &frame))
}

pub(super) fn refill(state: &State, event: &Event<'_, Command>, with: &str) -> Result<Turn<User>, Fault> {
    match from_truth(event.records, with)? {
        Some(conversation) => Ok(Turn::reply(state.clone(), conversation.reply()).write(conversation.record()?)),
        None => Ok(Turn::reject(rejections::no_conversation(with))),
    }
}
