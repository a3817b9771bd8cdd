//! The function that the stream and the wakes call: each record says "look at this entity", and nothing more.

pub mod event;
pub mod queue;

use futures::stream::{self, StreamExt};
use serde_json::Value;
use shared::envelope::{EntityId, Millis, Owner};
use shared::host::Host;
use shared::limits;
use shared::mailbox::StepError;
use shared::mailbox::image::Mailbox;
use shared::mailbox::takeover::{Taken, take};
use shared::receipt;
use shared::store::StoreError;
use shared::table;
use shared::visit::{End, Held, visit_all};
use shared::wake::{Look, Wake, WakeError, Wakes, look};

pub use crate::event::Unreadable;
use crate::event::{Failures, Group};

/// Entities of one batch that are attended to side by side.
const SIDE_BY_SIDE: usize = 16;

/// Attends to the entities of one batch, and answers with the items that are to be delivered again.
///
/// # Errors
/// When the event is neither a stream's nor a queue's, or an item has no identity to report it by: the whole batch is
/// delivered again then.
pub async fn handle<H: Host, W: Wakes>(
    host: &H,
    wakes: &W,
    event: Value,
    deadline: Millis,
) -> Result<Value, Unreadable> {
    let batch = event::read(event)?;
    let mut failures = Failures::new(batch.unreadable);
    let attended: Vec<Vec<String>> = stream::iter(batch.groups)
        .map(|group| attend_group(host, wakes, group, deadline))
        .buffer_unordered(SIDE_BY_SIDE)
        .collect()
        .await;
    failures.extend(attended.into_iter().flatten());
    Ok(failures.into_response())
}

/// Attends to one entity for all its items, in their order; brings the items that failed.
async fn attend_group<H: Host, W: Wakes>(host: &H, wakes: &W, group: Group, deadline: Millis) -> Vec<String> {
    let mut failed = Vec::new();
    for (item, wake) in group.looks {
        // What was delivered together is judged by one read; what cannot finish is not started.
        let late = host.now().plus(limits::FINISH_MS) >= deadline;
        if late || attend(host, wakes, &group.entity, wake.as_ref(), deadline).await.is_err() {
            failed.extend(item);
        }
    }
    failed
}

/// Why an entity could not be attended to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttendError {
    /// The store failed beyond the deadline.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The later look could not be arranged.
    #[error(transparent)]
    Wake(#[from] WakeError),
}

/// Looks at one entity and does what there is to do.
///
/// # Errors
/// When it cannot be said that the entity is looked at again: the item that led here must be delivered again.
pub async fn attend<H: Host, W: Wakes>(
    host: &H,
    wakes: &W,
    entity: &EntityId,
    wake: Option<&Wake>,
    deadline: Millis,
) -> Result<(), AttendError> {
    let attended = try_attend(host, wakes, entity, wake, deadline).await;
    if let Err(error) = &attended {
        tracing::warn!(%entity, %error, "an entity could not be attended to; its item is delivered again");
    }
    attended
}

async fn try_attend<H: Host, W: Wakes>(
    host: &H,
    wakes: &W,
    entity: &EntityId,
    wake: Option<&Wake>,
    deadline: Millis,
) -> Result<(), AttendError> {
    // By a consistent read: an older image could show the entity idle while an envelope waits.
    let Some(item) = receipt::get(host, table::mailbox_key(entity), deadline).await? else {
        return Ok(());
    };
    let image = match Mailbox::read(entity, item) {
        Ok(image) => image,
        Err(damage) => {
            // To fail the record would stop every entity behind it, and would not mend this one.
            tracing::error!(alarm = "damaged", %entity, %damage, "a stored item cannot be read");
            return Ok(());
        }
    };
    match look(&image, wake, host.now(), host.settings()) {
        Look::Nothing => Ok(()),
        Look::Later(wake, delay_ms) => Ok(wakes.wake(&wake, delay_ms).await?),
        Look::Take(takeover) => {
            let me = Owner::new(host.now(), host.random());
            match take(host, entity, me, takeover, deadline).await {
                Ok(Taken::Held(image)) => {
                    run(host, Held { image: *image, me }, deadline).await;
                    Ok(())
                }
                // Whoever was faster left a record of its own, which is looked at.
                Ok(Taken::Refused) => Ok(()),
                Err(StepError::Store(error)) => Err(error.into()),
                Err(error @ StepError::Damaged { .. }) => {
                    tracing::error!(alarm = "damaged", %error, "a stored item cannot be read");
                    Ok(())
                }
            }
        }
    }
}

/// Visits. Whatever happens, the acquisition left a record in the stream: the entity is looked at again.
async fn run<H: Host>(host: &H, held: Held, deadline: Millis) {
    let entity = held.image.entity.clone();
    match visit_all(host, held, deadline).await {
        Ok(End::Released | End::Lost | End::Blocked) => {}
        Ok(End::Stopped(cause)) => tracing::error!(alarm = "stopped", %entity, cause, "the entity cannot be run here"),
        Err(error) => tracing::warn!(%entity, %error, "a visit failed; its lease will expire"),
    }
}
