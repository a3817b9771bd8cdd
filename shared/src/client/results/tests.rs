//! How a poster waits for what somebody else runs.

use futures::executor::block_on;
use futures::future::join;

use super::*;
use crate::envelope::{Envelope, EnvelopeId, Owner};
use crate::scripted::{BEGINNING, Reply, Scripted};

const LEASED_FOR_MS: u64 = 30_000;

/// An entity with one envelope, under somebody's lease.
fn queued(owner: Owner) -> Mailbox {
    let draft = Draft { body: "{}".to_owned(), keyed: None, from: None, trace: None };
    let id = EnvelopeId::new(BEGINNING, 1, None);
    let queue: Vec<Envelope> = vec![draft.seal(id, BEGINNING)];
    let lease = Some(Lease::Held { owner, until: BEGINNING.plus(LEASED_FOR_MS) });
    Mailbox { queue, lease, pending: true, version: 1, ..Mailbox::blank("counter/a") }
}

/// The wait of whoever posted it.
fn wait(host: &Scripted, image: &Mailbox) -> Wait {
    let id = image.queue[0].id;
    let events = vec![EventId { sequence: image.first(), id }];
    let carried =
        Carried { image: Arc::new(image.clone()), owner: None, events, waiters: vec![host.waiting().wait_for(id)] };
    Wait::new(carried, &[Draft { body: "{}".to_owned(), keyed: None, from: None, trace: None }])
}

/// The same entity after another process has run it and let go.
fn done(image: &Mailbox) -> Mailbox {
    let outcome = crate::outcome::Outcome::Reply(serde_json::json!({"value": 1}));
    let recent = vec![crate::mailbox::image::Recent::new(image.queue[0].id, &outcome)];
    let (queue, head, version) = (Vec::new(), image.head + 1, image.version + 2);
    Mailbox { queue, head, version, recent, lease: None, pending: false, ..image.clone() }
}

#[test]
fn what_a_visit_of_this_process_leaves_to_another_is_looked_for_soon_after_its_end() {
    let owner = Owner([7; 12]);
    let image = queued(owner);
    let host = Scripted::new([Reply::read(&done(&image))]);
    let holding = host.waiting().hold(owner);
    let mut wait = wait(&host, &image);
    block_on(join(wait.until(&host, BEGINNING.plus(20_000)), async { drop(holding) }));
    assert_eq!(host.slept(), [10], "not the time that a visit which holds the lease is trusted for");
    assert_eq!(host.asked(), ["Eventual mailbox"], "and the entity is read once");
    assert!(matches!(wait.receipts()[0].standing, Standing::Settled(_)));
}

#[test]
fn while_a_visit_of_this_process_lasts_it_is_trusted_to_tell() {
    let owner = Owner([7; 12]);
    let image = queued(owner);
    let host = Scripted::new([Reply::read(&done(&image))]);
    let _holding = host.waiting().hold(owner);
    let mut wait = wait(&host, &image);
    block_on(wait.until(&host, BEGINNING.plus(20_000)));
    assert_eq!(host.slept(), [TOLD.as_millis() as u64]);
    assert!(matches!(wait.receipts()[0].standing, Standing::Settled(_)));
}
