//! The conditional writes: each expression of `shared/src/table.rs` as a condition and a change of the item.

use crate::direct::Direct;
use crate::list::List;
use crate::mailbox::{BLOCKED, Envelope, Event, Events, Ids, Lease, Mailbox, NOBODY, Outbox};
use crate::mutant::Mutant;

/// Receipts by key: the event that had the effect, counted from one; zero where there is none.
pub type Receipts = [u8; 12];

/// What becomes of the lease, as in `shared/src/mailbox/commit.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ending {
    /// Released: nothing is left to do.
    Release,
    /// Released: only effects that are not due are left.
    Leave,
    /// Kept for another term.
    Keep,
    /// Released although work is left.
    HandOver,
}

/// How a lease is taken, as in `shared/src/mailbox/takeover.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Takeover {
    /// Nobody holds it.
    Acquire {
        /// The head that was seen.
        head: u8,
    },
    /// Its holder is taken for dead.
    Replace {
        /// The lease that was seen.
        lease: Lease,
        /// Whether an envelope was marked as running.
        strike: bool,
    },
}

/// `COMMIT` and its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Commit {
    /// The head of the image that the batch was run from.
    pub head: u8,
    /// Whether the entity stays suspect: holders have died, and envelopes are left.
    pub stays_suspect: bool,
    /// How many envelopes leave the queue.
    pub taken: u8,
    /// The new state; none when it did not change.
    pub state: Option<Events>,
    /// The ids of the batch.
    pub recent: Ids,
    /// The greatest id that ever left `recent`.
    pub evicted: Option<u8>,
    /// Effects for the outbox.
    pub outgoing: Outbox,
    /// Receipts: key and event.
    pub receipts: List<(u8, Event), 4>,
    /// The event that goes to the dead letters.
    pub dead: Option<Event>,
    /// What becomes of the lease.
    pub ending: Ending,
    /// The lease's new end.
    pub until: u8,
}

/// `SETTLE` and its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Settle {
    /// The head that was seen.
    pub head: u8,
    /// How many effects had left the outbox, when there was anything in it.
    pub sent: Option<u8>,
    /// How many will have left it.
    pub sent_next: u8,
    /// What stays in the outbox.
    pub rest: Outbox,
    /// What becomes of the lease.
    pub ending: Ending,
    /// The lease's new end.
    pub until: u8,
}

/// One write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Write {
    /// `POST` with an owner, `POST_DETACHED` without.
    Post {
        /// The envelopes, stored all or none.
        envelopes: List<Envelope, 2>,
        /// How many envelopes the queue may hold afterwards.
        room: u8,
    },
    /// `ACQUIRE`, `REPLACE` or `REPLACE_STRIKE`.
    Take(Takeover),
    /// `COMMIT`.
    Commit(Commit),
    /// `DIRECT`.
    Direct(Direct),
    /// `SETTLE`.
    Settle(Settle),
    /// `MARK`.
    Mark {
        /// The head that was seen.
        head: u8,
        /// The lease's new end.
        until: u8,
    },
    /// `BLOCK`.
    Block {
        /// The head that was seen.
        head: u8,
    },
}

/// A write under way to an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    /// Whose mailbox.
    pub entity: u8,
    /// The acquisition that writes, or takes the lease; nobody's for a detached post.
    pub me: u8,
    /// Whether that acquisition's lease was taken over since: from then on it must change nothing.
    pub superseded: bool,
    /// The write.
    pub write: Write,
}

impl Request {
    /// Whether the condition expression holds.
    #[must_use]
    pub fn holds(&self, item: &Mailbox, receipts: &Receipts, mutant: Option<Mutant>) -> bool {
        let without = |planted| mutant == Some(planted);
        let mine = item.held_by(self.me) || without(Mutant::NoFence);
        let same = |head: u8| item.head == head || without(Mutant::NoHead);
        match &self.write {
            Write::Post { envelopes, room } => {
                let id = envelopes.first().map_or(0, |envelope| envelope.id);
                let unseen = !item.knows(id) || without(Mutant::NoSeen);
                let above = item.evicted.is_none_or(|evicted| evicted < id) || without(Mutant::NoEvicted);
                unseen && above && item.queue.len() + envelopes.len() <= usize::from(*room)
            }
            Write::Take(Takeover::Acquire { head }) => item.lease.owner == NOBODY && item.pending && item.head == *head,
            Write::Take(Takeover::Replace { lease, .. }) => {
                let observed = item.lease == *lease || without(Mutant::ReplaceUnobserved);
                observed && item.lease.owner != BLOCKED && item.lease.owner != NOBODY && item.pending
            }
            Write::Commit(commit) => {
                let newcomers = item.queue.len() != usize::from(commit.taken) && !without(Mutant::ReleaseWithoutSize);
                let ends = matches!(commit.ending, Ending::Release | Ending::Leave);
                mine && same(commit.head) && !(ends && newcomers) && !commit.is_known(receipts)
            }
            Write::Direct(direct) => direct.holds(item, mutant) && !direct.commit.is_known(receipts),
            Write::Settle(settle) => {
                let sent = settle.sent.is_none_or(|sent| item.sent == sent) || without(Mutant::SettleWithoutSent);
                let ends = matches!(settle.ending, Ending::Release | Ending::Leave);
                let empty = item.queue.is_empty() || without(Mutant::SettleWithoutQueue);
                mine && same(settle.head) && sent && (!ends || empty)
            }
            Write::Mark { head, .. } | Write::Block { head } => mine && same(*head),
        }
    }

    /// The update expression.
    pub fn change(&self, item: &mut Mailbox, mutant: Option<Mutant>) {
        match &self.write {
            Write::Post { envelopes, .. } => {
                item.queue.extend(envelopes);
                if item.lease.owner == NOBODY && self.me != NOBODY {
                    item.lease = Lease { owner: self.me, until: 1 };
                }
                item.pending = true;
            }
            Write::Take(takeover) => {
                item.lease = Lease { owner: self.me, until: 1 };
                if let Takeover::Replace { strike, .. } = takeover {
                    item.running = false;
                    item.attempts += 1;
                    item.strikes += u8::from(*strike);
                }
            }
            Write::Commit(commit) => commit.change(item, mutant),
            Write::Direct(direct) => direct.change(item, self.me, mutant),
            Write::Settle(settle) => settle.change(item, mutant),
            Write::Mark { until, .. } => {
                item.running = true;
                item.lease.until = *until;
            }
            Write::Block { .. } => item.lease = Lease { owner: BLOCKED, until: 0 },
        }
    }
}

impl Commit {
    /// `RECEIPT_IF`, the other way round: whether a receipt of one of these names is in force.
    #[must_use]
    pub fn is_known(&self, receipts: &Receipts) -> bool {
        self.receipts.iter().any(|(key, _)| receipts[usize::from(*key)] != 0)
    }

    /// Whether it is a transaction: it writes receipts or a dead letter.
    #[must_use]
    pub fn is_transaction(&self) -> bool {
        !self.receipts.is_empty() || self.dead.is_some()
    }

    fn change(&self, item: &mut Mailbox, mutant: Option<Mutant>) {
        item.head = self.head + self.taken;
        if let Some(state) = self.state {
            item.state = state;
        }
        item.recent = self.recent;
        if mutant != Some(Mutant::NoEvicted) {
            item.evicted = self.evicted.max(item.evicted);
        }
        item.outbox.extend(&self.outgoing);
        if self.stays_suspect {
            acquit(item, mutant);
        } else {
            unsuspect(item, mutant);
        }
        match self.ending {
            Ending::Release | Ending::Leave => release(item, self.ending),
            Ending::Keep => {
                item.queue = item.queue.without_first(usize::from(self.taken));
                item.lease.until = self.until;
            }
            Ending::HandOver => {
                item.queue = item.queue.without_first(usize::from(self.taken));
                hand_over(item, mutant);
            }
        }
    }
}

impl Settle {
    fn change(&self, item: &mut Mailbox, mutant: Option<Mutant>) {
        if self.sent.is_some() {
            item.outbox = self.rest;
            item.sent = self.sent_next;
        }
        match self.ending {
            Ending::Release | Ending::Leave => {
                unsuspect(item, mutant);
                release(item, self.ending);
            }
            Ending::Keep => {
                item.running = false;
                item.lease.until = self.until;
            }
            Ending::HandOver => {
                item.running = false;
                hand_over(item, mutant);
            }
        }
    }
}

/// `UNSUSPECT`.
fn unsuspect(item: &mut Mailbox, mutant: Option<Mutant>) {
    if mutant != Some(Mutant::SuspicionKept) {
        item.attempts = 0;
    }
    acquit(item, mutant);
}

/// `ACQUIT`.
fn acquit(item: &mut Mailbox, mutant: Option<Mutant>) {
    if mutant != Some(Mutant::SuspicionKept) {
        item.strikes = 0;
    }
    item.running = false;
}

/// `RELEASE` and `LEAVE`.
fn release(item: &mut Mailbox, ending: Ending) {
    item.queue = List::default();
    item.lease = Lease::default();
    item.pending = ending == Ending::Leave;
}

/// `HAND_OVER`.
fn hand_over(item: &mut Mailbox, mutant: Option<Mutant>) {
    item.lease = Lease::default();
    item.pending = mutant != Some(Mutant::HandOverUnmarked);
}
