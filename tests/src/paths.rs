//! Paths and methods: what is no route says so, and ids mean the same however they are encoded.

use serde_json::{Value, json};
use shared::limits;

use crate::app;
use crate::problems::{is_absent, problem};
use crate::world::{World, entity};

#[tokio::test]
async fn ids_mean_the_same_however_they_are_encoded() {
    let world = World::new().await;
    for (path, value) in [
        ("/counter/a@b.c/increment", 1),
        ("/counter/a%40b.c/increment", 2),
        ("/counter/a%40b%2ec/increment", 3),
        ("/webhook?user_id=a%40b.c&delta=1", 4),
        ("/webhook?user_id=a@b.c&delta=1", 5),
    ] {
        let reply = world.post(path, "").await;
        let told = reply.body.get("value").or(reply.body.get("counter"));
        assert_eq!((reply.status, told), (200, Some(&json!(value))), "{path}");
    }
    assert_eq!(world.get("/status?user_id=a%40b.c").await.body["counter"], 5);
    assert_eq!(world.get("/entities/counter/%61@b.c").await.body["id"], "a@b.c");
}

#[tokio::test]
async fn an_id_in_a_path_is_checked_like_any_other() {
    let world = World::new().await;
    let longest = "x".repeat(limits::ID_BYTES);
    assert_eq!(world.post(&format!("/counter/{longest}/increment"), "").await.status, 200);
    let long = format!("{longest}x");
    for id in [&long, "%2e%2e", "%2E", "a%2fb", "a%20b", "a+b%00", "%ff", "%F0%9F%92%A9", "a%", "a%zz", "*", "a;b"] {
        for (method, path) in [
            ("POST", format!("/counter/{id}/increment")),
            ("POST", format!("/entities/counter/{id}/events")),
            ("GET", format!("/counter/{id}")),
            ("GET", format!("/entities/counter/{id}")),
            ("GET", format!("/entities/counter/{id}/events/1-000000000000000000000000")),
        ] {
            let body = if path.ends_with("/events") { r#"{"type":"increment"}"# } else { "" };
            let reply = world.http(method, &path, &[], body).await;
            assert_eq!((reply.status, problem(&reply)), (400, "invalid-request"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn what_was_never_posted_to_is_not_there() {
    let world = World::new().await;
    let event = "/entities/counter/alice/events/1-000000000000000000000000";
    let cases = [
        ("/status?user_id=alice", "unknown-entity"),
        ("/entities/counter/alice", "unknown-entity"),
        (event, "unknown-event"),
        ("/entities/none/alice", "unknown-kind"),
        ("/entities/none", "unknown-kind"),
        ("/entities/none/alice/events/1-000000000000000000000000", "unknown-kind"),
        ("/entities/Counter/alice", "unknown-kind"),
    ];
    for (path, name) in cases {
        let reply = world.get(path).await;
        assert_eq!((reply.status, problem(&reply)), (404, name), "{path}");
    }
    let reply = world.post("/entities/none/alice/events", r#"{"type":"increment"}"#).await;
    assert_eq!((reply.status, problem(&reply)), (404, "unknown-kind"));
    let new = world.get("/counter/alice").await;
    assert_eq!((new.status, new.body), (200, json!({"counter_id": "alice", "value": 0})));
    assert!(is_absent(&world, &entity("counter", "alice")).await, "to read makes nothing");
}

#[tokio::test]
async fn lists_refuse_what_they_do_not_understand() {
    let world = World::new().await;
    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1&limit=1",
        "cursor=zz",
        "cursor=",
        "cursor=2e2e",
        "cursor=ff",
        "page=2",
        "user_id=alice&limit=1",
        "user_id=alice&cursor=61",
        "user_id=a&user_id=b",
        "user_id=",
        "user_id=a%20b",
    ] {
        let reply = world.get(&format!("/status?{query}")).await;
        assert_eq!((reply.status, problem(&reply)), (400, "invalid-request"), "{query}");
    }
    for path in ["/health?a=1", "/counter/a?b=1", "/entities/counter?user_id=a", "/entities/counter/a?limit=1"] {
        let reply = world.get(path).await;
        assert_eq!((reply.status, problem(&reply)), (400, "invalid-request"), "{path}");
    }
}

#[tokio::test]
async fn lists_are_paged_without_a_gap() {
    let world = World::new().await;
    for id in ["e", "b", "d", "a", "c"] {
        assert_eq!(world.get(&format!("/webhook?user_id={id}&delta=1")).await.status, 200);
    }
    for (list, id) in [("/status", "user_id"), ("/entities/counter", "id")] {
        let (mut ids, mut path, mut pages) = (Vec::new(), format!("{list}?limit=2"), 0);
        loop {
            let page = world.get(&path).await;
            assert_eq!(page.status, 200, "{path}: {page:?}");
            let items = page.body["items"].as_array().unwrap();
            ids.extend(items.iter().map(|item| item[id].as_str().unwrap().to_owned()));
            pages += 1;
            let Some(cursor) = page.body["cursor"].as_str() else { break };
            path = format!("{list}?limit=2&cursor={cursor}");
        }
        assert_eq!((ids, pages), (["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(), 3), "{list}");
    }
}

#[tokio::test]
async fn what_is_no_route_is_not_found() {
    let world = World::new().await;
    for path in [
        "/webhook/",
        "/Webhook",
        "/counter",
        "/counter/",
        "/counter/a/",
        "/counter//increment",
        "/status/alice",
        "/entities",
        "/entities/counter/a/events",
        "/entities/counter/a/events/",
        "/entities/counter/a/b/c/d",
        "/metrics",
        "/no/such/route",
        "//webhook",
    ] {
        let found = path == "/entities/counter/a/events";
        for method in ["GET", "POST", "DELETE", "OPTIONS"] {
            if found {
                continue;
            }
            let reply = world.http(method, path, &[], "").await;
            assert_eq!((reply.status, problem(&reply)), (404, "unknown-path"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_wrong_method_names_the_right_ones() {
    let world = World::new().await;
    for route in app::routes() {
        let path = route.path.replace("{kind}", "counter").replace("{id}", "a").replace("{other}", "b");
        let path = path.replace("{event_id}", "1-000000000000000000000000").replace("{name}", "event-1");
        let mut right: Vec<&str> = app::routes().filter(|r| r.path == route.path).map(|r| r.method).collect();
        if right.contains(&"GET") && route.path != "/webhook" {
            right.push("HEAD");
        }
        let right = right.join(", ");
        for method in ["DELETE", "PUT", "PATCH", "TRACE", "get", "BREW", "HEAD", "GET", "POST"] {
            if right.split(", ").any(|taken| taken == method) {
                continue;
            }
            let reply = world.http(method, &path, &[], "").await;
            assert_eq!(
                (reply.status, reply.headers["allow"].to_str().unwrap()),
                (405, right.as_str()),
                "{method} {path}"
            );
            if method == "HEAD" {
                assert_eq!(reply.body, Value::Null);
            } else {
                assert_eq!(problem(&reply), "wrong-method");
            }
        }
        let options = world.http("OPTIONS", &path, &[], "").await;
        assert_eq!((options.status, options.headers["allow"].to_str().unwrap()), (204, right.as_str()), "{path}");
    }
    assert!(is_absent(&world, &entity("counter", "a")).await);
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let world = World::new().await;
    world.post("/counter/a/increment", "").await;
    for path in ["/health", "/openapi.json", "/status", "/status?user_id=a", "/counter/a", "/status?user_id=nobody"] {
        let (head, get) = (world.http("HEAD", path, &[], "").await, world.get(path).await);
        assert_eq!((head.status, head.headers, head.body), (get.status, get.headers, Value::Null), "{path}");
        assert_ne!(get.body, Value::Null, "{path}");
    }
}
