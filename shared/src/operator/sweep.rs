//! A sweep: a look at every entity, for when the hints by which `drain` looks were lost.
//!
//! The work is in the table and never in the hints, so a sweep after an outage finds all of it. It takes only what
//! `drain` would take; so it may run at any time, twice, and beside `drain` itself.

use futures::stream::{self, StreamExt};

use crate::envelope::{EntityId, Millis};
use crate::host::Host;
use crate::limits;
use crate::log::quiet;
use crate::look::{Company, Ended, Looked, attend};
use crate::mailbox::view;
use crate::operator::OperatorError;
use crate::operator::place::Place;
use crate::store::StoreError;

/// Entities that are attended to side by side, and after which the time is looked at.
const SIDE_BY_SIDE: usize = 16;

/// What a sweep found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many entities were looked at.
    pub looked: u64,
    /// How many of them had work waiting that was taken and run.
    pub ran: u64,
    /// How many somebody else works on, or worked on until the lease's end: a later sweep takes what is left then.
    pub held: u64,
    /// How many wait with effects that are to be tried again later.
    pub waiting: u64,
    /// Those that an operator must release.
    pub blocked: Vec<EntityId>,
    /// Those that could not be run or read here; the log says why.
    pub failed: Vec<EntityId>,
    /// Where to go on: the time was over; none when every entity was looked at.
    pub next: Option<Place>,
}

/// Looks at the entities, in order of their kinds and ids, until it has seen all of them or the time is over.
///
/// # Errors
/// When the entities cannot be listed.
pub async fn sweep<H: Host>(host: &H, mut place: Place, deadline: Millis) -> Result<Swept, OperatorError> {
    let mut swept = Swept::default();
    loop {
        let (entities, more) = view::list(host, place.kind, place.after.as_ref(), limits::PAGE_MOST).await?;
        for chunk in entities.chunks(SIDE_BY_SIDE) {
            if is_over(host, deadline) {
                return Ok(Swept { next: Some(place), ..swept });
            }
            swept.attend_all(host, chunk, deadline).await;
            place.after = chunk.last().cloned();
        }
        match place.next(host.registry(), more) {
            Some(next) if !is_over(host, deadline) => place = next,
            next => return Ok(Swept { next, ..swept }),
        }
    }
}

/// What cannot finish is not started: a visit needs time to commit, and the answer some to be sent.
fn is_over<H: Host>(host: &H, deadline: Millis) -> bool {
    host.now().plus(2 * limits::FINISH_MS) >= deadline
}

async fn look<H: Host>(
    host: &H,
    entity: EntityId,
    company: Company,
    deadline: Millis,
) -> (EntityId, Result<Looked, StoreError>) {
    let looked = attend(host, &entity, None, company, deadline).await;
    (entity, looked)
}

impl Swept {
    async fn attend_all<H: Host>(&mut self, host: &H, entities: &[EntityId], deadline: Millis) {
        let looks = entities.iter().map(|entity| look(host, entity.clone(), Company::Others, deadline));
        let looked: Vec<(EntityId, Result<Looked, StoreError>)> =
            stream::iter(looks.collect::<Vec<_>>()).buffered(SIDE_BY_SIDE).collect().await;
        for (entity, mut looked) in looked {
            if looked == Ok(Looked::Suspect) {
                // Holders have died of it: nobody else is to die with this one.
                looked = look(host, entity.clone(), Company::Nobody, deadline).await.1;
            }
            self.note(&entity, looked);
        }
    }

    fn note(&mut self, entity: &EntityId, looked: Result<Looked, StoreError>) {
        self.looked += 1;
        match looked {
            Ok(Looked::Idle) => {}
            Ok(Looked::Blocked) => self.blocked.push(entity.clone()),
            Ok(Looked::Elsewhere) => self.held += 1,
            Ok(Looked::Later(wake, _)) if wake.lease.is_some() => self.held += 1,
            Ok(Looked::Later(..)) => self.waiting += 1,
            Ok(Looked::Visited(Ended::Well)) => self.ran += 1,
            Ok(Looked::Visited(Ended::Blocked)) => {
                self.ran += 1;
                self.blocked.push(entity.clone());
            }
            Ok(Looked::Visited(Ended::Badly) | Looked::Suspect | Looked::Damaged) => self.failed.push(entity.clone()),
            Err(error) => {
                tracing::warn!(%entity, error = quiet(error), "an entity did not answer");
                self.failed.push(entity.clone());
            }
        }
    }
}
