//! What a post writes, what its refusal means, and what is known after tries that were not answered.

use serde_dynamo::AttributeValue;

use super::{Posted, Posting, Refusal, Room, Tries, post, refusal, seal, stored, update};
use crate::envelope::{Draft, EntityId, Envelope, EnvelopeId, IdempotencyKey, Keyed, Owner};
use crate::limits::{self, LEASE_MS};
use crate::mailbox::StepError;
use crate::mailbox::image::{Lease, Mailbox, envelope_bytes, write_lease};
use crate::scripted::{BEGINNING, Reply, Scripted, assert_complete, item, run, value_of};
use crate::store::{StoreError, Update, Written};
use crate::table;
use crate::text::{Text, text};

fn entity() -> EntityId {
    EntityId::new("counter", "a").unwrap()
}

fn id(number: u64) -> EnvelopeId {
    EnvelopeId::new(BEGINNING, number, None)
}

/// An id that was made after every one of these tests.
fn late() -> EnvelopeId {
    EnvelopeId::new(BEGINNING.plus(60_000), 0, None)
}

fn draft() -> Draft {
    Draft { body: "{}".to_owned(), keyed: None, from: None, trace: None }
}

fn keyed() -> Draft {
    Draft { keyed: Some(Keyed::client(&IdempotencyKey::new("k").unwrap(), 0, "hash")), ..draft() }
}

fn posting<'a>(entity: &'a EntityId, drafts: &'a [Draft]) -> Posting<'a> {
    Posting { entity, drafts, owner: None, room: Room::Queue, deadline: BEGINNING.plus(10_000) }
}

fn envelope(id: EnvelopeId) -> Envelope {
    draft().seal(id, BEGINNING)
}

/// A mailbox in which these wait.
fn queue(ids: &[EnvelopeId]) -> Mailbox {
    Mailbox { head: 6, queue: ids.iter().copied().map(envelope).collect(), ..Mailbox::blank("counter/a") }
}

/// A mailbox that forgot everything up to this id.
fn evicted(id: EnvelopeId) -> Mailbox {
    Mailbox { evicted: Some(id), ..queue(&[]) }
}

fn refused(old: &Mailbox, clean: bool) -> Reply {
    Reply::Written(Written::Refused { old: Some(item(old)), clean })
}

/// The ids that a write posts.
fn ids(update: &Update) -> Vec<EnvelopeId> {
    let posted: Vec<Text<Envelope>> =
        serde_dynamo::from_attribute_value(value_of(update, ":envelopes").unwrap()).unwrap();
    posted.into_iter().map(|Text(envelope)| envelope.id).collect()
}

fn tried(replies: impl IntoIterator<Item = Reply>, drafts: &[Draft]) -> (Posted, Tries, Vec<EnvelopeId>) {
    let (host, mut tries) = (Scripted::new(replies), Tries::default());
    let posted = run(post(&host, posting(&entity(), drafts), &mut tries)).unwrap();
    let ids = host.writes().iter().map(|(update, _)| ids(update)[0]).collect();
    (posted, tries, ids)
}

#[test]
fn what_is_full_is_certain_only_when_every_try_was_answered() {
    let full = queue(&[id(90)]);
    let unknown = || Reply::error(StoreError::Unknown);
    let throttled = || Reply::error(StoreError::Throttled);
    let cases = [
        (vec![refused(&full, true)], true),
        (vec![throttled(), refused(&full, true)], true),
        (vec![unknown(), refused(&full, true)], false),
        (vec![refused(&full, false)], false),
        (vec![unknown(), refused(&full, false)], false),
    ];
    for (replies, certain) in cases {
        let (posted, tries, ids) = tried(replies, &[draft()]);
        assert!(matches!(posted, Posted::Full(image) if *image == full));
        assert_eq!(tries.unknown(), (!certain).then_some(ids[0]));
    }
}

#[test]
fn the_same_envelopes_go_out_again_and_their_doubt_with_them() {
    let (host, mut tries) = (Scripted::new([]), Tries::default());
    assert_eq!(tries.unknown(), None);
    let (entity, drafts) = (entity(), [draft()]);
    let full = || queue(&[id(90)]);
    for (random, clean) in [(1, false), (2, true)] {
        host.draw(random);
        host.reply_with([refused(&full(), clean)]);
        run(post(&host, posting(&entity, &drafts), &mut tries)).unwrap();
        assert_eq!(tries.unknown(), Some(id(1)));
    }
    assert!(host.writes().iter().all(|(update, _)| ids(update) == [id(1)]));
}

#[test]
fn ids_that_are_too_old_to_tell_are_made_anew_when_nothing_was_stored() {
    let floor = late();
    let stored = queue(&[EnvelopeId::new(BEGINNING, 0, Some(floor))]);
    let (posted, tries, ids) = tried([refused(&evicted(floor), true), Reply::applied(&stored)], &[draft()]);
    assert!(matches!(posted, Posted::Stored(posted) if posted.image == stored));
    assert!(tries.clean && ids[0] < floor && ids[1] > floor);
}

#[test]
fn of_ids_that_are_too_old_it_cannot_be_told_unless_a_key_tells() {
    let floor = late();
    let (posted, _, ids) = tried([refused(&evicted(floor), false)], &[draft(), draft()]);
    assert!(matches!(posted, Posted::Unknown(id) if id == ids[0]));
    // One without a key is enough.
    let (posted, _, _) = tried([refused(&evicted(floor), false)], &[keyed(), draft()]);
    assert!(matches!(posted, Posted::Unknown(_)));
    let stored = queue(&[EnvelopeId::new(BEGINNING, 0, Some(floor))]);
    let (posted, _, ids) = tried([refused(&evicted(floor), false), Reply::applied(&stored)], &[keyed()]);
    assert!(matches!(posted, Posted::Stored(_)));
    assert!(ids[1] > floor);
}

#[test]
fn a_refusal_says_what_is_known_of_the_ids() {
    let said = |old: &Mailbox, clean| match refusal(old, &[id(4), id(5)], clean) {
        Refusal::Duplicate => "duplicate".to_owned(),
        Refusal::Stale(evicted) => format!("stale {}", evicted == old.evicted.unwrap()),
        Refusal::Unknown(first) => format!("unknown {}", first == id(4)),
        Refusal::Full => "full".to_owned(),
    };
    for clean in [true, false] {
        assert_eq!(said(&queue(&[id(4), id(5)]), clean), "duplicate");
        // The first is no longer recent.
        assert_eq!(said(&Mailbox { evicted: Some(id(4)), ..queue(&[id(5)]) }, clean), "duplicate");
        assert_eq!(said(&queue(&[id(6)]), clean), "full");
        assert_eq!(said(&evicted(id(3)), clean), "full");
    }
    for old in [id(4), id(9)] {
        assert_eq!(said(&evicted(old), true), "stale true");
        assert_eq!(said(&evicted(old), false), "unknown true");
    }
}

#[test]
fn ids_of_one_post_ascend_from_above_the_floor() {
    let host = Scripted::new([]);
    host.draw(7);
    let sealed = |drafts: &[Draft], floor| -> Vec<EnvelopeId> {
        seal(&host, drafts, floor).into_iter().map(|envelope| envelope.id).collect()
    };
    assert_eq!(sealed(&[draft()], None), [id(7)]);
    assert_eq!(sealed(&[draft()], Some(id(6))), [id(7)]);
    for floor in [id(7), id(8), late()] {
        let made = sealed(&[draft()], Some(floor));
        assert_eq!(made, [EnvelopeId::new(BEGINNING, 7, Some(floor))]);
        assert!(made[0] > floor);
    }
    let three = sealed(&[draft(), draft(), draft()], None);
    assert!(three[0] == id(7) && three.is_sorted_by(|one, next| one < next), "{three:?}");
}

#[test]
fn ids_of_one_post_are_of_one_moment() {
    let host = Scripted::new([]);
    let three = [draft(), draft(), draft()];
    let made = |floor, draws: &[u64]| -> Vec<EnvelopeId> {
        host.draw_each(draws.iter().copied());
        seal(&host, &three, floor).into_iter().map(|envelope| envelope.id).collect()
    };
    assert_eq!(made(None, &[9, 5, 7]), [id(5), id(7), id(9)]);
    assert_eq!(made(Some(id(4)), &[9, 5, 7]), [id(5), id(7), id(9)]);
    let above = |number| EnvelopeId::new(BEGINNING, number, Some(late()));
    assert_eq!(made(Some(late()), &[0, 9, 0, 5, 0, 7]), [above(5), above(7), above(9)]);
    // As good as impossible, and still none like another.
    let alike = made(None, &[5, 5, 5, 8, 5, 9]);
    assert!(alike.is_sorted_by(|one, next| one < next), "{alike:?}");
}

#[test]
fn a_post_asks_for_the_room_that_it_needs() {
    let (host, entity, drafts) = (Scripted::new([]), entity(), [draft(), keyed()]);
    let envelopes = seal(&host, &drafts, None);
    let size: usize = envelopes.iter().map(|envelope| envelope_bytes(&text(envelope))).sum();
    let owner = Owner::new(BEGINNING, 3);
    let cases = [
        (Room::Queue, limits::QUEUE_LENGTH, limits::QUEUE_BYTES),
        (
            Room::Reserve,
            limits::QUEUE_LENGTH + limits::DELIVERY_RESERVE_LENGTH,
            limits::QUEUE_BYTES + limits::DELIVERY_RESERVE_BYTES,
        ),
    ];
    for (room, length, bytes) in cases {
        for (owner, expression) in [(None, table::POST_DETACHED), (Some(owner), table::POST)] {
            let posting = Posting { room, owner, ..posting(&entity, &drafts) };
            let update = update(&host, &posting, &envelopes);
            assert_complete(&update);
            assert_eq!((update.update.as_ref(), update.condition.as_ref()), (expression, table::POST_IF));
            assert_eq!(value_of(&update, ":size"), Some(table::number(size as u64)));
            assert_eq!(value_of(&update, ":room"), Some(table::number(length as u64 - 2)));
            assert_eq!(value_of(&update, ":room_bytes"), Some(table::number((bytes - size) as u64)));
            assert_eq!(value_of(&update, ":id"), Some(AttributeValue::B(envelopes[0].id.0.to_vec())));
            assert_eq!(value_of(&update, ":hex"), Some(AttributeValue::S(envelopes[0].id.to_string())));
            assert_eq!(value_of(&update, ":first"), Some(text(&envelopes[0])));
            let mine = owner.map(|owner| write_lease(&Lease::Held { owner, until: BEGINNING.plus(LEASE_MS) }));
            assert_eq!(value_of(&update, ":mine"), mine);
        }
    }
}

#[test]
fn one_that_is_still_known_tells_the_places_of_all() {
    let three = [id(1), id(2), id(3)];
    let placed = |image: Mailbox| match stored(image, &three, Vec::new()).unwrap() {
        Posted::Stored(stored) => {
            assert_eq!(stored.events.iter().map(|event| event.id).collect::<Vec<_>>(), three);
            Ok(stored.events.iter().map(|event| event.sequence).collect::<Vec<_>>())
        }
        Posted::Unknown(id) => Err(id),
        Posted::Full(_) => panic!("full"),
    };
    assert_eq!(placed(queue(&three)), Ok(vec![7, 8, 9]));
    assert_eq!(placed(queue(&[id(9), id(1), id(2), id(3)])), Ok(vec![8, 9, 10]));
    // Two have left, and one of them is no longer recent.
    assert_eq!(placed(queue(&[id(3)])), Ok(vec![5, 6, 7]));
    assert_eq!(placed(queue(&[])), Err(id(1)));
}

#[test]
fn an_item_that_takes_no_post_is_damaged() {
    let host = Scripted::new([Reply::error(StoreError::Refused)]);
    let failed = run(post(&host, posting(&entity(), &[draft()]), &mut Tries::default())).unwrap_err();
    assert!(matches!(failed, StepError::Damaged { damage, .. } if damage.0 == "a test"));
    let host = Scripted::new([Reply::error(StoreError::Invalid)]);
    let failed = run(post(&host, posting(&entity(), &[draft()]), &mut Tries::default())).unwrap_err();
    assert_eq!(failed, StoreError::Invalid("a test".to_owned()).into());
}
