//! What a message costs, in write and read units, and that it costs the same however many conversations there are.

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use kinds::user::{CONVERSATIONS, Conversation, LOG, Mark, Message, message_name, summary_name};
use serde_json::json;
use shared::envelope::Millis;
use shared::host::ReadHost;
use shared::records::List;
use shared::table;

use crate::chat::user;
use crate::meter::{MESSAGE, Total};
use crate::world::World;

/// Units as DynamoDB counts them; DynamoDB Local reports four for any transaction of small items.
fn is_embedded() -> bool {
    std::env::var("DYNAMODB_ENDPOINT").is_err()
}

/// What the message costs that a user sends to another, both idle, everything included.
async fn cost(world: &World, from: &str, to: &str, named: Option<&str>) -> Total {
    world.host.store().take();
    let body = json!({"to": to, "content": "how much is this?", "client_id": named}).to_string();
    let sent = world.post(&format!("/users/{from}/messages"), &body).await;
    assert_eq!(sent.status, 200, "{sent:?}");
    let total = world.host.store().take();
    assert_eq!(total.refused, 0, "{total:?}");
    total
}

/// Gives a user conversations with so many others, as they would have come about one message at a time.
async fn converse(world: &World, id: &str, others: u64) {
    let client = aws_sdk_dynamodb::Client::new(&world.config);
    let mut requests = Vec::new();
    for n in 1..=others {
        let with = format!("other-{n:05}");
        let message = Message {
            n,
            id: format!("{with}~1-00"),
            from: with.clone(),
            to: id.to_owned(),
            content: "hello".to_owned(),
            at: Millis(1_790_000_000_000),
            client_id: None,
            incoming: 1,
        };
        let summary = Conversation::of(&with, &message, Mark::default());
        let record = |value| serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(value).unwrap();
        let records = [
            (message_name(&with, n), LOG, serde_json::to_value(&message).unwrap()),
            (summary_name(&with), CONVERSATIONS, serde_json::to_value(&summary).unwrap()),
        ];
        for (name, list, content) in records {
            let key = table::record_key(&user(id), &name);
            let text = |text: String| AttributeValue::S(text);
            let put = PutRequest::builder()
                .item("pk", text(key.pk))
                .item("sk", text(key.sk))
                .item("list", text(List::Own(list).name(&user(id))))
                .item("rank", text(format!("{n:020}")))
                .item("record", record(content));
            requests.push(WriteRequest::builder().put_request(put.build().unwrap()).build());
        }
    }
    for part in requests.chunks(25) {
        client.batch_write_item().request_items(&world.table, part.to_vec()).send().await.unwrap();
    }
    let key = table::mailbox_key(&user(id));
    let update = client.update_item().table_name(&world.table);
    let update = update.key("pk", AttributeValue::S(key.pk)).key("sk", AttributeValue::S(key.sk));
    let update = update.update_expression("SET #s.#l = :n, #s.#c = :n").expression_attribute_names("#s", "state");
    let update = update.expression_attribute_names("#l", "log").expression_attribute_names("#c", "conversations");
    update.expression_attribute_values(":n", AttributeValue::N(others.to_string())).send().await.unwrap();
}

#[tokio::test]
async fn a_message_costs_what_the_readme_says() {
    let world = World::new().await;
    world.say("alice", "bob", "a first one").await;
    world.say("bob", "alice", "an answer").await;
    let plain = cost(&world, "alice", "bob", None).await;
    let named = cost(&world, "alice", "bob", Some("m-1")).await;
    if is_embedded() {
        // The sender's post, mailbox, message and summary, and the settling of the delivery; the receiver's post, mailbox,
        // message, summary and receipt. What a transaction writes counts double, and each list has its own share: one
        // for the log, two for a conversation that moves to the top.
        assert_eq!((plain.write, plain.writes, plain.read, plain.reads), (MESSAGE.write, 5, MESSAGE.read, 3));
        assert_eq!((named.write, named.writes, named.reads), (25.0, 5, 4));
    }
}

#[tokio::test]
async fn with_ten_thousand_conversations_a_message_costs_the_same() {
    let world = World::new().await;
    let mut costs = Vec::new();
    for (id, others) in [("few", 10), ("many", 10_000)] {
        world.say(id, "peer", "so that there is a mailbox").await;
        converse(&world, id, others).await;
        world.say(id, "other-00007", "so that the numbers go on").await;
        let name = format!("to-{id}");
        let sent = cost(&world, id, "other-00007", Some(&name)).await;
        let received = cost(&world, "other-00007", id, Some(&name)).await;
        let begun = cost(&world, id, &format!("new-{id}"), Some("m-2")).await;
        let units = |total: Total| (total.write, total.writes, total.reads);
        costs.push([units(sent), units(received), units(begun)]);
    }
    assert_eq!(costs[0], costs[1]);
    let page = world.get("/users/many/conversations?limit=20").await;
    assert_eq!(page.body["items"].as_array().unwrap().len(), 20);
    assert!(world.host.store().take().page < 20_000, "a page reads what is on it");
}

#[tokio::test]
async fn to_mark_as_read_costs_eight_write_units_and_nothing_more_a_second_time() {
    let world = World::new().await;
    world.say("alice", "bob", "hello").await;
    for expected in [(8.0, 2), (2.0, 2)] {
        world.host.store().take();
        let read = world.post("/users/bob/conversations/alice/read", "").await;
        assert_eq!(read.body, json!({"with": "alice", "unread": 0, "upto": 1}));
        let total = world.host.store().take();
        if is_embedded() {
            assert_eq!((total.write, total.writes), expected);
        }
    }
}
