//! Requests of this process that wait for an event which another task of this process runs.
//!
//! It is an accelerator and no state: whoever waits also polls, and on Lambda there is one request in a process.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::oneshot;

use crate::envelope::{EnvelopeId, Owner};
use crate::outcome::Settled;

/// Who waits for which envelope, and which leases are held in this process.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    waiters: HashMap<EnvelopeId, oneshot::Sender<Settled>>,
    held: HashSet<Owner>,
}

/// A request's interest in one envelope; dropping it ends the interest.
#[derive(Debug)]
pub struct Waiter {
    waiting: Waiting,
    id: EnvelopeId,
    /// Resolves when a visit in this process settles the envelope.
    pub settled: oneshot::Receiver<Settled>,
}

/// A lease that this process holds, for as long as the visit lasts.
#[derive(Debug)]
pub struct Holding {
    waiting: Waiting,
    owner: Owner,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every critical section below leaves the maps whole, so a poisoned lock is as good as any.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers interest in an envelope; to be done before it is posted, so that nothing is missed.
    #[must_use]
    pub fn wait_for(&self, id: EnvelopeId) -> Waiter {
        let (sender, settled) = oneshot::channel();
        self.lock().waiters.insert(id, sender);
        Waiter { waiting: self.clone(), id, settled }
    }

    /// Tells whoever waits how an envelope ended.
    pub fn settle(&self, id: EnvelopeId, settled: &Settled) {
        if let Some(sender) = self.lock().waiters.remove(&id) {
            // A waiter that is gone has got its answer elsewhere.
            let _ = sender.send(settled.clone());
        }
    }

    /// Notes that this process holds a lease.
    #[must_use]
    pub fn hold(&self, owner: Owner) -> Holding {
        self.lock().held.insert(owner);
        Holding { waiting: self.clone(), owner }
    }

    /// Whether a visit of this process holds that lease, so that a waiter will be told and need hardly poll.
    #[must_use]
    pub fn holds(&self, owner: &Owner) -> bool {
        self.lock().held.contains(owner)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.waiting.lock().waiters.remove(&self.id);
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.waiting.lock().held.remove(&self.owner);
    }
}
