//! The writes of the protocol, one file each, and the image of the item that they return.

pub mod commit;
pub mod image;
pub mod post;
pub mod settle;
pub mod takeover;
pub mod view;

use std::future::Future;

use crate::envelope::{EntityId, Millis};
use crate::host::Host;
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
/// Every write of the protocol may be repeated: its condition fails on what it did itself. The result says whether
/// it came at the first try.
async fn persist<H, F, R>(host: &H, deadline: Millis, write: F) -> Result<(Written, bool), StoreError>
where
    H: Host,
    F: Fn() -> R,
    R: Future<Output = Result<Written, StoreError>>,
{
    let mut attempt = 0;
    loop {
        match write().await {
            Ok(written) => return Ok((written, attempt == 0)),
            Err(error) if !error.is_transient() => return Err(error),
            Err(error) => {
                let pause = backoff(attempt, host.random());
                attempt += 1;
                let resume = host.now().plus(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
                if resume >= deadline {
                    return Err(error);
                }
                host.sleep(pause).await;
            }
        }
    }
}
