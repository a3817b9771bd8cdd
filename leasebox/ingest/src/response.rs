//! From receipts to an answer.

use serde_json::Value;
use shared::actor::Rejection;
use shared::client::Receipted;
use shared::envelope::{EntityId, EventId, Millis};
use shared::erased::Reader;
use shared::limits;
use shared::mailbox::view::Standing;
use shared::outcome::{Outcome, Settled};
use web::answer::{Answer, ReceiptAnswer};
use web::post::{Posted, Replied, Told};
use web::problem::Problem;

use crate::request::Plan;

/// Posts what was planned, and makes the answer of it.
///
/// # Errors
/// The problem to answer with.
pub async fn write(
    plan: &Plan,
    told: Told,
    receipts: Vec<Receipted>,
    (reader, deadline): (impl Fn() -> Reader, Millis),
) -> Result<Answer, Problem> {
    if let Told::Receipts = told {
        return Ok(events(receipts));
    }
    // One event was posted, so there is one receipt.
    let Some(receipt) = receipts.into_iter().next() else {
        return Err(Problem::invalid("there was no event"));
    };
    let reply = match told {
        Told::Receipt | Told::Receipts => None,
        Told::Reply(reply) => Some(reply),
        Told::Own(answer) => {
            let replayed = matches!(&receipt.standing, Standing::Settled(settled) if settled.replayed);
            let end = Millis(deadline.0.saturating_sub(limits::FINISH_MS));
            let reader = reader();
            let until = shared::host::ReadHost::now(&reader).plus(plan.wait_ms).min(end);
            let body = plan.drafts.first().map(|draft| draft.body.clone()).unwrap_or_default();
            let posted = Posted { entity: plan.entity.clone(), body, receipt: receipt.clone(), until, deadline };
            if let Some(answer) = answer(reader, posted).await? {
                return Ok(marked(answer, replayed));
            }
            None
        }
    };
    Ok(event(&plan.entity, reply, receipt))
}

fn events(receipts: Vec<Receipted>) -> Answer {
    if let Some(rejection) = key_reused(&receipts) {
        return Problem::rejected(rejection).answer();
    }
    let done = receipts.iter().all(|receipted| !matches!(receipted.standing, Standing::Queued { .. }));
    let replayed = receipts.iter().all(|receipted| matches!(&receipted.standing, Standing::Settled(s) if s.replayed));
    let receipts: Vec<_> = receipts.into_iter().filter_map(ReceiptAnswer::of).collect();
    marked(Answer::json(if done { 200 } else { 202 }, &receipts), replayed)
}

/// An array is one post under its key: when that was used for another body, the array is refused as one.
fn key_reused(receipts: &[Receipted]) -> Option<Rejection> {
    let reused = Rejection::key_reused();
    let is_that = |receipted: &Receipted| match &receipted.standing {
        Standing::Settled(Settled { outcome: Outcome::Rejected(rejection), .. }) => *rejection == reused,
        _ => false,
    };
    receipts.iter().all(is_that).then_some(reused)
}

fn event(entity: &EntityId, reply: Option<Replied>, receipted: Receipted) -> Answer {
    let Receipted { event, standing } = receipted;
    match standing {
        Standing::Settled(settled) => {
            let replayed = settled.replayed;
            marked(ended(entity, reply, settled), replayed)
        }
        Standing::Dead { cause } => failed(event, &cause),
        standing @ (Standing::Queued { .. } | Standing::Forgotten | Standing::Never) => {
            let receipt = ReceiptAnswer::new(event, standing);
            Answer::json(202, &receipt).header("location", &location(entity, event))
        }
    }
}

fn ended(entity: &EntityId, told: Option<Replied>, settled: Settled) -> Answer {
    let Settled { event, outcome, .. } = &settled;
    match (outcome, told) {
        (Outcome::Rejected(rejection), _) => {
            Problem::rejected(rejection.clone()).with("event_id", event.to_string()).answer()
        }
        (Outcome::Dead(cause), _) => failed(*event, cause),
        (Outcome::Reply(_), None) => Answer::json(200, &ReceiptAnswer::new(*event, Standing::Settled(settled))),
        (Outcome::Reply(reply), Some(told)) => spoken(entity, told, reply.clone(), *event),
    }
}

/// A reply in the words of the route that it was asked by.
fn spoken(entity: &EntityId, told: Replied, reply: Value, event: EventId) -> Answer {
    let with = |problem: Problem| problem.with("event_id", event.to_string()).with("sequence", event.sequence);
    told(entity, event, reply).unwrap_or_else(|problem| with(problem).answer())
}

fn failed(event: EventId, cause: &str) -> Answer {
    Problem::dead(cause).with("event_id", event.to_string()).with("sequence", event.sequence).answer()
}

fn marked(answer: Answer, replayed: bool) -> Answer {
    if replayed { answer.header("idempotency-replayed", "true") } else { answer }
}

fn location(entity: &EntityId, event: EventId) -> String {
    format!("/entities/{entity}/events/{event}")
}
