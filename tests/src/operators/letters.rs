//! Dead letters are listed in order and by pages, read, and deleted once.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use shared::table;

use crate::ledger::{ledger, tell, write};
use crate::operators::{names, worlds};
use crate::problems::problem;
use crate::world::{World, entity};
use testing::faults::Fault;

/// Puts a letter of an effect where the protocol would.
async fn put_effect(world: &World, sequence: u64, effect: AttributeValue) {
    let key = table::undelivered_key(&ledger("a"), sequence, 0);
    let client = aws_sdk_dynamodb::Client::new(&world.config);
    let item = HashMap::from([
        ("pk".to_owned(), AttributeValue::S(key.pk)),
        ("sk".to_owned(), AttributeValue::S(key.sk)),
        ("cause".to_owned(), AttributeValue::S("the test wanted it".to_owned())),
        ("at".to_owned(), AttributeValue::N("1790000000000".to_owned())),
        ("effect".to_owned(), effect),
    ]);
    client.put_item().table_name(&world.table).set_item(Some(item)).send().await.unwrap();
}

fn effect() -> AttributeValue {
    AttributeValue::S(json!({"s": 1, "x": 0, "r": "ledger/b", "b": write("x"), "t": 1_790_000_000_000_u64}).to_string())
}

#[tokio::test]
async fn they_are_listed_in_order_by_pages() {
    let (world, broken) = worlds().await;
    let a = ledger("a");
    assert_eq!(world.letters(&a).await, Vec::<String>::new());
    for number in 1..=12 {
        assert_eq!(broken.event(&a, &write(&number.to_string())).await.status, 500);
    }
    for sequence in [2, 10] {
        put_effect(&world, sequence, effect()).await;
    }
    let mut expected: Vec<String> = (1..=12).map(|number| format!("event-{number}")).collect();
    expected.extend(["effect-2-0".to_owned(), "effect-10-0".to_owned()]);
    assert_eq!(world.letters(&a).await, expected);
    for limit in [1, 3, 4, 6, 12, 13, 14] {
        let (mut found, mut path) = (Vec::new(), format!("dead-letters/{a}?limit={limit}"));
        loop {
            let page = world.operate("GET", &path, "").await;
            assert_eq!(page.status, 200, "{page:?}");
            let items = names(&page.body["items"]);
            assert!(items.len() <= limit, "{items:?}");
            found.extend(items);
            let Some(cursor) = page.body["cursor"].as_str() else { break };
            path = format!("dead-letters/{a}?limit={limit}&cursor={cursor}");
        }
        assert_eq!(found, expected, "pages of {limit}");
    }
    // Those of another entity whose id begins alike are not among them.
    assert_eq!(world.letters(&ledger("a1")).await, Vec::<String>::new());
}

#[tokio::test]
async fn one_is_read_with_all_that_it_holds() {
    let (world, broken) = worlds().await;
    let a = ledger("a");
    let failed = broken.event(&a, &write("x")).await;
    let letter = world.operate("GET", &format!("dead-letters/{a}/event-1"), "").await;
    assert_eq!(letter.status, 200, "{letter:?}");
    assert_eq!((&letter.body["name"], &letter.body["policy"]), (&json!("event-1"), &json!("park")));
    assert_eq!((&letter.body["event"], &letter.body["event_id"]), (&write("x"), &failed.body["event_id"]));
    assert!(letter.body["cause"].as_str().unwrap().contains("the program is broken"), "{letter:?}");
    let unknown = world.operate("GET", &format!("dead-letters/{a}/event-2"), "").await;
    assert_eq!((unknown.status, problem(&unknown)), (404, "unknown-dead-letter"));
    for wrong in ["1", "event-01", "mailbox", "effect-1", "dead%231"] {
        let reply = world.operate("GET", &format!("dead-letters/{a}/{wrong}"), "").await;
        assert_eq!((reply.status, problem(&reply)), (400, "invalid-request"), "{wrong}");
    }
}

#[tokio::test]
async fn what_an_effect_was_to_do_is_shown_and_what_cannot_be_read_says_so() {
    let (world, _) = worlds().await;
    put_effect(&world, 1, effect()).await;
    put_effect(&world, 2, AttributeValue::S("rubbish".to_owned())).await;
    let page = world.operate("GET", "dead-letters/ledger/a", "").await;
    assert_eq!((&page.body["items"][0]["to"], &page.body["items"][0]["event"]), (&json!("ledger/b"), &write("x")));
    assert!(page.body["items"][1]["unreadable"].is_string(), "{page:?}");
    let redriven = world.redrive_one(&ledger("a"), "effect-2-0").await;
    assert_eq!((redriven.status, problem(&redriven)), (500, "damaged"));
    assert_eq!(world.operate("DELETE", "dead-letters/ledger/a/effect-2-0", "").await.status, 200);
    assert_eq!(world.letters(&ledger("a")).await, ["effect-1-0"]);
}

#[tokio::test]
async fn one_is_deleted_once_and_never_processed() {
    let (world, broken) = worlds().await;
    let a = ledger("a");
    broken.event(&a, &write("1")).await;
    broken.event(&a, &tell("2", &[])).await;
    let path = format!("dead-letters/{a}/event-1");
    let deleted = world.operate("DELETE", &path, "").await;
    assert_eq!((deleted.status, deleted.body), (200, json!({"deleted": "event-1"})));
    for method in ["DELETE", "GET"] {
        let again = world.operate(method, &path, "").await;
        assert_eq!((again.status, problem(&again)), (404, "unknown-dead-letter"), "{method}");
    }
    assert_eq!(world.redrive_one(&a, "event-1").await.status, 404);
    world.redrive(&a).await;
    world.work_off().await;
    assert_eq!(world.entries(&a).await, ["2"]);
}

#[tokio::test]
async fn a_deletion_whose_answer_is_lost_is_done() {
    let (world, broken) = worlds().await;
    let a = ledger("a");
    broken.event(&a, &write("1")).await;
    world.faults.arm(0, Fault::AnswerLost);
    assert_eq!(world.operate("DELETE", &format!("dead-letters/{a}/event-1"), "").await.status, 200);
    assert!(world.faults.have_struck());
    assert_eq!(world.letters(&a).await, Vec::<String>::new());
}

#[tokio::test]
async fn letters_of_a_kind_that_is_gone_can_be_read_and_deleted_but_not_redriven() {
    let (world, broken) = worlds().await;
    let gone = entity("skipper", "a");
    broken.event(&gone, &write("1")).await;
    let other = world.again(crate::app::registry());
    assert_eq!(other.letters(&gone).await, ["event-1"]);
    let redriven = other.redrive_one(&gone, "event-1").await;
    assert_eq!((redriven.status, problem(&redriven)), (409, "kind-not-known"));
    assert_eq!(other.operate("DELETE", &format!("dead-letters/{gone}/event-1"), "").await.status, 200);
}
