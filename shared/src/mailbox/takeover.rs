//! The second write: take a lease that is free, or that its holder has left behind.

use serde_dynamo::AttributeValue;

use crate::envelope::{EntityId, Millis, Owner};
use crate::host::Host;
use crate::mailbox::image::{Lease, Mailbox, write_lease};
use crate::mailbox::{StepError, persist};
use crate::metrics;
use crate::store::{Returns, Store, Update, Values, Written};
use crate::table;

/// How a lease is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// Takes a lease that nobody holds.
    Acquire {
        /// The head that was seen.
        head: u64,
    },
    /// Its holder is taken for dead: its time is over, or it has not moved for a whole lease and margin.
    Replace {
        /// The fence that was seen.
        owner: Owner,
        /// The end that was seen.
        until: Millis,
        /// Whether an envelope was marked as running: a strike against it.
        strike: bool,
    },
}

/// What became of a takeover.
#[derive(Debug)]
pub enum Taken {
    /// The lease is held by this acquisition.
    Held(Box<Mailbox>),
    /// Somebody else was faster, or there is nothing to do.
    Refused,
}

/// Takes a lease for `owner`.
///
/// # Errors
/// When the store fails beyond the deadline, or the item is damaged.
pub async fn take<H: Host>(
    host: &H,
    entity: &EntityId,
    owner: Owner,
    takeover: Takeover,
    deadline: Millis,
) -> Result<Taken, StepError> {
    let update = update(host, entity, owner, takeover);
    let (written, _) = persist(host, deadline, || host.store().update(update.clone())).await?;
    let item = match written {
        Written::Applied { item, .. } => Some(item),
        Written::Refused { old, .. } => old,
    };
    let damaged = |damage| StepError::Damaged { entity: entity.clone(), damage };
    let image = item.map(|item| Mailbox::read(entity, item)).transpose().map_err(damaged)?;
    // An earlier try of this very write may be what made the condition fail: then the lease is ours already.
    Ok(match image {
        Some(image) if image.held_by(&owner) => {
            metrics::taken_over(entity.kind(), takeover);
            Taken::Held(Box::new(image))
        }
        _ => Taken::Refused,
    })
}

fn update<H: Host>(host: &H, entity: &EntityId, owner: Owner, takeover: Takeover) -> Update {
    let until = host.now().plus(host.settings().lease_ms);
    let mut values: Values = vec![
        (":mine", write_lease(&Lease::Held { owner, until })),
        (":one", table::number(1)),
        (":p", AttributeValue::S(table::PENDING.to_owned())),
    ];
    let (expression, condition) = match takeover {
        Takeover::Acquire { head } => {
            values.push((":head", table::number(head)));
            (table::ACQUIRE, table::ACQUIRE_IF)
        }
        Takeover::Replace { owner, until, strike } => {
            values.push((":observed", AttributeValue::B(owner.0.to_vec())));
            values.push((":until", table::number(until.0)));
            (if strike { table::REPLACE_STRIKE } else { table::REPLACE }, table::REPLACE_IF)
        }
    };
    Update {
        key: table::mailbox_key(entity),
        update: expression.into(),
        condition: condition.into(),
        values,
        returns: Returns::Item,
    }
}

#[cfg(test)]
mod tests;
