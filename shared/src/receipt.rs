//! The receipt that makes a keyed envelope's effect exactly-once for 24 hours.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::envelope::{EntityId, Envelope, EventId, Keyed, Millis};
use crate::host::Host;
use crate::limits;
use crate::mailbox::StepError;
use crate::mailbox::image::Damaged;
use crate::outcome::Outcome;
use crate::store::{Consistency, Put, Store, StoreError, backoff};
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
    /// Until when it is in force; DynamoDB deletes it some time later.
    pub until: Millis,
}

/// Receipts by their names.
pub type Receipts = HashMap<String, Receipt>;

impl Receipt {
    /// The receipt of an envelope that was processed at `now`.
    #[must_use]
    pub fn new(keyed: &Keyed, event: EventId, outcome: &Outcome, now: Millis) -> Self {
        Self { hash: keyed.hash.clone(), event, outcome: outcome.to_json(), until: now.plus(limits::RECEIPT_MS) }
    }

    /// The item to be written with the commit.
    #[must_use]
    pub fn put(&self, entity: &EntityId, name: &str, now: Millis) -> Put {
        // A receipt is a flat struct of strings and a number, which always makes an item.
        let mut item: serde_dynamo::Item = serde_dynamo::to_item(self)
            .unwrap_or_else(|_| HashMap::<String, serde_dynamo::AttributeValue>::new().into());
        item.insert(table::TTL.to_owned(), table::ttl(self.until));
        let condition = Some((table::RECEIPT_IF, vec![(":now", table::number(now.0))]));
        Put { key: table::receipt_key(entity, name), item, condition }
    }
}

/// Reads the receipts that a batch needs, by consistent reads side by side. What is no longer in force is left out.
///
/// # Errors
/// When the store fails beyond the deadline, or a receipt is damaged.
pub async fn look_up<H: Host>(
    host: &H,
    entity: &EntityId,
    batch: &[Envelope],
    deadline: Millis,
) -> Result<Receipts, StepError> {
    let keyed = batch.iter().filter_map(|envelope| envelope.keyed.as_ref());
    let names: HashSet<&str> =
        keyed.flat_map(|keyed| [Some(keyed.name.as_str()), keyed.root.as_deref()]).flatten().collect();
    let reads = names.into_iter().map(|name| read(host, entity, name, deadline));
    let found = futures::future::try_join_all(reads).await?;
    let now = host.now();
    Ok(found.into_iter().flatten().filter(|(_, receipt)| receipt.until > now).collect())
}

async fn read<H: Host>(
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
pub async fn get<H: Host>(
    host: &H,
    key: crate::store::Key,
    deadline: Millis,
) -> Result<Option<serde_dynamo::Item>, StoreError> {
    let mut attempt = 0;
    loop {
        match host.store().get(key.clone(), Consistency::Strong).await {
            Ok((item, _)) => return Ok(item),
            Err(error) if !error.is_transient() || host.now() >= deadline => return Err(error),
            Err(_) => host.sleep(backoff(attempt, host.random())).await,
        }
        attempt += 1;
    }
}
