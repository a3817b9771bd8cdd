//! What an item says, and that one which the protocol did not write is not believed.

use std::collections::HashMap;

use serde_dynamo::AttributeValue;
use serde_json::json;

use super::{COUNTER_MOST, Lease, Mailbox, Recent, write_lease};
use crate::envelope::{Envelope, EnvelopeId, EventId, Millis, Owner};
use crate::limits;
use crate::outcome::Outcome;
use crate::table;
use crate::text::text;

const NOW: Millis = Millis(1_790_000_000_000);

fn id(number: u64) -> EnvelopeId {
    EnvelopeId::new(NOW, number, None)
}

fn recent(number: u64) -> Recent {
    Recent::new(id(number), &Outcome::Reply(json!(number)))
}

/// Two that have left and two that wait.
fn image() -> Mailbox {
    let envelope =
        |number| Envelope { id: id(number), at: NOW, body: "{}".to_owned(), keyed: None, from: None, trace: None };
    Mailbox {
        head: 5,
        recent: vec![recent(4), recent(5)],
        queue: vec![envelope(6), envelope(7)],
        ..Mailbox::blank("counter/a")
    }
}

fn read(attributes: &[(&str, AttributeValue)]) -> Result<Mailbox, super::Damaged> {
    let item: HashMap<String, AttributeValue> =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Mailbox::read(&"counter/a".parse().unwrap(), item.into())
}

#[test]
fn an_envelope_has_the_sequence_of_its_place() {
    for number in 4..=7 {
        assert_eq!(image().event(id(number)), Some(EventId { sequence: number, id: id(number) }));
    }
    assert_eq!(image().event(id(8)), None);
    assert_eq!(image().recents().map(|(sequence, _)| sequence).collect::<Vec<_>>(), [4, 5]);
    let settled = image().settled(id(5)).unwrap();
    assert_eq!((settled.event.sequence, settled.outcome, settled.replayed), (5, Outcome::Reply(json!(5)), false));
    assert_eq!(image().settled(id(6)), None);
}

#[test]
fn a_repetition_is_told_from_the_event_that_had_the_effect() {
    let original = EventId { sequence: 2, id: id(2) };
    let settled = Recent { original: Some(original), ..recent(5) }.settled(5);
    assert_eq!((settled.event, settled.replayed), (original, true));
    let torn = Recent { outcome: "{".to_owned(), ..recent(5) }.settled(5);
    assert!(matches!(torn.outcome, Outcome::Dead(cause) if cause.contains("cannot be read")));
}

#[test]
fn only_the_very_acquisition_holds_the_lease() {
    let (mine, other) = (Owner::new(NOW, 1), Owner::new(NOW, 2));
    let held = Mailbox { lease: Some(Lease::Held { owner: mine, until: NOW }), ..image() };
    assert!(held.held_by(&mine) && !held.held_by(&other) && !image().held_by(&mine));
}

#[test]
fn two_replaced_leases_make_an_entity_suspect() {
    let after = |attempts| Mailbox { attempts, ..image() }.is_suspect();
    assert!(!after(limits::SUSPECT_ATTEMPTS - 1) && after(limits::SUSPECT_ATTEMPTS));
}

#[test]
fn leases_read_back() {
    let held = Lease::Held { owner: Owner::new(NOW, 1), until: NOW };
    let blocked = Lease::Blocked { cause: "a test".to_owned() };
    for lease in [held, blocked] {
        assert_eq!(read(&[("lease", write_lease(&lease))]).unwrap().lease, Some(lease));
    }
    let owner = AttributeValue::B(vec![1; 12]);
    let map = |parts: Vec<(&str, AttributeValue)>| {
        AttributeValue::M(parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    let wrong = [
        AttributeValue::S("mine".to_owned()),
        map(vec![("until", table::number(1))]),
        map(vec![("owner", AttributeValue::B(vec![1; 11])), ("until", table::number(1))]),
        map(vec![("owner", owner.clone())]),
        map(vec![("owner", owner), ("until", AttributeValue::N("-1".to_owned()))]),
    ];
    for lease in wrong {
        assert!(read(&[("lease", lease.clone())]).is_err(), "{lease:?}");
    }
}

#[test]
fn no_counter_is_beyond_what_can_be_counted() {
    // A million a second, for longer than the universe is to last.
    const { assert!(COUNTER_MOST > 1 << 62) }
    for name in ["head", "version", "sent", "bytes", "attempts", "strikes"] {
        assert!(read(&[(name, table::number(COUNTER_MOST))]).is_ok(), "{name}");
        assert!(read(&[(name, table::number(COUNTER_MOST + 1))]).is_err(), "{name}");
    }
}

#[test]
fn no_more_envelopes_are_recent_than_ever_left() {
    let one = text(&[recent(1)]);
    assert!(read(&[("recent", one.clone()), ("head", table::number(1))]).is_ok());
    assert!(read(&[("recent", one), ("head", table::number(0))]).is_err());
}

#[test]
fn a_state_comes_with_its_schema() {
    let state = AttributeValue::S("state".to_owned());
    let image = read(&[("state", state.clone()), ("schema", table::number(3))]).unwrap();
    let stored = image.stored().unwrap();
    assert_eq!((stored.state, stored.schema), (&state, 3));
    assert!(read(&[]).unwrap().stored().is_none());
}

#[test]
fn an_envelope_counts_with_the_byte_of_its_place_in_the_list() {
    assert_eq!(super::envelope_bytes(&AttributeValue::S("12345".to_owned())), 6);
}

#[test]
fn what_is_pending_is_marked_so() {
    assert!(read(&[("pending", AttributeValue::S("p".to_owned()))]).unwrap().pending);
    assert!(!read(&[]).unwrap().pending);
}
