//! Random and mutated input to everything of the chat that decodes: frames, cursors, paths, the authorizer's events, and
//! records as they are stored. Never a panic, always an answer.

use std::collections::{BTreeMap, HashMap};

use ingest::authorizer;
use kinds::chat::{conversations, presence};
use kinds::user::asked::{self as frame, Read};
use kinds::user::{Conversation, KIND, Mark, Message, Presence, mark_name, message_name, summary_name};
use lambda_http::Body;
use lambda_http::http::Request;
use serde_dynamo::{AttributeValue, Item};
use serde_json::{Value, json};
use shared::envelope::{EntityId, Millis};
use shared::host::ReadHost;
use shared::limits;
use shared::table;
use web::guard::Guard;

use crate::chance::{Chance, seed};
use crate::chat::{socket_event, user};
use crate::decoders::{many, scrap, spoil_json, spoil_map, spoil_text};
use crate::problems::problem;
use crate::world::{World, deployed};

/// Frames as they should be.
fn frames() -> [Value; 7] {
    [
        json!({"v": 1, "type": "send", "id": "c-1", "to": "bob", "content": "hi", "ref": "r"}),
        json!({"type": "send", "id": "c-2", "to": "carol", "content": "\u{0}💩"}),
        json!({"type": "read", "with": "bob", "upto": 1}),
        json!({"type": "read", "with": "bob"}),
        json!({"type": "sync", "since": 0, "limit": 100}),
        json!({"type": "typing", "to": "bob"}),
        json!({"type": "ping"}),
    ]
}

/// Bytes that are a frame, nearly one, or none at all.
fn frame_bytes(chance: &mut Chance) -> Vec<u8> {
    let frame = chance.of(&frames().each_ref()).clone();
    match chance.below(8) {
        0 => (0..chance.below(40)).map(|_| chance.next().to_le_bytes()[0]).collect(),
        1 => {
            let mut bytes = frame.to_string().into_bytes();
            for _ in 0..=chance.below(3) {
                let at = chance.below(bytes.len());
                bytes[at] = chance.next().to_le_bytes()[0];
            }
            bytes
        }
        2 => {
            let opening = chance.of(&["[", "{\"a\":", "[{\"a\":", "\"", "9", "-", " "]);
            opening.repeat(chance.below(limits::FRAME_BYTES / opening.len() + 100)).into_bytes()
        }
        3 => spoil_text(chance, &frame.to_string()).into_bytes(),
        4 => frame.to_string().into_bytes(),
        _ => spoil_json(chance, &frame).to_string().into_bytes(),
    }
}

#[test]
fn frames_of_any_bytes() {
    let read = |bytes: &Vec<u8>| {
        let Read { echo, id, asked } = frame::read(bytes);
        let repeated = [echo, id].into_iter().flatten().all(|text| text.len() <= limits::ECHO_BYTES);
        assert!(repeated || asked.is_ok());
        asked.map_err(|problem| assert!(problem.to_json().to_string().len() < limits::FRAME_BYTES)).is_ok()
    };
    many("a frame", frame_bytes, read);
}

/// Through the whole function: an answer of the protocol, whatever it was.
#[tokio::test]
async fn a_socket_answers_whatever_it_is_sent() {
    let seed = seed("FUZZ_SEED");
    let (mut chance, mut types) = (Chance::new(seed), BTreeMap::new());
    let world = World::new().await;
    world.connect("alice", "c-1").await;
    for _ in 0..400 {
        let text = String::from_utf8_lossy(&frame_bytes(&mut chance)).into_owned();
        let event = socket_event("MESSAGE", "alice", "c-1", &text).to_string();
        let reply = world.hear(&event).await;
        assert_eq!(reply.status, 200, "FUZZ_SEED={seed}: {text:.500}: {reply:?}");
        let kind = reply.body["type"].as_str().unwrap_or_default().to_owned();
        match kind.as_str() {
            "error" => {
                let status = reply.body["problem"]["status"].as_u64().unwrap();
                assert!((400..500).contains(&status), "FUZZ_SEED={seed}: {text:.500}: {reply:?}");
            }
            _ => assert_eq!(reply.body["v"], 1, "FUZZ_SEED={seed}: {text:.500}"),
        }
        *types.entry(kind).or_insert(0) += 1;
    }
    for kind in ["ack", "error", "noted", "pong", "sync"] {
        assert!(types.contains_key(kind), "FUZZ_SEED={seed}: {types:?}");
    }
    world.idle(&user("alice")).await;
    let log = world.log("alice", 100).await;
    assert!(!log.is_empty() && log.len() as u64 == log.last().unwrap()["n"].as_u64().unwrap(), "FUZZ_SEED={seed}");
}

#[tokio::test]
async fn cursors() {
    many(
        "a cursor of a list",
        |chance| spoil_text(chance, "12-40-3"),
        |text| text.parse::<conversations::Cursor>().is_ok_and(|cursor| cursor.to_string().parse() == Ok(cursor)),
    );
    many(
        "a cursor along the messages",
        |chance| spoil_text(chance, "12-40~b-1~c"),
        |text| text.parse::<conversations::Cursor>().is_ok_and(|cursor| cursor.to_string().parse() == Ok(cursor)),
    );
    many(
        "a cursor of presences",
        |chance| spoil_text(chance, "3~alice"),
        |text| text.parse::<presence::Cursor>().is_ok_and(|cursor| cursor.to_string().parse() == Ok(cursor)),
    );
    let world = World::new().await;
    for from in ["a", "b", "c"] {
        world.say(from, "bob", "hello").await;
        world.connect(from, from).await;
    }
    let seed = seed("FUZZ_SEED");
    let (mut chance, mut statuses) = (Chance::new(seed), BTreeMap::new());
    let (largest, zero) = (u64::MAX.to_string(), "0".to_owned());
    let mut texts: Vec<String> = vec![
        format!("{largest}-{largest}-{largest}"),
        format!("{zero}-{zero}-{zero}"),
        format!("{largest}-{zero}-{largest}"),
        format!("4-{largest}-{largest}"),
        format!("{largest}-{zero}~a"),
        format!("{zero}-{largest}~a"),
        "15~~".to_owned(),
        "4-9~..".to_owned(),
        "16~".to_owned(),
        "0~~".to_owned(),
        String::new(),
        "-".to_owned(),
        "--".to_owned(),
    ];
    for _ in 0..200 {
        let right = chance.of(&["3-3-1", "2-3~a", "18446744073709551615-0~a", "0~", "7~alice"]);
        texts.push(spoil_text(&mut chance, right));
    }
    for text in texts {
        let cursor: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let path = chance.of(&["/users/bob/conversations?limit=2&cursor=", "/presence?online=true&limit=1&cursor="]);
        let reply = world.get(&format!("{path}{cursor}")).await;
        match reply.status {
            200 => assert!(reply.body["items"].is_array()),
            400 => assert_eq!(problem(&reply), "invalid-request"),
            other => panic!("FUZZ_SEED={seed}: {path}{text}: {other}"),
        }
        *statuses.entry(reply.status).or_insert(0) += 1;
    }
    assert_eq!(statuses.len(), 2, "FUZZ_SEED={seed}: {statuses:?}");
}

#[test]
fn events_of_the_authorizer() {
    let event = json!({
        "type": "REQUEST", "methodArn": "arn:aws:execute-api:eu-central-1:1:a/live/$connect",
        "headers": {"Host": "a.example", "Origin": "https://page.example", "Sec-Fetch-Site": "same-origin"},
        "multiValueHeaders": {"Host": ["a.example"], "Origin": ["https://page.example"]},
        "queryStringParameters": {"user_id": "alice", "ticket": "a.b.c"},
        "stageVariables": {"pageOrigin": "https://page.example"},
        "requestContext": {"routeKey": "$connect", "eventType": "CONNECT", "stage": "live"}
    });
    let key = Some("the ticket key of the tests, which is long");
    let guards = [deployed(), Guard::gateway("verified", "", key).unwrap().into()];
    let mut open = event.clone();
    open["queryStringParameters"] = json!({"user_id": "alice"});
    for (index, (guard, event)) in [(&guards[0], &open), (&guards[1], &event)].into_iter().enumerate() {
        let answer = |event: &Value| authorizer::answer(guard, event, Millis(1_800_000_000_000));
        let allows = |event: &Value| {
            let answer = answer(event);
            let statement = &answer["policyDocument"]["Statement"][0];
            let allowed = statement["Effect"] == "Allow";
            assert_eq!((&statement["Resource"], statement["Effect"] == "Deny"), (&event["methodArn"], !allowed));
            assert_eq!(answer["context"]["user"].is_string(), allowed);
            assert!(!allowed || EntityId::new(KIND, answer["context"]["user"].as_str().unwrap()).is_ok());
            allowed
        };
        if index == 0 {
            many("an authorizer's event", |chance| spoil_json(chance, event), allows);
        } else {
            // There is no ticket that chance could make.
            let mut chance = Chance::new(seed("FUZZ_SEED"));
            (0..1_000).for_each(|_| assert!(!allows(&spoil_json(&mut chance, event))));
        }
    }
}

#[tokio::test]
async fn paths_of_users() {
    let world = World::new().await;
    world.say("alice", "bob", "hello").await;
    let seed = seed("FUZZ_SEED");
    let (mut chance, mut statuses) = (Chance::new(seed), BTreeMap::new());
    let posts = [("read", "{}"), ("messages", r#"{"to":"bob","content":"hi"}"#), ("tickets", "")];
    for _ in 0..600 {
        let encoded = |chance: &mut Chance| {
            let name =
                if chance.below(2) == 0 { "alice".to_owned() } else { spoil_text(chance, "bob") + &scrap(chance) };
            let bytes =
                if chance.below(8) == 0 { vec![0xff, chance.next().to_le_bytes()[0]] } else { name.into_bytes() };
            bytes.into_iter().map(|byte| format!("%{byte:02x}")).collect::<String>()
        };
        let (id, other) = (encoded(&mut chance), encoded(&mut chance));
        let path = match chance.below(8) {
            0 => format!(
                "/users/{id}/messages?since={}",
                scrap(&mut chance).replace(['#', '/', 'é', '\0', '{', '}', ' '], "")
            ),
            1 => format!("/users/{id}/conversations"),
            2 => format!("/users/{id}/conversations/{other}/messages?before=7&limit=2"),
            3 => format!("/users/{id}/presence"),
            4 | 5 => format!("/users/{id}/conversations/{other}/read"),
            6 => format!("/users/{id}/messages"),
            _ => format!("/users/{id}/tickets"),
        };
        let post = posts.iter().find(|(end, _)| path.ends_with(end) && chance.below(2) == 0);
        let (method, body) = post.map_or(("GET", ""), |(_, body)| ("POST", *body));
        let Ok(request) = Request::builder().method(method).uri(&path).body(Body::from(body)) else { continue };
        world.host.store().take();
        let reply = world.call(request).await;
        let shown = format!("FUZZ_SEED={seed}: {method} {path}: {reply:?}");
        assert!((200..500).contains(&reply.status), "{shown}");
        if reply.status == 400 {
            assert_eq!(world.host.store().take().writes, 0, "{shown}");
        }
        *statuses.entry(reply.status).or_insert(0) += 1;
    }
    for status in [200, 400, 404] {
        assert!(statuses.contains_key(&status), "FUZZ_SEED={seed}: no {status} in {statuses:?}");
    }
}

/// The record in an item that has one.
fn record<T: serde::de::DeserializeOwned>(item: &HashMap<String, AttributeValue>) -> bool {
    let record = item.get("record").cloned();
    record.is_some_and(|record| serde_dynamo::from_attribute_value::<_, T>(record).is_ok())
}

/// Bob's records: a message, a summary, a mark, and his presence.
const RECORDS: usize = 4;

async fn stored(world: &World) -> [HashMap<String, AttributeValue>; RECORDS] {
    world.say("alice", "bob", "one").await;
    world.say("alice", "bob", "two").await;
    world.say("carol", "bob", "three").await;
    world.post("/users/bob/conversations/alice/read", r#"{"upto":1}"#).await;
    world.connect("bob", "b-1").await;
    let names = [message_name("alice", 2), summary_name("alice"), mark_name("alice"), "presence".to_owned()];
    let mut items = Vec::new();
    for name in names {
        items.push(world.item(table::record_key(&user("bob"), &name)).await.unwrap().into());
    }
    items.try_into().unwrap()
}

#[tokio::test]
async fn what_is_stored_of_users() {
    let world = World::new().await;
    let [message, summary, mark, presence] = stored(&world).await;
    many("a message", |chance| spoil_map(chance, &message), record::<Message>);
    many("a summary", |chance| spoil_map(chance, &summary), record::<Conversation>);
    many("a mark", |chance| spoil_map(chance, &mark), record::<Mark>);
    many("a presence", |chance| spoil_map(chance, &presence), record::<Presence>);
}

/// Whatever is stored in these records, everybody is answered, and carol's conversation is as it was.
#[tokio::test]
async fn users_whose_records_hold_anything() {
    let seed = seed("FUZZ_SEED");
    let (mut chance, mut statuses) = (Chance::new(seed), BTreeMap::new());
    let world = World::new().await;
    let sound = stored(&world).await;
    let mailbox: HashMap<String, AttributeValue> = world.item(table::mailbox_key(&user("bob"))).await.unwrap().into();
    for round in 0..60 {
        let mut spoilt = Vec::new();
        for item in &sound {
            // Keys are what DynamoDB itself holds; anything else may be anything.
            let mut damaged = if chance.below(3) == 0 { item.clone() } else { spoil_map(&mut chance, item) };
            for key in ["pk", "sk", "list", "rank"] {
                damaged.remove(key);
                damaged.extend(item.get(key).map(|value| (key.to_owned(), value.clone())));
            }
            spoilt.push(damaged.get("record").cloned());
            world.put_item(storable(damaged)).await;
        }
        let shown = format!("FUZZ_SEED={seed}, round {round}: {spoilt:?}");
        for path in [
            "/users/bob/messages?since=0",
            "/users/bob/conversations",
            "/users/bob/conversations/alice/messages",
            "/users/bob/conversations/carol/messages",
            "/users/bob/presence",
            "/presence?online=true",
        ] {
            let reply = world.get(path).await;
            let fails = reply.status == 500 && path.contains("alice") && problem(&reply) == "damaged";
            assert!(reply.status == 200 || fails, "{shown}: {path}: {reply:?}");
            *statuses.entry(reply.status).or_insert(0) += 1;
        }
        let listed = world.conversations("bob", 1).await;
        assert!(listed.iter().any(|(with, _, n)| (with.as_str(), *n) == ("carol", 3)), "{shown}: {listed:?}");
        for (path, body) in [
            ("/users/bob/conversations/alice/read", r#"{"upto":2}"#),
            ("/users/alice/messages", r#"{"to":"bob","content":"next"}"#),
            ("/users/bob/conversations/carol/read", ""),
        ] {
            let reply = world.post(path, body).await;
            let fails = reply.status == 500 && path.contains("alice") && problem(&reply) == "event-failed";
            assert!([200, 202].contains(&reply.status) || fails, "{shown}: {path}: {reply:?}");
        }
        // What the round has written, of a log that goes on, would be in the way of the next.
        for item in world.stored(&user("bob"), &format!("{}message#alice#", table::RECORD)).await {
            let Some(AttributeValue::S(sk)) = item.get("sk") else { panic!("no key") };
            world.take_item(&user("bob"), sk).await;
        }
        world.put_item(mailbox.clone()).await;
    }
    assert!(statuses[&200] > 0 && statuses.contains_key(&500), "FUZZ_SEED={seed}: {statuses:?}");
}

/// What DynamoDB would refuse is nothing that could be there.
fn storable(item: HashMap<String, AttributeValue>) -> HashMap<String, AttributeValue> {
    fn clean(value: AttributeValue) -> AttributeValue {
        match value {
            AttributeValue::N(digits) if digits.parse::<f64>().is_ok_and(f64::is_finite) => AttributeValue::N(digits),
            AttributeValue::N(_) | AttributeValue::Bs(_) => AttributeValue::Bool(true),
            AttributeValue::L(values) => AttributeValue::L(values.into_iter().map(clean).collect()),
            AttributeValue::M(map) => {
                AttributeValue::M(map.into_iter().map(|(name, value)| (name, clean(value))).collect())
            }
            other => other,
        }
    }
    let keys = ["pk", "sk", "list", "rank", "record"];
    let item: Item =
        item.into_iter().filter(|(name, _)| keys.contains(&name.as_str())).collect::<HashMap<_, _>>().into();
    let item: HashMap<String, AttributeValue> = item.into();
    item.into_iter().map(|(name, value)| (name, clean(value))).collect()
}
