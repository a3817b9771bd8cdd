//! Which effects go out, in which order, who is taken along, and what stays.

use super::{Delivery, deliver};
use crate::envelope::{EntityId, EnvelopeId, Millis, Owner};
use crate::limits;
use crate::mailbox::image::{Lease, Mailbox};
use crate::outbox::Outgoing;
use crate::scripted::{BEGINNING, Reply, Scripted, run};
use crate::store::StoreError;
use crate::table;
use crate::text::text;

const STOP: Millis = Millis(BEGINNING.0 + 10_000);

fn entity() -> EntityId {
    EntityId::new("counter", "a").unwrap()
}

fn to(receiver: &str, sequence: u64) -> Outgoing {
    let to = EntityId::new("counter", receiver).unwrap();
    Outgoing { sequence, index: 0, to, body: "{}".to_owned(), at: BEGINNING, failures: 0, due: None, trace: None }
}

fn later(receiver: &str, sequence: u64) -> Outgoing {
    Outgoing { due: Some(BEGINNING.plus(1)), ..to(receiver, sequence) }
}

fn mailbox(outbox: &[Outgoing]) -> Mailbox {
    Mailbox { outbox: outbox.to_vec(), ..Mailbox::blank("counter/a") }
}

/// The acquisition and the envelope of a post by a host whose clock and chance stand still.
fn me() -> Owner {
    Owner::new(BEGINNING, 0)
}

fn posted(owner: Option<Owner>, receiver: &str) -> Mailbox {
    let envelope = to(receiver, 1).draft(&entity()).seal(EnvelopeId::new(BEGINNING, 0, None), BEGINNING);
    let lease = owner.map(|owner| Lease::Held { owner, until: BEGINNING.plus(limits::LEASE_MS) });
    Mailbox { queue: vec![envelope], lease, pending: true, ..Mailbox::blank(&format!("counter/{receiver}")) }
}

/// A delivery with so many posts that are stored and bring their leases.
fn delivered(outbox: &[Outgoing], stop: Millis, hops: u32, posts: &[&str]) -> (Delivery, Scripted) {
    let host = Scripted::new(posts.iter().map(|receiver| Reply::applied(&posted(Some(me()), receiver))));
    let delivery = run(deliver(&host, &mailbox(outbox), BEGINNING, stop, hops));
    let receivers: Vec<_> = host.writes().into_iter().map(|(update, _)| update.key.pk).collect();
    assert_eq!(receivers, posts.iter().map(|receiver| format!("counter/{receiver}")).collect::<Vec<_>>());
    (delivery, host)
}

/// For each post, whether it was to take the receiver's lease.
fn took(host: &Scripted) -> Vec<bool> {
    host.writes().iter().map(|(update, _)| update.update == table::POST).collect()
}

#[test]
fn what_is_due_goes_out_until_the_time_is_over() {
    let outbox = [to("b", 1), to("c", 2)];
    let (delivery, _) = delivered(&outbox, STOP, 4, &["b", "c"]);
    assert_eq!((delivery.rest, delivery.dead.len()), (vec![], 0));
    let follow: Vec<_> = delivery.follow.iter().map(|held| (held.image.clone(), held.me)).collect();
    assert_eq!(follow, ["b", "c"].map(|receiver| (posted(Some(me()), receiver), me())));
    for stop in [BEGINNING, Millis(BEGINNING.0 - 1)] {
        assert_eq!(delivered(&outbox, stop, 4, &[]).0.rest, outbox);
    }
    assert_eq!(delivered(&outbox, BEGINNING.plus(1), 4, &["b", "c"]).0.rest, []);
}

#[test]
fn what_is_not_due_waits_and_what_is_behind_it_to_the_same_receiver() {
    let outbox = [later("b", 1), to("b", 2), to("c", 3), later("c", 4), to("c", 5)];
    let (delivery, _) = delivered(&outbox, STOP, 4, &["c"]);
    assert_eq!(delivery.rest, [later("b", 1), to("b", 2), later("c", 4), to("c", 5)]);
}

#[test]
fn what_fails_waits_and_holds_up_those_behind_it_only() {
    let outbox = [to("b", 1), to("c", 2), to("b", 3)];
    let host = Scripted::new([Reply::error(StoreError::Invalid), Reply::applied(&posted(None, "c"))]);
    let delivery = run(deliver(&host, &mailbox(&outbox), BEGINNING, STOP, 4));
    assert_eq!(delivery.rest, [to("b", 1).failed(BEGINNING), to("b", 3)]);
    assert_eq!((host.asked().len(), delivery.follow.len()), (2, 0));
    // A receiver without room, and one of a kind that nobody here knows.
    let full = Mailbox { queue: vec![], ..posted(None, "b") };
    let host = Scripted::new([Reply::refused(&full)]);
    let unknown = Outgoing { to: EntityId::new("unheard-of", "x").unwrap(), ..to("b", 2) };
    let delivery = run(deliver(&host, &mailbox(&[to("b", 1), unknown.clone()]), BEGINNING, STOP, 4));
    assert_eq!(delivery.rest, [to("b", 1).failed(BEGINNING), unknown.failed(BEGINNING)]);
}

#[test]
fn leases_are_taken_along_as_far_as_there_are_hops() {
    let outbox = [to("b", 1), to("c", 2), to("d", 3)];
    for (hops, expected) in [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3)] {
        let (delivery, host) = {
            let replies = ["b", "c", "d"]
                .iter()
                .enumerate()
                .map(|(place, receiver)| Reply::applied(&posted((place < expected).then(me), receiver)));
            let host = Scripted::new(replies);
            (run(deliver(&host, &mailbox(&outbox), BEGINNING, STOP, hops)), host)
        };
        assert_eq!(took(&host), (0..3).map(|place| place < expected).collect::<Vec<_>>(), "{hops}");
        assert_eq!(delivery.follow.len(), expected, "{hops}");
    }
}

#[test]
fn no_other_holders_lease_is_taken_along_nor_the_senders_own() {
    let host = Scripted::new([Reply::applied(&posted(Some(Owner::new(BEGINNING, 9)), "b"))]);
    let delivery = run(deliver(&host, &mailbox(&[to("b", 1)]), BEGINNING, STOP, 4));
    assert_eq!((delivery.rest, delivery.follow.len(), took(&host)), (vec![], 0, vec![true]));
    let host = Scripted::new([Reply::applied(&posted(None, "a"))]);
    let delivery = run(deliver(&host, &mailbox(&[to("a", 1)]), BEGINNING, STOP, 4));
    assert_eq!((delivery.rest, delivery.follow.len(), took(&host)), (vec![], 0, vec![false]));
}

#[test]
fn what_is_given_up_goes_to_the_dead_letters_as_many_as_one_transaction_holds() {
    let given_up = |sequence| Outgoing { failures: limits::DELIVERY_FAILURES, ..to("b", sequence) };
    let outbox: Vec<_> = (1..).map(given_up).take(limits::RECORDS + 2).collect();
    let (delivery, _) = delivered(&outbox, STOP, 4, &[]);
    assert_eq!((delivery.dead.len(), delivery.rest.as_slice()), (limits::RECORDS, &outbox[limits::RECORDS..]));
    let letter = &delivery.dead[0];
    assert_eq!(letter.key, table::undelivered_key(&entity(), 1, 0));
    let effect = letter.item.get("effect").cloned().unwrap();
    assert_eq!(effect, text(&outbox[0]));
    // It does not hold up those behind it.
    let (delivery, _) = delivered(&[given_up(1), to("b", 2)], STOP, 4, &["b"]);
    assert_eq!((delivery.dead.len(), delivery.rest.len()), (1, 0));
}
