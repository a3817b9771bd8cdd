//! The direct write: takes the results of events into an item in whose queue they never were.
//!
//! No lease is needed, because the condition is on the version, which every write counts up: of two that write at once
//! one is refused.

use serde_dynamo::AttributeValue;

use crate::batch::Batch;
use crate::envelope::{Millis, Owner};
use crate::host::Host;
use crate::mailbox::commit::{Commit, Ending, made};
use crate::mailbox::image::{Lease, Mailbox, write_lease};
use crate::mailbox::within;
use crate::store::{Returns, Store, StoreError, Transaction, Update, Written};
use crate::table;
use crate::text::text;

/// What is written, to which item, by whom.
#[derive(Clone, Copy, Debug)]
pub struct Direct<'a> {
    /// The item as it was read, with the events as its queue.
    pub image: &'a Mailbox,
    /// Their results: of all of them.
    pub batch: &'a Batch,
    /// The acquisition that delivers their effects, if they have any.
    pub me: Owner,
}

/// What became of a direct write.
#[derive(Clone, Debug, PartialEq)]
pub enum Direction {
    /// It is applied, and this is the item after it.
    Applied(Box<Mailbox>),
    /// It is not applied.
    Refused,
    /// Whether it is applied, or still may be, cannot be told.
    Unknown,
}

/// Applies the results to the item in one write, which is tried only once. To repeat it is of no use: the ordinary post
/// is as good, and finds out what became of this.
pub async fn direct<H: Host>(host: &H, direct: Direct<'_>, deadline: Millis) -> Direction {
    let until = host.now().plus(host.settings().lease_ms);
    let after = direct.after(host.settings().recent_bytes, until);
    let update = direct.update(&after);
    let written = if direct.batch.puts.is_empty() {
        within(host, deadline, host.store().update(update)).await
    } else {
        let token = Owner::new(host.now(), host.random()).to_string();
        let (puts, deletes) = (direct.batch.puts.clone(), Vec::new());
        within(host, deadline, host.store().transact(Transaction { update, puts, deletes, token })).await
    };
    match written {
        Ok(Written::Applied { .. }) => Direction::Applied(Box::new(after)),
        Ok(Written::Refused { clean: false, .. }) | Err(StoreError::Unknown(_)) => Direction::Unknown,
        Ok(Written::Refused { clean: true, .. }) | Err(_) => Direction::Refused,
    }
}

impl Direct<'_> {
    fn after(&self, recent_budget: usize, until: Millis) -> Mailbox {
        let ending = if self.batch.outgoing.is_empty() { Ending::Release } else { Ending::Keep };
        let Self { image, batch, me } = *self;
        Commit { image, batch, me, ending }.after(recent_budget, until)
    }

    fn update(&self, after: &Mailbox) -> Update {
        let mut set = String::from(table::DIRECT);
        let mut values = vec![
            (":next", table::number(after.head)),
            (":zero", table::number(0)),
            (":next_version", table::number(after.version)),
            (":recent", text(&after.recent)),
            (":kind", AttributeValue::S(after.entity.kind().to_owned())),
        ];
        made(self.batch, (self.image, after), &mut set, &mut values);
        if let Some(lease @ Lease::Held { .. }) = &after.lease {
            set += table::DIRECT_LEASE;
            values.push((":mine", write_lease(lease)));
            values.push((":p", AttributeValue::S(table::PENDING.to_owned())));
        }
        let condition = if self.image.version == 0 {
            table::DIRECT_IF_NEW
        } else {
            values.push((":version", table::number(self.image.version)));
            table::DIRECT_IF
        };
        Update {
            key: table::mailbox_key(&after.entity),
            update: set.into(),
            condition: condition.into(),
            values,
            returns: Returns::Nothing,
        }
    }
}
