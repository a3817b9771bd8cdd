//! Who waits, and since when.

use futures::stream::{self, StreamExt};

use crate::envelope::{EntityId, Millis};
use crate::host::ReadHost;
use crate::log::quiet;
use crate::mailbox::image::{Lease, Mailbox};
use crate::mailbox::{StepError, view};
use crate::operator::OperatorError;
use crate::operator::place::Place;
use crate::store::Consistency;

/// Mailboxes that are read side by side.
const SIDE_BY_SIDE: usize = 16;

/// An entity with something pending.
#[derive(Clone, Debug, PartialEq)]
pub struct Stuck {
    /// The image of its mailbox.
    pub image: Mailbox,
    /// Since when the oldest of what is pending waits, by its poster's clock.
    pub since: Millis,
    /// For how long that is, in milliseconds.
    pub age_ms: u64,
    /// What keeps it from being worked on.
    pub kept: Kept,
}

/// What keeps an entity from being worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: nobody has looked yet.
    Free,
    /// Somebody works on it.
    Held,
    /// Its holder is gone, and nobody has looked yet.
    Expired,
    /// An operator must release it.
    Blocked,
}

/// One page of the entities that have something pending, the one that waits longest first, and where the next begins.
///
/// There is no index of what is pending, because it would cost every event two more writes. So a page looks at `limit`
/// entities, pending or not, and costs half a read unit for each 4 KB of their mailboxes.
///
/// # Errors
/// When the store fails.
pub async fn stuck<H: ReadHost>(
    host: &H,
    place: Place,
    limit: usize,
) -> Result<(Vec<Stuck>, Option<Place>), OperatorError> {
    let (entities, next) = view::list(host, place.kind, place.after.as_ref(), limit).await?;
    let reads: Vec<_> = entities.into_iter().map(|entity| read(host, entity)).collect();
    let reads: Vec<Result<Option<Mailbox>, StepError>> = stream::iter(reads).buffered(SIDE_BY_SIDE).collect().await;
    let mut found = Vec::new();
    for read in reads {
        found.extend(read?.and_then(|image| pending(host, image)));
    }
    found.sort_by_key(|stuck| stuck.since);
    Ok((found, place.next(host.registry(), next)))
}

async fn read<H: ReadHost>(host: &H, entity: EntityId) -> Result<Option<Mailbox>, StepError> {
    match view::mailbox(host, &entity, Consistency::Eventual).await {
        Err(error @ StepError::Damaged { .. }) => {
            // One damaged entity must not hide the others.
            tracing::error!(alarm = "damaged", error = quiet(error), "a stored item cannot be read");
            Ok(None)
        }
        read => read,
    }
}

fn pending<H: ReadHost>(host: &H, image: Mailbox) -> Option<Stuck> {
    let envelopes = image.queue.iter().map(|envelope| envelope.at);
    let effects = image.outbox.iter().map(|outgoing| outgoing.at);
    let since = envelopes.chain(effects).min()?;
    let now = host.now();
    let kept = match &image.lease {
        None => Kept::Free,
        Some(Lease::Blocked { .. }) => Kept::Blocked,
        Some(Lease::Held { until, .. }) if until.plus(host.settings().margin_ms) < now => Kept::Expired,
        Some(Lease::Held { .. }) => Kept::Held,
    };
    Some(Stuck { since, age_ms: now.since(since), kept, image })
}
