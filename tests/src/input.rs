//! Bad input is refused with a problem, and nothing of it is stored.

use lambda_http::Body;
use lambda_http::http::Request;
use serde_json::json;
use shared::host::ReadHost;
use shared::limits::{self, Settings};

use crate::problems::{is_absent, problem};
use crate::scribe;
use crate::world::{Reply, World, entity};

/// A refused request must not have written anything.
async fn refused(world: &World, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    world.host.store().take();
    let reply = world.http(method, path, headers, body).await;
    assert_eq!(world.host.store().take().writes, 0, "{method} {path} {body:.200}: {reply:?}");
    reply
}

/// Posts to one path what it must refuse as invalid, and says why.
async fn all_invalid(path: &str, cases: &[(&str, &str)]) {
    let world = World::with(scribe::registry(), Settings::default()).await;
    for (body, why) in cases {
        let reply = refused(&world, "POST", path, &[], body).await;
        assert_eq!((reply.status, problem(&reply)), (400, "invalid-request"), "{body:.200}: {reply:?}");
        let detail = reply.body["detail"].as_str().unwrap();
        assert!(detail.contains(why), "{body:.200}: `{detail}` does not say `{why}`");
    }
    assert!(is_absent(&world, &entity("counter", "alice")).await);
}

#[tokio::test]
async fn a_webhook_names_what_is_wrong_with_its_query() {
    let world = World::new().await;
    let long = "x".repeat(limits::ID_BYTES + 1);
    let long = format!("user_id={long}&delta=1");
    for (query, why) in [
        ("", "`user_id` is missing"),
        ("delta=5", "`user_id` is missing"),
        ("user_id=&delta=5", "is not an id"),
        ("user_id=a%20b&delta=5", "is not an id"),
        ("user_id=a/b&delta=5", "is not an id"),
        ("user_id=..&delta=5", "is not an id"),
        ("user_id=%00&delta=5", "is not an id"),
        ("user_id=%ff&delta=5", "is not an id"),
        ("user_id=%F0%9F%92%A9&delta=5", "is not an id"),
        (&long, "is not an id"),
        ("user_id=alice&user_id=bob&delta=5", "`user_id` is given more than once"),
        ("user_id=alice", "`delta` is missing"),
        ("user_id=alice&delta", "`delta` is ``"),
        ("user_id=alice&delta=", "`delta` is ``"),
        ("user_id=alice&delta=five", "`delta` is `five`"),
        ("user_id=alice&delta=1.5", "it takes an integer"),
        ("user_id=alice&delta=1e3", "it takes an integer"),
        ("user_id=alice&delta=0x10", "it takes an integer"),
        ("user_id=alice&delta=%201", "it takes an integer"),
        ("user_id=alice&delta=9223372036854775808", "to 9223372036854775807"),
        ("user_id=alice&delta=-9223372036854775809", "from -9223372036854775808"),
        ("user_id=alice&delta=1&delta=1", "`delta` is given more than once"),
        ("user_id=alice&delta=1&amount=1", "no parameter `amount`"),
        ("user_id=alice&delta=1&Delta=1", "no parameter `Delta`"),
        ("user_id=alice&delta=1&", ""),
    ] {
        let accepted = query.ends_with('&');
        for method in ["GET", "POST"] {
            let path = format!("/webhook?{query}");
            if accepted {
                assert_eq!(world.http(method, &path.replace("alice", "else"), &[], "").await.status, 200, "{path}");
                continue;
            }
            let reply = refused(&world, method, &path, &[], "").await;
            assert_eq!((reply.status, problem(&reply)), (400, "invalid-request"), "{query}: {reply:?}");
            let detail = reply.body["detail"].as_str().unwrap();
            assert!(detail.contains(why), "{query}: `{detail}` does not say `{why}`");
        }
    }
    for id in ["alice", "bob"] {
        assert!(is_absent(&world, &entity("counter", id)).await);
    }
}

#[tokio::test]
async fn a_webhook_names_what_is_wrong_with_its_body() {
    let cases = [
        (r#"{"user_id":"alice"}"#, "`delta` is missing"),
        (r#"{"delta":5}"#, "`user_id` is missing"),
        (r#"{"user_id":null,"delta":5}"#, "`user_id` is missing"),
        (r#"{"user_id":"alice","delta":5,"by":"bob"}"#, "unknown field `by`"),
        (r#"{"user_id":"alice","delta":5,"delta":6}"#, "duplicate field `delta`"),
        (r#"{"user_id":7,"delta":5}"#, "expected a string"),
        (r#"{"user_id":"alice","delta":"5"}"#, "expected i64"),
        (r#"{"user_id":"alice","delta":5.0}"#, "expected i64"),
        (r#"{"user_id":"alice","delta":9223372036854775808}"#, "expected i64"),
        (r#"["alice",5]"#, "no object"),
        (r#""alice""#, "no object"),
        ("null", "no object"),
        (r#"{"user_id":"alice","delta":5"#, "EOF"),
        (r#"{"user_id":"alice","delta":5}{}"#, "trailing"),
        ("user_id=alice&delta=5", "expected value"),
        ("\u{feff}{}", "expected value"),
    ];
    all_invalid("/webhook", &cases).await;
    let twice = [(r#"{"user_id":"alice","delta":5}"#, "more than once")];
    all_invalid("/webhook?user_id=alice", &twice).await;
    all_invalid("/webhook?delta=5", &twice).await;
}

#[tokio::test]
async fn an_increment_takes_an_amount_and_nothing_else() {
    let cases = [
        (r#"{"amount":"5"}"#, "expected i64"),
        (r#"{"amount":null}"#, "expected i64"),
        (r#"{"amount":1.5}"#, "expected i64"),
        (r#"{"amount":-9223372036854775809}"#, "expected i64"),
        (r#"{"amount":1e99999}"#, "number out of range"),
        (r#"{"amount":5,"amount":6}"#, "duplicate field"),
        (r#"{"Amount":5}"#, "unknown field `Amount`"),
        (r#"{"type":"increment","amount":5}"#, "unknown field `type`"),
        ("[5]", "no object"),
        ("5", "no object"),
        ("{", "EOF"),
        ("{}}", "trailing"),
        ("amount=5", "expected value"),
    ];
    all_invalid("/counter/alice/increment", &cases).await;
    all_invalid("/counter/alice/increment?amount=5", &[("", "no parameters in the query, `amount`")]).await;
}

#[tokio::test]
async fn events_are_understood_before_any_of_them_is_stored() {
    let good = r#"{"type":"increment","amount":1}"#;
    let many = format!("[{}]", vec![good; limits::POST_EVENTS + 1].join(","));
    let last = format!("[{good},{good},{{\"type\":\"increment\",\"amount\":true}}]");
    let mixed = format!("[{good},7]");
    let nested = format!("[[{good}]]");
    let deep = format!(r#"{{"type":"increment","amount":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    let abyss = "[".repeat(60_000);
    let cases = [
        ("", "the body is empty"),
        (" \n\t", "the body is empty"),
        ("{}", "missing field `type`"),
        (r#"{"type":7}"#, "type"),
        (r#"{"type":"decrement"}"#, "unknown variant `decrement`"),
        (r#"{"type":"increment","amount":5,"by":"bob"}"#, "unknown field `by`"),
        (r#"{"type":"increment","amount":"5"}"#, "expected i64"),
        (r#"{"type":"increment","amount":1e2}"#, "expected i64"),
        ("null", "no object"),
        ("7", "no object"),
        (r#""increment""#, "no object"),
        ("[]", "0 events"),
        (&many, "26 events"),
        (&last, "event 2 of the array"),
        (&mixed, "event 1 of the array"),
        (&nested, "event 0 of the array"),
        (&deep, "recursion limit"),
        (&abyss, "recursion limit"),
    ];
    all_invalid("/entities/counter/alice/events", &cases).await;
    all_invalid("/entities/counter/alice/events?type=increment", &[(good, "no parameters in the query")]).await;
}

#[tokio::test]
async fn a_body_that_is_no_text_is_no_json() {
    let world = World::new().await;
    let body = [br#"{"type":"increment","by":""#.as_slice(), &[0xff, 0xfe], br#""}"#].concat();
    let request = Request::post("/entities/counter/alice/events").body(Body::from(body)).unwrap();
    let reply = world.call(request).await;
    assert_eq!((reply.status, problem(&reply)), (400, "invalid-request"));
    assert!(is_absent(&world, &entity("counter", "alice")).await);
}

#[tokio::test]
async fn sizes_are_taken_up_to_their_limits_and_not_a_byte_further() {
    let world = World::with(scribe::registry(), Settings::default()).await;
    let event = |bytes: usize| format!(r#"{{"type":"write","text":"{}"}}"#, "x".repeat(bytes - 26));
    assert_eq!(event(100).len(), 100);
    let small = format!("[{},{}]", event(100), event(limits::PAYLOAD_BYTES + 1));
    let body = event(100) + &" ".repeat(limits::BODY_BYTES - 99);
    for body in [event(limits::PAYLOAD_BYTES + 1), small, body] {
        let reply = refused(&world, "POST", "/entities/scribe/a/events", &[], &body).await;
        assert_eq!((reply.status, problem(&reply)), (413, "too-large"), "{reply:?}");
        let limit = if body.len() > limits::BODY_BYTES { limits::BODY_BYTES } else { limits::PAYLOAD_BYTES };
        assert_eq!(reply.body["limit"], limit);
    }
    assert!(is_absent(&world, &entity("scribe", "a")).await);
    let most = world.post("/entities/scribe/a/events", &event(limits::PAYLOAD_BYTES)).await;
    assert_eq!((most.status, &most.body["reply"]), (200, &json!(limits::PAYLOAD_BYTES - 26)));
    let three = vec![event(limits::PAYLOAD_BYTES); 3].join(",");
    let fourth = limits::BODY_BYTES - three.len() - 3;
    let body = format!("[{three},{}]", event(fourth));
    assert_eq!(body.len(), limits::BODY_BYTES);
    let full = world.post("/entities/scribe/b/events", &body).await;
    assert_eq!((full.status, full.body.as_array().map(Vec::len)), (200, Some(4)), "{full:?}");
}

#[tokio::test]
async fn headers_that_mean_something_must_be_well_formed() {
    let world = World::new().await;
    let long = "k".repeat(limits::KEY_BYTES + 1);
    let keys = ["", "\"\"", "a b", "a\tb", "schl\u{fc}ssel", &long].map(|key| ("idempotency-key", key, "dempotency-"));
    let waits =
        ["wait=21", "wait=-1", "wait=x", "wait", "wait=", "wait=1.5", "wait=99999999999999999999", "foo, wait=21"];
    let prefer = waits.map(|wait| ("prefer", wait, "Prefer: wait takes")).into_iter();
    for (name, value, why) in keys.into_iter().chain(prefer).chain([("prefer", "\u{e9}", "visible ASCII")]) {
        for path in ["/webhook?user_id=alice&delta=1", "/counter/alice/increment", "/entities/counter/alice/events"] {
            let body = if path.starts_with("/entities") { r#"{"type":"increment"}"# } else { "" };
            let reply = refused(&world, "POST", path, &[(name, value)], body).await;
            assert_eq!((reply.status, problem(&reply)), (400, "invalid-request"), "{name}: {value}: {reply:?}");
            let detail = reply.body["detail"].as_str().unwrap();
            assert!(detail.contains(why), "{name}: {value}: `{detail}` does not say `{why}`");
        }
    }
    let two = [("idempotency-key", "a"), ("idempotency-key", "a")];
    let reply = refused(&world, "POST", "/counter/alice/increment", &two, "").await;
    assert_eq!((reply.status, problem(&reply)), (400, "invalid-request"));
    assert!(is_absent(&world, &entity("counter", "alice")).await);
    let longest = "k".repeat(limits::KEY_BYTES);
    let fine = [("idempotency-key", longest.as_str()), ("prefer", "Wait=\"20\"; x=y, handling=lenient")];
    assert_eq!(world.http("POST", "/counter/alice/increment", &fine, "").await.status, 200);
}

#[tokio::test]
async fn outsiders_post_only_what_a_kind_admits() {
    let world = World::with(scribe::registry(), Settings::default()).await;
    for body in [r#"{"type":"erase"}"#, r#"[{"type":"write","text":"a"},{"type":"erase"}]"#] {
        let reply = refused(&world, "POST", "/entities/scribe/a/events", &[], body).await;
        assert_eq!((reply.status, problem(&reply)), (403, "not-admitted"), "{body}");
    }
    assert!(is_absent(&world, &entity("scribe", "a")).await);
}
