//! Reads the side records that a batch is decided with.

use std::collections::BTreeSet;

use futures::future::try_join_all;
use serde_dynamo::{AttributeValue, Item};

use crate::envelope::{EntityId, Millis};
use crate::host::ReadHost;
use crate::limits;
use crate::mailbox::image::Mailbox;
use crate::mailbox::{StepError, reread};
use crate::receipt;
use crate::records::{Lookup, Records, Stored};
use crate::registry::Kind;
use crate::store::{Consistency, Order, Query, ReadStore, StoreError};
use crate::table;

/// Looks up what the first `most` envelopes of a queue are decided with. An actor may name more once it knows what was
/// found, a few times.
///
/// # Errors
/// When the store fails beyond the deadline.
pub async fn look_up<H: ReadHost>(
    host: &H,
    kind: &Kind,
    image: &Mailbox,
    most: usize,
    deadline: Millis,
) -> Result<Records, StepError> {
    let mut records = Records::default();
    for _ in 0..limits::LOOKUPS {
        let asked = asked(kind, image, most, &records);
        if asked.is_empty() {
            break;
        }
        let reads = asked.into_iter().map(async |lookup| {
            let found = one(host, &image.entity, &lookup, deadline).await?;
            Ok::<_, StoreError>((lookup, found))
        });
        records.extend(try_join_all(reads).await?);
    }
    Ok(records)
}

/// What the first `most` envelopes of a queue are to be decided with and was not looked up yet: in order, so that a
/// simulation of the same seed asks in the same order.
pub(crate) fn asked(kind: &Kind, image: &Mailbox, most: usize, records: &Records) -> BTreeSet<Lookup> {
    let envelopes = (image.first()..).zip(image.queue.iter().take(most));
    let lookups = envelopes.flat_map(|(sequence, envelope)| kind.lookups(&image.entity, sequence, envelope, records));
    lookups.filter(|lookup| !records.has(lookup)).collect()
}

/// Looks one side record up, by a consistent read.
///
/// # Errors
/// When the store fails beyond the deadline.
pub async fn one<H: ReadHost>(
    host: &H,
    entity: &EntityId,
    lookup: &Lookup,
    deadline: Millis,
) -> Result<Option<Stored>, StoreError> {
    match lookup {
        Lookup::Named(name) => {
            let item = receipt::get(host, table::record_key(entity, name), deadline).await?;
            Ok(item.map(|item| Stored { name: name.clone(), record: content(item) }))
        }
        Lookup::Last { from, to } => {
            let page = between(host, entity, (from, to), (Order::Descending, 1), deadline).await?;
            Ok(page.into_iter().next())
        }
    }
}

/// Side records from one name to another, both included, by a consistent read; as many as asked for, if they fit a page.
///
/// # Errors
/// When the store fails beyond the deadline.
pub async fn between<H: ReadHost>(
    host: &H,
    entity: &EntityId,
    (from, to): (&str, &str),
    (order, limit): (Order, usize),
    deadline: Millis,
) -> Result<Vec<Stored>, StoreError> {
    if from > to {
        return Ok(Vec::new());
    }
    let text = |text: String| AttributeValue::S(text);
    let sk = |name: &str| text(table::record_key(entity, name).sk);
    let query = Query {
        index: None,
        consistency: Consistency::Strong,
        condition: table::LIST_BETWEEN,
        values: vec![(":pk", text(entity.as_str().to_owned())), (":from", sk(from)), (":to", sk(to))],
        order,
        after: None,
        limit,
    };
    let page = reread(host, deadline, || host.store().query(query.clone())).await?;
    Ok(page.items.into_iter().filter_map(stored).collect())
}

/// A side record from its item; none when it is another item.
#[must_use]
pub fn stored(item: Item) -> Option<Stored> {
    let Some(AttributeValue::S(sk)) = item.get("sk") else {
        return None;
    };
    let name = sk.strip_prefix(table::RECORD)?.to_owned();
    Some(Stored { name, record: content(item) })
}

/// What is no record is damage, which shows when it is read.
fn content(mut item: Item) -> AttributeValue {
    item.remove("record").unwrap_or(AttributeValue::Null(true))
}

#[cfg(test)]
mod tests;
