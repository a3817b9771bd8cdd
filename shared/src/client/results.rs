//! Waiting for the results of a post: told by a visit of this process, or read from what another one has written.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, pending, select};

use crate::client::Receipted;
use crate::envelope::{Draft, EntityId, EventId, Keyed, Millis};
use crate::host::Host;
use crate::mailbox::image::{Lease, Mailbox};
use crate::mailbox::view::{self, Standing};
use crate::receipt::{self, Receipt};
use crate::sharing::Carried;
use crate::store::{Consistency, backoff};
use crate::table;
use crate::waiting::Waiter;

/// How long to wait before polling while a visit of this process will tell.
const TOLD: Duration = Duration::from_secs(1);

/// Waits for the results of one post.
pub(super) struct Wait {
    image: Arc<Mailbox>,
    entries: Vec<Entry>,
}

struct Entry {
    event: EventId,
    waiter: Waiter,
    keyed: Option<Keyed>,
    standing: Option<Standing>,
}

impl Wait {
    /// A wait for what a write has stored of these drafts.
    pub(super) fn new(carried: Carried, drafts: &[Draft]) -> Self {
        let mut wait = Self { image: carried.image, entries: Vec::new() };
        for ((event, waiter), draft) in carried.events.into_iter().zip(carried.waiters).zip(drafts) {
            let keyed = draft.keyed.clone();
            let standing = wait.image.settled(event.id).map(Standing::Settled);
            wait.entries.push(Entry { event, waiter, keyed, standing });
        }
        wait
    }

    /// Where the events stand now.
    pub(super) fn receipts(self) -> Vec<Receipted> {
        self.entries.into_iter().map(|entry| entry.receipted(&self.image)).collect()
    }

    /// Waits until everything has ended, or until the time is over.
    pub(super) async fn until<H: Host>(&mut self, host: &H, until: Millis) {
        let mut attempt = 0;
        loop {
            self.told();
            let now = host.now();
            if self.entries.iter().all(|entry| entry.standing.is_some()) || now >= until || self.blocked() {
                return;
            }
            if self.told_within(host, Duration::from_millis(until.since(now)), attempt).await {
                continue;
            }
            attempt += 1;
            // On the heap: most are told before it is time to poll, and each wait has room for all that it may hold.
            self.poll(host).boxed().await;
        }
    }

    /// Whether only an operator can bring what is waited for.
    fn blocked(&self) -> bool {
        matches!(self.image.lease, Some(Lease::Blocked { .. }))
    }

    /// Takes what visits of this process have told.
    fn told(&mut self) {
        for entry in self.entries.iter_mut().filter(|entry| entry.standing.is_none()) {
            entry.standing = entry.told();
        }
    }

    /// Whether a visit of this process told something, or ended, before it was time to poll. That time comes soon unless a
    /// visit of this process holds the lease, which will tell; and when it ends without, the next one may be of this
    /// process too, so that its end is no reason to poll at once.
    async fn told_within<H: Host>(&mut self, host: &H, most: Duration, attempt: u32) -> bool {
        let visit = match &self.image.lease {
            Some(Lease::Held { owner, .. }) => host.waiting().end_of(owner),
            Some(Lease::Blocked { .. }) | None => None,
        };
        let pause = if visit.is_some() { TOLD } else { backoff(attempt, host.random()) };
        let ended = visit.map_or_else(|| pending().right_future(), FutureExt::left_future);
        let over = select(ended, Box::pin(host.sleep(pause.min(most))));
        let Some(open) = self.entries.iter_mut().find(|entry| entry.standing.is_none()) else {
            return true;
        };
        match select(&mut open.waiter.settled, over).await {
            Either::Left((Ok(settled), _)) => {
                open.standing = Some(Standing::Settled(settled));
                true
            }
            // Told to another wait for the same event: that is none of this one's.
            Either::Left((Err(_), over)) => {
                over.await;
                false
            }
            Either::Right((over, _)) => matches!(over, Either::Left(_)),
        }
    }

    async fn poll<H: Host>(&mut self, host: &H) {
        let entity = self.image.entity.clone();
        // A reader that fails or is late is asked again: the wait has an end of its own.
        let Ok(Some(image)) = view::mailbox(host, &entity, Consistency::Eventual).await else {
            return;
        };
        if image.version < self.image.version {
            return;
        }
        self.image = Arc::new(image);
        for entry in self.entries.iter_mut().filter(|entry| entry.standing.is_none()) {
            let read = match view::standing(&self.image, entry.event) {
                Some(Standing::Queued { .. } | Standing::Never) => None,
                Some(standing) => Some(standing),
                None => entry.past(host, &entity).await,
            };
            // What was told while it was read is more: a reply that the item may have forgotten since.
            entry.standing = entry.told().or(read);
        }
    }
}

impl Entry {
    /// What a visit of this process has told.
    fn told(&mut self) -> Option<Standing> {
        self.waiter.settled.try_recv().ok().flatten().map(Standing::Settled)
    }

    /// The outcome of an event that left the queue and is no longer recent: its receipt, or its dead letter.
    async fn past<H: Host>(&self, host: &H, entity: &EntityId) -> Option<Standing> {
        if let Some(keyed) = &self.keyed {
            let key = table::receipt_key(entity, &keyed.name);
            let item = receipt::get(host, key, host.now()).await.ok().flatten();
            let receipt: Option<Receipt> = item.and_then(|item| serde_dynamo::from_item(item).ok());
            if let Some(receipt) = receipt {
                return receipt.settled(keyed, self.event).map(Standing::Settled);
            }
        }
        view::event(host, entity, self.event).await.ok()
    }

    fn receipted(self, image: &Mailbox) -> Receipted {
        let position = self.event.sequence.saturating_sub(image.first());
        let standing = self.standing.unwrap_or(Standing::Queued { position });
        Receipted { event: self.event, standing }
    }
}

#[cfg(test)]
mod tests;
