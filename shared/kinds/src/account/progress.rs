//! Where a transfer stands, from the records that its steps leave at the two accounts.
//!
//! Each record is written in one transaction with its step, and steps only follow one another. So reading the payer's
//! record first and the receiver's after it gives a state that was true at some time in between.

use crate::account::{Credited, KIND, Sent, Transfer, TransferId};
use leasebox::shared::host::ReadHost;
use leasebox::shared::mailbox::StepError;
use leasebox::shared::mailbox::image::Damaged;
use leasebox::shared::mailbox::view;
use leasebox::shared::outcome::{Outcome, Settled};
use leasebox::shared::receipt;
use leasebox::shared::store::{Consistency, backoff};
use leasebox::shared::table;
use leasebox::{EntityId, Millis, Rejection, Standing};

/// Where a transfer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The payer has not looked at it yet.
    Queued,
    /// The payer refused it, or no longer remembers why: nothing has moved.
    Rejected(Rejection),
    /// The payer could not process it, and an operator must look at it: nothing has moved.
    Failed(String),
    /// The money has left the payer and is on its way.
    Debited,
    /// The money has arrived.
    Completed,
    /// The receiver refused the money, which is on its way back.
    Refunding(Rejection),
    /// The money is back.
    Refunded(Rejection),
}

impl Progress {
    /// Whether it stays as it is.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Queued | Self::Debited | Self::Refunding(_) => false,
            Self::Rejected(_) | Self::Failed(_) | Self::Completed | Self::Refunded(_) => true,
        }
    }
}

/// A transfer with where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// The transfer; none when it was refused and only its id is known.
    pub transfer: Option<Transfer>,
    /// How far the transfer has come.
    pub progress: Progress,
}

/// Where a transfer stands; none when there never was such a transfer, or when it was refused so long ago that nobody
/// remembers.
///
/// # Errors
/// When the store fails beyond the deadline, or what it holds is damaged.
pub async fn find<H: ReadHost>(host: &H, id: &TransferId, deadline: Millis) -> Result<Option<Tracked>, StepError> {
    // Its event first: whatever has left the queue by then has left its record before.
    let Some(image) = view::mailbox(host, &id.from, Consistency::Strong).await? else {
        return Ok(None);
    };
    let standing = view::standing(&image, id.event);
    let event = match &standing {
        // It only repeated a key: what counts is the event that had the effect.
        Some(Standing::Settled(Settled { event, replayed: true, .. })) => *event,
        _ => id.event,
    };
    let id = &TransferId { from: id.from.clone(), event };
    if let Some(sent) = record::<H, Sent>(host, &id.from, id, deadline).await? {
        let progress = progress(host, id, &sent, deadline).await?;
        return Ok(Some(Tracked { transfer: Some(sent.transfer), progress }));
    }
    let tracked = |transfer, progress| Ok(Some(Tracked { transfer, progress }));
    match standing {
        Some(Standing::Queued { position }) => {
            let envelope = usize::try_from(position).ok().and_then(|index| image.queue.get(index));
            match envelope.and_then(|envelope| Transfer::asked(id, &envelope.body)) {
                Some(transfer) => tracked(Some(transfer), Progress::Queued),
                None => Ok(None),
            }
        }
        Some(Standing::Settled(Settled { outcome: Outcome::Rejected(rejection), .. })) => {
            tracked(None, Progress::Rejected(rejection))
        }
        Some(Standing::Settled(Settled { outcome: Outcome::Dead(cause), .. }) | Standing::Dead { cause }) => {
            tracked(None, Progress::Failed(cause))
        }
        Some(Standing::Settled(_) | Standing::Forgotten | Standing::Never) | None => Ok(None),
    }
}

/// Waits for the end of a transfer whose money has left the payer, and says where it stands when the time is over.
///
/// # Errors
/// When the store fails, or what it holds is damaged.
pub async fn wait<H: ReadHost>(host: &H, transfer: &Transfer, until: Millis) -> Result<Progress, StepError> {
    let sent = Sent { transfer: transfer.clone(), refunded: None };
    let mut attempt = 0;
    loop {
        let mut stands = progress(host, &transfer.id, &sent, until).await?;
        if let Progress::Refunding(rejection) = &stands {
            let sent: Option<Sent> = record(host, &transfer.id.from, &transfer.id, until).await?;
            if sent.is_some_and(|sent| sent.refunded.is_some()) {
                stands = Progress::Refunded(rejection.clone());
            }
        }
        let pause = backoff(attempt, host.random());
        if stands.is_final() || host.now().plus(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)) >= until {
            return Ok(stands);
        }
        host.sleep(pause).await;
        attempt += 1;
    }
}

async fn progress<H: ReadHost>(
    host: &H,
    id: &TransferId,
    sent: &Sent,
    deadline: Millis,
) -> Result<Progress, StepError> {
    if let Some(rejection) = &sent.refunded {
        return Ok(Progress::Refunded(rejection.clone()));
    }
    let damaged = |error: leasebox::Malformed| StepError::Damaged {
        entity: id.from.clone(),
        damage: Damaged(format!("the record of transfer {id}: {error}")),
    };
    let to = EntityId::new(KIND, &sent.transfer.to).map_err(damaged)?;
    Ok(match record::<H, Credited>(host, &to, id, deadline).await? {
        None => Progress::Debited,
        Some(Credited { refused: None, .. }) => Progress::Completed,
        Some(Credited { refused: Some(rejection), .. }) => Progress::Refunding(rejection),
    })
}

/// The record of a transfer at one of its accounts.
async fn record<H: ReadHost, T: serde::de::DeserializeOwned>(
    host: &H,
    account: &EntityId,
    id: &TransferId,
    deadline: Millis,
) -> Result<Option<T>, StepError> {
    #[derive(serde::Deserialize)]
    struct Stored<T> {
        record: T,
    }
    let item = receipt::get(host, table::record_key(account, &id.record()), deadline).await?;
    let stored: Option<Stored<T>> = item.map(serde_dynamo::from_item).transpose().map_err(|error| {
        StepError::Damaged { entity: account.clone(), damage: Damaged(format!("the record of transfer {id}: {error}")) }
    })?;
    Ok(stored.map(|stored| stored.record))
}
