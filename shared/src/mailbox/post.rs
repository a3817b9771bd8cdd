//! The first write: append to the queue and take the lease if it is free.

use std::collections::HashMap;

use serde_dynamo::AttributeValue;

use crate::envelope::{Draft, EntityId, Envelope, EnvelopeId, EventId, Millis, Owner};
use crate::host::Host;
use crate::limits;
use crate::mailbox::image::{Damaged, Lease, Mailbox, envelope_bytes, envelopes_bytes, write_lease};
use crate::mailbox::{StepError, persist};
use crate::store::{Returns, Store, StoreError, Update, Written};
use crate::table;
use crate::text::text;
use crate::waiting::Waiter;

/// What is posted, and how.
#[derive(Clone, Copy, Debug)]
pub struct Posting<'a> {
    /// The entity that receives the events.
    pub entity: &'a EntityId,
    /// At most 25 events, stored all or none, contiguous and in this order.
    pub drafts: &'a [Draft],
    /// The acquisition that takes the lease if it is free; none leaves that to the stream.
    pub owner: Option<Owner>,
    /// How far the queue may be filled.
    pub room: Room,
    /// Until when passing failures are retried.
    pub deadline: Millis,
}

/// How far a post may fill the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Up to the limit that outsiders have.
    Queue,
    /// Into the reserve that deliveries between entities have, so that two whose queues outsiders have filled do not block
    /// each other. It is finite: two that flood one another wait, until deliveries are given up or find room.
    Reserve,
}

/// What is known of the tries of one post, for as long as it is repeated.
#[derive(Debug)]
pub struct Tries {
    envelopes: Option<Vec<Envelope>>,
    floor: Option<EnvelopeId>,
    clean: bool,
}

impl Default for Tries {
    fn default() -> Self {
        Self { envelopes: None, floor: None, clean: true }
    }
}

impl Tries {
    /// These envelopes went out once, and it cannot be said whether they were applied.
    #[must_use]
    pub(crate) fn unclear(envelopes: Vec<Envelope>) -> Self {
        Self { envelopes: Some(envelopes), floor: None, clean: false }
    }

    /// The post of which it cannot be said that nothing of it is stored, or ever will be: one of its tries had no answer.
    #[must_use]
    pub fn unknown(&self) -> Option<EnvelopeId> {
        self.envelopes.iter().flatten().map(|envelope| envelope.id).next().filter(|_| !self.clean)
    }
}

/// What became of a post.
#[derive(Debug)]
pub enum Posted {
    /// Everything is stored, by this write or by an earlier try of it.
    Stored(Box<Stored>),
    /// The queue has no room: nothing is stored.
    Full(Box<Mailbox>),
    /// An earlier try of unknown outcome may have been applied and forgotten since: it cannot be told.
    Unknown(EnvelopeId),
}

/// Envelopes that are stored.
#[derive(Debug)]
pub struct Stored {
    /// The item right after the write.
    pub image: Mailbox,
    /// The events, in the order in which they were posted.
    pub events: Vec<EventId>,
    /// For each event, the wait for a visit of this process.
    pub waiters: Vec<Waiter>,
}

/// Appends events to the queue and takes the lease if it is free, in one write.
///
/// # Errors
/// When the store fails beyond the deadline, after which the outcome is unknown, or the item is damaged.
pub async fn post<H: Host>(host: &H, posting: Posting<'_>, tries: &mut Tries) -> Result<Posted, StepError> {
    let keyed = posting.drafts.iter().all(|draft| draft.keyed.is_some());
    loop {
        let envelopes = match tries.envelopes.take() {
            Some(envelopes) => envelopes,
            None => seal(host, posting.drafts, tries.floor),
        };
        let ids: Vec<EnvelopeId> = envelopes.iter().map(|envelope| envelope.id).collect();
        // Registered before the write, so that a visit that is faster than the answer finds somebody to tell.
        let waiters = ids.iter().map(|id| host.waiting().wait_for(*id)).collect();
        let update = update(host, &posting, &envelopes);
        let write = || host.store().update(update.clone());
        let (old, clean) = match persist(host, posting.deadline, write).await {
            Ok((Written::Applied { item, .. }, _)) => {
                return stored(read(posting.entity, item)?, &ids, waiters);
            }
            Ok((Written::Refused { old, clean }, before)) => (old, clean && before),
            // What is posted has a form that DynamoDB takes: it is the item that has another one, such as a queue that
            // is no list. To post again would not help.
            Err(StoreError::Refused(cause)) => {
                return Err(StepError::Damaged { entity: posting.entity.clone(), damage: Damaged(cause) });
            }
            Err(error) => return Err(error.into()),
        };
        tries.clean &= clean;
        let old = read(posting.entity, old.unwrap_or_else(|| HashMap::<String, AttributeValue>::new().into()))?;
        match refusal(&old, &ids, tries.clean) {
            Refusal::Duplicate => return stored(old, &ids, waiters),
            Refusal::Stale(evicted) => tries.floor = Some(evicted),
            // Whether it was applied or not: the receipt keeps a keyed envelope from having its effect twice.
            Refusal::Unknown(_) if keyed => tries.floor = old.evicted,
            Refusal::Unknown(id) => return Ok(Posted::Unknown(id)),
            Refusal::Full => {
                // The same envelopes go out again: one of these tries may still be under way.
                tries.envelopes = Some(envelopes);
                return Ok(Posted::Full(Box::new(old)));
            }
        }
    }
}

/// What a refused post's old image says.
enum Refusal {
    /// The ids are known: an earlier try of this very write was applied.
    Duplicate,
    /// Nothing was applied, but the ids are too old to tell next time: they need to be above this one.
    Stale(EnvelopeId),
    /// The ids are too old, and an earlier try may have been applied.
    Unknown(EnvelopeId),
    /// There is no room.
    Full,
}

fn refusal(old: &Mailbox, ids: &[EnvelopeId], clean: bool) -> Refusal {
    if ids.iter().any(|id| old.event(*id).is_some()) {
        return Refusal::Duplicate;
    }
    match (old.evicted, ids.first()) {
        (Some(evicted), Some(id)) if evicted >= *id && clean => Refusal::Stale(evicted),
        (Some(evicted), Some(id)) if evicted >= *id => Refusal::Unknown(*id),
        _ => Refusal::Full,
    }
}

pub(crate) fn seal<H: Host>(host: &H, drafts: &[Draft], mut floor: Option<EnvelopeId>) -> Vec<Envelope> {
    let now = host.now();
    let above = |floor: Option<EnvelopeId>| {
        let id = EnvelopeId::new(now, host.random(), None);
        if floor.is_some_and(|floor| id <= floor) { EnvelopeId::new(now, host.random(), floor) } else { id }
    };
    // All of one moment: ids ahead of the clock, once they are evicted, would refuse the posts that follow.
    let mut ids: Vec<EnvelopeId> = drafts.iter().map(|_| above(floor)).collect();
    // They ascend, so that the first one is the first to be evicted.
    ids.sort_unstable();
    let mut next = |(draft, mut id): (&Draft, EnvelopeId)| {
        if floor.is_some_and(|floor| id <= floor) {
            id = above(floor);
        }
        floor = Some(id);
        draft.seal(id, now)
    };
    drafts.iter().zip(ids).map(&mut next).collect()
}

/// What the envelopes of these drafts take of a queue's room, in bytes: all ids are equally long, and all times too.
pub(crate) fn weight<H: Host>(host: &H, drafts: &[Draft]) -> usize {
    envelopes_bytes(&seal(host, drafts, None))
}

/// The write that posts these envelopes.
pub(crate) fn update<H: Host>(host: &H, posting: &Posting<'_>, envelopes: &[Envelope]) -> Update {
    let settings = host.settings();
    let list: Vec<AttributeValue> = envelopes.iter().map(text).collect();
    let size: usize = list.iter().map(envelope_bytes).sum();
    let id = envelopes.first().map_or(EnvelopeId([0; 12]), |first| first.id);
    let (length, bytes) = match posting.room {
        Room::Queue => (settings.queue_length, limits::QUEUE_BYTES),
        Room::Reserve => (
            settings.queue_length + limits::DELIVERY_RESERVE_LENGTH,
            limits::QUEUE_BYTES + limits::DELIVERY_RESERVE_BYTES,
        ),
    };
    let mut values = vec![
        (":none", AttributeValue::L(Vec::new())),
        (":zero", table::number(0)),
        (":one", table::number(1)),
        (":p", AttributeValue::S(table::PENDING.to_owned())),
        (":kind", AttributeValue::S(posting.entity.kind().to_owned())),
        (":size", table::number(size as u64)),
        (":room", table::number(length as i128 - envelopes.len() as i128)),
        (":room_bytes", table::number(bytes as i128 - size as i128)),
        (":first", list.first().cloned().unwrap_or(AttributeValue::Null(true))),
        (":id", AttributeValue::B(id.0.to_vec())),
        (":hex", AttributeValue::S(id.to_string())),
        (":envelopes", AttributeValue::L(list)),
    ];
    let expression = match posting.owner {
        None => table::POST_DETACHED,
        Some(owner) => {
            let until = host.now().plus(settings.lease_ms);
            values.push((":mine", write_lease(&Lease::Held { owner, until })));
            table::POST
        }
    };
    Update {
        key: table::mailbox_key(posting.entity),
        update: expression.into(),
        condition: table::POST_IF.into(),
        values,
        returns: Returns::Item,
    }
}

fn read(entity: &EntityId, item: serde_dynamo::Item) -> Result<Mailbox, StepError> {
    Mailbox::read(entity, item).map_err(|damage| StepError::Damaged { entity: entity.clone(), damage })
}

fn stored(image: Mailbox, ids: &[EnvelopeId], waiters: Vec<Waiter>) -> Result<Posted, StepError> {
    // The envelopes of one post lie side by side, so the place of one that is still known tells those of all.
    let known = (0..).zip(ids).find_map(|(index, id)| Some((index, image.event(*id)?.sequence)));
    let Some((index, sequence)) = known else {
        return Ok(ids.first().map_or_else(|| Posted::Full(Box::new(image)), |id| Posted::Unknown(*id)));
    };
    let events = (sequence - index..).zip(ids).map(|(sequence, id)| EventId { sequence, id: *id }).collect();
    Ok(Posted::Stored(Box::new(Stored { image, events, waiters })))
}

#[cfg(test)]
mod tests;
