//! One state of the whole system: the items, whoever works on them, what is under way, and what is known from outside.

use crate::config::Budget;
use crate::list::List;
use crate::mailbox::{Event, Events, Lease, Mailbox, NOBODY, Outbox};
use crate::request::{Ending, Receipts, Request, Takeover, Write};

/// How far a client's post is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Its request is to be sent, for the first time or again.
    #[default]
    Posting,
    /// It is on the direct path.
    Direct,
    /// It was refused for want of room, and waits.
    Full,
    /// It is acknowledged.
    Stored,
    /// It was answered that nothing is stored.
    Refused,
    /// It was answered that the outcome is unknown, or not at all.
    Unknown,
}

/// One client's post, as `shared/src/client.rs` and `post` of `shared/src/mailbox/post.rs` keep it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Post {
    /// How far it is.
    pub phase: Phase,
    /// How many times its ids were raised above the evicted ones.
    pub level: u8,
    /// Whether a try of its present ids had no answer.
    pub unclear: bool,
    /// What was read on the direct path.
    pub read: Option<Read>,
}

/// An item that was read, and the events that were run on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Read {
    /// The item, with the events as its queue.
    pub image: Mailbox,
    /// A bit for each of them that is not a repetition of its key.
    pub fresh: u8,
}

/// A lease that a visit of another entity holds meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Follow {
    /// The acquisition.
    pub me: u8,
    /// The image of the write that took it.
    pub image: Mailbox,
    /// Whether it was taken over since.
    pub superseded: bool,
}

/// The delivery of one effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Delivery {
    /// What is still to go out; the first of them is under way.
    pub left: Outbox,
    /// What goes back into the outbox.
    pub rest: Outbox,
    /// The id of the envelope that is under way.
    pub id: u8,
    /// The acquisition with which it takes the receiver's lease along.
    pub owner: u8,
    /// Whether the outbox is ticked off already; only a planted bug does that.
    pub ticked: bool,
}

/// The next write of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Commit the first envelopes; `fresh` has a bit for each that is not a repetition of its key.
    Commit {
        /// How many.
        taken: u8,
        /// Which of them are new.
        fresh: u8,
        /// Whether the first goes to the dead letters instead.
        dead: bool,
        /// What becomes of the lease.
        ending: Ending,
    },
    /// Settle a delivery, or finish.
    Settle {
        /// What stays in the outbox.
        rest: Outbox,
        /// What becomes of the lease.
        ending: Ending,
        /// What is to be delivered afterwards; only a planted bug has anything here.
        after: Outbox,
    },
    /// Post an effect.
    Deliver(Delivery),
    /// Say which envelope is about to run.
    Mark,
    /// Stop the entity.
    Block,
    /// Hand over after an error, whatever comes of it.
    GiveBack,
}

/// A holder at work: `Visit` of `shared/src/visit.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Visit {
    /// Whose mailbox.
    pub entity: u8,
    /// The acquisition.
    pub me: u8,
    /// The item as of the last write.
    pub image: Mailbox,
    /// The next write.
    pub step: Step,
    /// Rounds that are left.
    pub rounds: u8,
    /// Whether newcomers have spoilt a release.
    pub busy: bool,
    /// Whether holders have died here.
    pub suspect: bool,
    /// Whether a try of this step had no answer.
    pub unclear: bool,
    /// Whether DynamoDB knows the token of this step's transaction as applied.
    pub token: bool,
    /// Whether the lease was taken over since.
    pub superseded: bool,
    /// The lease that its deliveries took along.
    pub follow: Option<Follow>,
}

/// Who takes a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Taker {
    /// `drain`, whose record or message is delivered again when it dies.
    Drain,
    /// A client that found its entity's holder gone.
    Client,
}

/// A takeover under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Taking {
    /// Whose mailbox.
    pub entity: u8,
    /// The acquisition.
    pub me: u8,
    /// How.
    pub takeover: Takeover,
    /// By whom.
    pub taker: Taker,
    /// Whether a try had no answer.
    pub unclear: bool,
}

/// A delayed message: `Wake` of `shared/src/wake.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wake {
    /// At whom to look.
    pub entity: u8,
    /// The lease that was seen.
    pub lease: Option<Lease>,
    /// When the first effect is due.
    pub due: Option<u8>,
}

/// What only an observer knows of an entity, to judge the protocol by; no decision depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ghost {
    /// Every event that was ever appended to the queue, in order.
    pub appended: Events,
    /// Events in the dead letters.
    pub dead: List<Event, 3>,
    /// Leases that were replaced since `head` last moved.
    pub replaced: u8,
    /// Leases that were replaced while an envelope was marked as running, since `head` last moved.
    pub struck: u8,
    /// Whether an envelope was parked for strikes that it did not have.
    pub wronged: bool,
}

/// The state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct World {
    /// The mailboxes of both entities.
    pub items: [Mailbox; 2],
    /// Their receipts.
    pub receipts: [Receipts; 2],
    /// Whether stream records wait for a look. However many do, one look serves them all.
    pub records: [bool; 2],
    /// What an observer knows.
    pub ghosts: [Ghost; 2],
    /// The clients' posts.
    pub posts: List<Post, 4>,
    /// Holders at work, in a canonical order.
    pub visits: Vec<Visit>,
    /// Takeovers under way, in a canonical order.
    pub takings: Vec<Taking>,
    /// Requests that nobody waits for any more: each may be applied at any later time, or never.
    pub late: Vec<Request>,
    /// Wakes, each once.
    pub wakes: Vec<Wake>,
    /// What may still go wrong.
    pub budget: Budget,
    /// The time, as far as effects wait for it.
    pub clock: u8,
    /// How many envelopes were made for effects.
    pub deliveries: u8,
    /// Whether a holder whose lease was taken over changed something.
    pub breached: bool,
    /// The items before their last writes, which only a planted bug reads.
    pub stale: [Mailbox; 2],
}

impl World {
    /// An owner that nothing mentions. Owners are never compared but for equality, so that it may have been used before.
    #[must_use]
    pub fn fresh_owner(&self) -> u8 {
        let mut used = 0_u64;
        self.owners(|owner| used |= 1 << (owner & 63));
        (8..63).find(|owner| used >> owner & 1 == 0).unwrap_or(63)
    }

    /// Every owner that is still mentioned anywhere.
    fn owners(&self, mut mention: impl FnMut(u8)) {
        self.items.iter().for_each(|item| mention(item.lease.owner));
        for visit in &self.visits {
            mention(visit.me);
            mention(visit.image.lease.owner);
            if let Some(follow) = &visit.follow {
                mention(follow.me);
                mention(follow.image.lease.owner);
            }
            if let Step::Deliver(delivery) = &visit.step {
                mention(delivery.owner);
            }
        }
        for taking in &self.takings {
            mention(taking.me);
            mention(observed(&taking.takeover));
        }
        for request in &self.late {
            mention(request.me);
            if let Write::Take(takeover) = &request.write {
                mention(observed(takeover));
            }
        }
        self.wakes.iter().filter_map(|wake| wake.lease).for_each(|lease| mention(lease.owner));
    }

    /// Whether somebody works under a lease, or still awaits the answer that would tell him that it is his.
    #[must_use]
    pub fn is_alive(&self, entity: u8, owner: u8) -> bool {
        let visit = |visit: &Visit| match &visit.step {
            _ if visit.entity == entity && visit.me == owner => true,
            _ if entity == visit.entity => false,
            _ if visit.follow.is_some_and(|follow| follow.me == owner) => true,
            Step::Deliver(delivery) => delivery.owner == owner,
            _ => false,
        };
        let posts = self.posts.iter().zip(1..).any(|(post, me): (&Post, u8)| {
            me == owner && matches!(post.phase, Phase::Posting | Phase::Full) && post.unclear
        });
        posts
            || self.visits.iter().any(visit)
            || self.takings.iter().any(|taking| taking.entity == entity && taking.me == owner)
    }

    /// Takes the versions away that nobody compares any more: they would only multiply the states.
    pub fn forget_versions(&mut self) {
        for visit in &mut self.visits {
            visit.image.version = 0;
            visit.follow.iter_mut().for_each(|follow| follow.image.version = 0);
        }
        let direct = |request: &Request| matches!(request.write, Write::Direct(_));
        if !self.posts.iter().any(|post: &Post| post.phase == Phase::Direct) && !self.late.iter().any(direct) {
            self.items.iter_mut().for_each(|item| item.version = 0);
        }
    }

    /// Sends a wake. One that is under way already serves for both.
    pub fn wake(&mut self, wake: Wake) {
        if !self.wakes.contains(&wake) {
            self.wakes.push(wake);
            self.wakes.sort_unstable();
        }
    }

    /// Leaves a request to itself.
    pub fn abandon(&mut self, request: Request) {
        self.late.push(request);
        self.late.sort_unstable();
    }

    /// The whole system with one visit more.
    pub fn add_visit(&mut self, visit: Visit) {
        self.visits.push(visit);
        self.visits.sort_unstable();
    }

    /// The whole system with one takeover more.
    pub fn add_taking(&mut self, taking: Taking) {
        self.takings.push(taking);
        self.takings.sort_unstable();
    }
}

/// The owner whose lease a takeover replaces.
fn observed(takeover: &Takeover) -> u8 {
    match takeover {
        Takeover::Acquire { .. } => NOBODY,
        Takeover::Replace { lease, .. } => lease.owner,
    }
}
