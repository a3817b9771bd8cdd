//! What a client can make of a path, a query or a header leads nowhere but where the API has let it in.

use std::sync::Arc;

use serde_json::{Value, json};
use shared::client::Mode;
use shared::host::ReadHost;
use web::guard::Guard;
use web::route::{Function, Route};

use crate::app;
use crate::payloads::{payload, payload_by};
use crate::problems::problem;
use crate::world::{Reply, World, deployed, entity};

/// A payload whose request is refused, with whom it is for, and the answer.
const HOSTILE: [(&str, Function, u16, &str); 9] = [
    ("ingest-increment-backslashes", Function::Ingest, 400, "invalid-request"),
    ("ingest-increment-dot-segments", Function::Ingest, 400, "invalid-request"),
    ("ingest-message-dot-segment", Function::Ingest, 400, "invalid-request"),
    ("ingest-webhook-no-uri", Function::Ingest, 400, "invalid-request"),
    ("ingest-sweep-by-default", Function::Ingest, 404, "unknown-path"),
    ("status-stuck-by-default", Function::Status, 404, "unknown-path"),
    ("status-stuck-head", Function::Status, 405, "wrong-method"),
    ("status-counter-slash", Function::Status, 400, "invalid-request"),
    ("status-unknown-key", Function::Status, 403, "misrouted"),
];

/// Refused, and nothing was stored, run or swept meanwhile.
async fn refused(world: &World, function: Function, event: &str) -> Reply {
    world.host.store().take();
    let reply = world.invoke(function, &deployed(), event).await;
    assert_eq!(world.host.store().take().writes, 0, "{event}: {reply:?}");
    reply
}

#[tokio::test]
async fn no_path_leads_to_another_route_than_the_one_that_was_let_in() {
    let world = World::new().await;
    let waiting = entity("counter", "waiting");
    world.submit(&waiting, Mode::Detached, &[json!({"type": "increment", "amount": 5})]).await;
    for (name, function, status, expected) in HOSTILE {
        let reply = refused(&world, function, payload(name)).await;
        assert_eq!(reply.status, status, "{name}: {reply:?}");
        if reply.status == 405 {
            assert_eq!((&reply.body, &reply.headers["allow"]), (&Value::Null, &"GET".parse().unwrap()), "{name}");
        } else {
            assert_eq!(problem(&reply), expected, "{name}");
        }
        if name.contains("dot-segment") || name.contains("backslashes") {
            assert_eq!(reply.body["variable"], "id", "{name}");
            assert!(reply.body["detail"].as_str().unwrap().contains("letters, digits and"), "{name}: {reply:?}");
        }
    }
    assert!(world.mailbox(&waiting).await.pending, "nobody has swept it");
    for user in ["alice", "bob"] {
        assert_eq!(world.get(&format!("/users/{user}/messages")).await.body["items"], json!([]), "{user}");
    }
    // Each of them is an event like those that are answered: what is refused is what the client made of it.
    let mut mended: Value = serde_json::from_str(payload("ingest-increment-backslashes")).unwrap();
    mended["pathParameters"]["id"] = json!("alice");
    mended["rawPath"] = json!("/counter/alice/increment");
    assert_eq!(world.invoke(Function::Ingest, &deployed(), &mended.to_string()).await.status, 200);
}

#[tokio::test]
async fn no_route_is_reached_by_default_nor_by_another_key_nor_by_none() {
    let world = World::new().await;
    let filled = |route: &Route| {
        let parts = route.path.split('/').map(|part| if part.starts_with('{') { "a" } else { part });
        parts.collect::<Vec<_>>().join("/")
    };
    for route in app::routes() {
        let base = if route.method == "GET" { "status-user" } else { "ingest-increment" };
        for (key, status) in [("$default", 404), ("", 403), ("POST /none", 403), ("$connect", 403), ("null", 403)] {
            let mut event = payload_by(base, key, &filled(route), "");
            event["requestContext"]["http"]["method"] = json!(route.method);
            event["pathParameters"] = json!({"kind": "a", "id": "a", "other": "a", "event_id": "a", "name": "a"});
            if key == "null" {
                event["requestContext"]["routeKey"] = json!(null);
            }
            let reply = refused(&world, route.function, &event.to_string()).await;
            assert_eq!(reply.status, status, "{route:?} by {key}: {reply:?}");
        }
    }
    let mut twice: Value = serde_json::from_str(payload("ingest-webhook-get")).unwrap();
    (twice["headers"]["Origin"], twice["headers"]["origin"]) =
        (json!("https://evil.example"), json!("https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com"));
    assert_eq!(refused(&world, Function::Ingest, &twice.to_string()).await.status, 403);
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_fails_no_invocation() {
    let world = World::new().await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut event: Value = serde_json::from_str(payload("ingest-webhook-get")).unwrap();
        change(&mut event);
        event.to_string()
    };
    let queries = [
        "user_id=alice&delta=5 ",
        "user_id=<b>&delta=5",
        "user_id=a&delta=\"5\"",
        "user_id=%ff&delta=5",
        "\u{e9}",
        "a\u{0}",
        "#",
        "?",
        "\\",
    ];
    for query in queries {
        let reply = refused(&world, Function::Ingest, &with(&|event| event["rawQueryString"] = json!(query))).await;
        assert_eq!((reply.status, problem(&reply)), (400, "invalid-request"), "{query}");
    }
    let long = with(&|event| event["rawQueryString"] = json!(format!("user_id={}&delta=5", "x".repeat(70_000))));
    assert_eq!(refused(&world, Function::Ingest, &long).await.status, 400);
    for (name, value) in [("x-a", "b\u{1}"), ("x-a", "b\nc"), ("x a", "b"), ("", "b"), ("\u{e9}", "b")] {
        let reply = refused(&world, Function::Ingest, &with(&|event| event["headers"][name] = json!(value))).await;
        assert_eq!((reply.status, problem(&reply)), (400, "invalid-request"), "{name:?}: {value:?}");
        assert!(reply.body["detail"].as_str().unwrap().contains("header"), "{reply:?}");
    }
    for change in [
        &(|event: &mut Value| event["requestContext"]["http"]["method"] = json!("G E T")) as &dyn Fn(&mut Value),
        &|event| event["requestContext"]["http"] = json!(null),
        &|event| event["requestContext"] = json!(null),
        &|event| event["headers"] = json!([1]),
        &|event| (event["body"], event["isBase64Encoded"]) = (json!("*"), json!(true)),
    ] {
        let event = with(change);
        for function in [Function::Ingest, Function::Status] {
            let reply = refused(&world, function, &event).await;
            assert_eq!((reply.status, problem(&reply)), (400, "invalid-request"), "{event}");
        }
    }
    // What is unusual, and yet HTTP, is taken: a host that is no name, and a value with bytes that are no ASCII.
    for (name, value) in [("host", "a b"), ("x-a", "caf\u{e9}"), ("x-forwarded-proto", "::")] {
        let reply =
            world.invoke(Function::Ingest, &deployed(), &with(&|event| event["headers"][name] = json!(value))).await;
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
    }
}

#[tokio::test]
async fn sam_local_is_answered_as_the_api_is() {
    let world = World::new().await;
    // As `sam local start-api` writes it: no domain, no authorizer, names of headers as they came, null for what is not there.
    let event = json!({
        "version": "2.0", "routeKey": "POST /counter/{id}/increment", "rawPath": "/counter/alice/increment",
        "rawQueryString": "", "cookies": [], "queryStringParameters": {}, "stageVariables": null,
        "headers": {"Host": "127.0.0.1:3000", "User-Agent": "curl/8.5.0", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "3000"},
        "requestContext": {
            "accountId": "123456789012", "apiId": "1234567890", "domainName": "localhost", "domainPrefix": "localhost",
            "http": {"method": "POST", "path": "/counter/alice/increment", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "Custom User Agent String"},
            "requestId": "0", "routeKey": "POST /counter/{id}/increment", "stage": "$default", "time": "", "timeEpoch": 0
        },
        "body": "", "pathParameters": {"id": "alice"}, "isBase64Encoded": false
    });
    let reply = world.invoke(Function::Ingest, &deployed(), &event.to_string()).await;
    assert_eq!((reply.status, &reply.body["value"]), (200, &json!(1)), "{reply:?}");
}

/// A request by a token whose `sub` the API has handed on like this.
fn claimed(sub: &Value) -> String {
    let mut event = payload_by("status-user", "GET /presence", "/presence", "online=true");
    event["requestContext"]["authorizer"] = json!({"jwt": {"claims": {"sub": sub}, "scopes": null}});
    event.to_string()
}

#[tokio::test]
async fn a_claim_that_is_no_users_reads_nothing_either() {
    let world = World::new().await;
    let verified = Arc::new(Guard::gateway("verified", "", None).unwrap());
    for (sub, status) in [
        (json!("alice"), 200),
        (json!(null), 401),
        (json!(true), 401),
        (json!(12), 401),
        (json!(["alice"]), 401),
        (json!(""), 401),
        (json!("[a b]"), 401),
        (json!("auth0|alice"), 401),
    ] {
        let reply = world.invoke(Function::Status, &verified, &claimed(&sub)).await;
        assert_eq!(reply.status, status, "{sub}: {reply:?}");
    }
}
