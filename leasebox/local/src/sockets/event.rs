//! The events of a socket, as API Gateway sends them to a function.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::sockets::connection::{Connection, Facts, Opening};
use crate::sockets::ending::End;

/// Names of this API where API Gateway has its own. The stage's name is part of no path that anybody uses.
const API: &str = "local";
const STAGE: &str = "live";
/// What the authorizer is asked for.
const ARN: &str = "arn:aws:execute-api:us-east-1:000000000000:local/live/$connect";

/// Asks whether somebody may open a socket.
pub(super) fn authorizer(opening: &Opening, now: u64) -> Value {
    let mut event = request(opening);
    event.extend([
        ("type".to_owned(), json!("REQUEST")),
        ("methodArn".to_owned(), json!(ARN)),
        ("stageVariables".to_owned(), json!({})),
        ("requestContext".to_owned(), context(&opening.facts, "$connect", "CONNECT", now).into()),
    ]);
    event.into()
}

/// Somebody opens a socket.
pub(super) fn connect(opening: &Opening, connection: &Connection, now: u64) -> Value {
    let mut event = request(opening);
    let mut context = context(&opening.facts, "$connect", "CONNECT", now);
    context.insert("authorizer".to_owned(), connection.authorizer.clone().into());
    event.insert("requestContext".to_owned(), context.into());
    event.insert("isBase64Encoded".to_owned(), json!(false));
    event.into()
}

/// A message has come. Without headers, as API Gateway sends it.
pub(super) fn message(connection: &Connection, body: &str, now: u64) -> Value {
    let mut context = context(&connection.facts, "$default", "MESSAGE", now);
    context.insert("authorizer".to_owned(), connection.authorizer.clone().into());
    context.insert("messageId".to_owned(), json!(fresh()));
    json!({"requestContext": context, "body": body, "isBase64Encoded": false})
}

/// A socket has ended.
pub(super) fn disconnect(connection: &Connection, end: &End, now: u64) -> Value {
    let mut context = context(&connection.facts, "$disconnect", "DISCONNECT", now);
    context.insert("authorizer".to_owned(), connection.authorizer.clone().into());
    context.insert("disconnectStatusCode".to_owned(), json!(end.code));
    context.insert("disconnectReason".to_owned(), json!(end.reason));
    let headers = [("Host", &connection.facts.host), ("x-api-key", &String::new()), ("x-restapi", &String::new())];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.clone()));
    let (single, all) = twice(headers.into_iter());
    json!({"headers": single, "multiValueHeaders": all, "requestContext": context, "isBase64Encoded": false})
}

/// An id of a request or a message, in the form of API Gateway's.
pub(super) fn fresh() -> String {
    STANDARD.encode(rand::random::<[u8; 11]>())
}

/// The request behind `$connect`: names with all their values, and with the last of them.
fn request(opening: &Opening) -> Map<String, Value> {
    let (headers, all_headers) = twice(headers(&opening.headers, &opening.facts));
    let mut event = Map::new();
    event.insert("headers".to_owned(), headers.into());
    event.insert("multiValueHeaders".to_owned(), all_headers.into());
    if let Some(query) = opening.query.as_deref().filter(|query| !query.is_empty()) {
        let pairs = form_urlencoded::parse(query.as_bytes());
        let (parameters, all) = twice(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())));
        event.insert("queryStringParameters".to_owned(), parameters.into());
        event.insert("multiValueQueryStringParameters".to_owned(), all.into());
    }
    event
}

fn headers(headers: &HeaderMap, facts: &Facts) -> impl Iterator<Item = (String, String)> {
    let forwarded = [("X-Forwarded-For", facts.source.to_string()), ("X-Forwarded-Proto", "http".to_owned())];
    let sent = headers.iter().filter(|(name, _)| !name.as_str().starts_with("x-forwarded-"));
    let sent =
        sent.map(|(name, value)| (spelled(name.as_str()), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    sent.chain(forwarded.map(|(name, value)| (name.to_owned(), value)))
}

/// A header's name as clients write it. API Gateway leaves it as it came; here only the lower case is left of it.
fn spelled(name: &str) -> String {
    let words = name.split('-').map(|word| match word {
        "websocket" => "WebSocket".to_owned(),
        _ => word[..1.min(word.len())].to_uppercase() + &word[1.min(word.len())..],
    });
    words.collect::<Vec<_>>().join("-")
}

fn twice(pairs: impl Iterator<Item = (String, String)>) -> (Map<String, Value>, Map<String, Value>) {
    let (mut single, mut all) = (Map::new(), Map::new());
    for (name, value) in pairs {
        if let Value::Array(values) = all.entry(name.clone()).or_insert_with(|| json!([])) {
            values.push(json!(value));
        }
        single.insert(name, json!(value));
    }
    (single, all)
}

fn context(facts: &Facts, route: &str, kind: &str, now: u64) -> Map<String, Value> {
    let mut identity = json!({"sourceIp": facts.source});
    if let Some(agent) = &facts.user_agent {
        identity["userAgent"] = json!(agent);
    }
    let (request, extended) = (fresh(), fresh());
    let members = [
        ("routeKey", json!(route)),
        ("eventType", json!(kind)),
        ("extendedRequestId", json!(extended)),
        ("requestTime", json!(written(now))),
        ("messageDirection", json!("IN")),
        ("stage", json!(STAGE)),
        ("connectedAt", json!(facts.connected_at)),
        ("requestTimeEpoch", json!(now)),
        ("identity", identity),
        ("requestId", json!(request)),
        ("domainName", json!(facts.host)),
        ("connectionId", json!(facts.id)),
        ("apiId", json!(API)),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A time as access logs have it: `19/Jan/2023:21:13:26 +0000`.
fn written(ms: u64) -> String {
    let form = format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
    time.ok().and_then(|time| time.format(form).ok()).unwrap_or_default()
}
