//! Pushes go out, after everything that is not best effort.

use std::collections::BTreeMap;

use futures::future::join_all;

use crate::envelope::{Draft, EntityId, Millis};
use crate::host::Host;
use crate::mailbox::post::{Posting, Room, Tries, post};
use crate::push::Pushed;
use crate::registry::Kind;

/// Pushes messages: in order to each connection, and to all connections side by side. After one that did not arrive a
/// connection gets no more: its client notices the gap, and asks. What is gone is forgotten by the entity.
pub(super) async fn tell<H: Host>(
    host: &H,
    kind: &Kind,
    entity: &EntityId,
    pushes: &[(String, String)],
    deadline: Millis,
) {
    let mut by_connection: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (connection, message) in pushes {
        by_connection.entry(connection).or_default().push(message);
    }
    let pushes = by_connection.into_iter().map(async |(connection, messages)| {
        for message in messages {
            match host.push(connection, message).await {
                Pushed::Arrived => {}
                Pushed::Gone => return Some(connection),
                Pushed::Unknown => return None,
            }
            if host.now() >= deadline {
                return None;
            }
        }
        None
    });
    let gone: Vec<&str> = join_all(pushes).await.into_iter().flatten().collect();
    for command in gone.into_iter().filter_map(|connection| kind.gone(connection)) {
        forget(host, entity, command, deadline).await;
    }
}

/// Tells the entity by a post of its own: the lease may be another's by now. Lost, it is told by the next push.
async fn forget<H: Host>(host: &H, entity: &EntityId, command: String, deadline: Millis) {
    let drafts = [Draft { body: command, keyed: None, from: None }];
    let posting = Posting { entity, drafts: &drafts, owner: None, room: Room::Queue, deadline };
    if let Err(error) = post(host, posting, &mut Tries::default()).await {
        tracing::debug!(%entity, %error, "a connection that is gone is still counted");
    }
}

#[cfg(test)]
mod tests;
