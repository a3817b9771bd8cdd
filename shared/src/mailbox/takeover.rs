//! The second write: take a lease that is free, or that its holder has left behind.

use serde_dynamo::AttributeValue;

use crate::envelope::{EntityId, Millis, Owner};
use crate::host::Host;
use crate::mailbox::image::{Lease, Mailbox, write_lease};
use crate::mailbox::{StepError, persist};
use crate::store::{Store, Update, Values, Written};
use crate::table;

/// How a lease is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// Nobody holds it.
    Acquire,
    /// Its holder's time is over by more than the margin.
    Expired {
        /// The fence that was seen.
        owner: Owner,
        /// Whether an envelope was marked as running: a strike against it.
        strike: bool,
    },
    /// It was seen a whole lease and margin ago and has not been renewed since.
    Unrenewed {
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
        Some(image) if image.held_by(&owner) => Taken::Held(Box::new(image)),
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
    let replace = |strike| if strike { table::REPLACE_STRIKE } else { table::REPLACE };
    let (expression, condition) = match takeover {
        Takeover::Acquire => (table::ACQUIRE, table::ACQUIRE_IF),
        Takeover::Expired { owner, strike } => {
            values.push((":observed", AttributeValue::B(owner.0.to_vec())));
            values.push((":limit", table::number(host.now().0.saturating_sub(host.settings().margin_ms))));
            (replace(strike), table::REPLACE_IF_EXPIRED)
        }
        Takeover::Unrenewed { owner, until, strike } => {
            values.push((":observed", AttributeValue::B(owner.0.to_vec())));
            values.push((":until", table::number(until.0)));
            (replace(strike), table::REPLACE_IF_UNRENEWED)
        }
    };
    Update { key: table::mailbox_key(entity), update: expression.into(), condition: condition.into(), values }
}
