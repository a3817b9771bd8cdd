//! Redriving: what lies in a dead letter is posted once more, and the letter is gone, by one transaction.
//!
//! The transaction appends to the mailbox and deletes the letter under the condition that it is there. So whatever is
//! repeated, by whomever and however late, finds no letter and posts nothing; and no key needs to remember it. The
//! lease is left to the stream's look: `drain` runs what was posted, in its place in the queue.
//!
//! A redriven event carries no idempotency key, because the receipt of its own failure would answer it. That receipt
//! stands for 24 more hours instead, and says that an operator took over: whoever posts the key again in that time gets
//! the failure, never a second effect. A redriven effect carries the key by which its receiver would recognise it.

use crate::envelope::{Draft, EntityId, Envelope, EnvelopeId, EventId, Millis, Owner};
use crate::host::Host;
use crate::limits;
use crate::log::quiet;
use crate::mailbox::image::{Damaged, Mailbox};
use crate::mailbox::post::{self, Posting, Room};
use crate::mailbox::{StepError, persist, view};
use crate::operator::OperatorError;
use crate::operator::dead_letters::{self, Content, Letter, LetterId};
use crate::outcome::Outcome;
use crate::receipt::{self, Receipt};
use crate::store::{Consistency, Delete, Put, Store, Transaction, Written};
use crate::table;

/// A letter that was redriven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redriven {
    /// The dead letter that was redriven.
    pub letter: LetterId,
    /// The entity that it was posted to.
    pub to: EntityId,
    /// The event that it has become; none when it was processed and forgotten before that could be read.
    pub event: Option<EventId>,
}

/// What became of the letters of one entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedrivenAll {
    /// What was redriven, in order.
    pub redriven: Vec<Redriven>,
    /// The first letter that could not be redriven, and why: those behind it wait for it, so that the order is kept.
    pub stopped: Option<(LetterId, OperatorError)>,
    /// Whether there may be more to redrive.
    pub more: bool,
}

/// Redrives an entity's letters in order, at most `limit` of them. Repeated, it goes on with those that are left.
///
/// # Errors
/// When the store fails before anything was redriven.
pub async fn all<H: Host>(
    host: &H,
    entity: &EntityId,
    limit: usize,
    deadline: Millis,
) -> Result<RedrivenAll, OperatorError> {
    let (letters, next) = dead_letters::list(host, entity, None, limit).await?;
    let mut all = RedrivenAll { redriven: Vec::new(), stopped: None, more: next.is_some() };
    for letter in letters {
        if host.now().plus(limits::FINISH_MS) >= deadline {
            all.more = true;
            break;
        }
        // One transaction each: an operator who redrives the same ones finds each of them gone, and no earlier one left.
        match one(host, entity, letter.id, deadline).await {
            Ok(redriven) => all.redriven.push(redriven),
            Err(OperatorError::NoSuchLetter { .. }) => {}
            Err(error) => {
                all.stopped = Some((letter.id, error));
                all.more = true;
                break;
            }
        }
    }
    Ok(all)
}

/// Posts one dead letter again and takes it out of the dead letters.
///
/// # Errors
/// When it is not there, must not be processed again, or finds no room; or the store fails beyond the deadline: then
/// it may be redriven or not, and to repeat it is safe.
pub async fn one<H: Host>(
    host: &H,
    entity: &EntityId,
    letter: LetterId,
    deadline: Millis,
) -> Result<Redriven, OperatorError> {
    let mut floor = None;
    let mut tried: Option<(EntityId, EnvelopeId)> = None;
    loop {
        let parcel = match dead_letters::read(host, entity, letter, deadline).await {
            Ok(found) => pack(host, &found, deadline).await?,
            Err(gone @ OperatorError::NoSuchLetter { .. }) => {
                // An earlier try had no answer: it may be what took the letter away.
                let Some((to, id)) = tried else { return Err(gone) };
                return Ok(Redriven { event: place(host, &to, id).await?, letter, to });
            }
            Err(error) => return Err(error),
        };
        let envelope = seal(host, &parcel.draft, floor);
        let id = envelope.id;
        let transaction = parcel.transaction(host, &letter.key(entity), &envelope, deadline);
        let write = || host.store().transact(transaction.clone());
        let (old, certain) = match persist(host, deadline, write).await? {
            (Written::Applied { .. }, _) => {
                return Ok(Redriven { event: place(host, &parcel.to, id).await?, letter, to: parcel.to });
            }
            (Written::Refused { old, clean }, certain) => (old, certain && clean),
        };
        // Without an image it was the letter that was not there, and the envelope was not there before either.
        let Some(old) = old else {
            return Err(OperatorError::NoSuchLetter { entity: entity.clone(), letter });
        };
        let damaged = |damage| StepError::Damaged { entity: parcel.to.clone(), damage };
        let old = Mailbox::read(&parcel.to, old).map_err(damaged)?;
        if let Some(event) = old.event(id) {
            return Ok(Redriven { event: Some(event), letter, to: parcel.to });
        }
        match old.evicted {
            // The ids of this clock are too old to tell; the letter says whether an earlier try was applied.
            Some(evicted) if evicted >= id => {
                floor = Some(evicted);
                tried = tried.or_else(|| (!certain).then(|| (parcel.to.clone(), id)));
            }
            _ => return Err(OperatorError::Full(parcel.to)),
        }
    }
}

/// What a letter becomes.
struct Parcel {
    to: EntityId,
    draft: Draft,
    room: Room,
    receipt: Option<Put>,
}

async fn pack<H: Host>(host: &H, letter: &Letter, deadline: Millis) -> Result<Parcel, OperatorError> {
    let parcel = match &letter.content {
        Content::Event(envelope) => Parcel {
            to: letter.entity.clone(),
            draft: Draft {
                body: envelope.body.clone(),
                keyed: None,
                from: envelope.from.clone(),
                trace: envelope.trace,
            },
            room: Room::Queue,
            receipt: renewed(host, letter, envelope, deadline).await?,
        },
        Content::Effect(outgoing) if host.now().since(outgoing.at) > limits::RECEIPT_MS => {
            let cause = "it is older than the receipts by which its receiver would recognise it";
            return Err(OperatorError::Doubtful { letter: letter.id, cause });
        }
        Content::Effect(outgoing) => Parcel {
            to: outgoing.to.clone(),
            draft: outgoing.draft(&letter.entity),
            room: Room::Reserve,
            receipt: None,
        },
        Content::Unreadable(why) => {
            let damage = Damaged(format!("dead letter {}: {why}", letter.id));
            return Err(StepError::Damaged { entity: letter.entity.clone(), damage }.into());
        }
    };
    match host.registry().kind(parcel.to.kind()) {
        Some(_) => Ok(parcel),
        // It would only wait in a mailbox that nobody can run.
        None => Err(OperatorError::NoSuchKind(parcel.to)),
    }
}

/// The receipt of a keyed event's failure, for 24 more hours from now; none when the key stands for another request.
async fn renewed<H: Host>(
    host: &H,
    letter: &Letter,
    envelope: &Envelope,
    deadline: Millis,
) -> Result<Option<Put>, OperatorError> {
    let (LetterId::Event(sequence), Some(keyed)) = (letter.id, &envelope.keyed) else {
        return Ok(None);
    };
    // By the rule that a holder follows: as late as that nobody could tell whether the key had had its effect.
    if letter.at.since(envelope.at) > limits::RECEIPT_MS {
        let cause = "it waited longer than its idempotency key is remembered";
        return Err(OperatorError::Doubtful { letter: letter.id, cause });
    }
    let event = EventId { sequence, id: envelope.id };
    let now = host.now();
    let known = receipt::look_up(host, &letter.entity, std::slice::from_ref(envelope), deadline).await?;
    if let Some(other) = known.get(&keyed.name).filter(|known| known.event != event && known.is_in_force(now)) {
        return match other.hash == keyed.hash {
            true => Err(OperatorError::Superseded { letter: letter.id, event: other.event }),
            false => Ok(None),
        };
    }
    let outcome = Outcome::Dead(format!("{}; an operator has redriven it since", letter.cause));
    let mut put = Receipt::new(keyed, event, &outcome, now).put(&letter.entity, &keyed.name, now);
    let event = serde_dynamo::AttributeValue::S(event.to_string());
    put.condition = Some((table::RECEIPT_AGAIN_IF, vec![(":at", table::number(now.0)), (":event", event)]));
    Ok(Some(put))
}

fn seal<H: Host>(host: &H, draft: &Draft, floor: Option<EnvelopeId>) -> Envelope {
    let now = host.now();
    draft.seal(EnvelopeId::new(now, host.random(), floor), now)
}

impl Parcel {
    fn transaction<H: Host>(
        &self,
        host: &H,
        letter: &crate::store::Key,
        envelope: &Envelope,
        deadline: Millis,
    ) -> Transaction {
        let drafts = std::slice::from_ref(&self.draft);
        let posting = Posting { entity: &self.to, drafts, owner: None, room: self.room, deadline };
        Transaction {
            update: post::update(host, &posting, std::slice::from_ref(envelope)),
            puts: self.receipt.iter().cloned().collect(),
            deletes: vec![Delete { key: letter.clone(), condition: table::DELETE_IF }],
            token: Owner::new(host.now(), host.random()).to_string(),
        }
    }
}

/// The event that an envelope has become.
async fn place<H: Host>(host: &H, to: &EntityId, id: EnvelopeId) -> Result<Option<EventId>, OperatorError> {
    // The letter is redriven whether this can be read or not.
    match view::mailbox(host, to, Consistency::Strong).await {
        Ok(image) => Ok(image.and_then(|image| image.event(id))),
        Err(error) => {
            tracing::warn!(%to, error = quiet(error), "a letter is redriven; which event it has become cannot be read");
            Ok(None)
        }
    }
}
