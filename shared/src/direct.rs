//! The direct path: events for an idle entity are run and applied without waiting in its queue, by one read and one
//! write instead of two writes. Off by default: it costs more where somebody else works on the entity.
//!
//! Whoever posts reads the item, runs the events, and writes what they made if nothing was written meanwhile. Nothing is
//! stored before it is applied, so nothing can be left behind; and where this cannot be done, or it cannot be told whether
//! it was, the ordinary post goes on, which finds whatever is.

use crate::batch::{self, Batch, Input};
use crate::envelope::{EventId, Owner};
use crate::host::Host;
use crate::limits::Direct as Switch;
use crate::log;
use crate::lookup;
use crate::mailbox::direct::{Direct, Direction, direct};
use crate::mailbox::image::Mailbox;
use crate::mailbox::post::{Posting, Stored, Tries, seal};
use crate::mailbox::{StepError, view, within};
use crate::metrics::{self, Attempt};
use crate::receipt;
use crate::store::Consistency;
use crate::visit::Pushes;

/// Events that are applied.
#[derive(Debug)]
pub struct Applied {
    /// The events, and the item after them: with effects to deliver it is held by the posting's owner.
    pub stored: Stored,
    /// Messages to connections, of what is applied.
    pub pushes: Pushes,
}

/// Applies events at once; none when this is switched off, the entity is not idle, somebody else writes, or the events
/// cannot be applied as they are. Then nothing is stored, unless `tries` says that it cannot be told: it is what an
/// ordinary post of the same events goes on from.
pub async fn apply<H: Host>(host: &H, posting: Posting<'_>, tries: &mut Tries) -> Option<Applied> {
    let me = posting.owner.filter(|_| host.settings().direct == Switch::On)?;
    let (attempt, applied) = attempt(host, posting, me, tries).await;
    metrics::direct(posting.entity.kind(), attempt);
    applied
}

async fn attempt<H: Host>(host: &H, posting: Posting<'_>, me: Owner, tries: &mut Tries) -> (Attempt, Option<Applied>) {
    let Some(image) = idle(host, posting).await else {
        return (Attempt::Busy, None);
    };
    let Ok(Some((image, batch))) = run(host, posting, image).await else {
        return (Attempt::Unfit, None);
    };
    match direct(host, Direct { image: &image, batch: &batch, me }, posting.deadline).await {
        Direction::Applied(after) => (Attempt::Applied, Some(told(host, &image, me, (*after, batch)))),
        Direction::Refused => (Attempt::Overtaken, None),
        Direction::Unknown => {
            *tries = Tries::unclear(image.queue);
            (Attempt::Overtaken, None)
        }
    }
}

/// The entity, if nobody works on it and there is nothing to do. A late read costs a refused write, and nothing else.
async fn idle<H: Host>(host: &H, posting: Posting<'_>) -> Option<Mailbox> {
    let read = async { Ok(view::mailbox(host, posting.entity, Consistency::Eventual).await) };
    let image = within(host, posting.deadline, read).await.ok()?.ok()?;
    let image = image.unwrap_or_else(|| Mailbox::new(posting.entity.clone()));
    let free = image.lease.is_none() && !image.pending && !image.is_suspect();
    (free && image.queue.is_empty() && image.outbox.is_empty()).then_some(image)
}

/// Runs the events, as if they were the queue; none when not all of them can be applied at once: what fails is queued,
/// and its policy applies to it there. Whatever they are decided with is read after the item, so that the condition of
/// the write holds for it too.
async fn run<H: Host>(
    host: &H,
    posting: Posting<'_>,
    mut image: Mailbox,
) -> Result<Option<(Mailbox, Batch)>, StepError> {
    let events = posting.drafts.len();
    let kind = host.registry().kind(posting.entity.kind()).filter(|_| events <= host.settings().batch);
    let Some(kind) = kind else {
        return Ok(None);
    };
    image.queue = seal(host, posting.drafts, image.evicted);
    image.pending = true;
    let receipts = receipt::look_up(host, posting.entity, &image.queue, posting.deadline).await?;
    let records = Box::pin(lookup::look_up(host, kind, &image, events, posting.deadline)).await?;
    let (now, began) = (host.now(), host.stopwatch());
    let input = Input { image: &image, kind, receipts: &receipts, records: &records, now };
    let batch = batch::run(input, events).ok().filter(|batch| batch.taken == events);
    let took = host.stopwatch().saturating_sub(began);
    metrics::ran(&image, batch.as_ref().map_or(0, |batch| batch.taken), now, took);
    Ok(batch.map(|batch| (image, batch)))
}

fn told<H: Host>(host: &H, before: &Mailbox, me: Owner, (after, batch): (Mailbox, Batch)) -> Applied {
    log::ran(before, me, &batch.recent);
    metrics::committed(after.entity.kind(), &batch.recent);
    let pushes = Pushes { entity: after.entity.clone(), messages: batch.pushes };
    let ids = before.queue.iter().map(|envelope| envelope.id);
    let waiters = ids.clone().map(|id| host.waiting().wait_for(id)).collect();
    let events = (before.first()..).zip(ids).map(|(sequence, id)| EventId { sequence, id }).collect();
    Applied { stored: Stored { image: after, events, waiters }, pushes }
}

#[cfg(test)]
mod tests;
