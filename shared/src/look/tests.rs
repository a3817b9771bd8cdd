//! What a look finds, and how what it visits ends.

use std::collections::HashMap;

use serde_dynamo::AttributeValue;

use super::{Company, Ended, Looked, attend};
use crate::envelope::{EntityId, Envelope, EnvelopeId, Millis, Owner};
use crate::limits::LEASE_MS;
use crate::mailbox::image::{Lease, Mailbox};
use crate::scripted::{BEGINNING, Reply, Scripted, run};
use crate::store::StoreError;
use crate::wake::{SeenLease, Wake};

fn entity() -> EntityId {
    EntityId::new("counter", "a").unwrap()
}

/// The acquisition of a host whose clock and chance stand still.
fn me() -> Owner {
    Owner::new(BEGINNING, 0)
}

fn other() -> Owner {
    Owner::new(BEGINNING, 2)
}

fn free() -> Mailbox {
    let body = r#"{"type":"increment","amount":1}"#.to_owned();
    let envelope =
        Envelope { id: EnvelopeId::new(BEGINNING, 1, None), at: BEGINNING, body, keyed: None, from: None, trace: None };
    Mailbox { queue: vec![envelope], pending: true, ..Mailbox::blank("counter/a") }
}

fn held(owner: Owner, until: Millis) -> Mailbox {
    Mailbox { lease: Some(Lease::Held { owner, until }), ..free() }
}

fn blocked() -> Mailbox {
    Mailbox { lease: Some(Lease::Blocked { cause: "a test".to_owned() }), ..free() }
}

fn looked(replies: impl IntoIterator<Item = Reply>, wake: Option<&Wake>, company: Company) -> (Looked, usize) {
    let host = Scripted::new(replies);
    let looked = run(attend(&host, &entity(), wake, company, BEGINNING.plus(20_000))).unwrap();
    (looked, host.asked().len())
}

fn damaged() -> Reply {
    Reply::Item(Some(HashMap::from([("lease".to_owned(), AttributeValue::Bool(true))]).into()))
}

#[test]
fn what_needs_nothing_is_told_apart() {
    let done = Mailbox { queue: vec![], pending: false, ..free() };
    let found = |image: &Mailbox, wake: Option<&Wake>| looked([Reply::read(image)], wake, Company::Others);
    assert_eq!(looked([Reply::Item(None)], None, Company::Others), (Looked::Idle, 1));
    assert_eq!(looked([damaged()], None, Company::Others), (Looked::Damaged, 1));
    assert_eq!(found(&done, None), (Looked::Idle, 1));
    assert_eq!(found(&blocked(), None), (Looked::Blocked, 1));
    let until = BEGINNING.plus(LEASE_MS);
    let seen = |owner| Wake { entity: entity(), lease: Some(SeenLease { owner, until }), due: None };
    // The wake's lease is over, and whoever holds it now left a record of its own.
    assert_eq!(found(&held(other(), until), Some(&seen(me()))), (Looked::Elsewhere, 1));
    let (later, _) = found(&held(other(), until), None);
    assert!(matches!(later, Looked::Later(wake, _) if wake == seen(other())));
}

#[test]
fn whose_holders_have_died_is_attended_to_alone() {
    let cases = [(0, None, false), (1, None, true), (2, None, true), (0, Some(1), true), (2, Some(1), true)];
    for (attempts, running, suspect) in cases {
        let image = Mailbox { attempts, running, ..free() };
        // Somebody else is faster: the take is all that is tried.
        let replies = || [Reply::read(&image), Reply::refused(&held(other(), BEGINNING))];
        let among_others = if suspect { (Looked::Suspect, 1) } else { (Looked::Elsewhere, 2) };
        assert_eq!(looked(replies(), None, Company::Others), among_others, "{attempts} {running:?}");
        assert_eq!(looked(replies(), None, Company::Nobody), (Looked::Elsewhere, 2), "{attempts} {running:?}");
    }
}

#[test]
fn what_is_free_is_taken_and_visited() {
    let taken = || held(me(), BEGINNING.plus(LEASE_MS));
    let ended = |replies: Vec<Reply>| {
        let replies = [Reply::read(&free()), Reply::applied(&taken())].into_iter().chain(replies);
        looked(replies, None, Company::Others).0
    };
    let idle = Mailbox { head: 1, ..Mailbox::blank("counter/a") };
    assert_eq!(ended(vec![Reply::applied(&idle)]), Looked::Visited(Ended::Well));
    assert_eq!(ended(vec![Reply::refused(&held(other(), BEGINNING))]), Looked::Visited(Ended::Well));
    assert_eq!(ended(vec![Reply::error(StoreError::Invalid)]), Looked::Visited(Ended::Badly));
    let of_state = |schema, state| Mailbox { state: Some(state), schema, ..taken() };
    let visited = |image: &Mailbox, replies: Vec<Reply>| {
        let replies = [Reply::read(&free()), Reply::applied(image)].into_iter().chain(replies);
        looked(replies, None, Company::Others).0
    };
    let newer = of_state(9, AttributeValue::Bool(true));
    assert_eq!(visited(&newer, vec![]), Looked::Visited(Ended::Badly));
    let torn = of_state(1, AttributeValue::Bool(true));
    assert_eq!(visited(&torn, vec![Reply::applied(&blocked())]), Looked::Visited(Ended::Blocked));
}

#[test]
fn an_item_that_is_damaged_when_it_is_taken_is_damaged() {
    let Reply::Item(Some(item)) = damaged() else { panic!("no item") };
    let applied = Reply::Written(crate::store::Written::Applied { item, consumed: Default::default() });
    assert_eq!(looked([Reply::read(&free()), applied], None, Company::Others).0, Looked::Damaged);
    let host = Scripted::new([Reply::read(&free()), Reply::error(StoreError::Invalid)]);
    let failed = run(attend(&host, &entity(), None, Company::Others, BEGINNING.plus(20_000)));
    assert_eq!(failed, Err(StoreError::Invalid("a test".to_owned())));
}
