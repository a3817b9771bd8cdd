//! A message's journey: sent, logged on both sides, counted, read.

use kinds::user::{CONTENT_BYTES, CONTENT_JSON_BYTES};
use serde_json::{Value, json};

use crate::chat::user;
use crate::world::World;

fn contents(log: &[Value]) -> Vec<(u64, &str, &str)> {
    log.iter()
        .map(|message| {
            (message["n"].as_u64().unwrap(), message["from"].as_str().unwrap(), message["content"].as_str().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn a_message_is_in_both_logs_and_counted_until_it_is_read() {
    let world = World::new().await;
    let sent = world.say("alice", "bob", "hello").await.body;
    assert_eq!(
        (&sent["n"], &sent["from"], &sent["to"], &sent["content"]),
        (&json!(1), &json!("alice"), &json!("bob"), &json!("hello"))
    );
    world.say("alice", "bob", "are you there?").await;
    world.say("carol", "bob", "hi bob").await;
    let answer = world.say("bob", "alice", "yes").await.body;
    assert_eq!(answer["n"], 4, "the log of bob has three before");

    assert_eq!(
        contents(&world.log("alice", 2).await),
        [(1, "alice", "hello"), (2, "alice", "are you there?"), (3, "bob", "yes")]
    );
    let bob = world.log("bob", 100).await;
    assert_eq!(
        contents(&bob),
        [(1, "alice", "hello"), (2, "alice", "are you there?"), (3, "carol", "hi bob"), (4, "bob", "yes")]
    );
    assert_eq!((&bob[0]["id"], &bob[0]["at"]), (&sent["id"], &sent["at"]), "it is one message");

    assert_eq!(world.conversations("bob", 100).await, [("alice".to_owned(), 2, 4), ("carol".to_owned(), 1, 3)]);
    assert_eq!(world.conversations("alice", 1).await, [("bob".to_owned(), 1, 3)]);

    let read = world.post("/users/bob/conversations/alice/read", r#"{"upto": 1}"#).await;
    assert_eq!(read.body, json!({"with": "alice", "unread": 1, "upto": 1}));
    let read = world.post("/users/bob/conversations/alice/read", "").await;
    assert_eq!(read.body, json!({"with": "alice", "unread": 0, "upto": 4}));
    let late = world.post("/users/bob/conversations/alice/read", r#"{"upto": 1}"#).await;
    assert_eq!(late.body, json!({"with": "alice", "unread": 0, "upto": 4}), "what was read stays read");
    assert_eq!(world.conversations("bob", 1).await, [("alice".to_owned(), 0, 4), ("carol".to_owned(), 1, 3)]);

    let history = world.get("/users/bob/conversations/alice/messages?limit=2").await.body;
    let numbers = |page: &Value| {
        page["items"].as_array().unwrap().iter().map(|item| item["n"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((numbers(&history), &history["before"], &history["unread"]), (vec![4, 2], &json!(2), &json!(0)));
    let older = world.get("/users/bob/conversations/alice/messages?limit=2&before=2").await.body;
    assert_eq!((numbers(&older), &older["before"]), (vec![1], &Value::Null));
}

#[tokio::test]
async fn sent_again_under_its_name_it_is_one_message() {
    let world = World::new().await;
    world.connect("alice", "c-1").await;
    let frame = json!({"type": "send", "id": "m-1", "to": "bob", "content": "once"});
    let first = world.frame("alice", "c-1", &frame).await;
    assert_eq!(
        (&first["type"], &first["id"], &first["status"], &first["v"]),
        (&json!("ack"), &json!("m-1"), &json!("stored"), &json!(1))
    );
    assert_eq!((&first["message"]["n"], &first["message"]["client_id"]), (&json!(1), &json!("m-1")));
    let again = world.frame("alice", "c-2", &frame).await;
    assert_eq!(again, first);
    let by_http = world.post("/users/alice/messages", r#"{"to":"bob","content":"once","client_id":"m-1"}"#).await;
    assert_eq!((by_http.status, &by_http.body["id"]), (200, &first["message"]["id"]), "{by_http:?}");
    let other =
        world.frame("alice", "c-1", &json!({"type": "send", "id": "m-1", "to": "bob", "content": "twice"})).await;
    assert_eq!(
        (&other["type"], &other["id"], &other["problem"]["status"]),
        (&json!("error"), &json!("m-1"), &json!(422)),
        "{other}"
    );
    assert_eq!(world.log("bob", 10).await.len(), 1);
    let synced = world.frame("alice", "c-1", &json!({"type": "sync", "since": 0, "ref": "s"})).await;
    assert_eq!(
        (synced["messages"].as_array().unwrap().len(), &synced["since"], &synced["complete"], &synced["ref"]),
        (1, &json!(1), &json!(true), &json!("s"))
    );
}

#[tokio::test]
async fn presence_follows_the_connections_and_heals_by_expiry() {
    let world = World::new().await;
    let online = async |world: &World| {
        let page = world.get("/presence?online=true").await;
        assert_eq!(page.status, 200, "{page:?}");
        let mut users: Vec<String> = page.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["user_id"].as_str().unwrap().to_owned())
            .collect();
        users.sort();
        users
    };
    assert_eq!(
        world.get("/users/alice/presence").await.body,
        json!({"user_id": "alice", "online": false, "last_seen": null, "connections": 0})
    );
    world.connect("alice", "phone").await;
    world.connect("alice", "desk").await;
    world.connect("bob", "desk-2").await;
    assert_eq!(world.get("/users/alice/presence").await.body["connections"], 2);
    assert_eq!(online(&world).await, ["alice", "bob"]);
    world.socket("DISCONNECT", "alice", "phone", "").await;
    assert_eq!(world.get("/users/alice/presence").await.body["online"], true);
    world.socket("DISCONNECT", "alice", "desk", "").await;
    world.socket("DISCONNECT", "alice", "desk", "").await;
    assert_eq!(world.get("/users/alice/presence").await.body["online"], false);
    assert_eq!(online(&world).await, ["bob"]);
    world.advance(shared::limits::CONNECTION_MS + 1);
    assert_eq!(world.get("/users/bob/presence").await.body["online"], false);
    assert_eq!(online(&world).await, Vec::<String>::new());
    let pong = world.frame("bob", "desk-2", &json!({"type": "ping"})).await;
    assert_eq!(pong["type"], "pong");
    assert_eq!(online(&world).await, ["bob"], "a sign of life brings it back");
}

#[tokio::test]
async fn what_is_no_message_is_refused_before_it_is_stored() {
    let world = World::new().await;
    let send = async |content: &str| {
        world.post("/users/alice/messages", &json!({"to": "bob", "content": content}).to_string()).await.status
    };
    assert_eq!(send(&"a".repeat(8192)).await, 200);
    assert_eq!(send(&"a".repeat(8193)).await, 400);
    // As JSON these take two and six times their own bytes, on every leg of their way.
    assert_eq!((send(&"\"".repeat(7600)).await, send(&"\"".repeat(7700)).await), (200, 400));
    assert_eq!((send(&"\u{1}".repeat(2500)).await, send(&"\u{1}".repeat(2600)).await), (200, 400));
    let body = r#"{"to": "bob", "content": "hello", "client_id": "m-1"}"#;
    let two = world.http("POST", "/users/alice/messages", &[("idempotency-key", "k-1")], body).await;
    assert_eq!(two.status, 400, "{two:?}");
    let one = world.http("POST", "/users/alice/messages", &[("idempotency-key", "m-1")], body).await;
    assert_eq!(one.status, 200, "{one:?}");
    assert_eq!(world.log("bob", 100).await.len(), 4);
}

#[tokio::test]
async fn nobody_is_pushed_at_by_strangers_and_a_pong_tells_how_much_there_is() {
    let world = World::new().await;
    let noted = world.frame("alice", "c-1", &json!({"type": "typing", "to": "bob"})).await;
    assert_eq!(noted, json!({"v": 1, "type": "noted"}));
    let noted = world.frame("alice", "c-1", &json!({"type": "typing", "to": "nobody", "ref": "r"})).await;
    assert_eq!(noted, json!({"v": 1, "type": "noted", "ref": "r"}));
    assert_eq!(world.frame("alice", "c-1", &json!({"type": "ping"})).await["log"], 0);
    world.say("alice", "bob", "hello").await;
    assert_eq!(world.frame("bob", "c-2", &json!({"type": "ping", "v": 1})).await["log"], 1);
    let wrong =
        world.frame("alice", "c-1", &json!({"type": "send", "id": "m", "to": "alice", "content": "hello"})).await;
    assert_eq!(
        (&wrong["type"], &wrong["problem"]["type"]),
        (&json!("error"), &json!("urn:leasebox:message-to-itself")),
        "{wrong}"
    );
}

/// What is accepted must also fit the event that its receiver gets, and the answers and pushes on the way.
#[tokio::test]
async fn the_largest_messages_arrive_and_larger_ones_are_never_sent() {
    let world = World::new().await;
    let (from, to, id) = ("f".repeat(128), "t".repeat(128), "i".repeat(64));
    // As JSON, a quotation mark takes two bytes and a control character six; the whole is in quotation marks.
    let (quotes, controls) = ("\"".repeat(CONTENT_JSON_BYTES / 2 - 1), "\u{1}".repeat((CONTENT_JSON_BYTES - 2) / 6));
    let largest = ["x".repeat(CONTENT_BYTES), quotes, controls];
    for (index, content) in largest.iter().enumerate() {
        let frame = json!({"type": "send", "id": format!("{}{index}", &id[1..]), "to": to, "content": content});
        let ack = world.frame(&from, "c-1", &frame).await;
        assert_eq!((&ack["status"], &ack["message"]["content"]), (&json!("stored"), &json!(content)));
        assert_eq!(world.log(&to, 100).await[index]["content"], json!(content));
        let larger = json!({"type": "send", "id": "larger", "to": to, "content": format!("{content}\u{1}")});
        let refused = world.frame(&from, "c-1", &larger).await;
        assert_eq!(refused["problem"]["status"], 400, "{refused}");
    }
    assert_eq!((world.log(&from, 100).await.len(), world.log(&to, 100).await.len()), (3, 3));
    world.idle(&user(&from)).await;
}
