//! The mailbox item as the model keeps it: the attributes of `shared/src/mailbox/image.rs` in small numbers.
//!
//! Left out are the attributes on which no condition of the protocol depends: `bytes`, `kind`, and the replies in
//! `recent`; and `version`, where nobody takes the direct path. The state is the list of the events that were applied, so that an update which is lost, doubled
//! or out of order shows in it.

use crate::list::List;

/// The mailbox to which clients post.
pub const SENDER: u8 = 0;
/// The mailbox that receives the effects of the first.
pub const RECEIVER: u8 = 1;
/// The owner of no lease.
pub const NOBODY: u8 = 0;
/// The owner of a lease that only an operator may release: `BLOCKED` of `shared/src/table.rs`.
pub const BLOCKED: u8 = u8::MAX;
/// The name of an effect is that of the event that caused it, and this.
pub const EFFECT: u8 = 8;
/// No key: the envelope is keyless.
pub const KEYLESS: u8 = 0;

/// What is applied at most once: a number of the configuration, or that of an event and [`EFFECT`].
pub type Event = u8;
/// Names of events, oldest first.
pub type Events = List<Event, 8>;
/// Envelopes, oldest first.
pub type Queue = List<Envelope, 6>;
/// Effects, oldest first.
pub type Outbox = List<Outgoing, 3>;

/// A set of envelope ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ids(pub u128);

impl Ids {
    /// Whether the id is in it.
    #[must_use]
    pub fn contains(self, id: u8) -> bool {
        self.0 >> id & 1 == 1
    }

    /// Adds an id.
    pub fn insert(&mut self, id: u8) {
        self.0 |= 1 << id;
    }

    /// The ids that are not in the other set.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The greatest id of the set.
    #[must_use]
    pub fn greatest(self) -> Option<u8> {
        u8::try_from(self.0.checked_ilog2()?).ok()
    }
}

/// One envelope of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Envelope {
    /// Its id; ids are ordered as their makers' clocks say, which need not agree with the order of the posts.
    pub id: u8,
    /// What it asks for.
    pub event: Event,
    /// Its key, or [`KEYLESS`].
    pub key: u8,
}

/// One effect that is committed and not yet delivered, as in `shared/src/outbox.rs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Outgoing {
    /// The sequence of the envelope that caused it: its key is derived from it.
    pub sequence: u8,
    /// What it asks of the receiver.
    pub event: Event,
    /// When it is due again after a failed delivery.
    pub due: u8,
}

/// The lease: nobody's, an acquisition's, or blocked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lease {
    /// The fence.
    pub owner: u8,
    /// Its end. Only its identity matters: every renewal counts it up.
    pub until: u8,
}

/// The item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mailbox {
    /// Envelopes that wait, oldest first.
    pub queue: Queue,
    /// How many envelopes ever left the queue.
    pub head: u8,
    /// Who holds it.
    pub lease: Lease,
    /// The events that were applied, in order.
    pub state: Events,
    /// The greatest id that ever left `recent`.
    pub evicted: Option<u8>,
    /// The ids of the last batch; the byte budget for older ones is zero, which is the hardest.
    pub recent: Ids,
    /// Effects that are committed and not delivered.
    pub outbox: Outbox,
    /// How many effects ever left the outbox.
    pub sent: u8,
    /// Leases that were replaced since `head` last moved.
    pub attempts: u8,
    /// Whether an envelope of a suspect entity is marked as running.
    pub running: bool,
    /// Deaths while `running` was set.
    pub strikes: u8,
    /// Whether there is anything to do.
    pub pending: bool,
    /// Counted up by every write, where somebody takes the direct path.
    pub version: u8,
}

impl Mailbox {
    /// Whether this very acquisition holds the lease.
    #[must_use]
    pub fn held_by(&self, owner: u8) -> bool {
        owner != NOBODY && self.lease.owner == owner
    }

    /// Whether an envelope waits or is recent.
    #[must_use]
    pub fn knows(&self, id: u8) -> bool {
        self.recent.contains(id) || self.queue.iter().any(|envelope| envelope.id == id)
    }

    /// Whether an operator must release the entity.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.lease.owner == BLOCKED
    }
}

/// Whether any effect may go out now. There is one receiver, so the first effect speaks for all, as `firsts` of
/// `shared/src/outbox.rs` has it.
#[must_use]
pub fn is_due(outbox: &Outbox, clock: u8) -> bool {
    outbox.first().is_some_and(|outgoing| outgoing.due <= clock)
}

/// When the first effect is due; none when it is already, or when there is none.
#[must_use]
pub fn next_due(outbox: &Outbox, clock: u8) -> Option<u8> {
    outbox.first().map(|outgoing| outgoing.due).filter(|due| *due > clock)
}
