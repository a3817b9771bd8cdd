//! Where an event stands, from every place that an event can be in, and the pages of a list.

use std::collections::HashMap;

use serde_dynamo::{AttributeValue, Item};
use serde_json::json;

use super::{Standing, event, list, mailbox, standing};
use crate::envelope::{EntityId, Envelope, EnvelopeId, EventId};
use crate::limits;
use crate::mailbox::StepError;
use crate::mailbox::image::{Mailbox, Recent};
use crate::outcome::{Outcome, Settled};
use crate::scripted::{BEGINNING, Reply, Scripted, run};
use crate::store::{Consistency, Consumed, Page};
use crate::text::text;

fn entity() -> EntityId {
    EntityId::new("counter", "a").unwrap()
}

fn id(number: u64) -> EnvelopeId {
    EnvelopeId::new(BEGINNING, number, None)
}

fn of(sequence: u64) -> EventId {
    EventId { sequence, id: id(sequence) }
}

fn envelope(number: u64) -> Envelope {
    Envelope { id: id(number), at: BEGINNING, body: "{}".to_owned(), keyed: None, from: None, trace: None }
}

/// Five have left, two of which are recent, and two wait.
fn image() -> Mailbox {
    let recent = |number| Recent::new(id(number), &Outcome::Reply(json!(number)));
    Mailbox {
        head: 5,
        recent: vec![recent(4), recent(5)],
        queue: vec![envelope(6), envelope(7)],
        ..Mailbox::blank("counter/a")
    }
}

fn settled(number: u64) -> Standing {
    Standing::Settled(Settled { event: of(number), outcome: Outcome::Reply(json!(number)), replayed: false })
}

fn attributes<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<HashMap<_, _>>().into()
}

#[test]
fn a_mailbox_tells_of_what_waits_and_of_what_is_recent() {
    let cases = [
        (0, Some(Standing::Never)),
        (1, None),
        (3, None),
        (4, Some(settled(4))),
        (5, Some(settled(5))),
        (6, Some(Standing::Queued { position: 0 })),
        (7, Some(Standing::Queued { position: 1 })),
        (8, Some(Standing::Never)),
        (u64::MAX, Some(Standing::Never)),
    ];
    for (sequence, stands) in cases {
        assert_eq!(standing(&image(), of(sequence)), stands, "{sequence}");
    }
    // Another event had that place.
    for sequence in 4..=7 {
        let other = EventId { sequence, id: id(99) };
        assert_eq!(standing(&image(), other), Some(Standing::Never), "{sequence}");
    }
}

#[test]
fn what_a_mailbox_does_not_tell_the_dead_letters_may() {
    let letter = |number| {
        attributes([
            ("envelope", text(&envelope(number))),
            ("cause", AttributeValue::S("a test".to_owned())),
            ("policy", AttributeValue::S("park".to_owned())),
        ])
    };
    let stands = |replies: Vec<Reply>, sequence| {
        let host = Scripted::new(replies);
        (run(event(&host, &entity(), of(sequence))), host.asked())
    };
    let mailbox = || Reply::read(&image());
    let asked = ["Strong mailbox", "Strong dead#00000000000000000002"].map(str::to_owned).to_vec();
    let dead = Standing::Dead { cause: "a test".to_owned() };
    assert_eq!(stands(vec![mailbox(), Reply::Item(Some(letter(2)))], 2), (Ok(dead), asked.clone()));
    assert_eq!(stands(vec![mailbox(), Reply::Item(Some(letter(3)))], 2), (Ok(Standing::Never), asked.clone()));
    assert_eq!(stands(vec![mailbox(), Reply::Item(None)], 2), (Ok(Standing::Forgotten), asked));
    assert_eq!(stands(vec![mailbox()], 5).0, Ok(settled(5)));
    assert_eq!(stands(vec![Reply::Item(None)], 5).0, Ok(Standing::Never));
    let torn = attributes([("cause", AttributeValue::Bool(true))]);
    let damaged = stands(vec![mailbox(), Reply::Item(Some(torn))], 2).0.unwrap_err();
    assert!(matches!(damaged, StepError::Damaged { damage, .. } if damage.0.starts_with("dead letter 2: ")));
}

#[test]
fn a_mailbox_is_read_as_it_is_or_found_damaged() {
    let read = |reply, consistency| run(mailbox(&Scripted::new([reply]), &entity(), consistency));
    assert_eq!(read(Reply::read(&image()), Consistency::Strong), Ok(Some(image())));
    assert_eq!(read(Reply::Item(None), Consistency::Eventual), Ok(None));
    let torn = attributes([("lease", AttributeValue::Bool(true))]);
    assert!(matches!(read(Reply::Item(Some(torn)), Consistency::Strong), Err(StepError::Damaged { .. })));
}

#[test]
fn a_page_of_a_list_says_where_the_next_one_starts() {
    let pk = |id: &str| attributes([("pk", AttributeValue::S(format!("counter/{id}")))]);
    let page = |last| Page { items: vec![pk("b"), pk("c")], last, consumed: Consumed::default() };
    let named = |id| EntityId::new("counter", id).unwrap();
    let listed = |after: Option<&EntityId>, last, limit| {
        let host = Scripted::new([Reply::Page(page(last))]);
        (run(list(&host, "counter", after, limit)).unwrap(), host.queries().remove(0))
    };
    let ((entities, next), query) = listed(None, Some(pk("c")), 2);
    assert_eq!((entities, next), (vec![named("b"), named("c")], Some(named("c"))));
    assert_eq!((query.after, query.limit), (None, 2));
    assert_eq!(query.values, [(":kind", AttributeValue::S("counter".to_owned()))]);

    let ((_, next), query) = listed(Some(&entity()), None, limits::PAGE_MOST + 1);
    assert_eq!((next, query.limit), (None, limits::PAGE_MOST));
    let after = [("kind", "counter"), ("pk", "counter/a"), ("sk", "mailbox")];
    assert_eq!(query.after, Some(attributes(after.map(|(name, value)| (name, AttributeValue::S(value.to_owned()))))));
    assert_eq!(listed(None, None, 0).1.limit, 1);
}
