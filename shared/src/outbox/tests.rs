//! When an effect goes out, waits, and is given up; and how much of an outbox effects fill.

use super::{Outgoing, PAUSE_MOST_MS, fill, firsts, is_due, next_due};
use crate::envelope::{EntityId, Millis};
use crate::limits;
use crate::table;
use crate::text::text;
use crate::trace::Trace;

const NOW: Millis = Millis(1_790_000_000_000);

fn to(receiver: &str) -> Outgoing {
    let to = EntityId::new("counter", receiver).unwrap();
    Outgoing { sequence: 7, index: 2, to, body: "{}".to_owned(), at: NOW, failures: 0, due: None, trace: None }
}

fn due(receiver: &str, ahead: u64) -> Outgoing {
    Outgoing { due: Some(NOW.plus(ahead)), ..to(receiver) }
}

#[test]
fn an_effect_is_due_at_its_time_and_a_wrong_clock_is_not_believed() {
    assert!(to("a").is_due(NOW));
    assert!(due("a", 0).is_due(NOW) && !due("a", 1).is_due(NOW));
    let most = PAUSE_MOST_MS + limits::MARGIN_MS;
    assert!(!due("a", most).is_due(NOW) && due("a", most + 1).is_due(NOW));
}

#[test]
fn those_behind_the_first_to_a_receiver_wait_for_it() {
    let outbox = [due("a", 9_000), to("a"), due("b", 5_000)];
    assert_eq!(firsts(&outbox).collect::<Vec<_>>(), [&outbox[0], &outbox[2]]);
    assert!(!is_due(&outbox, NOW));
    assert_eq!(next_due(&outbox, NOW), Some(NOW.plus(5_000)));
    let ready = [due("a", 9_000), to("b")];
    assert!(is_due(&ready, NOW));
    assert_eq!(next_due(&ready, NOW), None);
    assert_eq!(next_due(&[], NOW), None);
}

#[test]
fn pauses_double_up_to_five_minutes() {
    let mut effect = to("a");
    for pause in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        effect = effect.failed(NOW);
        assert_eq!(effect.due, Some(NOW.plus(1_000 * pause)), "failure {}", effect.failures);
    }
    assert_eq!(effect.failures, 11);
}

#[test]
fn an_effect_is_given_up_when_it_is_too_old_or_fails_too_often() {
    let aged = |ms: u64| Outgoing { at: Millis(NOW.0 - ms), ..to("a") };
    assert_eq!(aged(limits::RECEIPT_MS).given_up(NOW), None);
    assert!(aged(limits::RECEIPT_MS + 1).given_up(NOW).unwrap().contains("older than the receipts"));
    let failed = |failures| Outgoing { failures, ..to("a") };
    assert_eq!(failed(limits::DELIVERY_FAILURES - 1).given_up(NOW), None);
    assert!(failed(limits::DELIVERY_FAILURES).given_up(NOW).unwrap().contains("failed 20 times"));
}

#[test]
fn what_is_posted_carries_a_key_that_follows_from_where_it_came_from() {
    let sender = EntityId::new("counter", "sender").unwrap();
    let draft = to("a").draft(&sender);
    let keyed = draft.keyed.unwrap();
    assert_eq!((keyed.name.as_str(), draft.from, draft.body.as_str()), ("o/counter/sender/7/2", Some(sender), "{}"));
}

#[test]
fn effects_fill_by_number_or_by_size_whichever_is_more() {
    assert_eq!(fill(&[]), 0.0);
    assert_eq!(fill(&vec![to("a"); limits::OUTBOX_LENGTH]), 1.0);
    let overhead = 128 + "counter/a".len();
    let large = Outgoing { body: "x".repeat(limits::OUTBOX_BYTES / 4 - overhead), ..to("a") };
    assert_eq!(fill(&[large.clone(), large]), 0.5);
    let trace = Trace::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let traced = Outgoing { body: "x".repeat(limits::OUTBOX_BYTES / 4 - overhead - 62), trace, ..to("a") };
    assert_eq!(fill(&[traced.clone(), traced]), 0.5);
}

#[test]
fn no_effect_is_stored_in_more_than_it_is_weighed_by() {
    let (at, due) = (Millis(u64::MAX), Some(Millis(u64::MAX)));
    let (sequence, index, failures) = (u64::MAX, u32::MAX, limits::DELIVERY_FAILURES);
    let trace = Trace::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let largest = Outgoing { sequence, index, at, failures, due, trace, ..to("a") };
    let stored = 1 + table::value_bytes(&text(&largest));
    assert!(fill(&[largest]) >= stored as f64 / limits::OUTBOX_BYTES as f64, "{stored}");
}

#[test]
fn the_stored_form_leaves_out_what_says_nothing() {
    let text = serde_json::to_string(&to("a")).unwrap();
    assert!(!text.contains("\"n\"") && !text.contains("\"u\""), "{text}");
    let failed = to("a").failed(NOW);
    let text = serde_json::to_string(&failed).unwrap();
    assert_eq!(serde_json::from_str::<Outgoing>(&text).unwrap(), failed);
}
