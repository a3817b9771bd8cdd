//! What operators do and see. Who asks was told from others before.

use schemars::JsonSchema;
use serde::Deserialize;
use shared::client::Client;
use shared::envelope::Millis;
use shared::erased::{AnyHost, Reader};
use shared::host::ReadHost;
use shared::limits;
use shared::operator::dead_letters::{self, LetterId};
use shared::operator::place::Place;
use shared::operator::resume::Head;
use shared::operator::sweep::Swept;
use shared::operator::{redrive as redriving, resume as resuming, stuck as waiting, sweep as sweeping};

use crate::operator::{
    DeadLetterAnswer, DeadLetterPage, DeletedAnswer, RedriveAllAnswer, RedriveAnswer, ResumeAnswer, StuckAnswer,
    StuckPage, SweepAnswer,
};
use crate::problem::Problem;
use crate::request::Request;

/// How long a read is repeated that the database does not answer, in milliseconds: well within the function's timeout.
const READ_MS: u64 = 5_000;

pub(super) async fn letters(reader: Reader, request: Request) -> Result<DeadLetterPage, Problem> {
    let after = request.query.get("cursor").map(str::parse::<LetterId>).transpose()?;
    let page = dead_letters::list(&reader, &request.named()?, after, request.query.limit()?).await?;
    Ok(DeadLetterPage::new(page))
}

pub(super) async fn letter(reader: Reader, request: Request) -> Result<DeadLetterAnswer, Problem> {
    let letter = request.id("name").parse()?;
    let deadline = reader.now().plus(READ_MS);
    let letter = dead_letters::read(&reader, &request.named()?, letter, deadline).await?;
    Ok(DeadLetterAnswer::new(letter))
}

pub(super) async fn stuck(reader: Reader, request: Request) -> Result<StuckPage, Problem> {
    let (query, limit) = (&request.query, request.query.limit()?);
    let Some(place) = Place::read(reader.registry(), query.get("kind"), query.get("cursor"))? else {
        return Ok(StuckPage { items: Vec::new(), cursor: None });
    };
    let (found, next) = waiting::stuck(&reader, place, limit).await?;
    let items = found.iter().map(StuckAnswer::new).collect();
    Ok(StuckPage { items, cursor: next.map(|place| place.cursor()) })
}

pub(super) async fn delete(client: Client<AnyHost>, request: Request) -> Result<DeletedAnswer, Problem> {
    let last = noted(&request);
    let letter: LetterId = request.id("name").parse()?;
    dead_letters::delete(client.host(), &request.named()?, letter, last).await?;
    Ok(DeletedAnswer { deleted: letter.to_string() })
}

pub(super) async fn redrive(client: Client<AnyHost>, request: Request) -> Result<RedriveAnswer, Problem> {
    let last = noted(&request);
    let letter = request.id("name").parse()?;
    let redriven = redriving::one(client.host(), &request.named()?, letter, last).await?;
    Ok(RedriveAnswer::new(redriven))
}

pub(super) async fn redrive_all(client: Client<AnyHost>, request: Request) -> Result<RedriveAllAnswer, Problem> {
    let last = noted(&request);
    let limit = request.query.limit()?;
    let all = redriving::all(client.host(), &request.named()?, limit, last).await?;
    Ok(RedriveAllAnswer::new(all))
}

pub(super) async fn resume(client: Client<AnyHost>, request: Request) -> Result<ResumeAnswer, Problem> {
    let last = noted(&request);
    let head = match request.body::<Option<ResumeBody>>()?.unwrap_or_default().head {
        HeadBody::Retry => Head::Retry,
        HeadBody::Park => Head::Park,
    };
    let resumed = resuming::resume(client.host(), &request.named()?, head, last).await?;
    Ok(ResumeAnswer::new(resumed))
}

pub(super) async fn sweep(client: Client<AnyHost>, request: Request) -> Result<SweepAnswer, Problem> {
    noted(&request);
    let (query, host) = (&request.query, client.host());
    let swept = match Place::read(host.registry(), query.get("kind"), query.get("cursor"))? {
        Some(place) => sweeping::sweep(host, place, request.deadline).await?,
        None => Swept::default(),
    };
    Ok(SweepAnswer::new(swept))
}

/// Who did what to the entities by hand is asked sooner or later. What is repeated ends in time for the answer to be sent,
/// which is what this returns.
fn noted(request: &Request) -> Millis {
    let Request { signer, path, route, .. } = request;
    tracing::info!(operator = signer, method = route.method, path, "an operator acts");
    Millis(request.deadline.0.saturating_sub(limits::FINISH_MS))
}

/// The body of a resumption.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResumeBody {
    /// What becomes of the first event: `retry` runs it again, `park` puts it to the dead letters.
    #[serde(default)]
    head: HeadBody,
}

/// What becomes of the first event.
#[derive(Default, Deserialize, JsonSchema, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum HeadBody {
    #[default]
    Retry,
    Park,
}
