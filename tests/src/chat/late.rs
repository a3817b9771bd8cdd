//! An index that is late: no message is passed over, nobody is told that this was all, and no conversation is missing.

use serde_json::{Value, json};

use crate::world::World;

fn numbers(messages: &Value) -> Vec<u64> {
    messages.as_array().unwrap().iter().map(|message| message["n"].as_u64().unwrap()).collect()
}

/// Bob hears from ten users, in the order of their names, and from the first of them once more.
async fn bob() -> World {
    let world = World::new().await;
    for from in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        world.say(from, "bob", "hello").await;
    }
    world.say("a", "bob", "me again").await;
    world
}

#[tokio::test]
async fn a_sync_goes_on_from_where_the_index_ends() {
    let world = bob().await;
    world.connect("bob", "b-1").await;
    for late in [1, 3, 10, 11, 20] {
        let there: Vec<u64> = (1..=11_u64.saturating_sub(late)).collect();
        world.faults.delay_lists(late.try_into().unwrap());
        for limit in [2, 100] {
            let (mut by_http, mut by_frame, mut since) = (Vec::new(), Vec::new(), 0);
            loop {
                let part = world.get(&format!("/users/bob/messages?since={since}&limit={limit}")).await;
                assert_eq!((part.status, &part.body["complete"]), (200, &json!(false)), "{part:?}");
                let frame = json!({"type": "sync", "since": since, "limit": limit});
                let said = world.frame("bob", "b-1", &frame).await;
                assert_eq!((&said["complete"], &said["since"]), (&json!(false), &part.body["since"]), "{said}");
                by_frame.extend(numbers(&said["messages"]));
                by_http.extend(numbers(&part.body["items"]));
                if part.body["since"] == since {
                    break;
                }
                since = part.body["since"].as_u64().unwrap();
                assert_eq!(by_http.last(), Some(&since));
            }
            assert_eq!((&by_http, &by_frame), (&there, &there), "{late} late");
        }
    }
    world.faults.delay_lists(0);
    assert_eq!(world.log("bob", 3).await.len(), 11);
}

#[tokio::test]
async fn the_list_of_conversations_has_them_all_the_same() {
    let world = bob().await;
    let expected = world.conversations("bob", 100).await;
    assert_eq!((expected.len(), &expected[0]), (10, &("a".to_owned(), 2, 11)));
    for late in [1, 2, 5, 9, 10, 20] {
        world.faults.delay_lists(late);
        for limit in [1, 2, 3, 4, 7, 9, 10, 100] {
            let mut found = world.conversations("bob", limit).await;
            if limit >= 10 {
                assert_eq!(found, expected, "{late} late: on one page they are in order");
            }
            found.sort_by_key(|(_, _, n)| std::cmp::Reverse(*n));
            assert_eq!(found, expected, "{late} late, pages of {limit}");
        }
    }
}

#[tokio::test]
async fn an_index_that_catches_up_meanwhile_is_asked_again() {
    let world = bob().await;
    world.faults.delay_lists(2);
    let catches_up = async {
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        world.faults.delay_lists(0);
    };
    let (page, ()) = tokio::join!(world.get("/users/bob/conversations?limit=2"), catches_up);
    let with: Vec<&Value> = page.body["items"].as_array().unwrap().iter().map(|item| &item["with"]).collect();
    assert_eq!(with, ["a", "j"], "{page:?}");
    world.faults.delay_lists(2);
    let catches_up = async {
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        world.faults.delay_lists(0);
    };
    let (part, ()) = tokio::join!(world.get("/users/bob/messages?since=0"), catches_up);
    assert_eq!((numbers(&part.body["items"]).len(), &part.body["complete"]), (11, &json!(true)), "{part:?}");
}

#[tokio::test]
async fn a_conversation_that_moves_up_while_somebody_pages_is_not_missed() {
    let world = bob().await;
    let first = world.get("/users/bob/conversations?limit=4").await.body;
    world.say("b", "bob", "and me").await;
    let (mut cursor, mut found) = (first["cursor"].clone(), Vec::new());
    let with = |page: &Value, found: &mut Vec<String>| {
        found.extend(page["items"].as_array().unwrap().iter().map(|item| item["with"].as_str().unwrap().to_owned()));
    };
    with(&first, &mut found);
    while let Some(at) = cursor.as_str() {
        let page = world.get(&format!("/users/bob/conversations?limit=4&cursor={at}")).await.body;
        with(&page, &mut found);
        cursor = page["cursor"].clone();
    }
    found.sort();
    assert_eq!(found, ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
}
