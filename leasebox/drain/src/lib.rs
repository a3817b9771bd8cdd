//! The function that the stream and the wakes call: each record says "look at this entity", and nothing more.

pub mod event;
pub mod queue;

use futures::stream::{self, StreamExt};
use serde_json::Value;
use shared::envelope::{EntityId, Millis};
use shared::host::Host;
use shared::limits;
use shared::log::quiet;
use shared::look::{Company, Looked, attend};
use shared::metrics::{self, Woken};
use shared::store::StoreError;
use shared::wake::{Wake, WakeError, Wakes};

pub use crate::event::Unreadable;
use crate::event::{Failures, Group};

/// Entities of one batch that are attended to side by side.
const SIDE_BY_SIDE: usize = 16;
/// When to look again at an entity that did not answer, in milliseconds.
const AGAIN_MS: u64 = 5_000;

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
    if let Some(oldest) = batch.oldest {
        metrics::stream_age(host.now().since(oldest));
    }
    let drain = &Drain { host, wakes, deadline };
    let attended: Vec<Vec<Left>> = stream::iter(batch.groups)
        .map(|group| drain.attend_group(group, Company::Others))
        .buffer_unordered(SIDE_BY_SIDE)
        .collect()
        .await;
    // Entities whose holders have died go one at a time: whatever kills this invocation is held against one of them.
    for left in attended.into_iter().flatten() {
        match left {
            Left::Failed(items) => failures.extend(items),
            Left::Suspect(group) => {
                for left in drain.attend_group(group, Company::Nobody).await {
                    failures.extend(left.items());
                }
            }
        }
    }
    Ok(failures.into_response())
}

/// What a group leaves to do.
#[derive(Debug)]
enum Left {
    /// These items are to be delivered again.
    Failed(Vec<String>),
    /// The entity is to be attended to alone.
    Suspect(Group),
}

impl Left {
    fn items(self) -> Vec<String> {
        match self {
            Self::Failed(items) => items,
            Self::Suspect(group) => group.looks.into_iter().flat_map(|(items, _)| items).collect(),
        }
    }
}

/// How an entity was attended to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attended {
    Done,
    /// Not yet: its holders have died before.
    Suspect,
}

/// Why an entity could not be attended to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum AttendError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The later look could not be arranged.
    #[error(transparent)]
    Wake(#[from] WakeError),
}

struct Drain<'a, H, W> {
    host: &'a H,
    wakes: &'a W,
    deadline: Millis,
}

impl<H: Host, W: Wakes> Drain<'_, H, W> {
    /// Attends to one entity for all its items, in their order.
    async fn attend_group(&self, group: Group, company: Company) -> Vec<Left> {
        let mut left = Vec::new();
        for (items, wake) in group.looks {
            // What cannot finish is not started.
            let late = self.host.now().plus(limits::FINISH_MS) >= self.deadline;
            let attended = if late { None } else { self.attend(&group.entity, wake.as_ref(), company).await };
            match attended {
                Some(Attended::Done) => {}
                Some(Attended::Suspect) => {
                    let entity = group.entity.clone();
                    left.push(Left::Suspect(Group { entity, looks: vec![(items, wake)] }));
                }
                None => left.push(Left::Failed(items)),
            }
        }
        left
    }

    /// Looks at one entity and does what there is to do; none when it cannot be said that it is looked at again.
    async fn attend(&self, entity: &EntityId, wake: Option<&Wake>, company: Company) -> Option<Attended> {
        let error = match self.try_attend(entity, wake, company).await {
            Ok(attended) => return Some(attended),
            Err(AttendError::Store(error)) if error.is_transient() => error,
            Err(error) => {
                tracing::warn!(%entity, error = quiet(error), "an entity could not be attended to; its items are delivered again");
                return None;
            }
        };
        // To fail a record would hold up every entity behind it in its shard: this one is looked at a little later.
        tracing::warn!(%entity, error = quiet(error), "an entity did not answer; it is looked at again");
        let again = Wake { entity: entity.clone(), lease: None, due: None };
        self.send(&again, AGAIN_MS).await.ok().map(|()| Attended::Done)
    }

    async fn send(&self, wake: &Wake, delay_ms: u64) -> Result<(), WakeError> {
        let sent = self.wakes.wake(wake, delay_ms).await;
        metrics::woken(wake.entity.kind(), if sent.is_ok() { Woken::Sent } else { Woken::Failed });
        sent
    }

    async fn try_attend(
        &self,
        entity: &EntityId,
        wake: Option<&Wake>,
        company: Company,
    ) -> Result<Attended, AttendError> {
        match attend(self.host, entity, wake, company, self.deadline).await? {
            Looked::Later(wake, delay_ms) => {
                self.send(&wake, delay_ms).await?;
                Ok(Attended::Done)
            }
            Looked::Suspect => Ok(Attended::Suspect),
            Looked::Visited(_) => {
                if wake.is_some() {
                    metrics::woken(entity.kind(), Woken::Acted);
                }
                Ok(Attended::Done)
            }
            // To fail the record of a damaged entity would stop every entity behind it, and would not mend this one.
            Looked::Idle | Looked::Blocked | Looked::Elsewhere | Looked::Damaged => Ok(Attended::Done),
        }
    }
}
