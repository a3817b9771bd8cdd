//! The operator routes that read.

use shared::envelope::Millis;
use shared::host::Host;
use shared::http::answer::Answer;
use shared::http::operator::{DeadLetterAnswer, DeadLetterPage, StuckAnswer, StuckPage};
use shared::http::problem::Problem;
use shared::http::query::Query;
use shared::http::routes::Task;
use shared::http::routing::Params;
use shared::operator::dead_letters::{self, LetterId};
use shared::operator::place::Place;
use shared::operator::stuck;

/// How long a read is repeated that the database does not answer, in milliseconds: well within the function's timeout.
const READ_MS: u64 = 5_000;

/// Answers an operator, who was told from others before.
///
/// # Errors
/// The problem to answer with.
pub async fn answer<H: Host>(host: &H, (task, params): (Task, &Params), query: &str) -> Result<Answer, Problem> {
    match task {
        Task::Letters => {
            let query = Query::read(query, &["limit", "cursor"])?;
            let after = query.get("cursor").map(str::parse::<LetterId>).transpose()?;
            let page = dead_letters::list(host, &params.entity()?, after, query.limit()?).await?;
            Ok(Answer::json(200, &DeadLetterPage::new(page)))
        }
        Task::Letter => {
            Query::read(query, &[])?;
            let letter = params.get("name").parse()?;
            let letter = dead_letters::read(host, &params.entity()?, letter, deadline(host)).await?;
            Ok(Answer::json(200, &DeadLetterAnswer::new(letter)))
        }
        Task::Stuck => {
            let query = Query::read(query, &["kind", "limit", "cursor"])?;
            let limit = query.limit()?;
            let Some(place) = Place::read(host.registry(), query.get("kind"), query.get("cursor"))? else {
                return Ok(Answer::json(200, &StuckPage { items: Vec::new(), cursor: None }));
            };
            let (found, next) = stuck::stuck(host, place, limit).await?;
            let items = found.iter().map(StuckAnswer::new).collect();
            Ok(Answer::json(200, &StuckPage { items, cursor: next.map(|place| place.cursor()) }))
        }
        // API Gateway sends these to `ingest`.
        Task::Delete | Task::Redrive | Task::RedriveAll | Task::Resume | Task::Sweep => {
            Err(Problem::wrong_method("GET", "POST, DELETE"))
        }
    }
}

fn deadline<H: Host>(host: &H) -> Millis {
    host.now().plus(READ_MS)
}
