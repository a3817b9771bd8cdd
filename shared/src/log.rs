//! What is logged of the protocol's steps: a line for each post and each visit, and one for each hop of a trace that
//! somebody records. Ids, counts and times; never a body, a key, a token or a reply.

pub mod subscriber;

use std::fmt::Display;
use std::time::Duration;

use tracing::field::display;
use tracing::{Span, debug, info, info_span};

use crate::client::{Receipted, Submission, SubmitError};
use crate::envelope::{EntityId, EventId, Owner};
use crate::mailbox::image::{Mailbox, Recent};
use crate::metrics;
use crate::outbox::Outgoing;
use crate::trace::Hop;

/// What [`StoreError::Refused`](crate::store::StoreError::Refused) begins with. DynamoDB says there which value it does
/// not take, and that is somebody's.
const REFUSED: &str = "DynamoDB does not take this";

/// An error as it may be logged: without anything between its first quotation mark and its last. Who reads JSON or an
/// item and fails quotes what was there, and that is somebody's payload.
#[must_use]
pub fn quiet(error: impl Display) -> String {
    let mut text = error.to_string();
    if let Some(start) = text.find(REFUSED) {
        text.truncate(start + REFUSED.len());
    }
    let is_mark = |c: char| matches!(c, '"' | '`' | '\'');
    if let (Some(first), Some(last)) = (text.find(is_mark), text.rfind(is_mark))
        && first < last
    {
        text.replace_range(first + 1..last, "…");
    }
    text
}

fn ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// Events were posted, and this is what their poster is told. The line stands in the span of its request.
pub(crate) fn posted(submission: &Submission<'_>, told: &Result<Vec<Receipted>, SubmitError>, took: Duration) {
    let first = told.as_ref().ok().and_then(|receipts| receipts.first());
    info!(
        kind = submission.entity.kind(),
        entity = %submission.entity,
        events = submission.drafts.len(),
        event = first.map(|receipt| display(receipt.event)),
        outcome = metrics::told(told),
        ms = ms(took),
        "posted"
    );
}

/// What is logged while an entity is visited stands in this span.
pub(crate) fn visit_span(entity: &EntityId, me: Owner) -> Span {
    info_span!("visit", %entity, fence = %me)
}

/// What a visit did.
pub(crate) struct Visited<'a> {
    pub(crate) entity: &'a EntityId,
    pub(crate) fence: Owner,
    pub(crate) end: &'static str,
    pub(crate) rounds: u32,
    pub(crate) envelopes: u64,
    pub(crate) took: Duration,
}

pub(crate) fn visited(visited: &Visited<'_>) {
    let Visited { entity, fence, end, rounds, envelopes, took } = visited;
    let (kind, ms) = (entity.kind(), ms(*took));
    info!(kind, %entity, %fence, end, rounds, envelopes, ms, "visited");
}

/// Envelopes were run and left the queue of `image`, which is as it was before.
pub(crate) fn ran(image: &Mailbox, me: Owner, batch: &[Recent]) {
    let entity = &image.entity;
    for ((sequence, envelope), recent) in (image.first()..).zip(&image.queue).zip(batch) {
        let (id, outcome, attempts) = (EventId { sequence, id: envelope.id }, metrics::turn(recent), image.attempts);
        match image.hop(sequence, envelope) {
            // Whoever records the trace wants each of its hops; of all other envelopes the visit's line tells enough.
            Some(hop) => span("run", &hop)
                .in_scope(|| info!(%entity, event = %id, sequence, fence = %me, attempts, outcome, "ran")),
            None => debug!(%entity, event = %id, sequence, fence = %me, attempts, outcome, "ran"),
        }
    }
}

/// What is logged while one effect is delivered stands in this span, if its trace is recorded.
pub(crate) fn delivery_span(hop: Option<&Hop>) -> Span {
    hop.map_or_else(Span::none, |hop| span("deliver", hop))
}

/// An effect has arrived.
pub(crate) fn delivered(sender: &EntityId, outgoing: &Outgoing, event: EventId) {
    let Outgoing { sequence, index, to, failures, .. } = outgoing;
    match outgoing.trace {
        Some(_) => info!(entity = %sender, %to, sequence, index, attempts = failures, %event, "delivered"),
        None => debug!(entity = %sender, %to, sequence, index, attempts = failures, %event, "delivered"),
    }
}

/// One hop of a trace.
fn span(step: &'static str, hop: &Hop) -> Span {
    let Hop { trace, .. } = hop;
    let parent_id = hop.parent_id().map(display);
    info_span!("hop", step, trace_id = %trace.trace_id(), span_id = %trace.span_id(), parent_id)
}

/// What is logged while a request is answered stands in this span.
pub fn request_span(method: &str, route: &str, hop: Option<&Hop>) -> Span {
    let trace_id = hop.map(|hop| display(hop.trace.trace_id()));
    let span_id = hop.map(|hop| display(hop.trace.span_id()));
    let parent_id = hop.and_then(Hop::parent_id).map(display);
    info_span!("request", method, route, trace_id, span_id, parent_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn what_an_error_quotes_is_not_logged() {
        let of = |text: &str| serde_json::from_str::<u8>(text).unwrap_err();
        for error in [of("\"se`cr\\\"et\""), of("{\"secret\": 1}"), of("\"'secret")] {
            let quiet = quiet(&error);
            assert!(!quiet.contains("secret") && quiet.contains("line 1"), "{error} {quiet}");
        }
        assert_eq!(quiet("it's so"), "it's so");
        assert_eq!(quiet("`a` and `b`, c"), "`…`, c");
    }

    #[test]
    fn what_dynamodb_does_not_take_is_not_logged() {
        let refused = StoreError::Refused("The parameter cannot be converted to a numeric value: secret".to_owned());
        assert_eq!(quiet(refused), REFUSED);
        assert_eq!(quiet(StoreError::Unknown("a: b".to_owned())), "DynamoDB did not answer: a: b");
    }
}
