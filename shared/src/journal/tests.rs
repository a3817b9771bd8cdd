//! How events share items, and that an item reads back as what was written or not at all.

use serde::Serialize;
use serde_dynamo::AttributeValue;
use serde_json::json;

use super::{Entry, Pages, read, take_apart};
use crate::envelope::{EntityId, EnvelopeId, EventId, Millis};
use crate::limits;
use crate::store::Put;
use crate::table;

const NOW: Millis = Millis(1_790_000_000_000);

fn entry(version: u64, padding: usize) -> Entry {
    Entry {
        version,
        r#type: "Written".to_owned(),
        schema: 1,
        at: NOW,
        cause: EventId { sequence: version, id: EnvelopeId::new(NOW, version, None) },
        payload: [("text".to_owned(), json!("x".repeat(padding)))].into_iter().collect(),
    }
}

fn account() -> EntityId {
    "account/a".parse().unwrap()
}

fn puts(entries: &[Entry]) -> Vec<Put> {
    let mut pages = Pages::default();
    assert!(pages.is_empty());
    pages.extend(entries);
    assert_eq!(pages.is_empty(), entries.is_empty());
    let (count, bytes) = (pages.len(), pages.bytes());
    assert_eq!(bytes, entries.iter().map(|entry| entry.bytes() + 1).sum::<usize>());
    let puts: Vec<Put> = pages.puts(&account()).collect();
    assert_eq!(puts.len(), count);
    puts
}

/// The item as the database would give it back.
fn stored(put: Put) -> serde_dynamo::Item {
    let mut item = put.item;
    item.insert("sk".to_owned(), AttributeValue::S(put.key.sk));
    item
}

#[test]
fn events_share_an_item_up_to_its_size() {
    let two = |padding| puts(&[entry(2, 100), entry(3, padding)]);
    let room = limits::JOURNAL_ITEM_BYTES - (entry(2, 100).bytes() + 1) - (entry(3, 0).bytes() + 1);
    assert_eq!(two(room).len(), 1);
    assert_eq!(two(room + 1).len(), 2);
    assert_eq!(puts(&[]).len(), 0);
    // What is larger than an item is to be has one of its own.
    assert_eq!(puts(&[entry(2, 10_000), entry(3, 10), entry(4, 10)]).len(), 2);
}

#[test]
fn an_item_is_named_by_its_last_event_and_written_once() {
    let entries: Vec<Entry> = (1..=6).map(|version| entry(version, 1_200)).collect();
    let puts = puts(&entries);
    let keys: Vec<&str> = puts.iter().map(|put| put.key.sk.as_str()).collect();
    // The first event of all is alone: a journal that begins anew finds it in its place.
    assert_eq!(keys, [1, 4, 6].map(|last| format!("event#{last:020}")));
    assert!(puts.iter().all(|put| put.condition == Some((table::JOURNAL_IF, Vec::new()))));
    let back: Vec<Entry> = puts.into_iter().flat_map(|put| read(stored(put)).unwrap()).collect();
    assert_eq!(back, entries);
}

#[test]
fn an_item_with_a_gap_or_under_another_name_is_damaged() {
    let gap = puts(&[entry(2, 0), entry(4, 0)]).remove(0);
    assert!(read(stored(gap)).unwrap_err().to_string().contains("event#00000000000000000004"));
    let twice = puts(&[entry(3, 0), entry(3, 0)]).remove(0);
    assert!(read(stored(twice)).is_err());
    let mut renamed = stored(puts(&[entry(1, 0)]).remove(0));
    for name in ["event#00000000000000000002", "event#x", "mailbox"] {
        renamed.insert("sk".to_owned(), AttributeValue::S(name.to_owned()));
        assert!(read(renamed.clone()).is_err(), "{name}");
    }
    let mut empty = stored(puts(&[entry(1, 0)]).remove(0));
    empty.insert("events".to_owned(), AttributeValue::L(Vec::new()));
    assert!(read(empty).is_err());
}

#[test]
fn an_event_is_taken_apart_and_put_together() {
    let (r#type, payload) = take_apart(&json!({"type": "Written", "text": "x"})).unwrap();
    assert_eq!((r#type.as_str(), payload.len()), ("Written", 1));
    assert_eq!(entry(1, 1).event(), json!({"type": "Written", "text": "x"}));
    #[derive(Serialize)]
    struct Untagged {
        text: &'static str,
    }
    assert!(take_apart(&Untagged { text: "x" }).is_err());
    assert!(take_apart(&"no object").is_err());
    assert!(take_apart(&json!({"type": 7})).is_err());
}
