//! A look at one entity, and what there is to do then: what `drain` does for a record, and a sweep for everything.

use crate::envelope::{EntityId, Millis, Owner};
use crate::host::Host;
use crate::log::quiet;
use crate::mailbox::StepError;
use crate::mailbox::image::{Lease, Mailbox};
use crate::mailbox::takeover::{Taken, take};
use crate::receipt;
use crate::store::StoreError;
use crate::table;
use crate::visit::{End, Held, visit_all};
use crate::wake::{Look, Wake, look};

/// How long one entity may take to be looked at and taken, in milliseconds: one that does not answer must not use up the
/// time of the others.
const LOOK_MS: u64 = 3_000;

/// Who is attended to at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// Others: whatever kills this invocation must not be held against all of them.
    Others,
    /// Nobody else: what kills this invocation is held against the one entity.
    Nobody,
}

/// What came of a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// Nothing is pending, or there is no such entity.
    Idle,
    /// An operator must release it.
    Blocked,
    /// Somebody else takes care of it: a record of theirs is looked at.
    Elsewhere,
    /// There is nothing to do yet: this wake is to be sent, with this delay in milliseconds.
    Later(Wake, u64),
    /// Its holders have died before: it is to be attended to with nobody else.
    Suspect,
    /// It was visited; whatever happened, the acquisition left a record in the stream.
    Visited(Ended),
    /// Its item cannot be read.
    Damaged,
}

/// How a visit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As a visit ends when nothing stands in its way.
    Well,
    /// It needs an operator.
    Blocked,
    /// This program cannot run it, or the store failed.
    Badly,
}

/// Looks at one entity and does what there is to do. `wake` is the message that made us look.
///
/// # Errors
/// When the store fails before the entity is taken.
pub async fn attend<H: Host>(
    host: &H,
    entity: &EntityId,
    wake: Option<&Wake>,
    company: Company,
    invocation_ends: Millis,
) -> Result<Looked, StoreError> {
    let deadline = host.now().plus(LOOK_MS).min(invocation_ends);
    // By a consistent read: an older image could show the entity idle while an envelope waits.
    let Some(item) = receipt::get(host, table::mailbox_key(entity), deadline).await? else {
        return Ok(Looked::Idle);
    };
    let image = match Mailbox::read(entity, item) {
        Ok(image) => image,
        Err(damage) => {
            tracing::error!(alarm = "damaged", %entity, damage = quiet(damage), "a stored item cannot be read");
            return Ok(Looked::Damaged);
        }
    };
    let takeover = match look(&image, wake, host.now(), host.settings()) {
        Look::Nothing if !image.pending => return Ok(Looked::Idle),
        Look::Nothing if matches!(image.lease, Some(Lease::Blocked { .. })) => return Ok(Looked::Blocked),
        Look::Nothing => return Ok(Looked::Elsewhere),
        Look::Later(wake, delay_ms) => return Ok(Looked::Later(wake, delay_ms)),
        Look::Take(takeover) => takeover,
    };
    if company == Company::Others && (image.attempts > 0 || image.running.is_some()) {
        return Ok(Looked::Suspect);
    }
    let me = Owner::new(host.now(), host.random());
    match take(host, entity, me, takeover, deadline).await {
        Ok(Taken::Held(image)) => Ok(Looked::Visited(run(host, Held { image: *image, me }, invocation_ends).await)),
        // Whoever was faster left a record of its own, which is looked at.
        Ok(Taken::Refused) => Ok(Looked::Elsewhere),
        Err(StepError::Store(error)) => Err(error),
        Err(error @ StepError::Damaged { .. }) => {
            tracing::error!(alarm = "damaged", error = quiet(error), "a stored item cannot be read");
            Ok(Looked::Damaged)
        }
    }
}

async fn run<H: Host>(host: &H, held: Held, deadline: Millis) -> Ended {
    let entity = held.image.entity.clone();
    match visit_all(host, held, deadline).await {
        Ok(End::Released | End::Lost | End::Waiting) => Ended::Well,
        Ok(End::Blocked) => Ended::Blocked,
        Ok(End::Stopped(cause)) => {
            tracing::error!(alarm = "stopped", %entity, cause = quiet(cause), "the entity cannot be run here");
            Ended::Badly
        }
        Err(error) => {
            tracing::warn!(%entity, error = quiet(error), "a visit failed; the entity is looked at again");
            Ended::Badly
        }
    }
}

#[cfg(test)]
mod tests;
