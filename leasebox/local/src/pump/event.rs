//! A stream record as the JSON that Lambda hands to a function, and the event source mapping's filter.

use std::collections::HashMap;

use aws_sdk_dynamodbstreams::types::{AttributeValue, OperationType, Record};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// Whether the mapping's filter lets the record through: an item was written that has work pending.
pub fn is_wanted(record: &Record) -> bool {
    let written = matches!(record.event_name(), Some(OperationType::Insert | OperationType::Modify));
    let image = record.dynamodb().and_then(|change| change.new_image());
    let marker = image.and_then(|image| image.get("pending"));
    written && matches!(marker, Some(AttributeValue::S(marker)) if marker == "p")
}

/// The record in the shape of an event's `Records`.
pub fn to_json(record: &Record, stream: &str) -> Value {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value.into());
        }
    };
    set("eventID", record.event_id());
    set("eventName", record.event_name().map(OperationType::as_str));
    set("eventVersion", record.event_version());
    set("eventSource", Some(record.event_source().unwrap_or("aws:dynamodb")));
    set("awsRegion", record.aws_region());
    set("eventSourceARN", Some(stream));
    fields.insert("dynamodb".to_owned(), change_to_json(record));
    if let Some(identity) = record.user_identity() {
        let identity = json!({"type": identity.r#type(), "principalId": identity.principal_id()});
        fields.insert("userIdentity".to_owned(), identity);
    }
    Value::Object(fields)
}

fn change_to_json(record: &Record) -> Value {
    let mut fields = Map::new();
    let Some(change) = record.dynamodb() else {
        return Value::Object(fields);
    };
    if let Some(created) = change.approximate_creation_date_time() {
        fields.insert("ApproximateCreationDateTime".to_owned(), created.secs().into());
    }
    for (name, item) in [("Keys", change.keys()), ("NewImage", change.new_image()), ("OldImage", change.old_image())] {
        if let Some(item) = item {
            fields.insert(name.to_owned(), item_to_json(item));
        }
    }
    if let Some(sequence) = change.sequence_number() {
        fields.insert("SequenceNumber".to_owned(), sequence.into());
    }
    if let Some(size) = change.size_bytes() {
        fields.insert("SizeBytes".to_owned(), size.into());
    }
    if let Some(view) = change.stream_view_type() {
        fields.insert("StreamViewType".to_owned(), view.as_str().into());
    }
    Value::Object(fields)
}

fn item_to_json(item: &HashMap<String, AttributeValue>) -> Value {
    let fields = item.iter().map(|(name, value)| (name.clone(), value_to_json(value)));
    Value::Object(fields.collect())
}

fn value_to_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(number) => json!({"N": number}),
        AttributeValue::Bool(flag) => json!({"BOOL": flag}),
        AttributeValue::Null(is_null) => json!({"NULL": is_null}),
        AttributeValue::B(bytes) => json!({"B": STANDARD.encode(bytes)}),
        AttributeValue::Ss(texts) => json!({"SS": texts}),
        AttributeValue::Ns(numbers) => json!({"NS": numbers}),
        AttributeValue::Bs(all) => {
            json!({"BS": all.iter().map(|bytes| STANDARD.encode(bytes)).collect::<Vec<_>>()})
        }
        AttributeValue::L(values) => {
            json!({"L": values.iter().map(value_to_json).collect::<Vec<_>>()})
        }
        AttributeValue::M(fields) => json!({"M": item_to_json(fields)}),
        // A type that this SDK does not know yet; the drain function reads only the key.
        _ => json!({"NULL": true}),
    }
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::event::dynamodb::Event;
    use aws_sdk_dynamodbstreams::primitives::{Blob, DateTime};
    use aws_sdk_dynamodbstreams::types::{Identity, StreamRecord, StreamViewType};

    use super::*;

    fn record(name: OperationType, pending: Option<AttributeValue>) -> Record {
        let change = StreamRecord::builder()
            .approximate_creation_date_time(DateTime::from_secs(1_428_537_600))
            .keys("pk", AttributeValue::S("counter/a".to_owned()))
            .new_image("pk", AttributeValue::S("counter/a".to_owned()))
            .set_new_image(pending.map(|marker| HashMap::from([("pending".to_owned(), marker)])))
            .sequence_number("4421584500000000017450439091")
            .size_bytes(26)
            .stream_view_type(StreamViewType::NewImage)
            .build();
        Record::builder()
            .event_id("c81e728d9d4c2f636f067f89cc14862c")
            .event_name(name)
            .event_version("1.1")
            .event_source("aws:dynamodb")
            .aws_region("us-east-1")
            .dynamodb(change)
            .build()
    }

    fn marker(text: &str) -> Option<AttributeValue> {
        Some(AttributeValue::S(text.to_owned()))
    }

    #[test]
    fn the_filter_is_the_mappings() {
        assert!(is_wanted(&record(OperationType::Insert, marker("p"))));
        assert!(is_wanted(&record(OperationType::Modify, marker("p"))));
        assert!(!is_wanted(&record(OperationType::Remove, marker("p"))));
        assert!(!is_wanted(&record(OperationType::Modify, marker("q"))));
        assert!(!is_wanted(&record(OperationType::Modify, None)));
        let number = Some(AttributeValue::N("1".to_owned()));
        assert!(!is_wanted(&record(OperationType::Modify, number)));
    }

    #[test]
    fn the_shape_is_lambdas() {
        let json = to_json(&record(OperationType::Modify, marker("p")), "arn:aws:dynamodb:stream");
        let expected = json!({
            "eventID": "c81e728d9d4c2f636f067f89cc14862c",
            "eventName": "MODIFY",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_428_537_600,
                "Keys": {"pk": {"S": "counter/a"}},
                "NewImage": {"pending": {"S": "p"}},
                "SequenceNumber": "4421584500000000017450439091",
                "SizeBytes": 26,
                "StreamViewType": "NEW_IMAGE",
            },
            "eventSourceARN": "arn:aws:dynamodb:stream",
        });
        assert_eq!(json, expected);
        let parsed: Event = serde_json::from_value(json!({"Records": [json]})).unwrap();
        assert_eq!(parsed.records[0].change.size_bytes, 26);
    }

    #[test]
    fn a_removal_by_time_to_live_says_who_removed_it() {
        let identity = Identity::builder().r#type("Service").principal_id("dynamodb.amazonaws.com");
        let record = Record::builder().user_identity(identity.build()).build();
        let identity = &to_json(&record, "arn")["userIdentity"];
        assert_eq!(*identity, json!({"type": "Service", "principalId": "dynamodb.amazonaws.com"}));
    }

    #[test]
    fn every_type_of_value() {
        let text = |text: &str| text.to_owned();
        let cases = [
            (AttributeValue::N(text("1.5")), json!({"N": "1.5"})),
            (AttributeValue::Bool(true), json!({"BOOL": true})),
            (AttributeValue::Null(true), json!({"NULL": true})),
            (AttributeValue::B(Blob::new([0, 1, 255])), json!({"B": "AAH/"})),
            (AttributeValue::Bs(vec![Blob::new([0])]), json!({"BS": ["AA=="]})),
            (AttributeValue::Ss(vec![text("a")]), json!({"SS": ["a"]})),
            (AttributeValue::Ns(vec![text("1")]), json!({"NS": ["1"]})),
            (
                AttributeValue::L(vec![AttributeValue::M(HashMap::from([(text("a"), AttributeValue::S(text("b")))]))]),
                json!({"L": [{"M": {"a": {"S": "b"}}}]}),
            ),
        ];
        for (value, json) in cases {
            assert_eq!(value_to_json(&value), json);
        }
    }
}
