//! Resuming: an entity that blocked on an envelope goes on, with that envelope or without it.

use serde_dynamo::AttributeValue;

use crate::batch::{self, Input};
use crate::envelope::{EntityId, Millis, Owner};
use crate::host::Host;
use crate::mailbox::commit::without_first;
use crate::mailbox::image::{Lease, Mailbox};
use crate::mailbox::{StepError, persist, view};
use crate::metrics;
use crate::operator::OperatorError;
use crate::operator::dead_letters::{self, LetterId};
use crate::receipt;
use crate::records::NONE;
use crate::store::{Consistency, Returns, Store, Transaction, Update, Written};
use crate::table;

/// What becomes of the envelope that an entity blocked on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Head {
    /// It is run again: what stood in its way is mended.
    #[default]
    Retry,
    /// It goes to the dead letters, in the write that releases the entity.
    Park,
}

/// An entity that was released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The entity that was released.
    pub entity: EntityId,
    /// Why it was blocked.
    pub cause: String,
    /// Where the first envelope lies, if it was to be parked; none also when its key had had its effect before.
    pub parked: Option<LetterId>,
    /// How many envelopes wait.
    pub waiting: usize,
}

/// Releases a blocked entity. True before: its lease is `blocked`, and nobody but an operator changes that. True after:
/// nobody holds it, nothing is held against its envelopes, and the write left the record by which `drain` finds it.
///
/// # Errors
/// When it is not there or not blocked, or the store fails beyond the deadline: then it may be released or not.
pub async fn resume<H: Host>(
    host: &H,
    entity: &EntityId,
    head: Head,
    deadline: Millis,
) -> Result<Resumed, OperatorError> {
    let image = view::mailbox(host, entity, Consistency::Strong).await?;
    let image = image.ok_or_else(|| OperatorError::NoSuchEntity(entity.clone()))?;
    let Some(Lease::Blocked { cause }) = image.lease.clone() else {
        return Err(OperatorError::NotBlocked(entity.clone()));
    };
    let (written, certain, parked) = match head {
        Head::Retry => {
            let update = release(&image);
            let (written, certain) = persist(host, deadline, || host.store().update(update.clone())).await?;
            (written, certain, None)
        }
        Head::Park => {
            let (transaction, parked) = parking(host, &image, &cause, deadline).await?;
            let write = || host.store().transact(transaction.clone());
            let (written, certain) = persist(host, deadline, write).await?;
            (written, certain, parked)
        }
    };
    let done = match written {
        Written::Applied { .. } => true,
        Written::Refused { clean: true, .. } if certain => false,
        // An earlier try had no answer. With the head parked it was that one if the letter is there.
        Written::Refused { old, .. } => match parked {
            Some(letter) => dead_letters::read(host, entity, letter, deadline).await.is_ok(),
            None => is_released(&image, old)?,
        },
    };
    if !done {
        return Err(OperatorError::NotBlocked(entity.clone()));
    }
    if parked.is_some() {
        metrics::parked(entity.kind());
    }
    tracing::warn!(%entity, parked = parked.map(|letter| letter.to_string()), "an operator released the entity");
    let gone = usize::from(head == Head::Park);
    Ok(Resumed { entity: entity.clone(), cause, parked, waiting: image.queue.len().saturating_sub(gone) })
}

/// Whether the entity goes on; nobody but an operator makes a blocked one do that.
fn is_released(before: &Mailbox, old: Option<serde_dynamo::Item>) -> Result<bool, OperatorError> {
    let Some(old) = old else {
        return Ok(false);
    };
    let damaged = |damage| StepError::Damaged { entity: before.entity.clone(), damage };
    let old = Mailbox::read(&before.entity, old).map_err(damaged)?;
    Ok(old.head > before.head || !matches!(old.lease, Some(Lease::Blocked { .. })))
}

fn release(image: &Mailbox) -> Update {
    let values = vec![
        (":one", table::number(1)),
        (":me", AttributeValue::B(table::BLOCKED.to_vec())),
        (":head", table::number(image.head)),
    ];
    let key = table::mailbox_key(&image.entity);
    Update { key, update: table::RESUME.into(), condition: table::COMMIT_IF.into(), values, returns: Returns::Item }
}

/// The first envelope goes to the dead letters as a holder would put it there, and the entity is free.
async fn parking<H: Host>(
    host: &H,
    image: &Mailbox,
    cause: &str,
    deadline: Millis,
) -> Result<(Transaction, Option<LetterId>), OperatorError> {
    let entity = &image.entity;
    let kind = host.registry().kind(entity.kind()).ok_or_else(|| OperatorError::NoSuchKind(entity.clone()))?;
    let first = image.queue.get(..1).unwrap_or_default();
    let receipts = receipt::look_up(host, entity, first, deadline).await?;
    let batch = batch::park(Input { image, kind, receipts: &receipts, records: &NONE, now: host.now() }, cause);
    let letter = LetterId::Event(image.first());
    let parked = batch.puts.iter().any(|put| put.key == letter.key(entity)).then_some(letter);
    let update = without_first(host, image, &batch);
    let token = Owner::new(host.now(), host.random()).to_string();
    Ok((Transaction { update, puts: batch.puts, deletes: Vec::new(), token }, parked))
}
