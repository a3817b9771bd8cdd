//! Posting to an entity and getting its answer: what `ingest` does, and a typed client for Rust code.

mod results;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;

use crate::actor::{Actor, Rejection};
use crate::client::results::Wait;
use crate::direct::{self, Applied};
use crate::envelope::{Draft, EntityId, EnvelopeId, EventId, Malformed, Millis, Owner};
use crate::host::Host;
use crate::limits;
use crate::log::{self, quiet};
use crate::mailbox::StepError;
use crate::mailbox::image::{Lease, Mailbox};
use crate::mailbox::post::{Posted, Posting, Room, Stored, Tries, post, weight};
use crate::mailbox::takeover::{Taken, Takeover, take};
use crate::mailbox::view::{self, Standing};
use crate::metrics;
use crate::outcome::{Outcome, Settled};
use crate::sharing::{Boarding, Carried, Class, Lead, Sharing};
use crate::store::{Consistency, StoreError, backoff};
use crate::visit::{Held, Pushes, go_on, visit_all};

/// Who processes a post, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// At once by the poster, if the entity is free.
    Inline,
    /// Later by `drain`, which the stream wakes.
    Detached,
}

/// A post and what its poster wants to know.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// The entity that receives the events.
    pub entity: &'a EntityId,
    /// At most 25 events, stored all or none.
    pub drafts: &'a [Draft],
    /// Whether the poster processes them, or `drain` later.
    pub mode: Mode,
    /// How long to wait for the results when somebody else processes them, in milliseconds.
    pub wait_ms: u64,
    /// When the invocation ends, after which nothing may be started.
    pub deadline: Millis,
}

/// One event and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipted {
    /// The event that was posted.
    pub event: EventId,
    /// Where the event stands by now.
    pub standing: Standing,
}

/// Why a post has no receipt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The mailbox had no room for as long as a post waits. Nothing is stored.
    #[error("the mailbox of {0} is full")]
    Full(EntityId),
    /// The database did not say whether the post is stored. Posted again without an idempotency key, it may be applied twice.
    #[error("it cannot be told whether envelope {0} is stored")]
    Unknown(EnvelopeId),
    /// The task that carried the post was dropped. The post may or may not be stored.
    #[error("the task that carried the post was dropped")]
    Abandoned,
    /// The database failed or did not answer. The post may or may not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The entity's item in the table cannot be read.
    #[error(transparent)]
    Damaged(StepError),
}

impl From<StepError> for SubmitError {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Store(error) => Self::Store(error),
            StepError::Damaged { .. } => Self::Damaged(error),
        }
    }
}

/// Why [`Client::ask`] has no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The rules of the business refuse it.
    #[error("{}", .0.detail)]
    Rejected(Rejection),
    /// It could not be processed and lies in the dead letters.
    #[error("the event lies in the dead letters: {0}")]
    Dead(String),
    /// It is stored and will be processed, but not in the time that there was.
    #[error("event {0} is not processed yet")]
    Pending(EventId),
    /// The id or the command is malformed. Nothing is stored.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It was processed, and its reply is no longer at hand: to keep one, ask with a key.
    #[error("event {0} is processed, and its reply is no longer at hand")]
    Forgotten(EventId),
    /// It could not be posted, or not certainly.
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

/// Posts events to entities of any kind, and waits for what becomes of them.
#[derive(Clone, Debug)]
pub struct Client<H> {
    host: H,
    sharing: Sharing,
}

impl<H: Host> Client<H> {
    /// A client over a host.
    #[must_use]
    pub fn new(host: H) -> Self {
        let sharing = Sharing::new(host.settings());
        Self { host, sharing }
    }

    /// Makes a client over another view of the host, which still shares its writes with this one.
    #[must_use]
    pub fn over<V: Host>(&self, host: V) -> Client<V> {
        Client { host, sharing: self.sharing.clone() }
    }

    /// The host that the client works on.
    #[must_use]
    pub fn host(&self) -> &H {
        &self.host
    }

    /// Sends a command to an entity and waits up to `wait` for its reply.
    ///
    /// # Errors
    /// As [`AskError`] says; after [`AskError::Pending`] the command is stored and will be processed.
    pub async fn ask<A: Actor>(
        &self,
        id: &str,
        command: impl Into<A::Command>,
        wait: Duration,
    ) -> Result<A::Reply, AskError> {
        let entity = EntityId::new(A::KIND, id)?;
        let malformed = |error: serde_json::Error| Malformed(error.to_string());
        let body = serde_json::to_string(&command.into()).map_err(malformed)?;
        if body.len() > limits::PAYLOAD_BYTES {
            return Err(Malformed(format!("the command has over {} bytes", limits::PAYLOAD_BYTES)).into());
        }
        let drafts = [Draft { body, keyed: None, from: None, trace: None }];
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let deadline = self.host.now().plus(wait_ms.saturating_add(limits::FUNCTION_TIMEOUT_MS));
        let submission = Submission { entity: &entity, drafts: &drafts, mode: Mode::Inline, wait_ms, deadline };
        let receipts = self.submit(submission).await?;
        let Some(Receipted { event, standing }) = receipts.into_iter().next() else {
            return Err(AskError::Dead("nothing was posted".to_owned()));
        };
        match standing {
            Standing::Settled(Settled { outcome: Outcome::Reply(reply), .. }) => {
                serde_json::from_value(reply).map_err(|error| malformed(error).into())
            }
            Standing::Settled(Settled { outcome: Outcome::Rejected(rejection), .. }) => {
                Err(AskError::Rejected(rejection))
            }
            Standing::Settled(Settled { outcome: Outcome::Dead(cause), .. }) | Standing::Dead { cause } => {
                Err(AskError::Dead(cause))
            }
            Standing::Forgotten => Err(AskError::Forgotten(event)),
            Standing::Queued { .. } | Standing::Never => Err(AskError::Pending(event)),
        }
    }

    /// Posts events and says where each of them stands, after running them or waiting for whoever does.
    ///
    /// # Errors
    /// As [`SubmitError`] says. Once the events are stored there is no error any more: they will be processed.
    pub async fn submit(&self, submission: Submission<'_>) -> Result<Vec<Receipted>, SubmitError> {
        let began = self.host.stopwatch();
        let told = self.tell(&submission).await;
        metrics::posted(submission.entity.kind(), submission.drafts.len(), &told);
        log::posted(&submission, &told, self.host.stopwatch().saturating_sub(began));
        told
    }

    async fn tell(&self, submission: &Submission<'_>) -> Result<Vec<Receipted>, SubmitError> {
        let Boarded { stored, leads } = self.store(submission).await?;
        if let (Some(me), Some(pushes)) = (stored.owner, leads) {
            // On the heap, like the write: of those who share one, most do neither, and each is moved about with its request.
            self.run(submission, &stored.image, me, pushes).boxed().await;
        }
        Ok(self.results(submission, stored).await)
    }

    /// Posts, alone or together with concurrent posts of this process.
    async fn store(&self, submission: &Submission<'_>) -> Result<Boarded, SubmitError> {
        let Submission { entity, drafts, mode, .. } = *submission;
        let keyed = drafts.iter().all(|draft| draft.keyed.is_some());
        let class = Class { takes_lease: mode == Mode::Inline, keyed };
        let mut lead = match self.sharing.board(entity, drafts, class).await {
            Boarding::Carried(stored) => return Ok(Boarded { stored: stored?, leads: None }),
            Boarding::Lead(lead) => lead,
        };
        let owner = class.takes_lease.then(|| Owner::new(self.host.now(), self.host.random()));
        match self.write(submission, &mut lead, owner).boxed().await {
            Ok(Applied { stored: Stored { image, events, waiters }, pushes }) => {
                let carried = Carried { image: Arc::new(image), owner, events, waiters };
                Ok(Boarded { stored: lead.arrive(carried, drafts.len()), leads: Some(pushes) })
            }
            Err(error) => {
                lead.fail(&error);
                Err(error)
            }
        }
    }

    /// Applies the events at once where that is possible, or else posts, and makes or awaits room in a full mailbox.
    async fn write(
        &self,
        submission: &Submission<'_>,
        lead: &mut Lead,
        owner: Option<Owner>,
    ) -> Result<Applied, SubmitError> {
        let give_up = self.host.now().plus(limits::ROOM_WAIT_MS).min(submission.deadline);
        let Submission { entity, drafts: own, deadline, .. } = *submission;
        let deadline = Millis(deadline.0.saturating_sub(limits::FINISH_MS));
        let mut drafts = lead.drafts(own);
        let mut tries = Tries::default();
        let posting = Posting { entity, drafts: &drafts, owner, room: Room::Queue, deadline };
        if let Some(applied) = direct::apply(&self.host, posting, &mut tries).await {
            return Ok(applied);
        }
        let mut attempt = 0;
        loop {
            let posting = Posting { entity, drafts: &drafts, owner, room: Room::Queue, deadline };
            let image = match post(&self.host, posting, &mut tries).await? {
                Posted::Stored(stored) => {
                    return Ok(Applied { stored: *stored, pushes: Pushes::none(entity.clone()) });
                }
                Posted::Unknown(id) => return Err(SubmitError::Unknown(id)),
                Posted::Full(image) => image,
            };
            if lead.has_company() && tries.unknown().is_none() {
                // There may be room for fewer.
                lead.unboard();
                drafts = own.to_vec();
                tries = Tries::default();
                continue;
            }
            if owner.is_some() && self.work_off(&image, submission.deadline).await? {
                continue;
            }
            loop {
                if self.host.now() >= give_up {
                    return Err(tries
                        .unknown()
                        .map_or_else(|| SubmitError::Full(entity.clone()), SubmitError::Unknown));
                }
                if self.has_room(&image, &drafts).await {
                    break;
                }
                self.host.sleep(backoff(attempt.min(3), self.host.random())).await;
                attempt += 1;
            }
        }
    }

    /// Whether a mailbox that was full has room now: to look costs half a read unit, to try again a write.
    async fn has_room(&self, full: &Mailbox, drafts: &[Draft]) -> bool {
        let Ok(Some(image)) = view::mailbox(&self.host, &full.entity, Consistency::Eventual).await else {
            return false;
        };
        image.version >= full.version
            && image.queue.len() + drafts.len() <= self.host.settings().queue_length
            && image.bytes as usize + weight(&self.host, drafts) <= limits::QUEUE_BYTES
    }

    /// Takes over a full mailbox that nobody works on; says whether it did.
    async fn work_off(&self, image: &Mailbox, deadline: Millis) -> Result<bool, SubmitError> {
        let me = Owner::new(self.host.now(), self.host.random());
        let Some(takeover) = self.takeover(image) else {
            return Ok(false);
        };
        let Taken::Held(image) = take(&self.host, &image.entity, me, takeover, deadline).await? else {
            return Ok(false);
        };
        visit_all(&self.host, Held { image: *image, me }, deadline).await?;
        Ok(true)
    }

    /// How a lease that nobody works under could be taken; none while somebody does.
    fn takeover(&self, image: &Mailbox) -> Option<Takeover> {
        match &image.lease {
            None => Some(Takeover::Acquire { head: image.head }),
            Some(Lease::Held { owner, until }) => {
                let expired = until.plus(self.host.settings().margin_ms) < self.host.now();
                let strike = image.running.is_some();
                expired.then_some(Takeover::Replace { owner: *owner, until: *until, strike })
            }
            Some(Lease::Blocked { .. }) => None,
        }
    }

    /// Visits the entity if the post won its lease, or if its holder is gone; what was applied before has these pushes.
    async fn run(&self, submission: &Submission<'_>, image: &Mailbox, me: Owner, pushes: Pushes) {
        let held = if image.held_by(&me) {
            Ok(Some(image.clone()))
        } else {
            self.replace(image, me, submission.deadline).await
        };
        let visited = match held {
            Ok(image) => {
                let held = image.map(|image| Held { image, me });
                go_on(&self.host, held, pushes, submission.deadline).await.map(drop)
            }
            Err(error) => Err(error),
        };
        // The events are stored: whatever failed here, the stream's look or the lease's end brings them up again.
        if let Err(error) = visited {
            tracing::warn!(entity = %submission.entity, error = quiet(error), "a visit failed; the events stay queued");
        }
    }

    async fn replace(&self, image: &Mailbox, me: Owner, deadline: Millis) -> Result<Option<Mailbox>, StepError> {
        let Some(takeover @ Takeover::Replace { .. }) = self.takeover(image) else {
            return Ok(None);
        };
        match take(&self.host, &image.entity, me, takeover, deadline).await? {
            Taken::Held(image) => Ok(Some(*image)),
            Taken::Refused => Ok(None),
        }
    }

    async fn results(&self, submission: &Submission<'_>, carried: Carried) -> Vec<Receipted> {
        // Whoever shared the write that won the lease waits as if it had won alone: a visit of this process runs it.
        let won = carried.owner.is_some_and(|owner| carried.image.held_by(&owner));
        let wait_ms = if won { submission.wait_ms.max(limits::DIALECT_WAIT_MS) } else { submission.wait_ms };
        let mut wait = Wait::new(carried, submission.drafts);
        let latest = Millis(submission.deadline.0.saturating_sub(limits::FINISH_MS));
        let until = self.host.now().plus(wait_ms).min(latest);
        wait.until(&self.host, until).await;
        wait.receipts()
    }
}

/// A post that is stored; if this caller is the one that wrote it, with the pushes of what that applied.
struct Boarded {
    stored: Carried,
    leads: Option<Pushes>,
}

#[cfg(test)]
mod tests;
