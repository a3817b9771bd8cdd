//! Lists, a page at a time, with a cursor.

use std::pin::pin;

use futures::stream::{self, StreamExt};
use serde::Serialize;
use shared::envelope::EntityId;
use shared::host::Host;
use shared::http::answer::{Answer, EntityAnswer, EntityPage, UserPage};
use shared::http::problem::Problem;
use shared::http::query::Query;
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
    /// Reads `limit` and `cursor`, and one more parameter if a name is given for it.
    ///
    /// # Errors
    /// A problem when a parameter is unknown, malformed or given twice.
    pub fn read(query: &str, more: &[&str]) -> Result<(Option<String>, Self), Problem> {
        let names: Vec<&str> = more.iter().chain(&["limit", "cursor"]).copied().collect();
        let query = Query::read(query, &names)?;
        let given = |name: &str| query.get(name).map(str::to_owned);
        let (other, cursor) = (more.iter().find_map(|name| given(name)), given("cursor"));
        if other.is_some() && (query.get("limit").is_some() || cursor.is_some()) {
            return Err(Problem::invalid("limit and cursor are for lists, not for one entity"));
        }
        Ok((other, Self { limit: query.limit()?, cursor }))
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

/// One page of counters.
///
/// # Errors
/// A problem when the cursor is malformed, or the database does not answer.
pub async fn users<H: Host>(host: &H, kind: &str, paging: &Paging) -> Result<Answer, Problem> {
    let (items, cursor) = page(host, kind, paging, |image| crate::user_answer(host, image)).await?;
    Ok(Answer::json(200, &UserPage { items, cursor }))
}

/// One page of entities.
///
/// # Errors
/// A problem when the cursor is malformed, or the database does not answer.
pub async fn entities<H: Host>(host: &H, kind: &str, paging: &Paging) -> Result<Answer, Problem> {
    let shown = |image: &Mailbox| Ok(EntityAnswer::new(image, crate::state(host, image)?));
    let (items, cursor) = page(host, kind, paging, shown).await?;
    Ok(Answer::json(200, &EntityPage { items, cursor }))
}

/// The items of a page and where the next one begins: behind the last entity of the list, or behind the last one that
/// this page has room for.
async fn page<H: Host, T: Serialize>(
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

async fn read<H: Host>(host: &H, entity: &EntityId) -> Result<Option<Mailbox>, StoreError> {
    match view::mailbox(host, entity, Consistency::Eventual).await {
        Ok(image) => Ok(image),
        Err(StepError::Store(error)) => Err(error),
        Err(error @ StepError::Damaged { .. }) => {
            tracing::error!(alarm = "damaged", error = quiet(error), "a stored item cannot be read");
            Ok(None)
        }
    }
}
