//! What a person does about what the protocol cannot decide: dead letters, blocked entities, and hints that were lost.
//!
//! Nothing here works around the protocol. A redriven envelope is posted like any other, a released entity is found by
//! the stream, a sweep takes leases as `drain` does; and each of them may be repeated, by one operator or by several at
//! once, without anything happening twice.

pub mod dead_letters;
pub mod place;
pub mod redrive;
pub mod resume;
pub mod stuck;
pub mod sweep;

use crate::client::SubmitError;
use crate::envelope::{EntityId, EventId, Malformed};
use crate::mailbox::StepError;
use crate::operator::dead_letters::LetterId;
use crate::store::StoreError;

/// Why nothing was done. Nothing was changed then, except where it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// There is no such dead letter, or no longer.
    #[error("{entity} has no dead letter {letter}: it never had it, or it was redriven or deleted")]
    NoSuchLetter {
        /// The entity that was asked.
        entity: EntityId,
        /// The dead letter that it does not have.
        letter: LetterId,
    },
    /// Nothing was ever posted to the entity.
    #[error("nothing was ever posted to {0}")]
    NoSuchEntity(EntityId),
    /// There is no such kind to walk through.
    #[error("`{kind}` is no kind; there are: {known}")]
    UnknownKind {
        /// What was asked for.
        kind: String,
        /// The kinds that there are.
        known: String,
    },
    /// This program does not know the kind of who is to receive it.
    #[error("{0} is of no kind that this program knows; redrive with a program that knows it")]
    NoSuchKind(EntityId),
    /// It may have had its effect, and nobody remembers any more.
    #[error(
        "{letter} may have had its effect before, which can no longer be told: {cause}; if it certainly had none, post \
         it by hand, and then delete it"
    )]
    Doubtful {
        /// The dead letter that may have had its effect.
        letter: LetterId,
        /// Why it cannot be told.
        cause: &'static str,
    },
    /// Its idempotency key stands for another event by now.
    #[error("the idempotency key of {letter} was posted again and has had its effect as event {event}; delete it")]
    Superseded {
        /// The dead letter whose key stands for another event.
        letter: LetterId,
        /// The event that the key stands for.
        event: EventId,
    },
    /// The receiver has no room.
    #[error("the mailbox of {0} is full; redrive again later")]
    Full(EntityId),
    /// Somebody released it, or it never was blocked.
    #[error("{0} is not blocked")]
    NotBlocked(EntityId),
    /// A name or a cursor is malformed.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The store failed, after which the outcome may be unknown, or an item is damaged. To repeat it is safe.
    #[error(transparent)]
    Step(#[from] StepError),
}

impl From<SubmitError> for OperatorError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Full(entity) => Self::Full(entity),
            SubmitError::Damaged(error) => Self::Step(error),
            SubmitError::Store(error) => Self::Step(error.into()),
            SubmitError::Unknown(_) | SubmitError::Abandoned => {
                Self::Step(StoreError::Unknown(error.to_string()).into())
            }
        }
    }
}

impl OperatorError {
    /// Whether the database did not answer: the same may be done later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Step(StepError::Store(error)) if error.is_transient())
    }
}

impl From<StoreError> for OperatorError {
    fn from(error: StoreError) -> Self {
        Self::Step(error.into())
    }
}
