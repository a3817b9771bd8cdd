//! The receipt that makes a keyed envelope's effect exactly-once for 24 hours.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::envelope::{EntityId, Envelope, EventId, Keyed, Millis};
use crate::host::ReadHost;
use crate::limits;
use crate::mailbox::image::Damaged;
use crate::mailbox::{StepError, reread};
use crate::outcome::{Outcome, Settled};
use crate::store::{Consistency, Put, ReadStore, StoreError};
use crate::table;

/// What a key was used for, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The hash of what was posted.
    pub hash: String,
    /// The event that had the effect.
    pub event: EventId,
    /// The [`Outcome`] as JSON.
    pub outcome: String,
    /// It stands for whatever is posted before this time, however late that is processed: 24 h from its own processing.
    pub until: Millis,
}

/// Receipts by their names.
pub type Receipts = HashMap<String, Receipt>;

impl Receipt {
    /// Whether it stands for an envelope that was posted at `at`.
    #[must_use]
    pub fn is_in_force(&self, at: Millis) -> bool {
        self.until > at
    }

    /// What it says of an event that was posted under its key; none when the stored outcome cannot be read.
    #[must_use]
    pub fn settled(&self, keyed: &Keyed, event: EventId) -> Option<Settled> {
        if self.hash != keyed.hash {
            return Some(Settled { event, outcome: Outcome::key_reused(), replayed: false });
        }
        let outcome = serde_json::from_str(&self.outcome).ok()?;
        Some(Settled { event: self.event, outcome, replayed: self.event != event })
    }

    /// The receipt of an envelope that was processed at `now`.
    #[must_use]
    pub fn new(keyed: &Keyed, event: EventId, outcome: &Outcome, now: Millis) -> Self {
        Self { hash: keyed.hash.clone(), event, outcome: outcome.to_json(), until: now.plus(limits::RECEIPT_MS) }
    }

    /// The item to be written with the commit of an envelope that was posted at `at`.
    #[must_use]
    pub fn put(&self, entity: &EntityId, name: &str, at: Millis) -> Put {
        // A receipt is a flat struct of strings and a number, which always makes an item.
        let mut item: serde_dynamo::Item = serde_dynamo::to_item(self)
            .unwrap_or_else(|_| HashMap::<String, serde_dynamo::AttributeValue>::new().into());
        // What was posted while it was in force may wait as long again before it is too old to run.
        item.insert(table::TTL.to_owned(), table::ttl(self.until.plus(limits::RECEIPT_MS)));
        let condition = Some((table::RECEIPT_IF, vec![(":at", table::number(at.0))]));
        Put { key: table::receipt_key(entity, name), item, condition }
    }
}

/// Reads the receipts that a batch needs, by consistent reads side by side.
///
/// # Errors
/// When the store fails beyond the deadline, or a receipt is damaged.
pub async fn look_up<H: ReadHost>(
    host: &H,
    entity: &EntityId,
    batch: &[Envelope],
    deadline: Millis,
) -> Result<Receipts, StepError> {
    let keyed = batch.iter().filter_map(|envelope| envelope.keyed.as_ref());
    // In order, so that a simulation of the same seed asks in the same order.
    let names: BTreeSet<&str> =
        keyed.flat_map(|keyed| [Some(keyed.name.as_str()), keyed.root.as_deref()]).flatten().collect();
    let reads = names.into_iter().map(|name| read(host, entity, name, deadline));
    Ok(futures::future::try_join_all(reads).await?.into_iter().flatten().collect())
}

async fn read<H: ReadHost>(
    host: &H,
    entity: &EntityId,
    name: &str,
    deadline: Millis,
) -> Result<Option<(String, Receipt)>, StepError> {
    let item = get(host, table::receipt_key(entity, name), deadline).await?;
    let receipt = item.map(serde_dynamo::from_item::<_, Receipt>).transpose();
    let receipt = receipt.map_err(|error| StepError::Damaged {
        entity: entity.clone(),
        damage: Damaged(format!("receipt {name}: {error}")),
    })?;
    Ok(receipt.map(|receipt| (name.to_owned(), receipt)))
}

/// A consistent read that is repeated, with backoff, while it fails for a passing reason.
///
/// # Errors
/// The last error, when the deadline is near or there is no use in another try.
pub async fn get<H: ReadHost>(
    host: &H,
    key: crate::store::Key,
    deadline: Millis,
) -> Result<Option<serde_dynamo::Item>, StoreError> {
    let (item, _) = reread(host, deadline, || host.store().get(key.clone(), Consistency::Strong)).await?;
    Ok(item)
}

#[cfg(test)]
mod tests;
