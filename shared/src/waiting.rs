//! Requests of this process that wait for an event which another task of this process runs.
//!
//! It is an accelerator and no state: whoever waits also polls, and on Lambda there is one request in a process.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::Shared;

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
    held: HashMap<Owner, Ended>,
}

/// A request's interest in one envelope; dropping it ends the interest.
#[derive(Debug)]
pub struct Waiter {
    waiting: Waiting,
    id: EnvelopeId,
    /// Resolves when a visit in this process settles the envelope.
    pub settled: oneshot::Receiver<Settled>,
}

/// Fails when a visit ends: nobody ever sends.
type Ended = Shared<oneshot::Receiver<()>>;

/// A lease that this process holds, for as long as the visit lasts.
#[derive(Debug)]
pub struct Holding {
    waiting: Waiting,
    owner: Owner,
    /// Dropped with this, and not before the lease counts as let go.
    _end: oneshot::Sender<()>,
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
        let (end, ended) = oneshot::channel();
        self.lock().held.insert(owner, ended.shared());
        Holding { waiting: self.clone(), owner, _end: end }
    }

    /// The end of the visit of this process that holds that lease, if one does: until then it tells, so that a waiter need
    /// hardly poll; what it has not told by then, it never will.
    #[must_use]
    pub fn end_of(&self, owner: &Owner) -> Option<impl Future<Output = ()> + Unpin + use<>> {
        let ended = self.lock().held.get(owner).cloned()?;
        Some(ended.map(drop))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_visit_is_told_to_all_who_wait_for_it() {
        let (waiting, owner) = (Waiting::default(), Owner([7; 12]));
        assert!(waiting.end_of(&owner).is_none(), "nobody holds it");
        let holding = waiting.hold(owner);
        let (mut one, mut other) = (waiting.end_of(&owner).unwrap(), waiting.end_of(&owner).unwrap());
        assert_eq!(((&mut one).now_or_never(), (&mut other).now_or_never()), (None, None));
        drop(holding);
        assert_eq!((one.now_or_never(), other.now_or_never()), (Some(()), Some(())));
        assert!(waiting.end_of(&owner).is_none(), "it is let go");
    }
}
