//! Effects go out: each as a keyed envelope to its receiver, in order per receiver.
//!
//! An effect whose receiver is full or does not answer waits for a later time without holding up those to others, nor
//! the entity's own queue: different entities never wait for each other.

use std::collections::{HashMap, HashSet};

use serde_dynamo::AttributeValue;
use tracing::Instrument;

use crate::envelope::{Draft, EntityId, Millis, Owner};
use crate::host::Host;
use crate::limits;
use crate::log::{self, quiet};
use crate::mailbox::image::Mailbox;
use crate::mailbox::post::{Posted, Posting, Room, Tries, post};
use crate::metrics::{self, Delivered};
use crate::outbox::Outgoing;
use crate::store::Put;
use crate::table;
use crate::text::text;
use crate::visit::Held;

/// How long one receiver is tried in one delivery, in milliseconds.
const RECEIVER_MS: u64 = 1_500;

/// What a delivery did.
#[derive(Debug, Default)]
pub struct Delivery {
    /// What stays in the outbox, in order.
    pub rest: Vec<Outgoing>,
    /// Dead letters of what is given up.
    pub dead: Vec<Put>,
    /// Receivers whose leases were taken.
    pub follow: Vec<Held>,
}

/// Delivers what is due, until `stop`. At most `hops` receivers' leases are taken along.
pub async fn deliver<H: Host>(host: &H, image: &Mailbox, now: Millis, stop: Millis, hops: u32) -> Delivery {
    let mut delivery = Delivery::default();
    // Whoever has an earlier effect waiting gets no later one: the order between two entities is kept.
    let mut waiting: HashSet<&EntityId> = HashSet::new();
    for outgoing in &image.outbox {
        let over = host.now() >= stop || delivery.dead.len() == limits::RECORDS;
        if over || waiting.contains(&outgoing.to) || !outgoing.is_due(now) {
            waiting.insert(&outgoing.to);
            delivery.rest.push(outgoing.clone());
            continue;
        }
        if let Some(cause) = outgoing.given_up(now) {
            metrics::delivered(image.entity.kind(), Delivered::Never);
            delivery.dead.push(dead_letter(&image.entity, outgoing, &cause, now));
            continue;
        }
        let take_along = (delivery.follow.len() as u64) < u64::from(hops) && outgoing.to != image.entity;
        match one(host, &image.entity, outgoing, take_along, stop).await {
            Ok(held) => {
                metrics::delivered(image.entity.kind(), Delivered::Yes);
                delivery.follow.extend(held);
            }
            Err(()) => {
                metrics::delivered(image.entity.kind(), Delivered::NotYet);
                waiting.insert(&outgoing.to);
                delivery.rest.push(outgoing.clone().failed(host.now()));
            }
        }
    }
    delivery
}

/// Posts one effect. It brings the receiver's lease if that was free and is wanted.
async fn one<H: Host>(
    host: &H,
    sender: &EntityId,
    outgoing: &Outgoing,
    take_along: bool,
    deadline: Millis,
) -> Result<Option<Held>, ()> {
    if host.registry().kind(outgoing.to.kind()).is_none() {
        // While a deployment rolls, the newer program may know the kind: what nobody knows fails often enough.
        tracing::warn!(from = %sender, to = %outgoing.to, "the receiver of an effect is of no kind that is known here");
        return Err(());
    }
    let me = Owner::new(host.now(), host.random());
    // One receiver that does not answer must not hold up the others.
    let deadline = deadline.min(host.now().plus(RECEIVER_MS));
    // Each try of a delivery is a hop of its own: the receiver's envelope tells which of them has arrived.
    let hop = outgoing.trace.map(|trace| trace.hop_of(me.0, u64::from(outgoing.index)));
    let draft = [Draft { trace: hop.map(|hop| hop.trace), ..outgoing.draft(sender) }];
    let owner = take_along.then_some(me);
    let posting = Posting { entity: &outgoing.to, drafts: &draft, owner, room: Room::Reserve, deadline };
    let span = log::delivery_span(hop.as_ref());
    let posted = post(host, posting, &mut Tries::default()).instrument(span.clone()).await;
    let _delivering = span.entered();
    match posted {
        Ok(Posted::Stored(stored)) => {
            stored.events.iter().for_each(|event| log::delivered(sender, outgoing, *event));
            Ok(stored.image.held_by(&me).then_some(Held { image: stored.image, me }))
        }
        Ok(Posted::Full(_) | Posted::Unknown(_)) => {
            tracing::warn!(from = %sender, to = %outgoing.to, "the receiver of an effect is full; it is tried again later");
            Err(())
        }
        Err(error) => {
            let error = quiet(error);
            tracing::warn!(from = %sender, to = %outgoing.to, error, "an effect was not delivered; it is tried again later");
            Err(())
        }
    }
}

fn dead_letter(sender: &EntityId, outgoing: &Outgoing, cause: &str, now: Millis) -> Put {
    tracing::error!(alarm = "dead-letter", entity = %sender, to = %outgoing.to, sequence = outgoing.sequence, cause,
        "an effect is given up and parked in the dead letters");
    let item = HashMap::from([
        ("cause".to_owned(), AttributeValue::S(cause.to_owned())),
        ("at".to_owned(), table::number(now.0)),
        ("effect".to_owned(), text(outgoing)),
    ]);
    Put { key: table::undelivered_key(sender, outgoing.sequence, outgoing.index), item: item.into(), condition: None }
}

#[cfg(test)]
mod tests;
