//! Who is connected, and whom a push reaches.

use leasebox::{Event, Fault, List, Millis, Record, Turn, schemars};
use serde::{Deserialize, Serialize};

use crate::user::frame::Frame;
use crate::user::{Command, Reply, State, User};
use leasebox::shared::limits;

/// Connections of one user that are known at once; of more, those that were heard of last.
const CONNECTIONS: usize = 16;
/// Over how many lists those who are online are spread: one list takes about 1,000 changes a second.
pub const ONLINE_LISTS: u64 = 16;
/// How long after its opening a connection may be gone to a push without being gone, in milliseconds: API Gateway takes
/// pushes only once `$connect` was answered.
const YOUNG_MS: u64 = 10_000;
/// The name of the record of a user's presence.
const PRESENCE: &str = "presence";

/// A connection of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Connection {
    /// The id of the connection.
    pub id: String,
    /// Until when it counts as open if nothing is heard of it: `$disconnect` is not guaranteed.
    pub until: Millis,
}

/// What the list of those who are online says of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// The id of the user.
    pub user: String,
    /// Until when, if nothing more is heard.
    pub until: Millis,
    /// When a connection was last opened, renewed or closed.
    pub last_seen: Millis,
}

/// The list that a user is on while online.
#[must_use]
pub fn online_list(user: &str) -> List {
    let sum = user.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    List::Shared(format!("online/{}", sum % ONLINE_LISTS))
}

impl State {
    /// The connections that count as open.
    pub fn open(&self, now: Millis) -> impl Iterator<Item = &Connection> {
        self.connections.iter().filter(move |connection| connection.until > now)
    }

    /// Adds a message to everybody who is connected.
    pub(super) fn push(&self, turn: Turn<User>, now: Millis, frame: &Frame) -> Turn<User> {
        let json = frame.to_json(None);
        self.open(now).fold(turn, |turn, connection| turn.push(&connection.id, &json))
    }

    fn seen(&self, event: &Event<'_, Command>, connections: Vec<Connection>) -> Result<Turn<User>, Fault> {
        let last_seen = self.last_seen.max(Some(event.at));
        let after = Self { connections, last_seen, ..self.clone() };
        let until = after.open(event.at).map(|connection| connection.until).max();
        let reply = Reply::Presence { connections: after.open(event.at).count() };
        let user = event.entity.id().to_owned();
        let presence = Presence { user, until: until.unwrap_or(event.at), last_seen: last_seen.unwrap_or(event.at) };
        let record = Record::new(PRESENCE, &presence)?.expires(presence.until);
        let record = match until {
            Some(_) => record.listed(online_list(event.entity.id()), event.entity.id()),
            None => record,
        };
        Ok(Turn::reply(after, reply).write(record))
    }
}

pub(super) fn online(
    state: &State,
    event: &Event<'_, Command>,
    connection: &str,
    until: Millis,
) -> Result<Turn<User>, Fault> {
    let others = state.open(event.at).filter(|other| other.id != connection).cloned();
    let mut connections: Vec<_> = others.collect();
    connections.push(Connection { id: connection.to_owned(), until });
    connections.sort_by_key(|connection| connection.until);
    let surplus = connections.len().saturating_sub(CONNECTIONS);
    state.seen(event, connections.split_off(surplus))
}

pub(super) fn offline(state: &State, event: &Event<'_, Command>, connection: &str) -> Result<Turn<User>, Fault> {
    if !state.connections.iter().any(|other| other.id == connection) {
        // It was told before, or has expired.
        let connections = state.open(event.at).count();
        return Ok(Turn::reply(state.clone(), Reply::Presence { connections }));
    }
    let others = state.open(event.at).filter(|other| other.id != connection).cloned();
    state.seen(event, others.collect())
}

/// A push has not found it. One that was just opened, or renewed, is given time: if it is gone, the next push says it again.
pub(super) fn gone(state: &State, event: &Event<'_, Command>, connection: &str) -> Result<Turn<User>, Fault> {
    let heard_of = state.connections.iter().find(|other| other.id == connection).map(|other| other.until);
    let age = heard_of.map(|until| event.at.plus(limits::CONNECTION_MS).since(until));
    if age.is_some_and(|age| age < YOUNG_MS) {
        let connections = state.open(event.at).count();
        return Ok(Turn::reply(state.clone(), Reply::Presence { connections }));
    }
    offline(state, event, connection)
}
