//! Random and mutated input to everything that decodes what comes from outside the program: stream records, wakes,
//! stored items, cursors, ids. Never a panic, always a value or a typed error. HTTP requests are in `fuzz`, what belongs to
//! the chat in `chat::decoders`.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::app;
use kinds::account::answers::{AmountBody, OpenBody, TransferBody};
use kinds::account::{Command, Credited, Happened, Sent, State, TransferId};
use serde_dynamo::{AttributeValue, Item};
use serde_json::{Value, json};
use shared::client::Mode;
use shared::envelope::{EntityId, EnvelopeId, EventId, Millis, Owner};
use shared::journal;
use shared::limits::Settings;
use shared::mailbox::image::Mailbox;
use shared::mailbox::view::{self, DeadLetter};
use shared::receipt::Receipt;
use shared::registry::Stored;
use shared::sourced::Snapshot;
use shared::table;
use shared::wake::{Wake, look};
use web::query::{Parameter, Query};

use crate::accounts::account;
use crate::chance::{Chance, seed};
use crate::ledger::{ledger, registry, tell, write};
use crate::problems::problem;
use crate::world::World;
use testing::faults::Fault;

/// Inputs of each kind.
const INPUTS: usize = 3_000;

/// Runs a decoder over many inputs; a panic names the seed and the input.
pub fn many<T: std::fmt::Debug>(name: &str, mut make: impl FnMut(&mut Chance) -> T, decode: impl Fn(&T) -> bool) {
    let seed = seed("FUZZ_SEED");
    let (mut chance, mut good) = (Chance::new(seed), 0);
    for _ in 0..INPUTS {
        let input = make(&mut chance);
        let decoded = catch_unwind(AssertUnwindSafe(|| decode(&input)));
        good += usize::from(decoded.unwrap_or_else(|_| panic!("FUZZ_SEED={seed}: {name}: {input:?}")));
    }
    println!("{name}: {good} of {INPUTS} could be read");
    assert!((1..INPUTS).contains(&good), "FUZZ_SEED={seed}: {name}: {good} of {INPUTS} could be read");
}

/// Text of bytes that matter somewhere.
pub fn scrap(chance: &mut Chance) -> String {
    let pieces =
        ["", "/", "-", "#", "0", "18446744073709551615", "mailbox", "ledger/a", "é", "\u{0}", "aws:sqs", "p", "{}"];
    (0..chance.below(4)).map(|_| chance.of(&pieces)).collect()
}

pub fn spoil_text(chance: &mut Chance, text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..chance.below(3) {
        let start = chance.below(bytes.len() + 1);
        let end = start + chance.below((bytes.len() - start).min(3) + 1);
        bytes.splice(start..end, scrap(chance).into_bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A JSON value with some of its parts removed, replaced or spoilt.
pub fn spoil_json(chance: &mut Chance, value: &Value) -> Value {
    if chance.below(24) == 0 {
        return match chance.below(6) {
            0 => Value::Null,
            1 => json!(chance.next()),
            2 => json!([]),
            3 => json!({}),
            4 => json!(-0.5),
            _ => json!(scrap(chance)),
        };
    }
    match value {
        Value::Array(values) => values.iter().map(|value| spoil_json(chance, value)).collect(),
        Value::Object(members) => {
            let kept: Vec<_> = members.iter().filter(|_| chance.below(24) > 0).collect();
            kept.into_iter().map(|(name, value)| (name.clone(), spoil_json(chance, value))).collect()
        }
        Value::String(text) if chance.below(6) == 0 => json!(spoil_text(chance, text)),
        other => other.clone(),
    }
}

/// An attribute with some of its parts removed, replaced or spoilt.
fn spoil(chance: &mut Chance, value: &AttributeValue) -> AttributeValue {
    if chance.below(40) == 0 {
        return match chance.below(8) {
            0 => AttributeValue::S(scrap(chance)),
            1 => {
                AttributeValue::N(chance.of(&["0", "-1", "0.5", "18446744073709551615", "1e125", "NaN", ""]).to_owned())
            }
            2 => AttributeValue::B(scrap(chance).into_bytes()),
            3 => AttributeValue::Bs(vec![scrap(chance).into_bytes(); 2]),
            4 => AttributeValue::L(vec![AttributeValue::Null(true); 3]),
            5 => AttributeValue::M(HashMap::new()),
            6 => AttributeValue::B(vec![0xff; 12]),
            _ => AttributeValue::Bool(false),
        };
    }
    match value {
        AttributeValue::L(values) => AttributeValue::L(values.iter().map(|value| spoil(chance, value)).collect()),
        AttributeValue::M(map) => AttributeValue::M(spoil_map(chance, map)),
        AttributeValue::S(text) if chance.below(20) == 0 => AttributeValue::S(spoil_text(chance, text)),
        AttributeValue::N(_) if chance.below(8) == 0 => {
            AttributeValue::N(chance.of(&["0", "1", "7", "9223372036854775807", "18446744073709551615"]).to_owned())
        }
        other => other.clone(),
    }
}

pub fn spoil_map(chance: &mut Chance, map: &HashMap<String, AttributeValue>) -> HashMap<String, AttributeValue> {
    let mut names: Vec<&String> = map.keys().collect();
    names.sort();
    let kept: Vec<_> = names.into_iter().filter(|_| chance.below(24) > 0).collect();
    kept.into_iter().map(|name| (name.clone(), spoil(chance, &map[name]))).collect()
}

/// Items as they are stored: of an idle entity, of one with everything in it, a receipt, and a dead letter.
async fn stored() -> (Vec<HashMap<String, AttributeValue>>, [HashMap<String, AttributeValue>; 2]) {
    let world = World::with(registry(), Settings::default()).await;
    let (idle, busy) = (ledger("idle"), ledger("busy"));
    let keyed = [("idempotency-key", "k")];
    world.http("POST", &format!("/entities/{idle}/events"), &keyed, &write("x").to_string()).await;
    world.event(&idle, &json!({"type": "fail"})).await;
    // It dies over the settling of its effect, and others post behind it.
    let victim = world.other();
    victim.faults.arm(2, Fault::DiesBefore);
    let event = tell("x", &[(&idle, write("y")), (&busy, write("z"))]);
    assert!(victim.until_death(victim.event(&busy, &event)).await.is_none());
    world.http("POST", &format!("/entities/{busy}/events"), &keyed, &write("x").to_string()).await;
    world.submit(&busy, Mode::Detached, &[write("a"), write("b")]).await;
    let mut mailboxes = Vec::new();
    for id in [&idle, &busy] {
        mailboxes.push(world.item(table::mailbox_key(id)).await.unwrap().into());
    }
    let receipt: Vec<HashMap<String, AttributeValue>> = receipts(&world, &idle).await;
    let dead = world.item(table::dead_key(&idle, 2)).await.unwrap().into();
    (mailboxes, [receipt.into_iter().next().unwrap(), dead])
}

/// The receipts of an entity.
async fn receipts(world: &World, entity: &EntityId) -> Vec<HashMap<String, AttributeValue>> {
    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    let found = aws_sdk_dynamodb::Client::new(&world.config)
        .query()
        .table_name(&world.table)
        .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
        .expression_attribute_values(":pk", text(entity.as_str()))
        .expression_attribute_values(":sk", text("receipt#"))
        .send()
        .await
        .unwrap();
    found.items.unwrap().into_iter().map(|item| Item::from(item).into()).collect()
}

/// What is asked of an image that could be read.
fn use_image(image: &Mailbox) {
    let event = EventId { sequence: image.head, id: EnvelopeId([7; 12]) };
    for sequence in [0, 1, image.head, image.head.saturating_add(1), u64::MAX] {
        let _ = view::standing(image, EventId { sequence, ..event });
    }
    for (sequence, recent) in image.recents() {
        let _ = recent.settled(sequence);
    }
    for wake in [None, Some(Wake { entity: image.entity.clone(), lease: None, due: None })] {
        let _ = look(image, wake.as_ref(), Millis(1_790_000_000_000), &Settings::default());
    }
    let _ = (image.first(), image.is_suspect(), image.event(event.id));
}

#[tokio::test]
async fn stored_items() {
    let (mailboxes, [receipt, dead]) = stored().await;
    let busy = ledger("busy");
    many(
        "a mailbox",
        |chance| {
            let index = chance.below(mailboxes.len());
            spoil_map(chance, &mailboxes[index])
        },
        |item| Mailbox::read(&busy, Item::from(item.clone())).map(|image| use_image(&image)).is_ok(),
    );
    many(
        "a receipt",
        |chance| spoil_map(chance, &receipt),
        |item| serde_dynamo::from_item::<_, Receipt>(Item::from(item.clone())).is_ok(),
    );
    many(
        "a dead letter",
        |chance| spoil_map(chance, &dead),
        |item| serde_dynamo::from_item::<_, DeadLetter>(Item::from(item.clone())).is_ok(),
    );
}

/// An attribute that is not there is taken as nothing; one that a newer program added is not looked at.
#[tokio::test]
async fn items_with_less_and_with_more() {
    let (mailboxes, [receipt, _]) = stored().await;
    let busy = ledger("busy");
    for full in &mailboxes {
        let whole = Mailbox::read(&busy, Item::from(full.clone())).unwrap();
        for name in full.keys() {
            let mut less = full.clone();
            less.remove(name);
            let read = Mailbox::read(&busy, Item::from(less));
            // Without a head, the replies are those of envelopes that never left the queue.
            assert_eq!(read.is_ok(), name != "head", "{name}: {read:?}");
        }
        let mut more = full.clone();
        more.insert("novelty".to_owned(), AttributeValue::Bool(true));
        assert_eq!(Mailbox::read(&busy, Item::from(more)), Ok(whole));
    }
    for name in ["head", "version", "sent", "bytes", "attempts", "strikes"] {
        let mut overflowing = mailboxes[0].clone();
        overflowing.insert(name.to_owned(), AttributeValue::N(u64::MAX.to_string()));
        assert!(Mailbox::read(&busy, Item::from(overflowing)).is_err(), "{name}");
    }
    let empty = Mailbox::read(&busy, Item::from(HashMap::<String, AttributeValue>::new())).unwrap();
    use_image(&empty);
    assert_eq!((empty.head, empty.pending, empty.lease), (0, false, None));
    for name in ["hash", "event", "outcome", "until"] {
        let mut less = receipt.clone();
        assert!(less.remove(name).is_some(), "{name}");
        assert!(serde_dynamo::from_item::<_, Receipt>(Item::from(less)).is_err(), "{name}");
    }
}

#[test]
fn batches_of_records_and_wakes() {
    let stream: Value = serde_json::from_str(include_str!("../../events/drain-stream.json")).unwrap();
    let wakes: Value = serde_json::from_str(include_str!("../../events/drain-wake.json")).unwrap();
    for (name, event) in [("stream records", &stream), ("queue messages", &wakes)] {
        many(name, |chance| spoil_json(chance, event), |event| drain::event::read(event.clone()).is_ok());
    }
    let body = wakes["Records"][0]["body"].as_str().unwrap();
    let wake: Value = serde_json::from_str(body).unwrap();
    many(
        "a wake",
        |chance| if chance.below(2) == 0 { spoil_text(chance, body) } else { spoil_json(chance, &wake).to_string() },
        |text| serde_json::from_str::<Wake>(text).is_ok(),
    );
}

/// Through the whole function: whatever was read is answered, and what cannot be read is named.
#[tokio::test]
async fn drain_answers_whatever_it_is_handed() {
    let world = World::with(registry(), Settings::default()).await;
    let stream: Value = serde_json::from_str(include_str!("../../events/drain-stream.json")).unwrap();
    let wakes: Value = serde_json::from_str(include_str!("../../events/drain-wake.json")).unwrap();
    let seed = seed("FUZZ_SEED");
    let mut chance = Chance::new(seed);
    for index in 0..200 {
        let event = spoil_json(&mut chance, if index % 2 == 0 { &stream } else { &wakes });
        let answer = drain::handle(&world.host, &world.wakes, event.clone(), world.deadline()).await;
        let Ok(answer) = answer else { continue };
        for failure in answer["batchItemFailures"].as_array().unwrap() {
            // An empty identifier fails the whole batch, again and again.
            let named = failure["itemIdentifier"].as_str().is_some_and(|item| !item.is_empty());
            assert!(named, "FUZZ_SEED={seed}: {event}");
        }
    }
}

#[test]
fn ids() {
    let event = "12-000102030405060708090a0b";
    many("an entity", |chance| spoil_text(chance, "ledger/a"), |text| text.parse::<EntityId>().is_ok());
    many("an event", |chance| spoil_text(chance, event), |text| text.parse::<EventId>().is_ok());
    many("an envelope", |chance| spoil_text(chance, &event[3..]), |text| text.parse::<EnvelopeId>().is_ok());
    many("an owner", |chance| spoil_text(chance, &event[3..]), |text| text.parse::<Owner>().is_ok());
}

#[tokio::test]
async fn cursors_of_lists() {
    let world = World::with(registry(), Settings::default()).await;
    for id in ["a", "b", "c"] {
        world.event(&ledger(id), &write("x")).await;
    }
    let seed = seed("FUZZ_SEED");
    let (mut chance, mut statuses) = (Chance::new(seed), HashMap::new());
    for _ in 0..200 {
        let cursor = if chance.below(2) == 0 { "61" } else { "6162637e40" };
        let cursor: String = spoil_text(&mut chance, cursor).bytes().map(|byte| format!("%{byte:02x}")).collect();
        let path = chance.of(&["/entities/ledger?limit=1&cursor=", "/status?cursor="]);
        let reply = world.get(&format!("{path}{cursor}")).await;
        match reply.status {
            200 => assert!(reply.body["items"].is_array()),
            400 => assert_eq!(problem(&reply), "invalid-request"),
            other => panic!("FUZZ_SEED={seed}: {cursor}: {other}"),
        }
        *statuses.entry(reply.status).or_insert(0) += 1;
    }
    assert_eq!(statuses.len(), 2, "FUZZ_SEED={seed}: {statuses:?}");
}

/// What is stored of an account: a journal item of several events, its state, and the records of a transfer.
async fn stored_account() -> [HashMap<String, AttributeValue>; 4] {
    let world = World::new().await;
    world.open_account("alice", 100).await;
    world.deposit("alice", 1).await;
    let two = json!([{"type": "deposit", "amount": 1}, {"type": "transfer", "to": "nobody", "amount": 1}]);
    assert_eq!(world.post("/entities/account/alice/events", &two.to_string()).await.status, 200);
    let shared = world.journal_items("alice").await.swap_remove(2);
    let mailbox: HashMap<String, AttributeValue> =
        world.item(table::mailbox_key(&account("alice"))).await.unwrap().into();
    let sent = world.stored(&account("alice"), "data#transfer#").await.swap_remove(0);
    let credited = world.stored(&account("nobody"), "data#transfer#").await.swap_remove(0);
    [shared, mailbox, sent, credited]
}

/// The record in an item that has one.
fn record<T: serde::de::DeserializeOwned>(item: &HashMap<String, AttributeValue>) -> bool {
    let record = item.get("record").cloned();
    record.is_some_and(|record| serde_dynamo::from_attribute_value::<_, T>(record).is_ok())
}

#[tokio::test]
async fn what_is_stored_of_accounts() {
    let [shared, mailbox, sent, credited] = stored_account().await;
    many(
        "a journal item",
        |chance| spoil_map(chance, &shared),
        |item| {
            let Ok(entries) = journal::read(Item::from(item.clone())) else { return false };
            // Whatever was read is replayed, or is said to be damaged.
            let registry = app::registry();
            let mut stage = registry.kind("account").unwrap().stage(None).unwrap();
            entries.iter().for_each(|entry| drop(stage.replay(entry)));
            entries.iter().all(|entry| serde_json::from_value::<Happened>(entry.event()).is_ok())
        },
    );
    let state = &mailbox["state"];
    many(
        "a snapshot",
        |chance| spoil(chance, state),
        |state| {
            let registry = app::registry();
            let staged = registry.kind("account").unwrap().stage(Some(Stored { schema: 1, state }));
            let typed: Result<Snapshot<State>, _> = serde_dynamo::from_attribute_value(state.clone());
            assert_eq!(staged.is_ok(), typed.is_ok());
            staged.is_ok_and(|stage| stage.stored().is_ok())
        },
    );
    many("a record of what was sent", |chance| spoil_map(chance, &sent), record::<Sent>);
    many("a record of what was credited", |chance| spoil_map(chance, &credited), record::<Credited>);
}

/// A snapshot or a journal with the largest numbers there are stops the account, and nothing else.
#[tokio::test]
async fn numbers_beyond_everything_that_was_ever_counted() {
    let world = World::new().await;
    let largest = AttributeValue::N(u64::MAX.to_string());
    for name in ["version", "at"] {
        world.open_account(name, 1).await;
        let mut mailbox: HashMap<String, AttributeValue> =
            world.item(table::mailbox_key(&account(name))).await.unwrap().into();
        let Some(AttributeValue::M(state)) = mailbox.get_mut("state") else { panic!("no state") };
        state.insert(name.to_owned(), largest.clone());
        world.put_item(mailbox).await;
        // Time goes no further then; a version that none follows cannot be followed.
        let deposited = world.deposit(name, 1).await;
        assert_eq!(deposited.status, if name == "at" { 200 } else { 500 }, "{deposited:?}");
        for route in ["", "?version=1", "?at=2999-01-01T00:00:00Z", "/events", "/verify"] {
            let reply = world.get(&format!("/accounts/{name}{route}")).await;
            assert_eq!(reply.status, 200, "{name}{route}: {reply:?}");
        }
        assert_eq!(world.verdict(name).await.body["consistent"], name == "at");
    }
    world.open_account("journal", 1).await;
    let mut item = world.journal_items("journal").await.swap_remove(0);
    let Some(AttributeValue::L(events)) = item.get_mut("events") else { panic!("no events") };
    let AttributeValue::M(event) = &mut events[0] else { panic!("no event") };
    event.insert("version".to_owned(), largest);
    item.insert("sk".to_owned(), AttributeValue::S(format!("event#{}", u64::MAX)));
    world.put_item(item).await;
    for route in ["/events?from=1&limit=1", "/events?from=2&limit=1", "/verify"] {
        let reply = world.get(&format!("/accounts/journal{route}")).await;
        assert_eq!(reply.status, 200, "{route}: {reply:?}");
    }
    assert_eq!(world.balance("journal").await, 1);
}

#[test]
fn what_customers_of_the_bank_send() {
    let open = json!({"owner": "alice", "initial_balance": 100});
    let transfer = json!({"from": "alice", "to": "bob", "amount": 5});
    let credit =
        json!({"type": "credit", "id": "alice~2-000102030405060708090a0b", "from": "alice", "to": "bob", "amount": 5});
    let read = |name: &str, body: &Value, decode: fn(&Value) -> bool| {
        many(name, |chance| spoil_json(chance, body), decode);
    };
    read("a body that opens", &open, |body| serde_json::from_value::<OpenBody>(body.clone()).is_ok());
    read("a body with an amount", &json!({"amount": 5}), |body| {
        serde_json::from_value::<AmountBody>(body.clone()).is_ok()
    });
    read("a body of a transfer", &transfer, |body| serde_json::from_value::<TransferBody>(body.clone()).is_ok());
    read("a command", &credit, |body| serde_json::from_value::<Command>(body.clone()).is_ok());
    let id = "alice~12-000102030405060708090a0b";
    many("a transfer's id", |chance| spoil_text(chance, id), |text| text.parse::<TransferId>().is_ok());
    many(
        "a transfer's id that is shown as it was read",
        |chance| spoil_text(chance, id),
        |text| text.parse::<TransferId>().is_ok_and(|id| id.to_string() == *text),
    );
    let names = ["version", "at", "from", "limit"].map(Parameter::text);
    for query in ["version=12", "at=2026-11-21T12:00:00.5Z", "at=2026-11-21T12:00:00+01:00", "from=1&limit=5"] {
        let decode = |query: &String| {
            let Ok(query) = Query::read(query, &names) else { return false };
            let (version, at) = (query.number("version"), query.time("at"));
            version.is_ok() && at.is_ok() && query.number("from").is_ok() && query.limit_of(100, 1_000).is_ok()
        };
        many(query, |chance| spoil_text(chance, query), decode);
    }
}
