//! What a visit does about an envelope that cannot be processed, that its holders died of, or that cannot be stored.

use serde_dynamo::AttributeValue;
use serde_json::json;

use super::{FAULTS, Played, RELEASE, faulty, head, held, id, idle, plain, played, posts, taken, visited};
use crate::envelope::{Envelope, EventId, IdempotencyKey, Keyed, Millis};
use crate::limits::{RECEIPT_MS, STRIKES, SUSPECT_ATTEMPTS, Settings};
use crate::mailbox::image::{Lease, Mailbox};
use crate::outcome::Outcome;
use crate::receipt::Receipt;
use crate::scripted::{BEGINNING, Reply, value_of};
use crate::store::StoreError;
use crate::table;
use crate::visit::End;

fn blocked(image: &Mailbox) -> Reply {
    Reply::applied(&Mailbox { lease: Some(Lease::Blocked { cause: "a test".to_owned() }), ..image.clone() })
}

/// The cause by which the last write blocked the entity.
fn blocks(played: &Played) -> String {
    let update = played.updates().pop().unwrap();
    assert_eq!(update.update, table::BLOCK);
    let Some(AttributeValue::M(lease)) = value_of(&update, ":blocked") else { panic!("no lease") };
    let Some(AttributeValue::S(cause)) = lease.get("cause") else { panic!("no cause") };
    cause.clone()
}

/// The causes of the dead letters that were written.
fn letters(played: &Played) -> Vec<String> {
    let puts = played.host.writes().into_iter().flat_map(|(_, puts)| puts);
    let letters = puts.filter(|put| put.key.sk.starts_with(table::DEAD));
    letters
        .map(|put| match put.item.get("cause") {
            Some(AttributeValue::S(cause)) => cause.clone(),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn policy<const POLICY: char>(image: &Mailbox, replies: Vec<Reply>) -> Played {
    played::<POLICY>(image, Settings::default(), 5_000, replies)
}

fn suspect(image: Mailbox) -> Mailbox {
    Mailbox { attempts: SUSPECT_ATTEMPTS, ..image }
}

/// An envelope with a key, posted so long ago.
fn keyed(number: u64, ms: u64) -> Envelope {
    let keyed = Keyed::client(&IdempotencyKey::new("k").unwrap(), 0, "hash");
    Envelope { keyed: Some(keyed), at: Millis(BEGINNING.0 - ms), ..plain(number) }
}

/// The receipt that says that it had its effect before.
fn receipt(envelope: &Envelope) -> Reply {
    let event = EventId { sequence: 3, id: id(3) };
    let keyed = envelope.keyed.as_ref().unwrap();
    let receipt = Receipt::new(keyed, event, &Outcome::Reply(json!("before")), BEGINNING);
    Reply::Item(Some(receipt.put(&"told/a".parse().unwrap(), &keyed.name, envelope.at).item))
}

#[test]
fn what_fails_once_is_run_once_more_alone() {
    FAULTS.set(1);
    let played = visited(&held([faulty(7)]), vec![Reply::applied(&idle(7))]);
    assert_eq!((&played.end, played.runs, played.heard.alarms.len()), (&Ok(End::Released), 2, 0));
    assert_eq!(letters(&played), [""; 0]);
}

#[test]
fn what_fails_twice_is_parked_skipped_or_blocks_the_entity() {
    let image = held([faulty(7)]);
    FAULTS.set(u32::MAX);
    let parked = policy::<'p'>(&image, vec![Reply::committed()]);
    assert_eq!((&parked.end, parked.runs, parked.removed()), (&Ok(End::Released), 2, vec![RELEASE.to_owned()]));
    assert_eq!(
        (letters(&parked), parked.heard.alarms.clone()),
        (vec!["as it was told".to_owned()], vec!["dead-letter".to_owned()])
    );

    let skipped = policy::<'s'>(&image, vec![Reply::committed()]);
    assert_eq!((&skipped.end, skipped.runs, skipped.heard.alarms.len()), (&Ok(End::Released), 2, 0));
    assert_eq!(letters(&skipped), ["as it was told"]);

    let stopped = policy::<'b'>(&image, vec![blocked(&image)]);
    assert_eq!((&stopped.end, stopped.runs, blocks(&stopped)), (&Ok(End::Blocked), 2, "as it was told".to_owned()));
    assert_eq!((stopped.heard.alarms.as_slice(), letters(&stopped)), (&["blocked".to_owned()][..], vec![]));
    let lost = policy::<'b'>(&image, vec![Reply::refused(&taken(image.clone()))]);
    assert_eq!(lost.end, Ok(End::Lost));
}

#[test]
fn what_fails_behind_others_has_had_its_first_run_with_them() {
    FAULTS.set(u32::MAX);
    let rest = Mailbox { head: 7, ..held([faulty(8), plain(9)]) };
    let replies = vec![Reply::applied(&rest), Reply::committed(), Reply::applied(&idle(9))];
    let played = visited(&held([plain(7), faulty(8), plain(9)]), replies);
    assert_eq!((&played.end, played.runs), (&Ok(End::Released), 4));
    assert_eq!(played.heads(), [head(7), head(8), head(9)]);
    assert_eq!(letters(&played), ["as it was told"]);
}

#[test]
fn what_waited_too_long_is_parked_unless_it_only_repeats_a_key() {
    let old = keyed(7, RECEIPT_MS + 1);
    let parked = visited(&held([old.clone()]), vec![Reply::Item(None), Reply::Item(None), Reply::committed()]);
    assert_eq!(letters(&parked), ["it waited longer than its key is remembered"]);
    assert_eq!((parked.runs, parked.heard.alarms.as_slice()), (0, &["dead-letter".to_owned()][..]));
    // Its receipt has come in between: it is answered, and no reason for an alarm.
    let replies = vec![Reply::Item(None), receipt(&old), Reply::applied(&idle(7))];
    let answered = visited(&held([old]), replies);
    assert_eq!((&answered.end, answered.runs, answered.heard.alarms.len()), (&Ok(End::Released), 0, 0));
    assert_eq!(letters(&answered), [""; 0]);
}

#[test]
fn a_suspect_runs_one_at_a_time_and_says_so_before() {
    let (both, second) = (suspect(held([plain(7), plain(8)])), suspect(Mailbox { head: 7, ..held([plain(8)]) }));
    let marked = |image: &Mailbox| Reply::applied(&Mailbox { running: Some(image.first()), ..image.clone() });
    let replies = vec![marked(&both), Reply::applied(&second), marked(&second), Reply::applied(&idle(8))];
    let played = visited(&both, replies);
    assert_eq!((&played.end, played.runs), (&Ok(End::Released), 2));
    let sequences: Vec<_> = played.updates().iter().map(|update| value_of(update, ":sequence")).collect();
    assert_eq!(sequences, [head(7), None, head(8), None]);
    assert_eq!(played.heads(), [None, head(7), None, head(8)]);
    // Who has lost the lease runs nothing.
    let lost = visited(&both, vec![Reply::refused(&taken(both.clone()))]);
    assert_eq!((lost.end, lost.runs), (Ok(End::Lost), 0));
}

#[test]
fn what_too_many_have_died_of_is_not_run_again() {
    let struck = |strikes| Mailbox { strikes, ..suspect(held([plain(7)])) };
    let again = visited(&struck(STRIKES - 1), vec![Reply::applied(&struck(STRIKES - 1)), Reply::applied(&idle(7))]);
    assert_eq!((again.end.clone(), again.runs, letters(&again)), (Ok(End::Released), 1, vec![]));
    let parked = visited(&struck(STRIKES), vec![Reply::committed()]);
    assert_eq!((&parked.end, parked.runs), (&Ok(End::Released), 0));
    assert_eq!(letters(&parked), ["3 holders died while they ran it"]);
}

#[test]
fn what_only_repeats_a_key_needs_no_mark() {
    let envelope = keyed(7, 0);
    let image = Mailbox { strikes: STRIKES, ..suspect(held([envelope.clone()])) };
    let played = visited(&image, vec![receipt(&envelope), Reply::applied(&idle(7))]);
    assert_eq!((&played.end, played.runs, played.heads()), (&Ok(End::Released), 0, vec![head(7)]));
}

#[test]
fn a_state_that_cannot_be_read_is_no_envelopes_fault() {
    let stored = |schema, image: Mailbox| Mailbox { state: Some(AttributeValue::Bool(true)), schema, ..image };
    for image in [held([plain(7)]), Mailbox { strikes: STRIKES, ..suspect(held([plain(7)])) }] {
        let newer = visited(&stored(9, image.clone()), vec![]);
        assert!(matches!(&newer.end, Ok(End::Stopped(cause)) if cause.contains("schema 9")), "{:?}", newer.end);
        let damaged = visited(&stored(1, image.clone()), vec![blocked(&image)]);
        assert_eq!((&damaged.end, damaged.runs), (&Ok(End::Blocked), 0));
        assert!(blocks(&damaged).starts_with("the state cannot be read"));
    }
}

#[test]
fn what_cannot_be_stored_with_others_is_tried_alone_and_is_poison_then() {
    let refused = || Reply::error(StoreError::Refused);
    let second = Mailbox { head: 7, ..held([plain(8)]) };
    let replies = vec![refused(), Reply::applied(&second), Reply::applied(&idle(8))];
    let played = visited(&held([plain(7), plain(8)]), replies);
    assert_eq!((&played.end, played.heads()), (&Ok(End::Released), vec![head(8), head(7), head(8)]));

    let parked = visited(&held([plain(7)]), vec![refused(), refused(), Reply::committed()]);
    assert_eq!((&parked.end, parked.runs, letters(&parked)), (&Ok(End::Released), 2, vec!["a test".to_owned()]));
}

#[test]
fn a_record_in_the_way_is_looked_at_once_more_and_blocks_the_entity_then() {
    let image = held([posts(7, &[])]);
    let occupied = || Reply::error(StoreError::Occupied);
    let played = visited(&image, vec![occupied(), Reply::applied(&idle(7))]);
    assert_eq!((&played.end, played.runs), (&Ok(End::Released), 2));
    let stopped = visited(&image, vec![occupied(), occupied(), blocked(&image)]);
    assert_eq!((&stopped.end, blocks(&stopped)), (&Ok(End::Blocked), "a record is in the way: a test".to_owned()));
}
