//! Reading: the mailbox as it is, and where an event stands. Nothing here writes.

use crate::envelope::{EntityId, EventId};
use crate::host::ReadHost;
use crate::limits;
use crate::mailbox::StepError;
use crate::mailbox::image::{Damaged, Mailbox};
use crate::outcome::Settled;
use crate::store::{Consistency, ReadStore, StoreError};
use crate::table;

/// Where an event stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It waits, with so many before it.
    Queued {
        /// How many envelopes wait before it.
        position: u64,
    },
    /// It left the queue, and this is how it ended.
    Settled(Settled),
    /// It left the queue so long ago that its outcome is no longer at hand, and is not in the dead letters.
    Forgotten,
    /// It lies in the dead letters.
    Dead {
        /// Why it could not be processed.
        cause: String,
    },
    /// There never was such an event.
    Never,
}

/// Reads a mailbox; none when nothing was ever posted to it.
///
/// # Errors
/// When the store fails, or the item is damaged.
pub async fn mailbox<H: ReadHost>(
    host: &H,
    entity: &EntityId,
    consistency: Consistency,
) -> Result<Option<Mailbox>, StepError> {
    let (item, _) = host.store().get(table::mailbox_key(entity), consistency).await?;
    let damaged = |damage| StepError::Damaged { entity: entity.clone(), damage };
    item.map(|item| Mailbox::read(entity, item)).transpose().map_err(damaged)
}

/// What a mailbox alone says of an event; none when it left the queue and is no longer recent.
#[must_use]
pub fn standing(image: &Mailbox, event: EventId) -> Option<Standing> {
    if event.sequence == 0 {
        return Some(Standing::Never);
    }
    if event.sequence > image.head {
        let position = event.sequence - image.first();
        let queued = usize::try_from(position).ok().and_then(|index| image.queue.get(index));
        return Some(match queued {
            Some(envelope) if envelope.id == event.id => Standing::Queued { position },
            _ => Standing::Never,
        });
    }
    let recent = image.recents().find(|(sequence, _)| *sequence == event.sequence);
    recent.map(|(sequence, recent)| match recent.id == event.id {
        true => Standing::Settled(recent.settled(sequence)),
        false => Standing::Never,
    })
}

/// Where an event stands, from its entity's mailbox and its dead letters.
///
/// # Errors
/// When the store fails, or what it holds is damaged.
pub async fn event<H: ReadHost>(host: &H, entity: &EntityId, event: EventId) -> Result<Standing, StepError> {
    let Some(image) = mailbox(host, entity, Consistency::Strong).await? else {
        return Ok(Standing::Never);
    };
    let dead = match standing(&image, event) {
        Some(standing) => return Ok(standing),
        None => host.store().get(table::dead_key(entity, event.sequence), Consistency::Strong).await?.0,
    };
    let Some(item) = dead else {
        return Ok(Standing::Forgotten);
    };
    let letter: DeadLetter = serde_dynamo::from_item(item).map_err(|error| StepError::Damaged {
        entity: entity.clone(),
        damage: Damaged(format!("dead letter {}: {error}", event.sequence)),
    })?;
    Ok(match letter.envelope.id == event.id {
        true => Standing::Dead { cause: letter.cause },
        false => Standing::Never,
    })
}

/// An envelope that could not be processed, with its cause.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct DeadLetter {
    /// The envelope as it was.
    #[serde(deserialize_with = "crate::text::deserialize")]
    pub envelope: crate::envelope::Envelope,
    /// Why it could not be processed.
    pub cause: String,
    /// The policy by which it was put there: `park` or `skip`.
    pub policy: String,
}

/// One page of the entities of a kind, in order of their ids, and where the next page starts.
///
/// # Errors
/// When the store fails.
pub async fn list<H: ReadHost>(
    host: &H,
    kind: &str,
    after: Option<&EntityId>,
    limit: usize,
) -> Result<(Vec<EntityId>, Option<EntityId>), StoreError> {
    use serde_dynamo::AttributeValue::S;
    let start = after.map(|entity| {
        let attributes = [("kind", entity.kind()), ("pk", entity.as_str()), ("sk", table::MAILBOX)];
        let item: std::collections::HashMap<String, serde_dynamo::AttributeValue> =
            attributes.into_iter().map(|(name, value)| (name.to_owned(), S(value.to_owned()))).collect();
        item.into()
    });
    let page = host
        .store()
        .query(crate::store::Query {
            index: Some(table::DIRECTORY),
            consistency: Consistency::Eventual,
            condition: table::LIST_KIND,
            values: vec![(":kind", S(kind.to_owned()))],
            order: crate::store::Order::Ascending,
            after: start,
            limit: limit.clamp(1, limits::PAGE_MOST),
        })
        .await?;
    let entity = |item: &serde_dynamo::Item| match item.get("pk") {
        Some(S(pk)) => pk.parse::<EntityId>().ok(),
        _ => None,
    };
    Ok((page.items.iter().filter_map(entity).collect(), page.last.as_ref().and_then(entity)))
}

#[cfg(test)]
mod tests;
