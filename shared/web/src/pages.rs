//! Lists, a page at a time, with a cursor.

use std::pin::pin;

use crate::problem::Problem;
use crate::query::Query;
use futures::stream::{self, StreamExt};
use serde::Serialize;
use shared::envelope::EntityId;
use shared::host::ReadHost;
use shared::limits;
use shared::log::quiet;
use shared::mailbox::image::Mailbox;
use shared::mailbox::{StepError, view};
use shared::store::{Consistency, StoreError};

/// Which page is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paging {
    limit: usize,
    cursor: Option<String>,
}

impl Paging {
    /// Reads `limit` and `cursor`.
    ///
    /// # Errors
    /// A problem when the limit is malformed.
    pub fn read(query: &Query) -> Result<Self, Problem> {
        Ok(Self { limit: query.limit()?, cursor: query.get("cursor").map(str::to_owned) })
    }

    fn after(&self, kind: &str) -> Result<Option<EntityId>, Problem> {
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        let id = hex::decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let entity = id.and_then(|id| EntityId::new(kind, &id).ok());
        let malformed = || Problem::invalid("`cursor` is not one that a page of this list ended with");
        entity.ok_or_else(malformed).map(Some)
    }
}

/// The items of a page and where the next one begins: behind the last entity of the list, or behind the last one that
/// this page has room for.
///
/// # Errors
/// A problem when the cursor is malformed, or the database does not answer.
pub async fn page<H: ReadHost, T: Serialize>(
    host: &H,
    kind: &str,
    paging: &Paging,
    shown: impl Fn(&Mailbox) -> Result<T, Problem>,
) -> Result<(Vec<T>, Option<String>), Problem> {
    let after = paging.after(kind)?;
    let (entities, mut next) = view::list(host, kind, after.as_ref(), paging.limit).await?;
    let reads: Vec<_> = entities.iter().map(|entity| read(host, entity)).collect();
    let mut reads = pin!(stream::iter(reads).buffered(limits::PAGE_READS).zip(stream::iter(&entities)));
    let (mut items, mut bytes, mut last) = (Vec::new(), 0, None);
    while let Some((image, entity)) = reads.next().await {
        // One damaged entity must not hide the others.
        if let Some(item) = image?.and_then(|image| shown(&image).ok()) {
            bytes += serde_json::to_vec(&item).map_or(0, |json| json.len());
            if bytes > limits::PAGE_BYTES && !items.is_empty() {
                next = last;
                break;
            }
            items.push(item);
        }
        last = Some(entity.clone());
    }
    Ok((items, next.map(|entity| hex::encode(entity.id()))))
}

async fn read<H: ReadHost>(host: &H, entity: &EntityId) -> Result<Option<Mailbox>, StoreError> {
    match view::mailbox(host, entity, Consistency::Eventual).await {
        Ok(image) => Ok(image),
        Err(StepError::Store(error)) => Err(error),
        Err(error @ StepError::Damaged { .. }) => {
            tracing::error!(alarm = "damaged", error = quiet(error), "a stored item cannot be read");
            Ok(None)
        }
    }
}
