//! What an event finds: what was looked up, and what the events before it have written.

use serde_dynamo::AttributeValue;
use serde_json::{Value, json};

use super::*;

fn stored(name: &str, value: u64) -> Stored {
    let record = serde_dynamo::to_attribute_value(json!({"value": value})).unwrap();
    Stored { name: name.to_owned(), record }
}

fn last() -> Lookup {
    Lookup::Last { from: "m#".to_owned(), to: "m#~".to_owned() }
}

fn write(records: &mut Records, name: &str, value: u64) {
    records.write(&Record::new(name, &json!({"value": value})).unwrap());
}

#[test]
fn what_was_written_is_found_in_the_place_of_what_was_looked_up() {
    let mut records = Records::new([(Lookup::Named("a".to_owned()), Some(stored("a", 1)))]);
    assert_eq!(records.named::<Value>("a").unwrap(), Some(json!({"value": 1})));
    write(&mut records, "a", 2);
    write(&mut records, "b", 3);
    assert_eq!(records.named::<Value>("a").unwrap(), Some(json!({"value": 2})));
    assert_eq!(records.named::<Value>("b").unwrap(), Some(json!({"value": 3})), "it needs no look-up");
}

#[test]
fn the_last_is_the_greatest_name_of_both() {
    let value = |records: &Records| records.last::<Value>("m#", "m#~").unwrap().map(|value| value["value"].clone());
    let mut records = Records::new([(last(), Some(stored("m#2", 2)))]);
    assert_eq!(value(&records), Some(json!(2)));
    write(&mut records, "m#1", 1);
    assert_eq!(value(&records), Some(json!(2)));
    write(&mut records, "m#2", 20);
    assert_eq!(value(&records), Some(json!(20)), "of the same name the written one counts");
    write(&mut records, "m#3", 3);
    write(&mut records, "n", 9);
    assert_eq!(value(&records), Some(json!(3)), "what lies behind the range is not of it");
    let mut none = Records::new([(last(), None)]);
    assert_eq!(value(&none), None);
    write(&mut none, "m#", 0);
    assert_eq!(value(&none), Some(json!(0)), "both ends are included");
    let empty = Records::new([(Lookup::Last { from: "b".to_owned(), to: "a".to_owned() }, None)]);
    assert_eq!(empty.last::<Value>("b", "a").unwrap(), None);
}

#[test]
fn what_was_not_looked_up_or_is_damaged_is_told() {
    let damaged = Stored { name: "a".to_owned(), record: AttributeValue::Null(true) };
    let records = Records::new([(Lookup::Named("a".to_owned()), Some(damaged))]);
    assert!(matches!(records.named::<Value>("b"), Err(Unusable::NotLookedUp(_))));
    assert!(matches!(records.last::<Value>("m#", "m#~"), Err(Unusable::NotLookedUp(_))));
    let error = records.named::<std::collections::BTreeMap<String, u64>>("a").unwrap_err();
    assert!(matches!(&error, Unusable::Damaged { name, .. } if name == "a"), "{error}");
    assert!(Fault::from(error).to_string().contains("side record a"));
}

#[test]
fn no_list_of_one_entity_is_another_s() {
    let entity = |id: &str| EntityId::new("user", id).unwrap();
    assert_eq!(List::Own("log").name(&entity("a")), "user/a#log");
    assert_eq!(List::Shared("online".to_owned()).name(&entity("a")), "user/#online");
}

#[test]
fn a_record_says_when_it_may_go_and_in_which_list_it_stands() {
    let plain = Record::new("a", &json!({"value": 1})).unwrap();
    assert_eq!((plain.expires, plain.listed.clone()), (None, None));
    let full = plain.expires(Millis(7)).listed(List::Own("log"), "r");
    assert_eq!((full.name.as_str(), full.expires), ("a", Some(Millis(7))));
    assert_eq!(full.listed, Some(Listed { list: List::Own("log"), rank: "r".to_owned() }));
}
