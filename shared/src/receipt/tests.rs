//! What a receipt stands for, for how long, and what it answers.

use serde_json::json;

use super::Receipt;
use crate::envelope::{EnvelopeId, EventId, IdempotencyKey, Keyed, Millis};
use crate::limits;
use crate::outcome::Outcome;
use crate::table;

const NOW: Millis = Millis(1_790_000_000_500);

fn keyed(hash: &str) -> Keyed {
    Keyed::client(&IdempotencyKey::new("k").unwrap(), 0, hash)
}

fn event(sequence: u64) -> EventId {
    EventId { sequence, id: EnvelopeId::new(NOW, sequence, None) }
}

fn receipt() -> Receipt {
    Receipt::new(&keyed("one"), event(3), &Outcome::Reply(json!(5)), NOW)
}

#[test]
fn it_stands_for_whatever_is_posted_within_its_day() {
    let end = NOW.plus(limits::RECEIPT_MS);
    assert!(receipt().is_in_force(Millis(end.0 - 1)));
    assert!(!receipt().is_in_force(end));
}

#[test]
fn it_answers_its_own_event_a_repetition_and_another_body() {
    let own = receipt().settled(&keyed("one"), event(3)).unwrap();
    assert_eq!((own.event, own.outcome, own.replayed), (event(3), Outcome::Reply(json!(5)), false));
    let again = receipt().settled(&keyed("one"), event(9)).unwrap();
    assert_eq!((again.event, again.outcome, again.replayed), (event(3), Outcome::Reply(json!(5)), true));
    let other = receipt().settled(&keyed("two"), event(9)).unwrap();
    assert_eq!((other.event, other.outcome, other.replayed), (event(9), Outcome::key_reused(), false));
    let torn = Receipt { outcome: "{".to_owned(), ..receipt() };
    assert_eq!(torn.settled(&keyed("one"), event(3)), None);
}

#[test]
fn its_item_reads_back_and_outlives_what_may_wait_for_it() {
    let put = receipt().put(&"counter/a".parse().unwrap(), "c0/k", NOW);
    assert_eq!((put.key.pk.as_str(), put.key.sk.as_str()), ("counter/a", "receipt#c0/k"));
    let until = NOW.plus(2 * limits::RECEIPT_MS);
    assert_eq!(put.item.get(table::TTL), Some(&table::number(until.0.div_ceil(1000))));
    let (condition, values) = put.condition.unwrap();
    assert_eq!((condition, values), (table::RECEIPT_IF, vec![(":at", table::number(NOW.0))]));
    assert_eq!(serde_dynamo::from_item::<_, Receipt>(put.item).unwrap(), receipt());
}
