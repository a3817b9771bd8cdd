//! The stored form, held by literal items of a few accounts: they are read by every route, accounts go on from them, and
//! what is stored now has their form. A change that is not meant is noticed here.

use std::collections::HashMap;

use aws_smithy_types::base64::{decode, encode};
use kinds::account::Command;
use serde_dynamo::AttributeValue;
use serde_json::{Map, Value, json};

use crate::accounts::{Attributes, account, events_of, transferring};
use crate::world::World;

/// All items of the accounts that [`play`] makes, as DynamoDB's own JSON has them.
const STORED: &str = include_str!("stored.json");
/// When the first of them was made.
const BEGAN: &str = "2026-11-22T06:43:02.930Z";

fn items() -> Vec<Attributes> {
    let items: Vec<Map<String, Value>> = serde_json::from_str(STORED).unwrap();
    items.iter().map(attributes).collect()
}

fn attributes(map: &Map<String, Value>) -> Attributes {
    map.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

fn attribute(typed: &Value) -> AttributeValue {
    let (r#type, value) = typed.as_object().unwrap().iter().next().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let binary = |value: &Value| decode(value.as_str().unwrap()).unwrap();
    match r#type.as_str() {
        "S" => AttributeValue::S(text(value)),
        "N" => AttributeValue::N(text(value)),
        "B" => AttributeValue::B(binary(value)),
        "NULL" => AttributeValue::Null(true),
        "L" => AttributeValue::L(value.as_array().unwrap().iter().map(attribute).collect()),
        "M" => AttributeValue::M(attributes(value.as_object().unwrap())),
        other => panic!("{other}"),
    }
}

/// The same the other way round.
fn shown(item: &HashMap<String, AttributeValue>) -> Value {
    let mut names: Vec<&String> = item.keys().collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), typed(&item[name]))).collect::<Map<_, _>>().into()
}

fn typed(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(digits) => json!({"N": digits}),
        AttributeValue::B(bytes) => json!({"B": encode(bytes)}),
        AttributeValue::Null(_) => json!({"NULL": true}),
        AttributeValue::L(list) => json!({"L": list.iter().map(typed).collect::<Vec<_>>()}),
        AttributeValue::M(map) => json!({"M": shown(map)}),
        other => panic!("{other:?}"),
    }
}

/// What an item has in common with every other one that is stored for the same reason: without ids, times and hashes.
fn form(typed: &Value) -> Value {
    match typed {
        Value::Object(map) => {
            let nameless = |(name, value): (&String, &Value)| match name.as_str() {
                "N" | "B" => (name.clone(), Value::Null),
                _ => (name.clone(), form(value)),
            };
            map.iter().map(nameless).collect::<Map<_, _>>().into()
        }
        Value::Array(values) => values.iter().map(form).collect(),
        Value::String(text) => json!(without_ids(text)),
        other => other.clone(),
    }
}

/// A text without its ids, which have 24 hexadecimal digits or more, and its times, which have 13.
fn without_ids(text: &str) -> String {
    let (mut kept, mut run) = (String::new(), String::new());
    for letter in text.chars().chain([' ']) {
        if letter.is_ascii_hexdigit() {
            run.push(letter);
            continue;
        }
        kept += if run.len() >= 24 || run.len() == 13 { "#" } else { &run };
        run.clear();
        kept.push(letter);
    }
    kept
}

/// The commands from which the items came.
async fn play(world: &World) {
    let open = |owner: &str, balance: i64| json!({"owner": owner, "initial_balance": balance}).to_string();
    world.post("/accounts/alice/open", &open("Alice", 100)).await;
    world.post("/accounts/bob/open", &open("Bob", 0)).await;
    world.post_keyed("paid-in", "/accounts/alice/deposit", r#"{"amount":50}"#).await;
    let three = json!([
        {"type": "deposit", "amount": 1}, {"type": "withdraw", "amount": 2}, {"type": "deposit", "amount": 3},
    ]);
    world.post(&events_of("alice"), &three.to_string()).await;
    world.transfer("alice", "bob", 30).await;
    world.transfer("alice", "nobody", 7).await;
    world.post_keyed("too-much", "/accounts/alice/withdraw", r#"{"amount":5000}"#).await;
    world.post_async("/accounts/carol/open", &open("Carol", 10)).await;
    world.post_async("/accounts/carol/deposit", r#"{"amount":5}"#).await;
    world.post_async("/accounts/carol/withdraw", r#"{"amount":1}"#).await;
    world.post_async("/transfers", &transferring("carol", "bob", 4)).await;
}

/// Everything that is stored of the accounts, as DynamoDB's own JSON.
async fn all(world: &World) -> Vec<Value> {
    let mut all = Vec::new();
    for id in ["alice", "bob", "carol", "nobody"] {
        all.extend(world.stored(&account(id), "").await.iter().map(shown));
    }
    all
}

/// A world in which these items are all that was ever stored.
async fn loaded() -> World {
    let world = World::new().await;
    for item in items() {
        world.put_item(item).await;
    }
    world
}

/// The ids of the transfers that had ended.
fn transfers() -> [String; 2] {
    let ids = items().into_iter().filter_map(|item| match &item["sk"] {
        AttributeValue::S(sk) if item["pk"] == AttributeValue::S("account/alice".to_owned()) => {
            sk.strip_prefix("data#transfer#").map(str::to_owned)
        }
        _ => None,
    });
    ids.collect::<Vec<_>>().try_into().unwrap()
}

#[tokio::test]
async fn every_route_reads_what_is_stored() {
    let world = loaded().await;
    let [completed, refunded] = transfers();
    let sent = |id: &str, to: &str, amount: u64| json!({"amount": amount, "transfer": {"id": id, "from": "alice", "to": to, "amount": amount}});
    let events = [
        ("AccountOpened", json!({"owner": "Alice", "initial_balance": 100}), 100),
        ("MoneyDeposited", json!({"amount": 50}), 150),
        ("MoneyDeposited", json!({"amount": 1}), 151),
        ("MoneyWithdrawn", json!({"amount": 2}), 149),
        ("MoneyDeposited", json!({"amount": 3}), 152),
        ("MoneyWithdrawn", sent(&completed, "bob", 30), 122),
        ("MoneyWithdrawn", sent(&refunded, "nobody", 7), 115),
        ("MoneyDeposited", sent(&refunded, "nobody", 7), 122),
    ];
    let journal = world.journal("alice").await;
    assert_eq!(journal.len(), events.len());
    for (version, (event, (r#type, payload, balance))) in (1..).zip(journal.iter().zip(&events)) {
        assert_eq!((&event["type"], &event["payload"]), (&json!(r#type), payload));
        assert_eq!((&event["version"], &event["schema"]), (&json!(version), &json!(1)));
        let then = world.get(&format!("/accounts/alice?version={version}")).await;
        let expected = json!({"account_id": "alice", "owner": "Alice", "balance": balance, "version": version});
        assert_eq!((then.status, &then.body), (200, &expected));
        // Three of them were committed at one time.
        let at = if (3..=4).contains(&version) { 5 } else { version };
        let then = world.get(&format!("/accounts/alice?at={}", event["time"].as_str().unwrap())).await;
        assert_eq!((then.status, &then.body["version"]), (200, &json!(at)));
    }
    assert_eq!(journal[0]["time"], BEGAN);
    for (id, balance, version) in [("alice", 122, 8), ("bob", 30, 2)] {
        assert_eq!((world.balance(id).await, world.version(id).await), (json!(balance), version));
        world.verified(id).await;
        world.idle(&account(id)).await;
    }
    for (id, to, status) in [(&completed, "bob", "completed"), (&refunded, "nobody", "refunded")] {
        let tracked = world.get(&format!("/transfers/{id}")).await;
        assert_eq!((&tracked.body["status"], &tracked.body["to"]), (&json!(status), &json!(to)), "{tracked:?}");
    }
    let list = world.get("/entities/account").await;
    let ids: Vec<_> = list.body["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(ids, ["alice", "bob", "carol", "nobody"]);
    assert_eq!(list.body["items"][0]["state"]["state"], json!({"owner": "Alice", "balance": 122}));
    let receipt =
        world.get(&format!("/entities/account/alice/events/{}", journal[7]["event_id"].as_str().unwrap())).await;
    assert_eq!((receipt.status, &receipt.body["reply"]["id"]), (200, &json!(refunded)), "{receipt:?}");
    assert_eq!(world.get("/accounts/nobody").await.status, 404);
}

#[tokio::test]
async fn stored_accounts_go_on() {
    let world = loaded().await;
    assert_eq!(world.get("/accounts/carol").await.status, 404, "what opens it waits");
    world.records.put_back(&[account("carol")]);
    world.work_off().await;
    assert_eq!((world.balance("carol").await, world.version("carol").await), (json!(10), 4));
    assert_eq!(world.balance("bob").await, json!(34));

    assert_eq!(world.deposit("alice", 1).await.body["version"], 9);
    assert_eq!(world.transfer("alice", "bob", 3).await.body["status"], "completed");
    world.open_account("nobody", 1).await;
    let sent = world.transfer("bob", "nobody", 2).await;
    assert_eq!(sent.body["status"], "completed", "{sent:?}");
    for (id, balance, version) in [("alice", 120, 10), ("bob", 35, 5), ("carol", 10, 4), ("nobody", 3, 2)] {
        assert_eq!((world.balance(id).await, world.version(id).await), (json!(balance), version), "{id}");
        world.verified(id).await;
        assert_eq!(world.journal(id).await.len() as u64, version, "{id}");
    }
    world.settled(&["alice", "bob", "carol", "nobody"]).await;
}

#[tokio::test]
async fn what_is_stored_has_this_form() {
    let world = World::new().await;
    play(&world).await;
    let (now, stored): (Vec<Value>, Vec<Value>) = (all(&world).await, serde_json::from_str(STORED).unwrap());
    assert_eq!(now.len(), stored.len());
    for (now, stored) in now.iter().zip(&stored) {
        assert_eq!(form(now), form(stored));
    }
}

#[test]
fn commands_on_their_way_have_this_form() {
    let transfer = r#"{"id":"alice~6-01a1fe9d92e0730ab28693e2","from":"alice","to":"bob","amount":30}"#;
    let credit = transfer.replacen('{', r#"{"type":"credit","#, 1);
    let rejection = r#"{"reason":"account-not-open","status":404,"detail":"x"}"#;
    let full = r#"{"reason":"balance-overflow","status":422,"detail":"x","values":{"amount":1,"balance":2}}"#;
    let refund = |rejection: &str| format!(r#"{{"type":"refund","transfer":{transfer},"rejection":{rejection}}}"#);
    for body in [
        r#"{"type":"open","owner":"Alice","initial_balance":100}"#.to_owned(),
        r#"{"type":"deposit","amount":1}"#.to_owned(),
        r#"{"type":"withdraw","amount":1}"#.to_owned(),
        r#"{"type":"transfer","to":"bob","amount":30}"#.to_owned(),
        credit,
        refund(rejection),
        refund(full),
    ] {
        let command: Command = serde_json::from_str(&body).unwrap();
        assert_eq!(serde_json::to_string(&command).unwrap(), body);
    }
}
