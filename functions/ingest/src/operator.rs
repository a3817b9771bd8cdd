//! The operator routes that write.

use serde::Deserialize;
use shared::envelope::Millis;
use shared::host::Host;
use shared::http::answer::Answer;
use shared::http::incoming::Incoming;
use shared::http::operator::{DeletedAnswer, RedriveAllAnswer, RedriveAnswer, ResumeAnswer, SweepAnswer};
use shared::http::problem::Problem;
use shared::http::query::Query;
use shared::http::routes::Task;
use shared::http::routing::Params;
use shared::limits;
use shared::operator::place::Place;
use shared::operator::resume::Head;
use shared::operator::sweep::Swept;
use shared::operator::{dead_letters, redrive, resume, sweep};

use crate::request::object;

/// Answers an operator, who was told from others before. `deadline` is when the invocation ends.
///
/// # Errors
/// The problem to answer with.
pub async fn answer<H: Host>(
    host: &H,
    (task, params): (Task, &Params),
    incoming: &Incoming,
    deadline: Millis,
) -> Result<Answer, Problem> {
    // Who did what to the entities by hand is asked sooner or later.
    let Incoming { method, path, query, verified, .. } = incoming;
    tracing::info!(operator = verified.signer, %method, path, "an operator acts");
    // What is repeated ends in time for the answer to be sent.
    let last = Millis(deadline.0.saturating_sub(limits::FINISH_MS));
    let letter = || params.get("name").parse();
    match task {
        Task::Delete => {
            Query::read(query, &[])?;
            let letter = letter()?;
            dead_letters::delete(host, &params.entity()?, letter, last).await?;
            Ok(Answer::json(200, &DeletedAnswer { deleted: letter.to_string() }))
        }
        Task::Redrive => {
            Query::read(query, &[])?;
            let redriven = redrive::one(host, &params.entity()?, letter()?, last).await?;
            Ok(Answer::json(200, &RedriveAnswer::new(redriven)))
        }
        Task::RedriveAll => {
            let limit = Query::read(query, &["limit"])?.limit()?;
            let all = redrive::all(host, &params.entity()?, limit, last).await?;
            Ok(Answer::json(200, &RedriveAllAnswer::new(all)))
        }
        Task::Resume => {
            Query::read(query, &[])?;
            let resumed = resume::resume(host, &params.entity()?, head(&incoming.body)?, last).await?;
            Ok(Answer::json(200, &ResumeAnswer::new(resumed)))
        }
        Task::Sweep => {
            let query = Query::read(query, &["kind", "cursor"])?;
            let swept = match Place::read(host.registry(), query.get("kind"), query.get("cursor"))? {
                Some(place) => sweep::sweep(host, place, deadline).await?,
                None => Swept::default(),
            };
            Ok(Answer::json(200, &SweepAnswer::new(swept)))
        }
        // API Gateway sends these to `status`.
        Task::Letters | Task::Letter | Task::Stuck => Err(Problem::wrong_method(method.as_str(), "POST")),
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resumption {
    #[serde(default)]
    head: Choice,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Choice {
    #[default]
    Retry,
    Park,
}

fn head(body: &[u8]) -> Result<Head, Problem> {
    if body.len() > limits::BODY_BYTES {
        return Err(Problem::too_large("the body", body.len(), limits::BODY_BYTES));
    }
    Ok(match object::<Resumption>(body)?.unwrap_or_default().head {
        Choice::Retry => Head::Retry,
        Choice::Park => Head::Park,
    })
}
