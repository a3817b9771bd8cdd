//! The third write: take the results of a batch into the item, and keep the lease or let it go.

use std::collections::BTreeSet;

use serde_dynamo::AttributeValue;

use crate::batch::{Batch, recent_bytes};
use crate::envelope::{EnvelopeId, Millis, Owner};
use crate::host::Host;
use crate::mailbox::image::{Lease, Mailbox, Recent, envelopes_bytes, write_lease};
use crate::mailbox::{StepError, persist};
use crate::store::{Returns, Store, Transaction, Update, Values, Written};
use crate::table;
use crate::text::{text, texts};

/// What becomes of the lease when a batch is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is released, if nobody has posted meanwhile: nothing is left to do.
    Release,
    /// It is released, if nobody has posted meanwhile: only effects are left, and none of them is due.
    Leave,
    /// It is kept for another term.
    Keep,
    /// It is released although there is work left: the stream wakes `drain`.
    HandOver,
}

/// What became of a commit.
#[derive(Debug)]
pub enum Committed {
    /// It is applied, and the lease is where the ending put it.
    Applied(Box<Mailbox>),
    /// Nothing is applied: somebody has posted, and here is everything.
    Newcomers(Box<Mailbox>),
    /// This acquisition is over, by another's takeover or by an earlier try of this very write. Its holder stops and
    /// changes nothing; what became of the envelopes is in the image.
    Lost(Box<Mailbox>),
}

/// What is committed, from which image, by whom.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'a> {
    /// The image that the batch was run from.
    pub image: &'a Mailbox,
    /// The results of the batch.
    pub batch: &'a Batch,
    /// The acquisition that commits, by which the write is fenced.
    pub me: Owner,
    /// What becomes of the lease.
    pub ending: Ending,
}

/// Takes the results of a batch into the item, under the lease's fence.
///
/// # Errors
/// When the store fails beyond the deadline, after which the outcome is unknown, or the item is damaged.
pub async fn commit<H: Host>(host: &H, commit: Commit<'_>, deadline: Millis) -> Result<Committed, StepError> {
    let until = host.now().plus(host.settings().lease_ms);
    let after = commit.after(host.settings().recent_bytes, until);
    let update = commit.update(&after, &commit.me.0, until);
    let written = if commit.batch.puts.is_empty() {
        persist(host, deadline, || host.store().update(update.clone())).await?.0
    } else {
        // One token for one content: a newcomer makes another batch, and that another transaction.
        let token = Owner::new(host.now(), host.random()).to_string();
        let transaction = Transaction { update, puts: commit.batch.puts.clone(), deletes: Vec::new(), token };
        persist(host, deadline, || host.store().transact(transaction.clone())).await?.0
    };
    let entity = &commit.image.entity;
    let read =
        |item| Mailbox::read(entity, item).map_err(|damage| StepError::Damaged { entity: entity.clone(), damage });
    match written {
        // A transaction brings no image. What is known suffices: newcomers show themselves at the next write, and there are
        // none after a release.
        Written::Applied { .. } if !commit.batch.puts.is_empty() || commit.returns() == Returns::Nothing => {
            Ok(Committed::Applied(Box::new(after)))
        }
        Written::Applied { item, .. } => Ok(Committed::Applied(Box::new(read(item)?))),
        Written::Refused { old: Some(old), .. } => Ok(commit.refused(read(old)?)),
        Written::Refused { old: None, .. } => Ok(Committed::Lost(Box::new(commit.image.clone()))),
    }
}

impl Commit<'_> {
    /// What a refused commit's old image says.
    fn refused(&self, old: Mailbox) -> Committed {
        let mine = old.held_by(&self.me);
        if mine && old.head == self.image.head {
            return Committed::Newcomers(Box::new(old));
        }
        // Nobody else moves the head under my fence: an earlier try of my own keeping commit did.
        if mine && self.ending == Ending::Keep && old.head == self.next_head() {
            return Committed::Applied(Box::new(old));
        }
        Committed::Lost(Box::new(old))
    }

    /// A release is applied only where nobody has posted: everything about the item is known.
    fn returns(&self) -> Returns {
        if self.ending == Ending::Release { Returns::Nothing } else { Returns::Item }
    }

    fn next_head(&self) -> u64 {
        self.image.head + self.batch.taken as u64
    }

    /// The image as the commit leaves it, as far as can be known without the database.
    pub(super) fn after(&self, recent_budget: usize, until: Millis) -> Mailbox {
        let mut after = self.image.clone();
        let gone: Vec<_> = after.queue.drain(..self.batch.taken).collect();
        after.bytes = after.bytes.saturating_sub(envelopes_bytes(&gone) as u64);
        after.head = self.next_head();
        after.version += 1;
        if let Some((schema, state)) = &self.batch.state {
            after.schema = *schema;
            after.state = Some(state.clone());
        }
        after.recent = keep_recent(&self.image.recent, &self.batch.recent, recent_budget);
        after.evicted = self.forgotten(&after.recent).max(after.evicted);
        after.outbox.extend(self.batch.outgoing.iter().cloned());
        (after.running, after.strikes) = (None, 0);
        if !self.stays_suspect() {
            after.attempts = 0;
        }
        match self.ending {
            Ending::Keep => after.lease = Some(Lease::Held { owner: self.me, until }),
            Ending::Release => (after.lease, after.pending) = (None, false),
            Ending::Leave | Ending::HandOver => after.lease = None,
        }
        after
    }

    /// The greatest id that leaves `recent`.
    fn forgotten(&self, kept: &[Recent]) -> Option<EnvelopeId> {
        let kept: BTreeSet<EnvelopeId> = kept.iter().map(|recent| recent.id).collect();
        self.image.recent.iter().map(|recent| recent.id).filter(|id| !kept.contains(id)).max()
    }

    fn update(&self, after: &Mailbox, fence: &[u8], until: Millis) -> Update {
        let batch = self.batch;
        let mut set = String::from(table::COMMIT);
        let mut values: Values = vec![
            (":next", table::number(after.head)),
            (":head", table::number(self.image.head)),
            (":freed", table::number(self.image.bytes.saturating_sub(after.bytes))),
            (":one", table::number(1)),
            (":recent", text(&after.recent)),
            (":me", AttributeValue::B(fence.to_vec())),
        ];
        made(batch, (self.image, after), &mut set, &mut values);
        if !batch.outgoing.is_empty() {
            values.push((":zero", table::number(0)));
        }
        if self.ending == Ending::Keep {
            set += table::RENEW;
            values.push((":until", table::number(until.0)));
        }
        let update = format!("{set} REMOVE {}", self.removed());
        let condition = match self.ending {
            Ending::Release | Ending::Leave => {
                values.push((":n", table::number(batch.taken as u64)));
                [table::COMMIT_IF, table::IF_NO_NEWCOMER].concat().into()
            }
            Ending::Keep | Ending::HandOver => table::COMMIT_IF.into(),
        };
        Update {
            key: table::mailbox_key(&self.image.entity),
            update: update.into(),
            condition,
            values,
            returns: self.returns(),
        }
    }

    /// Whether holders have died here and the envelope that they died of may still be waiting.
    fn stays_suspect(&self) -> bool {
        self.image.is_suspect() && matches!(self.ending, Ending::Keep | Ending::HandOver)
    }

    fn removed(&self) -> String {
        let unsuspect = if self.stays_suspect() { table::ACQUIT } else { table::UNSUSPECT };
        let queue = || table::elements("#queue", self.batch.taken);
        match self.ending {
            Ending::Release => format!("{}, {unsuspect}", table::RELEASE),
            Ending::Leave => format!("{}, {unsuspect}", table::LEAVE),
            Ending::Keep => format!("{}, {unsuspect}", queue()),
            Ending::HandOver => format!("{}, {}, {unsuspect}", queue(), table::HAND_OVER),
        }
    }
}

/// The part of a commit that the actor made, and up to which id the item forgets others for it.
pub(super) fn made(batch: &Batch, (before, after): (&Mailbox, &Mailbox), set: &mut String, values: &mut Values) {
    if let Some((schema, state)) = &batch.state {
        *set += table::COMMIT_STATE;
        values.push((":state", state.clone()));
        values.push((":schema", table::number(*schema)));
    }
    if let Some(evicted) = after.evicted.filter(|_| after.evicted != before.evicted) {
        *set += table::COMMIT_EVICTED;
        values.push((":evicted", AttributeValue::B(evicted.0.to_vec())));
    }
    if !batch.outgoing.is_empty() {
        *set += table::COMMIT_EFFECTS;
        values.push((":none", AttributeValue::L(Vec::new())));
        values.push((":effects", texts(&batch.outgoing)));
    }
}

/// The last batch whole, and of what was there before as much as the budget holds, without a gap.
fn keep_recent(before: &[Recent], batch: &[Recent], budget: usize) -> Vec<Recent> {
    let mut room = budget.saturating_sub(recent_bytes(batch));
    let fits = |recent: &&Recent| {
        let bytes = recent_bytes(std::slice::from_ref(*recent));
        let fits = bytes <= room;
        room = room.saturating_sub(bytes);
        fits
    };
    let kept = before.iter().rev().take_while(fits).count();
    before.iter().skip(before.len() - kept).chain(batch).cloned().collect()
}

/// The commit by which an operator takes the first envelope from a blocked entity and releases it: the lease that
/// fences it is the one that nobody holds.
pub(crate) fn without_first<H: Host>(host: &H, image: &Mailbox, batch: &Batch) -> Update {
    let me = Owner::new(host.now(), host.random());
    let commit = Commit { image, batch, me, ending: Ending::HandOver };
    let after = commit.after(host.settings().recent_bytes, host.now());
    commit.update(&after, table::BLOCKED, host.now())
}

/// Says which envelope is about to run on a suspect entity, or stops the entity until an operator releases it.
///
/// # Errors
/// When the store fails beyond the deadline, or the item is damaged.
pub async fn note<H: Host>(
    host: &H,
    image: &Mailbox,
    me: Owner,
    note: Note<'_>,
    deadline: Millis,
) -> Result<Committed, StepError> {
    let mut values = vec![
        (":one", table::number(1)),
        (":me", AttributeValue::B(me.0.to_vec())),
        (":head", table::number(image.head)),
    ];
    let expression = match note {
        Note::Running => {
            values.push((":sequence", table::number(image.first())));
            values.push((":until", table::number(host.now().plus(host.settings().lease_ms).0)));
            table::MARK
        }
        Note::Blocked(cause) => {
            values.push((":blocked", write_lease(&Lease::Blocked { cause: cause.to_owned() })));
            table::BLOCK
        }
    };
    let key = table::mailbox_key(&image.entity);
    let condition = table::COMMIT_IF.into();
    let update = Update { key, update: expression.into(), condition, values, returns: Returns::Item };
    let (written, _) = persist(host, deadline, || host.store().update(update.clone())).await?;
    let read = |item| {
        let damaged = |damage| StepError::Damaged { entity: image.entity.clone(), damage };
        Mailbox::read(&image.entity, item).map_err(damaged).map(Box::new)
    };
    Ok(match written {
        Written::Applied { item, .. } => Committed::Applied(read(item)?),
        Written::Refused { old: Some(old), .. } => Committed::Lost(read(old)?),
        Written::Refused { old: None, .. } => Committed::Lost(Box::new(image.clone())),
    })
}

/// What a holder writes about an envelope without moving the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note<'a> {
    /// The first envelope is about to run.
    Running,
    /// The first envelope stops the entity, and this is why.
    Blocked(&'a str),
}

#[cfg(test)]
mod tests;
