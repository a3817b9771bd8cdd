//! Lists, a page at a time, with a cursor.

use futures::future::try_join_all;
use shared::envelope::EntityId;
use shared::host::Host;
use shared::http::answer::{Answer, EntityAnswer, EntityPage, UserPage};
use shared::http::problem::Problem;
use shared::http::query::Query;
use shared::mailbox::image::Mailbox;
use shared::mailbox::view;
use shared::store::Consistency;

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
    let (images, cursor) = page(host, kind, paging).await?;
    // One damaged entity must not hide the others.
    let items = images.iter().filter_map(|image| crate::user_answer(host, image).ok()).collect();
    Ok(Answer::json(200, &UserPage { items, cursor }))
}

/// One page of entities.
///
/// # Errors
/// A problem when the cursor is malformed, or the database does not answer.
pub async fn entities<H: Host>(host: &H, kind: &str, paging: &Paging) -> Result<Answer, Problem> {
    let (images, cursor) = page(host, kind, paging).await?;
    let answer = |image: &Mailbox| Some(EntityAnswer::new(image, crate::state(host, image).ok()?));
    Ok(Answer::json(200, &EntityPage { items: images.iter().filter_map(answer).collect(), cursor }))
}

async fn page<H: Host>(host: &H, kind: &str, paging: &Paging) -> Result<(Vec<Mailbox>, Option<String>), Problem> {
    let after = paging.after(kind)?;
    let (entities, next) = view::list(host, kind, after.as_ref(), paging.limit).await?;
    let reads = entities.iter().map(|entity| async move {
        match view::mailbox(host, entity, Consistency::Eventual).await {
            Ok(image) => Ok(image),
            Err(shared::mailbox::StepError::Store(error)) => Err(error),
            Err(error @ shared::mailbox::StepError::Damaged { .. }) => {
                tracing::error!(alarm = "damaged", error = shared::log::quiet(error), "a stored item cannot be read");
                Ok(None)
            }
        }
    });
    let images = try_join_all(reads).await?;
    Ok((images.into_iter().flatten().collect(), next.map(|entity| hex::encode(entity.id()))))
}
