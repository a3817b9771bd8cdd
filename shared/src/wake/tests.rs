//! Every decision of a look, at the last moment before it changes and at the first one after.

use super::{Look, SeenLease, Wake, look};
use crate::envelope::{Envelope, EnvelopeId, Millis, Owner};
use crate::limits::{self, Settings};
use crate::mailbox::image::{Lease, Mailbox};
use crate::mailbox::takeover::Takeover;
use crate::outbox::Outgoing;

const NOW: Millis = Millis(1_790_000_000_000);

fn owner() -> Owner {
    Owner::new(NOW, 1)
}

fn pending() -> Mailbox {
    let envelope = Envelope {
        id: EnvelopeId::new(NOW, 1, None),
        at: NOW,
        body: "{}".to_owned(),
        keyed: None,
        from: None,
        trace: None,
    };
    Mailbox { queue: vec![envelope], head: 6, pending: true, ..Mailbox::blank("counter/a") }
}

fn held(until: Millis) -> Mailbox {
    Mailbox { lease: Some(Lease::Held { owner: owner(), until }), ..pending() }
}

/// Nothing but an effect that waits for its time.
fn waiting(due: Millis) -> Mailbox {
    let effect = Outgoing {
        sequence: 1,
        index: 0,
        to: "counter/b".parse().unwrap(),
        body: "{}".to_owned(),
        at: NOW,
        failures: 1,
        due: Some(due),
        trace: None,
    };
    Mailbox { queue: Vec::new(), outbox: vec![effect], ..pending() }
}

fn seen(image: &Mailbox, wake: Option<&Wake>) -> Look {
    look(image, wake, NOW, &Settings::default())
}

fn wake(lease: Option<SeenLease>, due: Option<Millis>) -> Wake {
    Wake { entity: "counter/a".parse().unwrap(), lease, due }
}

#[test]
fn what_is_not_pending_or_blocked_is_left_alone() {
    assert_eq!(seen(&Mailbox { pending: false, ..pending() }, None), Look::Nothing);
    let blocked = Lease::Blocked { cause: "a test".to_owned() };
    assert_eq!(seen(&Mailbox { lease: Some(blocked), ..pending() }, None), Look::Nothing);
}

#[test]
fn a_free_entity_is_taken() {
    assert_eq!(seen(&pending(), None), Look::Take(Takeover::Acquire { head: 6 }));
    // Also when an effect waits for a later time, because the queue does not.
    let both = Mailbox { outbox: waiting(NOW.plus(5_000)).outbox, ..pending() };
    assert_eq!(seen(&both, None), Look::Take(Takeover::Acquire { head: 6 }));
}

#[test]
fn a_lease_is_replaced_once_its_margin_has_passed() {
    let margin = limits::MARGIN_MS;
    let until = Millis(NOW.0 - margin);
    let Look::Later(_, rest) = seen(&held(until), None) else { panic!("taken too early") };
    assert_eq!(rest, margin + 1);
    let past = Millis(until.0 - 1);
    let replaced = |strike| Look::Take(Takeover::Replace { owner: owner(), until: past, strike });
    assert_eq!(seen(&held(past), None), replaced(false));
    assert_eq!(seen(&Mailbox { running: Some(7), ..held(past) }, None), replaced(true));
}

#[test]
fn a_held_entity_is_looked_at_again_after_its_lease_and_never_later_than_a_lease_from_now() {
    for (ahead, rest) in [(10_000, 10_000), (limits::LEASE_MS, limits::LEASE_MS), (u64::MAX / 4, limits::LEASE_MS)] {
        let until = NOW.plus(ahead);
        let lease = Some(SeenLease { owner: owner(), until });
        let later = Look::Later(wake(lease, None), rest + limits::MARGIN_MS + 1);
        assert_eq!(seen(&held(until), None), later);
        // A wake that was sent for an effect says nothing of the lease.
        assert_eq!(seen(&held(until), Some(&wake(None, Some(NOW)))), later);
    }
    let long = Settings { lease_ms: u64::MAX, ..Settings::default() };
    let Look::Later(_, delay) = look(&held(NOW.plus(u64::MAX / 4)), None, NOW, &long) else { panic!("taken") };
    assert_eq!(delay, limits::WAKE_MS);
}

#[test]
fn the_lease_of_a_wake_had_its_time_and_another_has_a_record_of_its_own() {
    let until = NOW.plus(60_000);
    let same = wake(Some(SeenLease { owner: owner(), until }), None);
    let replaced = Look::Take(Takeover::Replace { owner: owner(), until, strike: false });
    assert_eq!(seen(&held(until), Some(&same)), replaced);
    let renewed = wake(Some(SeenLease { owner: owner(), until: NOW.plus(1) }), None);
    assert_eq!(seen(&held(until), Some(&renewed)), Look::Nothing);
    let other = wake(Some(SeenLease { owner: Owner::new(NOW, 2), until }), None);
    assert_eq!(seen(&held(until), Some(&other)), Look::Nothing);
}

#[test]
fn an_effect_that_waits_is_looked_at_when_it_is_due() {
    let due = NOW.plus(5_000);
    let later = Look::Later(wake(None, Some(due)), 5_000);
    assert_eq!(seen(&waiting(due), None), later);
    assert_eq!(seen(&waiting(due), Some(&wake(None, Some(due)))), later);
    let lease = SeenLease { owner: owner(), until: NOW };
    assert_eq!(seen(&waiting(due), Some(&wake(Some(lease), None))), later);
    // Another time than the wake's has a record of its own.
    assert_eq!(seen(&waiting(due), Some(&wake(None, Some(NOW)))), Look::Nothing);
    assert_eq!(seen(&waiting(NOW), None), Look::Take(Takeover::Acquire { head: 6 }));
}

#[test]
fn a_wake_reads_back_what_it_writes() {
    let sent = wake(Some(SeenLease { owner: owner(), until: NOW }), None);
    let text = serde_json::to_string(&sent).unwrap();
    assert!(text.contains(&owner().to_string()), "{text}");
    assert_eq!(serde_json::from_str::<Wake>(&text).unwrap(), sent);
    assert!(serde_json::from_str::<Wake>(&text.replace(&owner().to_string(), "zz")).is_err());
}
