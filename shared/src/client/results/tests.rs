//! How a poster waits for what somebody else runs.

use futures::executor::block_on;
use futures::future::join;

use super::*;
use crate::envelope::{EnvelopeId, Owner};
use crate::mailbox::image::Recent;
use crate::outcome::Outcome;
use crate::scripted::{BEGINNING, Reply, Scripted};

const LEASED_FOR_MS: u64 = 30_000;

fn draft() -> Draft {
    Draft { body: "{}".to_owned(), keyed: None, from: None, trace: None }
}

/// An entity with one envelope, under somebody's lease.
fn queued(owner: Owner) -> Mailbox {
    let queue = vec![draft().seal(EnvelopeId::new(BEGINNING, 1, None), BEGINNING)];
    let lease = Some(Lease::Held { owner, until: BEGINNING.plus(LEASED_FOR_MS) });
    Mailbox { queue, lease, pending: true, version: 1, ..Mailbox::blank("counter/a") }
}

/// The wait of whoever posted it.
fn wait(host: &Scripted, image: &Mailbox) -> Wait {
    let id = image.queue[0].id;
    let events = vec![EventId { sequence: image.first(), id }];
    let carried =
        Carried { image: Arc::new(image.clone()), owner: None, events, waiters: vec![host.waiting().wait_for(id)] };
    Wait::new(carried, &[draft()])
}

fn reply() -> Outcome {
    Outcome::Reply(serde_json::json!({"value": 1}))
}

/// The same entity after another process has run it and let go.
fn done(image: &Mailbox) -> Mailbox {
    let recent = vec![Recent::new(image.queue[0].id, &reply())];
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

#[test]
fn what_is_told_while_the_item_is_read_counts_more_than_that_the_item_has_forgotten_it() {
    let image = queued(Owner([7; 12]));
    let forgotten = Mailbox { recent: Vec::new(), ..done(&image) };
    let replies = || [Reply::read(&forgotten), Reply::read(&forgotten), Reply::Item(None)];
    for told in [true, false] {
        let host = Scripted::new(replies());
        let mut wait = wait(&host, &image);
        if told {
            let id = image.queue[0].id;
            host.waiting().settle(id, &Recent::new(id, &reply()).settled(image.first()));
        }
        block_on(wait.poll(&host));
        let standing = &wait.receipts()[0].standing;
        assert_eq!(matches!(standing, Standing::Settled(_)), told, "{standing:?}");
        assert_eq!(*standing == Standing::Forgotten, !told, "{standing:?}");
    }
}
