//! A wake as the JSON that Lambda hands to a function for an SQS message.

use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::queue::Message;

/// The wake queue's name.
pub const QUEUE: &str = "leasebox-wakes";

/// The message in the shape of an event's `Records`.
pub fn to_json(message: &Message) -> Value {
    let first_received = message.first_received_ms.unwrap_or(message.sent_ms);
    json!({
        "messageId": message.id,
        "receiptHandle": format!("{}#{}", message.id, message.received),
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": message.received.to_string(),
            "SentTimestamp": message.sent_ms.to_string(),
            "SenderId": "local",
            "ApproximateFirstReceiveTimestamp": first_received.to_string(),
        },
        "messageAttributes": {},
        "md5OfBody": hex::encode(Md5::digest(&message.body)),
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{QUEUE}"),
        "awsRegion": "us-east-1",
    })
}
