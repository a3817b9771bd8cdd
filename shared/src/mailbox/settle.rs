//! The fourth write: what was delivered leaves the outbox, and the lease is kept or let go.

use serde_dynamo::AttributeValue;

use crate::envelope::{Millis, Owner};
use crate::host::Host;
use crate::mailbox::commit::{Committed, Ending};
use crate::mailbox::image::Mailbox;
use crate::mailbox::{StepError, persist};
use crate::outbox::Outgoing;
use crate::store::{Put, Returns, Store, Transaction, Update, Values, Written};
use crate::table;
use crate::text::texts;

/// What is left of an outbox after a delivery, and what becomes of the lease.
#[derive(Clone, Copy, Debug)]
pub struct Settle<'a> {
    /// The image that was delivered from.
    pub image: &'a Mailbox,
    /// What stays in the outbox, in order.
    pub rest: &'a [Outgoing],
    /// Dead letters of effects that are given up.
    pub puts: &'a [Put],
    /// The acquisition that has delivered, by which the write is fenced.
    pub me: Owner,
    /// What becomes of the lease; [`Ending::Release`] also when there was nothing to deliver.
    pub ending: Ending,
}

/// Settles a delivery, or releases a lease under which nothing was left to do.
///
/// # Errors
/// When the store fails beyond the deadline, after which the outcome is unknown, or the item is damaged.
pub async fn settle<H: Host>(host: &H, settle: Settle<'_>, deadline: Millis) -> Result<Committed, StepError> {
    let until = host.now().plus(host.settings().lease_ms);
    let update = settle.update(until);
    let written = if settle.puts.is_empty() {
        persist(host, deadline, || host.store().update(update.clone())).await?.0
    } else {
        let token = Owner::new(host.now(), host.random()).to_string();
        let transaction = Transaction { update, puts: settle.puts.to_vec(), deletes: Vec::new(), token };
        persist(host, deadline, || host.store().transact(transaction.clone())).await?.0
    };
    let entity = &settle.image.entity;
    let read = |item| {
        let damaged = |damage| StepError::Damaged { entity: entity.clone(), damage };
        Mailbox::read(entity, item).map_err(damaged)
    };
    match written {
        Written::Applied { .. } if !settle.puts.is_empty() => Ok(Committed::Applied(Box::new(settle.after(until)))),
        Written::Applied { item, .. } => Ok(Committed::Applied(Box::new(read(item)?))),
        Written::Refused { old: Some(old), .. } => Ok(settle.refused(read(old)?)),
        Written::Refused { old: None, .. } => Ok(Committed::Lost(Box::new(settle.image.clone()))),
    }
}

impl Settle<'_> {
    fn sent(&self) -> u64 {
        self.image.sent + (self.image.outbox.len() - self.rest.len()) as u64
    }

    fn refused(&self, old: Mailbox) -> Committed {
        if !old.held_by(&self.me) || old.head != self.image.head {
            return Committed::Lost(Box::new(old));
        }
        // Nobody else moves `sent` under my fence: an earlier try of my own did, when it is past what I saw.
        match old.sent == self.image.sent {
            true => Committed::Newcomers(Box::new(old)),
            false => Committed::Applied(Box::new(old)),
        }
    }

    fn after(&self, until: Millis) -> Mailbox {
        let mut after = self.image.clone();
        after.outbox = self.rest.to_vec();
        after.sent = self.sent();
        after.version += 1;
        after.running = None;
        match self.ending {
            Ending::Keep => {
                after.lease = Some(crate::mailbox::image::Lease::Held { owner: self.me, until });
            }
            Ending::Release => (after.lease, after.pending) = (None, false),
            Ending::Leave | Ending::HandOver => after.lease = None,
        }
        after
    }

    fn update(&self, until: Millis) -> Update {
        let mut set = String::from(table::SETTLE);
        let mut condition = String::from(table::COMMIT_IF);
        let mut removed = Vec::new();
        let mut values: Values = vec![
            (":one", table::number(1)),
            (":me", AttributeValue::B(self.me.0.to_vec())),
            (":head", table::number(self.image.head)),
        ];
        if !self.image.outbox.is_empty() {
            condition += table::SETTLE_IF_SENT;
            values.push((":sent", table::number(self.image.sent)));
            values.push((":sent_next", table::number(self.sent())));
            if self.rest.is_empty() {
                set += table::SETTLE_SENT;
                removed.push("#outbox");
            } else {
                set += table::SETTLE_REST;
                values.push((":rest", texts(self.rest)));
            }
        }
        match self.ending {
            Ending::Release => removed.extend([table::RELEASE, table::UNSUSPECT]),
            Ending::Leave => removed.extend([table::LEAVE, table::UNSUSPECT]),
            Ending::HandOver => removed.extend([table::HAND_OVER, table::NOT_RUNNING]),
            Ending::Keep => {
                removed.push(table::NOT_RUNNING);
                set += table::RENEW;
                values.push((":until", table::number(until.0)));
            }
        }
        if matches!(self.ending, Ending::Release | Ending::Leave) {
            condition += table::IF_QUEUE_EMPTY;
            values.push((":zero", table::number(0)));
        }
        let key = table::mailbox_key(&self.image.entity);
        let update = format!("{set} REMOVE {}", removed.join(", "));
        Update { key, update: update.into(), condition: condition.into(), values, returns: Returns::Item }
    }
}

#[cfg(test)]
mod tests;
