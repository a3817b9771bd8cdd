//! When to look at an entity again, and what to do on seeing it: pure decisions.
//!
//! An expiring lease writes nothing, so nothing in the stream tells of it. Whoever looks at a stream record and finds
//! the entity held sends itself one delayed message, the wake, with the lease that it saw. Every write that takes or
//! renews a lease leaves a stream record that is looked at after it; so a wake that finds another lease than its own
//! has nothing to do, and wakes do not multiply, however long an entity stays busy.

use serde::{Deserialize, Serialize};

use crate::envelope::{EntityId, Millis, Owner};
use crate::limits::{self, Settings};
use crate::mailbox::image::{Lease, Mailbox};
use crate::mailbox::takeover::Takeover;
use crate::outbox;

/// A message to look at an entity after a delay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wake {
    /// The entity to look at.
    pub entity: EntityId,
    /// The lease that was seen; none when the entity waits for an effect to be due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<SeenLease>,
    /// When the first effect that waits for a later time is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Millis>,
}

/// A lease as a look saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenLease {
    /// The fence, as 24 hexadecimal digits.
    pub owner: Owner,
    /// When it was to end, by its holder's clock.
    pub until: Millis,
}

/// What to do about an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing: it is idle, or blocked, or somebody else will look.
    Nothing,
    /// Take its lease and visit it.
    Take(Takeover),
    /// Look again after this many milliseconds.
    Later(Wake, u64),
}

/// Decides by a consistent read, never by what a stream record shows; `wake` is the message that made us look.
#[must_use]
pub fn look(image: &Mailbox, wake: Option<&Wake>, now: Millis, settings: &Settings) -> Look {
    if !image.pending {
        return Look::Nothing;
    }
    match &image.lease {
        None => free(image, wake, now),
        Some(Lease::Blocked { .. }) => Look::Nothing,
        Some(Lease::Held { owner, until }) => held(image, *owner, *until, wake, now, settings),
    }
}

fn free(image: &Mailbox, wake: Option<&Wake>, now: Millis) -> Look {
    // Effects that are not due are the only thing that a free entity may be left with: wait for the first of them.
    let due = if image.queue.is_empty() { outbox::next_due(&image.outbox, now) } else { None };
    let Some(due) = due else {
        return Look::Take(Takeover::Acquire { head: image.head });
    };
    match wake {
        // Another time than the one that the wake was sent for: the write that set it has its own record.
        Some(wake) if wake.due.is_some_and(|seen| seen != due) => Look::Nothing,
        Some(_) | None => {
            let wake = Wake { entity: image.entity.clone(), lease: None, due: Some(due) };
            Look::Later(wake, due.since(now).min(limits::WAKE_MS))
        }
    }
}

fn held(image: &Mailbox, owner: Owner, until: Millis, wake: Option<&Wake>, now: Millis, settings: &Settings) -> Look {
    let strike = image.running.is_some();
    if until.plus(settings.margin_ms) < now {
        return Look::Take(Takeover::Replace { owner, until, strike });
    }
    let seen = SeenLease { owner, until };
    match wake {
        // The delay is over and the holder has not moved: whatever its clock says, it had its time.
        Some(wake) if wake.lease.as_ref() == Some(&seen) => Look::Take(Takeover::Replace { owner, until, strike }),
        // Another lease than the one that the wake was sent for: its own record is looked at.
        Some(Wake { lease: Some(_), .. }) => Look::Nothing,
        Some(Wake { lease: None, .. }) | None => {
            let rest = until.since(now).min(settings.lease_ms).saturating_add(settings.margin_ms).saturating_add(1);
            Look::Later(Wake { entity: image.entity.clone(), lease: Some(seen), due: None }, rest.min(limits::WAKE_MS))
        }
    }
}

/// Sends wakes: a delayed message to `drain`, delivered at least once.
pub trait Wakes: Clone + Send + Sync + 'static {
    /// Sends one; it must not arrive before `delay_ms` have passed.
    ///
    /// # Errors
    /// When it cannot be said that the message will arrive: the look is repeated then.
    fn wake(&self, wake: &Wake, delay_ms: u64) -> impl Future<Output = Result<(), WakeError>> + Send;
}

/// Why a wake was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the wake was not sent: {0}")]
pub struct WakeError(pub String);

#[cfg(test)]
mod tests;
