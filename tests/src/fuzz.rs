//! Random requests, half of them nearly right: whatever comes, the answer is never the server's failure.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use lambda_http::Body;
use lambda_http::http::{Method, Request};
use shared::host::ReadHost;
use shared::limits::Settings;

use crate::chance::{Chance, seed};
use crate::problems::problem;
use crate::scribe;
use crate::world::{Reply, World};

const REQUESTS: usize = 1_000;

/// Requests as they should be.
const RIGHT: &[(&str, &str, &str)] = &[
    ("GET", "/webhook?user_id=a&delta=1", ""),
    ("POST", "/webhook?delta=-1&user_id=b", ""),
    ("POST", "/webhook", r#"{"user_id": "a", "delta": 5}"#),
    ("POST", "/counter/a/increment", ""),
    ("POST", "/counter/b/increment", r#"{"amount": 5}"#),
    ("POST", "/entities/counter/a/events", r#"{"type": "increment", "amount": 9223372036854775807}"#),
    ("POST", "/entities/counter/a/events", r#"[{"type": "increment"}, {"type": "increment", "amount": -3}]"#),
    ("POST", "/entities/scribe/a/events", r#"{"type": "write", "text": "\u0000\ud83d\udca9"}"#),
    ("POST", "/entities/scribe/a/events", r#"[{"type": "write", "text": ""}, {"type": "erase"}]"#),
    ("POST", "/accounts/a/open", r#"{"owner": "alice", "initial_balance": 100}"#),
    ("POST", "/accounts/b/open", r#"{"owner": "bob", "initial_balance": 0}"#),
    ("POST", "/accounts/a/deposit", r#"{"amount": 9223372036854775807}"#),
    ("POST", "/accounts/b/withdraw", r#"{"amount": 1}"#),
    ("POST", "/transfers", r#"{"from": "a", "to": "b", "amount": 1}"#),
    ("POST", "/transfers", r#"{"from": "b", "to": "x", "amount": 1}"#),
    (
        "POST",
        "/entities/account/a/events",
        r#"[{"type": "deposit", "amount": 1}, {"type": "transfer", "to": "b", "amount": 1}]"#,
    ),
    ("GET", "/accounts/a", ""),
    ("GET", "/accounts/a?version=1", ""),
    ("GET", "/accounts/a?at=2026-11-21T12:00:00+00:00", ""),
    ("GET", "/accounts/a/events?from=1&limit=2", ""),
    ("GET", "/accounts/a/verify", ""),
    ("GET", "/transfers/a~1-000000000000000000000000", ""),
    ("GET", "/status", ""),
    ("GET", "/status?user_id=a", ""),
    ("GET", "/status?limit=1&cursor=61", ""),
    ("GET", "/counter/a", ""),
    ("GET", "/entities/counter", ""),
    ("GET", "/entities/scribe/a", ""),
    ("GET", "/entities/counter/a/events/1-000000000000000000000000", ""),
    ("HEAD", "/health", ""),
    ("GET", "/openapi.json", ""),
    ("OPTIONS", "/webhook", ""),
];
const METHODS: &[&str] = &["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "BREW"];
const PIECES: &[&str] = &[
    "%",
    "%2f",
    "%00",
    "%ff",
    "%F0%9F%92%A9",
    "..",
    "/",
    "//",
    "?",
    "&",
    "=",
    "+",
    "a",
    "*",
    ";",
    "-1",
    "0",
    "~",
    ":",
    "9223372036854775807",
    "9223372036854775808",
    "limit",
    "cursor",
    "user_id=b",
    "version=1",
    "at=9999-12-31T23:59:59Z",
    "account",
    "events",
    "counter",
    "xxxxxxxxxxxxxxxx",
];
const TOKENS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "null",
    "true",
    "-",
    "1e400",
    "0",
    "9223372036854775808",
    "\\ud800",
    "type",
    "increment",
    "\u{0}",
    " ",
    "[[[[[[[[[[[[[[[[",
    "\"\":",
];
const HEADERS: &[(&str, &str)] = &[
    // Often, so that some of it is valid and the rest of the run has queues to meet.
    ("prefer", "respond-async"),
    ("prefer", "respond-async"),
    ("prefer", "respond-async"),
    ("prefer", "wait=0"),
    ("prefer", "wait=21"),
    ("prefer", ";;,=\"wait="),
    ("idempotency-key", "k"),
    ("idempotency-key", "\"k\""),
    ("idempotency-key", "a key"),
    ("content-type", "application/x-www-form-urlencoded"),
    ("content-type", "\u{e9}"),
    ("content-encoding", "gzip"),
    ("content-length", "7"),
];

/// Requests and their parts by chance.
impl Chance {
    /// Leaves a text as it is, or spoils it in a few places.
    fn spoilt(&mut self, text: &str, pieces: &[&str]) -> Vec<u8> {
        let mut text = text.as_bytes().to_vec();
        for _ in 0..self.of(&[0, 0, 0, 0, 1, 2, 5]) {
            let start = self.below(text.len() + 1);
            let end = start + self.below((text.len() - start).min(3) + 1);
            let piece = self.of(pieces).as_bytes().to_vec();
            text.splice(start..end, piece);
        }
        text
    }

    fn body(&mut self, first: &str) -> Vec<u8> {
        let mut body = self.spoilt(first, TOKENS);
        match self.below(30) {
            0 => body.push(0xff),
            1 => body.extend(std::iter::repeat_n(b' ', 70_000)),
            2 => body.extend(std::iter::repeat_n(b'[', 40_000)),
            _ => {}
        }
        body
    }

    /// A request, unless it is one that HTTP itself does not allow.
    fn request(&mut self) -> Option<lambda_http::Request> {
        let (method, path, body) = self.of(RIGHT);
        let method = if self.below(8) == 0 { self.of(METHODS) } else { method };
        let mut request = Request::builder().method(method).uri(self.spoilt(path, PIECES));
        for _ in 0..self.of(&[0, 0, 1, 2]) {
            let (name, value) = self.of(HEADERS);
            request = request.header(name, value);
        }
        request.body(Body::from(self.body(body))).ok()
    }
}

/// What holds of every answer.
fn check(method: &Method, reply: &Reply, writes: u32) {
    assert!((200..500).contains(&reply.status), "{}", reply.status);
    if method == Method::HEAD {
        assert!(reply.body.is_null());
    } else if reply.status >= 400 {
        let name = problem(reply);
        // What the state of an account refuses is known only once it is stored.
        let refused = ["account-not-open", "account-already-open"].contains(&name) || reply.status == 422;
        assert!(writes == 0 || refused, "{name} was written");
    } else {
        // The page and what belongs to it are no JSON.
        let kind = reply.headers.get("content-type").map_or("", |kind| kind.to_str().unwrap());
        assert_eq!(reply.body.is_null(), reply.status == 204 || kind.starts_with("text/"));
    }
    assert!(reply.status != 405 || reply.headers.contains_key("allow"));
}

#[tokio::test]
async fn no_request_makes_the_server_fail() {
    let seed = seed("FUZZ_SEED");
    let (mut chance, mut statuses) = (Chance::new(seed), std::collections::BTreeMap::new());
    let world = World::with(scribe::registry(), Settings::default()).await;
    let mut sent = 0;
    while sent < REQUESTS {
        let Some(request) = chance.request() else { continue };
        sent += 1;
        let (method, shown) = (request.method().clone(), format!("{request:?}"));
        world.host.store().take();
        let answered = AssertUnwindSafe(async {
            let reply = world.call(request).await;
            check(&method, &reply, world.host.store().take().writes);
            reply.status
        });
        let status = answered.catch_unwind().await.unwrap_or_else(|_| panic!("FUZZ_SEED={seed}: {shown:.2000}"));
        *statuses.entry(status).or_insert(0) += 1;
    }
    for status in [200, 202, 204, 400, 404, 405] {
        assert!(statuses.contains_key(&status), "FUZZ_SEED={seed}: no {status} in {statuses:?}");
    }
}
