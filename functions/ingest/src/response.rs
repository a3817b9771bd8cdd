//! From receipts to an answer.

use serde::Deserialize;
use serde_json::Value;
use shared::actor::Rejection;
use shared::actors::account::Balance;
use shared::actors::counter::Reply;
use shared::actors::user::Message;
use shared::actors::user::frame::Shown;
use shared::client::Receipted;
use shared::envelope::{EntityId, EventId};
use shared::http::answer::{Answer, CounterAnswer, ReceiptAnswer, WebhookAnswer};
use shared::http::bank::AccountAnswer;
use shared::http::chat::ReadAnswer;
use shared::http::problem::Problem;
use shared::mailbox::view::Standing;
use shared::outcome::{Outcome, Settled};

use crate::request::{Dialect, PostRequest};

/// Answers a post.
#[must_use]
pub fn write(posting: &PostRequest, receipts: Vec<Receipted>) -> Answer {
    if posting.dialect == Dialect::Events {
        return events(receipts);
    }
    // One event was posted, so there is one receipt.
    match receipts.into_iter().next() {
        Some(receipted) => event(posting, receipted),
        None => Problem::invalid("there was no event").answer(),
    }
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

fn event(posting: &PostRequest, receipted: Receipted) -> Answer {
    let Receipted { event, standing } = receipted;
    match standing {
        Standing::Settled(settled) => {
            let replayed = settled.replayed;
            marked(ended(posting, settled), replayed)
        }
        Standing::Dead { cause } => failed(event, &cause),
        standing @ (Standing::Queued { .. } | Standing::Forgotten | Standing::Never) => {
            let receipt = ReceiptAnswer::new(event, standing);
            Answer::json(202, &receipt).header("location", &location(&posting.entity, event))
        }
    }
}

fn ended(posting: &PostRequest, settled: Settled) -> Answer {
    let Settled { event, outcome, .. } = &settled;
    match (outcome, posting.dialect) {
        (Outcome::Rejected(rejection), _) => {
            Problem::rejected(rejection.clone()).with("event_id", event.to_string()).answer()
        }
        (Outcome::Dead(cause), _) => failed(*event, cause),
        (Outcome::Reply(reply), dialect) => match spoken(dialect, posting.entity.id(), reply, *event) {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => failed(*event, &format!("the reply is not of the kind that was asked: {error}")),
            None => Answer::json(200, &ReceiptAnswer::new(*event, Standing::Settled(settled))),
        },
    }
}

/// A reply in the words of a dialect; none when the dialect answers with receipts.
fn spoken(dialect: Dialect, id: &str, reply: &Value, event: EventId) -> Option<serde_json::Result<Answer>> {
    let owned = || id.to_owned();
    match dialect {
        Dialect::Webhook => Some(Reply::deserialize(reply).map(|Reply { value }| {
            Answer::json(200, &WebhookAnswer { user_id: owned(), counter: value, event_id: event.to_string() })
        })),
        Dialect::Counter => Some(
            Reply::deserialize(reply)
                .map(|Reply { value }| Answer::json(200, &CounterAnswer { counter_id: owned(), value })),
        ),
        Dialect::Account => {
            Some(Balance::deserialize(reply).map(|balance| Answer::json(200, &AccountAnswer::new(id, balance))))
        }
        Dialect::Message => Some(Message::deserialize(reply).map(|message| Answer::json(200, &Shown::from(message)))),
        Dialect::Conversation => Some(ReadAnswer::deserialize(reply).map(|answer| Answer::json(200, &answer))),
        Dialect::Transfer | Dialect::Event | Dialect::Events => None,
    }
}

pub(crate) fn failed(event: EventId, cause: &str) -> Answer {
    Problem::dead(cause).with("event_id", event.to_string()).with("sequence", event.sequence).answer()
}

pub(crate) fn marked(answer: Answer, replayed: bool) -> Answer {
    if replayed { answer.header("idempotency-replayed", "true") } else { answer }
}

fn location(entity: &EntityId, event: EventId) -> String {
    format!("/entities/{entity}/events/{event}")
}
