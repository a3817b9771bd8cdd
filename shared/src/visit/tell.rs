//! Pushes go out, when everything that is not best effort is done.
//!
//! The answer is given after them, because a function that has answered may be frozen with what it still does. So they
//! have a bound of their own: an endpoint that hangs delays an answer by [`limits::PUSHES_MS`], however many there are.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::{Either, join_all, select};

use crate::envelope::{Draft, EntityId, Millis};
use crate::host::Host;
use crate::limits;
use crate::log::quiet;
use crate::mailbox::post::{Posting, Room, Tries, post};
use crate::push::Pushed;

/// What pushes leave of the invocation's time, in milliseconds: the answer is still to be given.
const ANSWER_MS: u64 = 500;

/// What an entity says to connections, in order.
#[derive(Debug)]
pub struct Pushes {
    /// The entity that says it.
    pub entity: EntityId,
    /// Connections, and what each is told.
    pub messages: Vec<(String, String)>,
}

impl Pushes {
    /// No messages at all, yet.
    #[must_use]
    pub fn none(entity: EntityId) -> Self {
        Self { entity, messages: Vec::new() }
    }
}

/// Pushes messages: in order to each connection, and to all connections side by side. After one that did not arrive a
/// connection gets no more: its client notices the gap, and asks. What is gone is forgotten by its entity.
pub(super) async fn tell<H: Host>(host: &H, pushes: Vec<Pushes>, deadline: Millis) {
    let last = Millis(deadline.0.saturating_sub(ANSWER_MS));
    let end = last.min(host.now().plus(limits::PUSHES_MS));
    let lanes = pushes.iter().flat_map(|pushes| {
        let mut lanes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (connection, message) in &pushes.messages {
            lanes.entry(connection).or_default().push(message);
        }
        lanes.into_iter().map(|(connection, messages)| (&pushes.entity, connection, messages))
    });
    let lanes = lanes.map(async |(entity, connection, messages)| {
        for message in messages {
            match push(host, connection, message, end).await {
                Pushed::Arrived => {}
                Pushed::Gone => return Some((entity, connection)),
                Pushed::Unknown => return None,
            }
        }
        None
    });
    for (entity, connection) in join_all(lanes).await.into_iter().flatten() {
        forget(host, entity, connection, last).await;
    }
}

/// One push, which is waited for until there is no more time.
pub async fn push<H: Host>(host: &H, connection: &str, message: &str, end: Millis) -> Pushed {
    let left = end.since(host.now());
    if left == 0 {
        return Pushed::Unknown;
    }
    let sleep = host.sleep(Duration::from_millis(left));
    match select(Box::pin(host.push(connection, message)), Box::pin(sleep)).await {
        Either::Left((pushed, _)) => pushed,
        Either::Right(_) => Pushed::Unknown,
    }
}

/// Tells the entity by a post of its own: the lease may be another's by now. If that fails, the next push says it again.
async fn forget<H: Host>(host: &H, entity: &EntityId, connection: &str, end: Millis) {
    let kind = host.registry().kind(entity.kind());
    let Some(body) = kind.and_then(|kind| kind.gone(connection)) else {
        return;
    };
    let drafts = [Draft { body, keyed: None, from: None, trace: None }];
    let posting = Posting { entity, drafts: &drafts, owner: None, room: Room::Queue, deadline: end };
    if let Err(error) = post(host, posting, &mut Tries::default()).await {
        tracing::debug!(%entity, error = quiet(error), "a connection that is gone is still counted");
    }
}

#[cfg(test)]
mod tests;
