//! Lists, a page at a time, with a cursor.

use futures::future::try_join_all;
use shared::envelope::EntityId;
use shared::host::Host;
use shared::http::answer::{Answer, EntityAnswer, EntityPage, UserPage};
use shared::http::problem::Problem;
use shared::limits;
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
        let (mut other, mut limit, mut cursor) = (None, None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let slot = match &*name {
                "limit" => &mut limit,
                "cursor" => &mut cursor,
                name if more.contains(&name) => &mut other,
                _ => return Err(unknown(&name, more)),
            };
            if slot.replace(value.into_owned()).is_some() {
                return Err(Problem::invalid(format!("`{name}` is given more than once")));
            }
        }
        if other.is_some() && (limit.is_some() || cursor.is_some()) {
            return Err(Problem::invalid("limit and cursor are for lists, not for one entity"));
        }
        let limit = limit.map_or(Ok(limits::PAGE), |text| number(&text))?;
        Ok((other, Self { limit, cursor }))
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

fn unknown(name: &str, more: &[&str]) -> Problem {
    let name: String = name.chars().take(40).collect();
    let names = more.iter().chain(&["limit", "cursor"]).copied().collect::<Vec<_>>().join(", ");
    Problem::invalid(format!("there is no parameter `{name}`; there are {names}"))
}

fn number(text: &str) -> Result<usize, Problem> {
    let number = text.parse().ok().filter(|number| (1..=limits::PAGE_MOST).contains(number));
    number.ok_or_else(|| Problem::invalid(format!("`limit` takes a number from 1 to {}", limits::PAGE_MOST)))
}

/// Refuses a query where none is taken.
///
/// # Errors
/// A problem that names the first parameter.
pub fn none(query: &str) -> Result<(), Problem> {
    match form_urlencoded::parse(query.as_bytes()).next() {
        None => Ok(()),
        Some((name, _)) => {
            Err(Problem::invalid(format!("this route takes no parameters in the query, `{name}` neither")))
        }
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
                tracing::error!(alarm = "damaged", %error, "a stored item cannot be read");
                Ok(None)
            }
        }
    });
    let images = try_join_all(reads).await?;
    Ok((images.into_iter().flatten().collect(), next.map(|entity| hex::encode(entity.id()))))
}
