//! The events are those of API Gateway, which `events/` shows.

use std::collections::BTreeSet;
use std::fs;

use axum::http::HeaderMap;
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;
use serde_json::{Map, Value, json};

use crate::sockets::Settings;
use crate::sockets::connection::{Connection, Opening};
use crate::sockets::ending::End;
use crate::sockets::event;
use crate::sockets::outgoing::Outgoing;

/// An event of API Gateway, as `events/` has it: read when the test runs, since a published package is without that folder.
fn theirs(name: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/ingest-socket-");
    fs::read_to_string(format!("{path}{name}.json")).unwrap()
}

/// A moment of 19 January 2023.
const NOW: u64 = 1_674_162_806_345;

fn made() -> [(Value, String); 4] {
    let headers = [
        ("host", "localhost:3000"),
        ("origin", "http://localhost:3000"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
        ("user-agent", "a browser"),
        ("x-forwarded-for", "10.9.8.7"),
    ];
    let headers: HeaderMap =
        headers.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    let query = Some("user_id=alice".to_owned());
    let opening = Opening::new("id~1".to_owned(), NOW - 1, "127.0.0.1".parse().unwrap(), headers, query).unwrap();
    let authorizer = [("user", "alice"), ("principalId", "alice")];
    let authorizer: Map<_, _> = authorizer.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    let connection = Connection::new(opening.facts.clone(), authorizer, Outgoing::new(&Settings::default()));
    let end = End::of_client(None);
    [
        (event::authorizer(&opening, NOW), theirs("authorizer")),
        (event::connect(&opening, &connection, NOW), theirs("connect")),
        (event::message(&connection, "{\"type\":\"ping\"}", NOW), theirs("message")),
        (event::disconnect(&connection, &end, NOW), theirs("disconnect")),
    ]
}

/// The names of members, with where they are.
fn names(value: &Value, path: &str) -> BTreeSet<String> {
    let members = value.as_object().into_iter().flatten();
    members.fold(BTreeSet::new(), |mut names, (name, value)| {
        let here = format!("{path}/{name}");
        names.extend(self::names(value, &here));
        names.insert(here);
        names
    })
}

#[test]
fn they_have_the_members_that_api_gateways_have() {
    // What API Gateway's own front adds, or the template tells its stage, and a development server has no use for.
    let apart = [
        "X-Amzn-Trace-Id",
        "X-Forwarded-Port",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "integrationLatency",
        "pageOrigin",
    ];
    for (made, theirs) in made() {
        let kept = |names: BTreeSet<String>| -> BTreeSet<String> {
            names.into_iter().filter(|name| !apart.iter().any(|apart| name.ends_with(apart))).collect()
        };
        let theirs: Value = serde_json::from_str(&theirs).unwrap();
        assert_eq!(kept(names(&made, "")), kept(names(&theirs, "")), "{made:#}");
    }
}

#[test]
fn they_are_read_as_events_of_sockets() {
    for (made, theirs) in &made()[1..] {
        for event in [&made.to_string(), theirs] {
            let request = lambda_http::request::from_str(event).unwrap();
            let RequestContext::WebSocket(context) = request.request_context() else { panic!("{event}") };
            assert_eq!(context.authorizer.fields["user"], "alice");
            assert!(context.connection_id.is_some() && context.event_type.is_some());
        }
    }
}

#[test]
fn they_say_what_the_request_said() {
    let [(authorizer, _), (connect, _), (message, _), (disconnect, _)] = made();
    for event in [&authorizer, &connect] {
        assert_eq!(event["queryStringParameters"], json!({"user_id": "alice"}));
        assert_eq!(event["multiValueQueryStringParameters"], json!({"user_id": ["alice"]}));
        assert_eq!(event["headers"]["Sec-WebSocket-Version"], "13");
        assert_eq!(event["multiValueHeaders"]["X-Forwarded-For"], json!(["127.0.0.1"]), "not what the client says");
        assert_eq!(event["requestContext"]["identity"], json!({"sourceIp": "127.0.0.1", "userAgent": "a browser"}));
        assert_eq!(event["requestContext"]["requestTime"], "19/Jan/2023:21:13:26 +0000");
    }
    assert_eq!(authorizer["methodArn"], "arn:aws:execute-api:us-east-1:000000000000:local/live/$connect");
    assert_eq!(message["body"], "{\"type\":\"ping\"}");
    assert_eq!(disconnect["requestContext"]["disconnectStatusCode"], 1005);
}
