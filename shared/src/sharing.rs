//! Concurrent posts of one process to one entity share a write.
//!
//! While one post is on its way to the database, others to the same entity gather; the next write carries all of them.
//! Nobody waits for company: a post that finds no other on its way goes out at once. Nobody is acknowledged before its
//! write is durable. A process that ends loses posts that nobody was told of, and nothing else.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::oneshot;

use crate::client::SubmitError;
use crate::envelope::{Draft, EntityId, EventId, Owner};
use crate::limits::{self, Settings};
use crate::mailbox::image::Mailbox;
use crate::waiting::Waiter;

/// The posts on their way, by entity.
#[derive(Clone, Debug)]
pub struct Sharing {
    lanes: Arc<Mutex<HashMap<EntityId, Lane>>>,
    most: usize,
    /// Whether every post goes by itself, at once.
    alone: bool,
}

/// The posts that gather behind one that is on its way.
type Lane = VecDeque<Passenger>;

#[derive(Debug)]
struct Passenger {
    drafts: Vec<Draft>,
    class: Class,
    ticket: oneshot::Sender<Ticket>,
}

/// Which posts may share a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// Whether the post takes the lease if it is free.
    pub takes_lease: bool,
    /// Whether all of its events are keyed, so that a post of unknown outcome may be repeated.
    pub keyed: bool,
}

/// What a post that gathered is told.
#[derive(Debug)]
enum Ticket {
    /// To go: with its own events and whatever else has gathered.
    Lead(Lead),
    /// Another post carried it.
    Carried(Result<Carried, SubmitError>),
}

/// A post that is stored, as each of those that shared its write sees it.
#[derive(Debug)]
pub struct Carried {
    /// The item right after the write.
    pub image: Arc<Mailbox>,
    /// The acquisition that the write tried.
    pub owner: Option<Owner>,
    /// The caller's own events, in order.
    pub events: Vec<EventId>,
    /// For each event, the wait for a visit of this process.
    pub waiters: Vec<Waiter>,
}

/// What becomes of a post.
#[derive(Debug)]
pub enum Boarding {
    /// The caller is to write, for itself and for others.
    Lead(Lead),
    /// Another write carried the caller's events.
    Carried(Result<Carried, SubmitError>),
}

/// The right to write to an entity, with the posts of others; when it is dropped it goes to the next one.
#[derive(Debug)]
pub struct Lead {
    /// None once the right is given back, or when nobody shares anything.
    sharing: Option<Sharing>,
    entity: EntityId,
    others: Vec<Passenger>,
}

impl Sharing {
    /// No post on its way; one write carries half a queue at most, so that the next one finds room while it runs.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let most = settings.shared_events.min(settings.queue_length / 2);
        Self { lanes: Arc::default(), most, alone: settings.shared_events <= 1 }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EntityId, Lane>> {
        // Every critical section below leaves the lanes whole, so a poisoned lock is as good as any.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks to post: at once if no other post to the entity is on its way, otherwise with the next one.
    pub async fn board(&self, entity: &EntityId, drafts: &[Draft], class: Class) -> Boarding {
        if self.alone {
            return Boarding::Lead(Lead { sharing: None, entity: entity.clone(), others: Vec::new() });
        }
        let ticket = {
            let mut lanes = self.lock();
            match lanes.get_mut(entity) {
                None => {
                    lanes.insert(entity.clone(), Lane::new());
                    None
                }
                Some(lane) => {
                    let (ticket, given) = oneshot::channel();
                    lane.push_back(Passenger { drafts: drafts.to_vec(), class, ticket });
                    Some(given)
                }
            }
        };
        match ticket {
            None => Boarding::Lead(Lead { sharing: Some(self.clone()), entity: entity.clone(), others: Vec::new() }),
            Some(given) => match given.await {
                Ok(Ticket::Lead(lead)) => Boarding::Lead(lead),
                Ok(Ticket::Carried(result)) => Boarding::Carried(result),
                // Whoever carried it was dropped in the middle of the write.
                Err(_) => Boarding::Carried(Err(SubmitError::Abandoned)),
            },
        }
    }

    /// Lets the next post of the entity go, with those that gathered behind it and may share its write.
    fn pass_on(&self, entity: &EntityId) {
        while let Some((next, others)) = self.next(entity) {
            let lead = Lead { sharing: Some(self.clone()), entity: entity.clone(), others };
            // Outside the lock: a `Lead` that finds nobody to take it comes back here by its own drop.
            match next.ticket.send(Ticket::Lead(lead)) {
                Ok(()) => return,
                Err(Ticket::Lead(mut lead)) => {
                    lead.unboard();
                    // The right stays here; the dropped `Lead` must not pass it on a second time.
                    lead.sharing = None;
                }
                Err(Ticket::Carried(_)) => {}
            }
        }
    }

    /// The next post of a lane and its company; an empty lane is closed.
    fn next(&self, entity: &EntityId) -> Option<(Passenger, Vec<Passenger>)> {
        let mut lanes = self.lock();
        let lane = lanes.get_mut(entity)?;
        let Some(next) = lane.pop_front() else {
            lanes.remove(entity);
            return None;
        };
        let others = gather(lane, &next, self.most);
        Some((next, others))
    }
}

/// Takes from the front of a lane what may share a write with `first`, as far as it fits.
fn gather(lane: &mut Lane, first: &Passenger, most: usize) -> Vec<Passenger> {
    let size = |passenger: &Passenger| passenger.drafts.iter().map(|draft| draft.body.len()).sum::<usize>();
    let (mut events, mut bytes) = (first.drafts.len(), size(first));
    let mut gathered = Vec::new();
    while let Some(next) = lane.front() {
        events += next.drafts.len();
        bytes += size(next);
        if next.class != first.class || events > most || bytes > limits::BODY_BYTES {
            break;
        }
        gathered.extend(lane.pop_front());
    }
    gathered
}

impl Lead {
    /// The events to write: the caller's own, and then those of the others.
    #[must_use]
    pub fn drafts(&self, own: &[Draft]) -> Vec<Draft> {
        own.iter().chain(self.others.iter().flat_map(|other| &other.drafts)).cloned().collect()
    }

    /// Whether others share the write.
    #[must_use]
    pub fn has_company(&self) -> bool {
        !self.others.is_empty()
    }

    /// Puts the others back where they were, first in their lane: there is no room for all.
    pub fn unboard(&mut self) {
        let Some(sharing) = &self.sharing else {
            return;
        };
        let mut lanes = sharing.lock();
        let lane = lanes.entry(self.entity.clone()).or_default();
        std::mem::take(&mut self.others).into_iter().rev().for_each(|other| lane.push_front(other));
    }

    /// Tells the others what became of the write, and lets the next post go.
    pub fn arrive(mut self, mut carried: Carried, own: usize) -> Carried {
        let mut events = carried.events.split_off(own).into_iter();
        let mut waiters = carried.waiters.split_off(own).into_iter();
        for other in std::mem::take(&mut self.others) {
            let count = other.drafts.len();
            let part = Carried {
                image: Arc::clone(&carried.image),
                owner: carried.owner,
                events: events.by_ref().take(count).collect(),
                waiters: waiters.by_ref().take(count).collect(),
            };
            // Whoever no longer waits will find its event where everybody does.
            let _ = other.ticket.send(Ticket::Carried(Ok(part)));
        }
        carried
    }

    /// Tells the others that nothing can be said of the write, and lets the next post go.
    pub fn fail(mut self, error: &SubmitError) {
        for other in std::mem::take(&mut self.others) {
            let _ = other.ticket.send(Ticket::Carried(Err(error.clone())));
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        // Those that are still here were not told anything: they find their tickets void.
        self.others.clear();
        if let Some(sharing) = self.sharing.take() {
            sharing.pass_on(&self.entity);
        }
    }
}
