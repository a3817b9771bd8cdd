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

mod reading {
    //! Reading receipts, and how long that is tried.

    use std::collections::BTreeSet;

    use serde_dynamo::Item;

    use super::{NOW, keyed, receipt};
    use crate::envelope::{EntityId, Envelope, EnvelopeId, IdempotencyKey, Keyed};
    use crate::mailbox::StepError;
    use crate::receipt::{get, look_up};
    use crate::scripted::{BEGINNING, Reply, Scripted, run};
    use crate::store::StoreError;
    use crate::table;

    fn entity() -> EntityId {
        "counter/a".parse().unwrap()
    }

    fn item() -> Item {
        receipt().put(&entity(), "c0/k", NOW).item
    }

    fn envelope(keyed: Option<Keyed>) -> Envelope {
        Envelope { id: EnvelopeId::new(NOW, 1, None), at: NOW, body: "{}".to_owned(), keyed, from: None, trace: None }
    }

    #[test]
    fn a_read_is_repeated_while_it_fails_for_a_passing_reason() {
        let key = || table::receipt_key(&entity(), "c0/k");
        let throttled = || Reply::Error(StoreError::Throttled("a test".to_owned()));
        let host = Scripted::new([throttled(), throttled(), Reply::Item(Some(item()))]);
        assert_eq!(run(get(&host, key(), BEGINNING.plus(1_000))), Ok(Some(item())));
        assert_eq!((host.slept(), host.asked()), (vec![10, 20], vec!["Strong receipt#c0/k".to_owned(); 3]));
        // It is given a last try at the deadline, and none after it.
        for (ms, tries) in [(0, 1), (10, 2), (11, 3)] {
            let host = Scripted::new([throttled(), throttled(), throttled(), throttled()]);
            assert!(run(get(&host, key(), BEGINNING.plus(ms))).is_err());
            assert_eq!(host.asked().len(), tries, "{ms} ms");
        }
        let host = Scripted::new([Reply::Error(StoreError::Invalid("a test".to_owned()))]);
        assert!(run(get(&host, key(), BEGINNING.plus(1_000))).is_err());
    }

    #[test]
    fn a_batch_looks_up_the_receipts_of_its_keys_once_each() {
        let second = Keyed::client(&IdempotencyKey::new("k").unwrap(), 1, "one");
        let batch = [envelope(Some(keyed("one"))), envelope(None), envelope(Some(second))];
        let host = Scripted::new([Reply::Item(Some(item())), Reply::Item(None)]);
        let receipts = run(look_up(&host, &entity(), &batch, BEGINNING.plus(1_000))).unwrap();
        assert_eq!(receipts.into_iter().collect::<Vec<_>>(), [("c0/k".to_owned(), receipt())]);
        let asked: BTreeSet<String> = host.asked().into_iter().collect();
        assert_eq!(asked, ["Strong receipt#c0/k", "Strong receipt#c1/k"].map(str::to_owned).into());
        assert_eq!(host.asked().len(), 2);
    }

    #[test]
    fn a_receipt_that_cannot_be_read_is_damage() {
        let mut item = item();
        item.insert("until".to_owned(), serde_dynamo::AttributeValue::Bool(true));
        let host = Scripted::new([Reply::Item(Some(item))]);
        let batch = [envelope(Some(keyed("one")))];
        let failed = run(look_up(&host, &entity(), &batch, BEGINNING.plus(1_000))).unwrap_err();
        assert!(matches!(failed, StepError::Damaged { damage, .. } if damage.0.contains("receipt c0/k")));
    }
}
