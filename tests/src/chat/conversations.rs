//! Summaries follow from the messages: what is missing or damaged is made from them when it is read.

use aws_sdk_dynamodb::types::AttributeValue;
use kinds::user::summary_name;
use serde_json::json;
use shared::store::Key;
use shared::table;

use crate::chat::user;
use crate::world::World;

async fn remove(world: &World, key: &Key) {
    let client = aws_sdk_dynamodb::Client::new(&world.config);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    client
        .delete_item()
        .table_name(&world.table)
        .key("pk", text(&key.pk))
        .key("sk", text(&key.sk))
        .send()
        .await
        .unwrap();
}

async fn damage(world: &World, key: &Key) {
    let client = aws_sdk_dynamodb::Client::new(&world.config);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let update = client.update_item().table_name(&world.table).key("pk", text(&key.pk)).key("sk", text(&key.sk));
    let update = update.update_expression("SET #r = :x").expression_attribute_names("#r", "record");
    update.expression_attribute_values(":x", text("damaged")).send().await.unwrap();
}

#[tokio::test]
async fn a_missing_or_damaged_summary_is_made_from_the_messages() {
    let world = World::new().await;
    for from in ["a", "b", "c", "d", "e"] {
        world.say(from, "bob", "one").await;
        world.say(from, "bob", "two").await;
    }
    world.post("/users/bob/conversations/c/read", r#"{"upto": 5}"#).await;
    let expected: Vec<_> = [("e", 2, 10), ("d", 2, 8), ("c", 1, 6), ("b", 2, 4), ("a", 2, 2)]
        .map(|(with, unread, n)| (with.to_owned(), unread, n))
        .into();
    assert_eq!(world.conversations("bob", 2).await, expected);

    let summary = |with: &str| table::record_key(&user("bob"), &summary_name(with));
    damage(&world, &summary("c")).await;
    assert_eq!(world.conversations("bob", 2).await, expected, "a damaged one keeps its place");
    damage(&world, &summary("d")).await;
    for missing in ["b", "c", "e"] {
        remove(&world, &summary(missing)).await;
    }
    for limit in [1, 2, 3, 5, 100] {
        let mut found = world.conversations("bob", limit).await;
        found.sort_by_key(|(_, _, n)| std::cmp::Reverse(*n));
        assert_eq!(found, expected, "pages of {limit}");
    }
    assert_eq!(world.conversations("bob", 100).await, expected, "on one page they are in order");

    // The next message of the conversation counts on from the messages, and lists it again.
    world.say("c", "bob", "three").await;
    assert_eq!(world.conversations("bob", 100).await[0], ("c".to_owned(), 2, 11));
    assert!(world.record(&user("bob"), &summary_name("c")).await.is_some());
    assert_eq!(world.record(&user("bob"), &summary_name("e")).await, None);
    let read = world.post("/users/bob/conversations/e/read", "").await;
    assert_eq!(read.body, json!({"with": "e", "unread": 0, "upto": 10}));
    assert!(world.record(&user("bob"), &summary_name("e")).await.is_some());
}
