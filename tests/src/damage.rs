//! An entity whose stored item nobody can read: a clear answer to everybody, nothing lost, and nobody else affected.

use std::collections::{BTreeSet, HashMap};

use serde_dynamo::{AttributeValue, Item};
use serde_json::json;
use shared::client::Mode;
use shared::envelope::EntityId;
use shared::limits::Settings;
use shared::table;

use crate::drive::LEASE_OVER;
use crate::ledger::{ledger, registry, write};
use crate::poison::set;
use crate::problems::problem;
use crate::world::World;
use crate::world::no_failures;

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(digits: &str) -> AttributeValue {
    AttributeValue::N(digits.to_owned())
}

/// Attributes as no program of this version writes them.
fn damages() -> Vec<(&'static str, AttributeValue)> {
    let map = |name: &str, value| AttributeValue::M(HashMap::from([(name.to_owned(), value)]));
    vec![
        ("queue", text("rubbish")),
        ("queue", AttributeValue::L(vec![text("rubbish")])),
        ("queue", AttributeValue::L(vec![text(r#"{"b":1}"#)])),
        ("queue", AttributeValue::L(vec![map("b", number("1"))])),
        ("bytes", text("many")),
        ("bytes", number("0.5")),
        ("head", text("first")),
        ("head", number("0.5")),
        ("version", AttributeValue::L(Vec::new())),
        ("lease", text("mine")),
        ("lease", map("owner", text("me"))),
        ("lease", map("owner", AttributeValue::B(b"short".to_vec()))),
        ("schema", text("new")),
        ("evicted", number("7")),
        ("evicted", AttributeValue::B(b"short".to_vec())),
        ("recent", number("7")),
        ("recent", text("everything")),
        ("recent", text("[7]")),
        ("recent", AttributeValue::L(vec![number("7")])),
        ("outbox", text("full")),
        ("outbox", AttributeValue::L(vec![text(r#"{"r":"nobody"}"#)])),
        ("outbox", AttributeValue::L(vec![map("r", text("nobody"))])),
        ("sent", text("some")),
        ("attempts", text("many")),
        ("running", text("fast")),
        ("strikes", AttributeValue::Bool(true)),
        ("pending", number("1")),
    ]
}

async fn item(world: &World, entity: &EntityId) -> HashMap<String, AttributeValue> {
    world.item(table::mailbox_key(entity)).await.unwrap().into()
}

async fn put(world: &World, entity: &EntityId, item: HashMap<String, AttributeValue>) {
    let client = aws_sdk_dynamodb::Client::new(&world.config);
    let item: HashMap<String, aws_sdk_dynamodb::types::AttributeValue> = Item::from(item).into();
    assert!(item["pk"] == aws_sdk_dynamodb::types::AttributeValue::S(entity.to_string()));
    client.put_item().table_name(&world.table).set_item(Some(item)).send().await.unwrap();
}

#[tokio::test]
async fn whatever_is_damaged_is_said_and_left_as_it_is() {
    let world = World::with(registry(), Settings::default()).await;
    for (index, (name, value)) in damages().into_iter().enumerate() {
        let what = format!("{name} = {value:?}");
        let (damaged, other) = (ledger(&format!("damaged-{index}")), ledger(&format!("other-{index}")));
        assert_eq!(world.event(&damaged, &write("done")).await.status, 200);
        let kept = world.submit(&damaged, Mode::Detached, &[write("kept")]).await;
        world.records.take();
        let sound = item(&world, &damaged).await;
        let update = Box::leak(format!("SET #{name} = :value").into_boxed_str());
        set(&world, &damaged, update, name, value).await;
        let before = item(&world, &damaged).await;

        // Who reads is told, and who looks changes nothing and holds up nobody else in the batch.
        for path in [format!("/entities/{damaged}"), format!("/entities/{damaged}/events/{}", kept[0].event)] {
            let read = world.get(&path).await;
            assert_eq!((read.status, problem(&read)), (500, "damaged"), "{what}: {read:?}");
        }
        world.submit(&other, Mode::Detached, &[write("x")]).await;
        let late = world.later(LEASE_OVER);
        assert_eq!(late.stream(&[&damaged, &other]).await, no_failures(), "{what}");
        assert_eq!(world.entries(&other).await, ["x"], "{what}");
        assert_eq!(item(&world, &damaged).await, before, "{what}");

        // Who posts is told as well. A post reads nothing before it writes, so it may be stored; nothing else changes.
        let posted = world.event(&damaged, &write("posted")).await;
        let mut after = item(&world, &damaged).await;
        let stored = after["version"] != before["version"];
        if name == "pending" {
            // Every post writes it anew, so this one was mended.
            assert_eq!(posted.status, 200, "{posted:?}");
        } else {
            assert_eq!((posted.status, problem(&posted)), (500, "damaged"), "{what}: {posted:?}");
            let queue = |item: &HashMap<String, AttributeValue>| match &item["queue"] {
                AttributeValue::L(envelopes) => envelopes.clone(),
                _ => Vec::new(),
            };
            assert_eq!(queue(&after)[..queue(&before).len()], queue(&before), "{what}");
            let unlike = |name: &&String| before.get(*name) != after.get(*name);
            let changed: BTreeSet<&str> = after.keys().filter(unlike).map(String::as_str).collect();
            let posts: &[&str] = if stored { &["queue", "bytes", "version", "lease"] } else { &[] };
            assert!(changed.iter().all(|name| posts.contains(name)), "{what}: {changed:?}");
        }

        // An operator mends it, by the item as it was where a post has built on the damage: what was acknowledged is
        // there, and what may be stored is there at most once.
        let built_on = ["queue", "bytes", "version", "lease"].contains(&name);
        match (name, sound.get(name)) {
            ("pending", _) => {}
            _ if built_on => after.clone_from(&sound),
            (_, Some(value)) => drop(after.insert(name.to_owned(), value.clone())),
            (_, None) => drop(after.remove(name)),
        }
        put(&world, &damaged, after).await;
        late.records.put_back(std::slice::from_ref(&damaged));
        late.work_off().await;
        let expected: &[&str] = if stored && !built_on { &["done", "kept", "posted"] } else { &["done", "kept"] };
        assert_eq!(world.entries(&damaged).await, expected, "{what}");
        world.idle(&damaged).await;
    }
    let list = world.get("/entities/ledger?limit=100").await;
    assert_eq!((list.status, list.body["items"].as_array().unwrap().len()), (200, 2 * damages().len()));
}

#[tokio::test]
async fn a_list_shows_the_others() {
    let world = World::with(registry(), Settings::default()).await;
    for id in ["a", "b", "c"] {
        world.event(&ledger(id), &write("x")).await;
    }
    set(&world, &ledger("b"), "SET #queue = :value", "queue", text("rubbish")).await;
    let list = world.get("/entities/ledger").await;
    let shown: Vec<_> = list.body["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!((list.status, shown.len()), (200, 2), "{list:?}");
    assert_eq!(list.body["cursor"], json!(null));
}
