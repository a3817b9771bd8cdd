//! Messages, marks and summaries that somebody has damaged: a clear answer for that conversation, everything else as it
//! was, and operators are told.

use std::collections::HashMap;

use kinds::chat::refill::{Refilled, refill};
use kinds::user::{mark_name, message_name, summary_name};
use serde_dynamo::AttributeValue;
use serde_json::{Value, json};
use shared::client::Client;
use shared::table;

use crate::chat::user;
use crate::problems::problem;
use crate::world::World;

/// Bob with three conversations: a has written 1 and 4, b has written 2 and 5, c has written 3 and 6.
async fn bob() -> World {
    let world = World::new().await;
    for text in ["one", "two"] {
        for from in ["a", "b", "c"] {
            world.say(from, "bob", text).await;
        }
    }
    world
}

async fn item(world: &World, name: &str) -> HashMap<String, AttributeValue> {
    world.item(table::record_key(&user("bob"), name)).await.unwrap().into()
}

/// Replaces the content of one of bob's records.
async fn damage(world: &World, name: &str, content: AttributeValue) {
    let mut item = item(world, name).await;
    item.insert("record".to_owned(), content);
    world.put_item(item).await;
}

/// Replaces one member of the content of one of bob's records.
async fn alter(world: &World, name: &str, member: &str, value: AttributeValue) {
    let Some(AttributeValue::M(mut content)) = item(world, name).await.remove("record") else { panic!("no record") };
    content.insert(member.to_owned(), value);
    damage(world, name, AttributeValue::M(content)).await;
}

fn rubbish() -> AttributeValue {
    AttributeValue::S("rubbish".to_owned())
}

/// Numbers of bob's log, by requests and by frames.
async fn log(world: &World) -> Vec<u64> {
    let number = |message: &Value| message["n"].as_u64().unwrap();
    let by_http: Vec<u64> = world.log("bob", 2).await.iter().map(number).collect();
    let (mut by_frame, mut since) = (Vec::new(), json!(0));
    loop {
        let said = world.frame("bob", "b-1", &json!({"type": "sync", "since": since, "limit": 2})).await;
        by_frame.extend(said["messages"].as_array().unwrap().iter().map(number));
        since = said["since"].clone();
        if said["complete"] == true {
            break;
        }
    }
    assert_eq!((&by_http, since), (&by_frame, json!(6)));
    by_http
}

#[tokio::test]
async fn a_damaged_message_holds_up_nothing_behind_it() {
    let damages = [
        rubbish(),
        AttributeValue::Null(true),
        AttributeValue::M(HashMap::new()),
        AttributeValue::L(vec![rubbish()]),
        AttributeValue::B(vec![0xff; 12]),
    ];
    for content in damages {
        let world = bob().await;
        damage(&world, &message_name("b", 2), content.clone()).await;
        assert_eq!(log(&world).await, [1, 3, 4, 5, 6], "{content:?}");
        let history = world.get("/users/bob/conversations/b/messages").await;
        assert_eq!((history.status, problem(&history)), (500, "damaged"), "{content:?}");
        let newest = world.get("/users/bob/conversations/b/messages?limit=1").await;
        assert_eq!((newest.status, &newest.body["items"][0]["n"], &newest.body["before"]), (200, &json!(5), &json!(5)));
        assert_eq!(world.get("/users/bob/conversations/a/messages").await.body["items"][1]["n"], 1);
        // Its summary does not need it, and neither does the next message.
        world.say("b", "bob", "three").await;
        assert_eq!(world.conversations("bob", 1).await[0], ("b".to_owned(), 3, 7));
    }
}

#[tokio::test]
async fn a_message_in_the_place_of_another_is_damaged() {
    for number in ["0", "1", "7", "18446744073709551615", "-1", "0.5"] {
        let world = bob().await;
        alter(&world, &message_name("b", 2), "n", AttributeValue::N(number.to_owned())).await;
        assert_eq!(log(&world).await, [1, 3, 4, 5, 6], "{number}");
    }
    let world = bob().await;
    for n in [1, 2, 3, 4, 5] {
        damage(&world, &message_name(["a", "b", "c"][(n - 1) % 3], n as u64), rubbish()).await;
    }
    assert_eq!(log(&world).await, [6]);
    damage(&world, &message_name("c", 6), rubbish()).await;
    assert_eq!(log(&world).await, [0; 0]);
}

#[tokio::test]
async fn a_conversation_that_cannot_be_made_anew_is_left_out_of_the_list_and_only_that() {
    let kept = [("c".to_owned(), 2, 6), ("a".to_owned(), 2, 4)];
    for mark in [false, true] {
        let world = bob().await;
        if mark {
            world.post("/users/bob/conversations/b/read", r#"{"upto": 2}"#).await;
            damage(&world, &mark_name("b"), rubbish()).await;
        } else {
            damage(&world, &message_name("b", 5), rubbish()).await;
        }
        // The summary is all that is needed, while it is there.
        assert_eq!(world.conversations("bob", 2).await.len(), 3);
        damage(&world, &summary_name("b"), rubbish()).await;
        for limit in [1, 2, 3, 100] {
            assert_eq!(world.conversations("bob", limit).await, kept, "pages of {limit}, {mark}");
        }
        world.take_item(&user("bob"), &table::record_key(&user("bob"), &summary_name("b")).sk).await;
        for limit in [1, 2, 3, 100] {
            assert_eq!(world.conversations("bob", limit).await, kept, "pages of {limit}, {mark}");
        }
        let history = world.get("/users/bob/conversations/b/messages?limit=1").await;
        assert_eq!((history.status, problem(&history)), (500, "damaged"));
        let sent = world.post("/users/bob/messages", r#"{"to": "b", "content": "hello?"}"#).await;
        assert_eq!((sent.status, problem(&sent)), (500, "event-failed"), "{sent:?}");
        let read = world.post("/users/bob/conversations/b/read", "").await;
        assert_eq!((read.status, problem(&read)), (500, "event-failed"), "{read:?}");

        // The others of this user go on, in both directions.
        world.say("bob", "a", "hi").await;
        world.say("c", "bob", "three").await;
        let read = world.post("/users/bob/conversations/c/read", "").await;
        assert_eq!(read.body, json!({"with": "c", "unread": 0, "upto": 8}));
        damage(&world, &summary_name("a"), rubbish()).await;
        let refilled = refill(&Client::new(world.host.clone()), &user("bob")).await.unwrap();
        let expected =
            Refilled { looked: 3, refilled: vec!["a".to_owned()], damaged: vec!["b".to_owned()], left: Vec::new() };
        assert_eq!(refilled, expected);
        assert_eq!(world.conversations("bob", 2).await, [("c".to_owned(), 0, 8), ("a".to_owned(), 2, 7)]);
    }
}

#[tokio::test]
async fn a_summary_with_a_wrong_number_keeps_its_place_and_the_pages_go_on() {
    let world = bob().await;
    let wrong = json!({"n": u64::MAX, "id": "x", "from": "b", "content": "x", "at": u64::MAX});
    let wrong = serde_dynamo::to_attribute_value(wrong).unwrap();
    alter(&world, &summary_name("b"), "last", wrong).await;
    for limit in [1, 2, 3] {
        let with: Vec<String> = world.conversations("bob", limit).await.into_iter().map(|(with, ..)| with).collect();
        assert_eq!(with, ["c", "b", "a"], "pages of {limit}");
    }
    // The next message makes it right.
    world.say("b", "bob", "three").await;
    assert_eq!(world.conversations("bob", 1).await[0], ("b".to_owned(), 3, 7));
}

#[tokio::test]
async fn numbers_beyond_everything_that_was_ever_counted() {
    let largest = || AttributeValue::N(u64::MAX.to_string());
    let world = bob().await;
    alter(&world, &summary_name("b"), "incoming", largest()).await;
    world.say("b", "bob", "three").await;
    assert_eq!(world.conversations("bob", 1).await[0], ("b".to_owned(), u64::MAX, 7));
    let refilled = refill(&Client::new(world.host.clone()), &user("bob")).await.unwrap();
    assert_eq!((refilled.refilled, refilled.damaged), (Vec::new(), Vec::new()), "the messages say so too, by now");

    let mut mailbox: HashMap<String, AttributeValue> =
        world.item(table::mailbox_key(&user("bob"))).await.unwrap().into();
    let Some(AttributeValue::M(state)) = mailbox.get_mut("state") else { panic!("no state") };
    state.insert("log".to_owned(), largest());
    world.put_item(mailbox).await;
    let sent = world.post("/users/bob/messages", r#"{"to": "a", "content": "hello?"}"#).await;
    assert_eq!((sent.status, problem(&sent)), (500, "event-failed"), "{sent:?}");
    for since in [0, 6, 7, u64::MAX - 1, u64::MAX] {
        let part = world.get(&format!("/users/bob/messages?since={since}")).await;
        assert_eq!((part.status, &part.body["complete"]), (200, &json!(since == u64::MAX)), "{part:?}");
    }
    assert_eq!(world.conversations("bob", 2).await.len(), 3);
}
