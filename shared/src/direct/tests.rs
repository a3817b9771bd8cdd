//! When the direct path is taken, what it writes, and what it leaves to the ordinary post.

use serde_dynamo::AttributeValue;

use super::{Applied, apply};
use crate::envelope::{Draft, Envelope, EnvelopeId, EventId, Keyed, Millis, Owner};
use crate::limits::{Direct, LEASE_MS, SUSPECT_ATTEMPTS, Settings};
use crate::mailbox::image::{Lease, Mailbox, Recent, write_lease};
use crate::mailbox::post::{Posting, Room, Tries};
use crate::outbox::Outgoing;
use crate::outcome::Outcome;
use crate::scripted::{BEGINNING, Reply, Scripted, assert_complete, run, value_of};
use crate::store::{Returns, StoreError, Update, Written};
use crate::table;
use crate::text::text;
use crate::toys::Counter;

const DEADLINE: Millis = Millis(BEGINNING.0 + 10_000);

fn me() -> Owner {
    Owner::new(BEGINNING, 1)
}

fn id(number: u64) -> EnvelopeId {
    EnvelopeId::new(BEGINNING, number, None)
}

fn increment(amount: u64) -> Draft {
    Draft { body: format!(r#"{{"type":"increment","amount":{amount}}}"#), keyed: None, from: None, trace: None }
}

/// A counter at 5, to which seven events were posted.
fn counter() -> Mailbox {
    let recent = |number| Recent::new(id(number), &Outcome::Reply(serde_json::json!({"value": number})));
    Mailbox {
        head: 7,
        version: 14,
        state: Some(AttributeValue::M([("value".to_owned(), table::number(5))].into())),
        schema: 1,
        evicted: Some(id(5)),
        recent: vec![recent(6), recent(7)],
        ..Mailbox::blank("counter/a")
    }
}

fn on() -> Settings {
    Settings { direct: Direct::On, ..Settings::default() }
}

/// A try, with these answers of the database.
fn tried(
    settings: Settings,
    drafts: &[Draft],
    replies: impl IntoIterator<Item = Reply>,
) -> (Option<Applied>, Tries, Scripted) {
    let host = Scripted::new(replies).with(settings).knowing([crate::registry::Kind::of::<Counter>()]);
    host.draw(99);
    let entity = counter().entity;
    let posting = Posting { entity: &entity, drafts, owner: Some(me()), room: Room::Queue, deadline: DEADLINE };
    let mut tries = Tries::default();
    let applied = run(apply(&host, posting, &mut tries));
    (applied, tries, host)
}

fn written() -> Reply {
    Reply::applied(&Mailbox::blank("counter/a"))
}

fn only_write(host: &Scripted) -> Update {
    let writes = host.writes();
    assert_eq!(writes.len(), 1);
    let update = writes[0].0.clone();
    assert_complete(&update);
    update
}

#[test]
fn an_event_for_an_idle_entity_is_one_late_read_and_one_write() {
    let (applied, tries, host) = tried(on(), &[increment(2)], [Reply::read(&counter()), written()]);
    let Applied { stored, pushes } = applied.unwrap();
    assert_eq!(host.asked(), ["Eventual mailbox", "update mailbox"]);
    assert!(tries.unknown().is_none() && pushes.messages.is_empty());
    let event = EventId { sequence: 8, id: id(99) };
    assert_eq!((stored.events.as_slice(), stored.waiters.len()), ([event].as_slice(), 1));

    let update = only_write(&host);
    assert_eq!((update.condition.as_ref(), update.returns), (table::DIRECT_IF, Returns::Nothing));
    assert_eq!(update.update, [table::DIRECT, table::COMMIT_STATE].concat());
    assert_eq!(update.key, table::mailbox_key(&counter().entity));
    let value = |name| value_of(&update, name).unwrap();
    assert_eq!((value(":version"), value(":next_version")), (table::number(14), table::number(15)));
    assert_eq!((value(":next"), value(":zero")), (table::number(8), table::number(0)));
    assert_eq!(value(":kind"), AttributeValue::S("counter".to_owned()));
    assert_eq!(value(":recent"), text(&stored.image.recent));

    let image = &stored.image;
    assert_eq!((image.head, image.version, &image.lease, image.pending), (8, 15, &None, false));
    assert_eq!((image.recent.len(), image.queue.len(), image.bytes), (3, 0, 0));
    let settled = image.settled(id(99)).unwrap();
    assert_eq!(settled.outcome, Outcome::Reply(serde_json::json!({"value": 7})));
}

#[test]
fn a_new_entity_is_written_if_there_is_none() {
    let (applied, _, host) = tried(on(), &[increment(2), increment(3)], [Reply::Item(None), written()]);
    let events = applied.unwrap().stored.events;
    assert_eq!(events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2]);
    let update = only_write(&host);
    assert_eq!(update.condition, table::DIRECT_IF_NEW);
    assert_eq!(value_of(&update, ":next_version").unwrap(), table::number(1));
}

#[test]
fn what_is_forgotten_is_evicted() {
    let settings = Settings { recent_bytes: 0, ..on() };
    let (applied, _, host) = tried(settings, &[increment(2)], [Reply::read(&counter()), written()]);
    let update = only_write(&host);
    assert!(update.update.ends_with(table::COMMIT_EVICTED), "{}", update.update);
    assert_eq!(value_of(&update, ":evicted").unwrap(), AttributeValue::B(id(7).0.to_vec()));
    let image = applied.unwrap().stored.image;
    assert_eq!(image.evicted, Some(id(7)));
    assert_eq!(image.recent.iter().map(|recent| recent.id).collect::<Vec<_>>(), [id(99)]);
}

#[test]
fn the_ids_are_above_all_that_are_forgotten() {
    let ahead = EnvelopeId::new(BEGINNING.plus(1_000), 0, None);
    let image = Mailbox { evicted: Some(ahead), ..counter() };
    let (applied, ..) = tried(on(), &[increment(1), increment(1)], [Reply::read(&image), written()]);
    let events = applied.unwrap().stored.events;
    assert!(events[0].id > ahead && events[1].id > events[0].id, "{events:?}");
}

#[test]
fn a_key_has_its_receipt_read_and_written() {
    let keyed = Keyed { name: "k".to_owned(), hash: "h".to_owned(), root: None };
    let draft = Draft { keyed: Some(keyed), ..increment(2) };
    let replies = [Reply::read(&counter()), Reply::Item(None), Reply::committed()];
    let (applied, _, host) = tried(on(), &[draft], replies);
    assert_eq!(applied.unwrap().stored.image.head, 8);
    assert_eq!(host.asked(), ["Eventual mailbox", "Strong receipt#k", "transact mailbox"]);
    let (update, puts) = host.writes().remove(0);
    assert_eq!(update.condition, table::DIRECT_IF);
    assert_eq!(puts.iter().map(|put| put.key.sk.as_str()).collect::<Vec<_>>(), ["receipt#k"]);
}

#[test]
fn with_effects_the_lease_is_taken_to_deliver_them() {
    let host = Scripted::new([Reply::Item(None), written()]).with(on());
    let new = "forwarder/a".parse().unwrap();
    let drafts = [increment(1)];
    let posting = Posting { entity: &new, drafts: &drafts, owner: Some(me()), room: Room::Queue, deadline: DEADLINE };
    let applied = run(apply(&host, posting, &mut Tries::default())).unwrap();
    let (update, _) = host.writes().remove(0);
    let lease = Lease::Held { owner: me(), until: BEGINNING.plus(LEASE_MS) };
    assert!(update.update.ends_with(table::DIRECT_LEASE), "{}", update.update);
    assert_eq!(value_of(&update, ":mine").unwrap(), write_lease(&lease));
    let image = applied.stored.image;
    assert_eq!((image.lease, image.pending, image.outbox.len()), (Some(lease), true, 1));
}

#[test]
fn whoever_is_not_idle_is_left_to_the_queue() {
    let envelope = Envelope { id: id(8), at: BEGINNING, body: "{}".to_owned(), keyed: None, from: None, trace: None };
    let to = "counter/b".parse().unwrap();
    let effect = Outgoing {
        sequence: 1,
        index: 0,
        to,
        body: "{}".to_owned(),
        at: BEGINNING,
        failures: 0,
        due: None,
        trace: None,
    };
    let busy = [
        Mailbox { lease: Some(Lease::Held { owner: Owner::new(BEGINNING, 2), until: BEGINNING }), ..counter() },
        Mailbox { lease: Some(Lease::Blocked { cause: String::new() }), ..counter() },
        Mailbox { pending: true, ..counter() },
        Mailbox { queue: vec![envelope], ..counter() },
        Mailbox { outbox: vec![effect], ..counter() },
        Mailbox { attempts: SUSPECT_ATTEMPTS, ..counter() },
    ];
    for image in busy {
        let (applied, _, host) = tried(on(), &[increment(2)], [Reply::read(&image)]);
        assert!(applied.is_none() && host.writes().is_empty(), "{image:?}");
    }
}

#[test]
fn what_cannot_be_applied_as_it_is_is_left_to_the_queue() {
    let unknown = Draft { body: "{}".to_owned(), keyed: None, from: None, trace: None };
    for drafts in [vec![unknown.clone()], vec![increment(1), unknown]] {
        let (applied, _, host) = tried(on(), &drafts, [Reply::read(&counter())]);
        assert!(applied.is_none() && host.writes().is_empty());
    }
    let one = Settings { batch: 1, ..on() };
    let (applied, _, host) = tried(one, &[increment(1), increment(1)], [Reply::read(&counter())]);
    assert!(applied.is_none() && host.writes().is_empty());
}

#[test]
fn switched_off_or_without_a_lease_to_take_nothing_is_asked() {
    let (applied, _, host) = tried(Settings::default(), &[increment(1)], []);
    assert!(applied.is_none() && host.asked().is_empty());
    let host = Scripted::new([]).with(on());
    let entity = counter().entity;
    let drafts = [increment(1)];
    let posting = Posting { entity: &entity, drafts: &drafts, owner: None, room: Room::Queue, deadline: DEADLINE };
    assert!(run(apply(&host, posting, &mut Tries::default())).is_none());
}

#[test]
fn a_read_that_fails_is_left_to_the_queue() {
    for reply in [Reply::error(StoreError::Unknown), Reply::error(StoreError::Throttled), Reply::Silence] {
        let (applied, tries, host) = tried(on(), &[increment(1)], [reply]);
        assert!(applied.is_none() && tries.unknown().is_none() && host.writes().is_empty());
    }
}

#[test]
fn a_write_that_was_overtaken_leaves_nothing_behind() {
    let refusals = [
        Reply::refused(&counter()),
        Reply::error(StoreError::Throttled),
        Reply::error(StoreError::Conflict),
        Reply::error(StoreError::Refused),
        Reply::error(StoreError::Occupied),
        Reply::error(StoreError::Invalid),
    ];
    for refusal in refusals {
        let (applied, tries, _) = tried(on(), &[increment(1)], [Reply::read(&counter()), refusal]);
        assert!(applied.is_none() && tries.unknown().is_none());
    }
}

#[test]
fn a_write_of_unknown_outcome_goes_on_with_the_same_envelopes() {
    let unclean = Reply::Written(Written::Refused { old: None, clean: false });
    for reply in [Reply::error(StoreError::Unknown), Reply::Silence, unclean] {
        let (applied, tries, _) = tried(on(), &[increment(1)], [Reply::read(&counter()), reply]);
        assert!(applied.is_none());
        assert_eq!(tries.unknown(), Some(id(99)));
    }
}
