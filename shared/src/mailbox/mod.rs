//! The writes of the protocol, one file each, and the image of the item that they return.

pub mod commit;
pub mod direct;
pub mod image;
pub mod post;
pub mod settle;
pub mod takeover;
pub mod view;

use std::future::Future;
use std::time::Duration;

use futures::future::{Either, select};

use crate::envelope::{EntityId, Millis};
use crate::host::ReadHost;
use crate::log::quiet;
use crate::mailbox::image::Damaged;
use crate::store::{StoreError, Written, backoff};

/// Why a step of the protocol ended without a result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The store failed until the time was up, or for good. A write may have been applied.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The item cannot be read: nothing of it was changed.
    #[error("{entity} is damaged: {damage}")]
    Damaged {
        /// Whose item it is.
        entity: EntityId,
        /// What cannot be read.
        damage: Damaged,
    },
}

/// Repeats a write that failed for a passing reason until the deadline, with backoff and jitter.
///
/// Every write of the protocol may be repeated: its condition fails on what it did itself. The result says whether it is
/// certain that no earlier try was applied.
pub(crate) async fn persist<H, F, R>(host: &H, deadline: Millis, write: F) -> Result<(Written, bool), StoreError>
where
    H: ReadHost,
    F: Fn() -> R,
    R: Future<Output = Result<Written, StoreError>> + Send,
{
    let mut clean = true;
    for attempt in 0.. {
        let error = match within(host, deadline, write()).await {
            Ok(written) => return Ok((written, clean)),
            Err(error) if !error.is_transient() => return Err(error),
            Err(error) => error,
        };
        clean &= !matches!(error, StoreError::Unknown(_));
        let pause = backoff(attempt, host.random());
        if host.now().plus(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)) >= deadline {
            return Err(error);
        }
        tracing::debug!(attempt, error = quiet(error), "a write is tried again");
        host.sleep(pause).await;
    }
    Err(StoreError::Unknown("there was no time for a try".to_owned()))
}

/// A read that is repeated, with backoff, while it fails for a passing reason and there is time.
///
/// # Errors
/// The last error, when the deadline is near or there is no use in another try.
pub async fn reread<H, T, R>(host: &H, deadline: Millis, read: impl Fn() -> R) -> Result<T, StoreError>
where
    H: ReadHost,
    R: Future<Output = Result<T, StoreError>> + Send,
{
    let mut attempt = 0;
    loop {
        match within(host, deadline, read()).await {
            Err(error) if error.is_transient() && host.now() < deadline => {
                host.sleep(backoff(attempt, host.random())).await;
            }
            result => return result,
        }
        attempt += 1;
    }
}

/// One try of an operation, which ends when the time is up: then its outcome is unknown. However late it is, a try has
/// a moment.
pub(crate) async fn within<H: ReadHost, T>(
    host: &H,
    deadline: Millis,
    operation: impl Future<Output = Result<T, StoreError>> + Send,
) -> Result<T, StoreError> {
    let left = Duration::from_millis(deadline.since(host.now())).max(MOMENT);
    match select(Box::pin(operation), Box::pin(host.sleep(left))).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => Err(StoreError::Unknown("time ran out".to_owned())),
    }
}

/// The shortest time that a try is given.
const MOMENT: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests;
