//! Opening a socket: the authorizer is asked, then `$connect`, and only then the request is upgraded.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, Extension, RawQuery, State};
use axum::http::header::{RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use web::problem::Problem;

use crate::accept::Place;
use crate::sockets::connection::{Connection, Opening};
use crate::sockets::member::{Full, Member, Reachable};
use crate::sockets::outgoing::Outgoing;
use crate::sockets::{FRAME_BYTES, Gateway, Handlers, MESSAGE_BYTES, event, session};

/// Sockets are many, and their messages mostly short.
const READ_BUFFER: usize = 16 * 1024;
/// What the library may keep of what a client does not read, in bytes: the message that is being written, and pongs, which
/// it makes by itself. When it is full they are left out, and a message finds the client too slow.
const WRITE_BUFFER: usize = 2 * MESSAGE_BYTES;

/// A socket that may be opened.
struct Admitted<H: Handlers> {
    member: Member<H>,
    /// What `$connect` chose from the subprotocols.
    protocol: Option<HeaderValue>,
}

/// Answers the request for a socket.
pub(super) async fn open<H: Handlers>(
    State(gateway): State<Gateway<H>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    Extension(place): Extension<Place>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let mut upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return no_upgrade(&rejection),
    };
    let (id, now) = (gateway.fresh_id(), (gateway.0.clock)());
    let Some(opening) = Opening::new(id, now, client.ip(), headers, query) else {
        return refuse(StatusCode::BAD_REQUEST, "the request needs one Host header with a host and perhaps a port");
    };
    // Counted until the socket's end is told, however that comes.
    let token = gateway.0.invocations.token();
    // It ends in its own time: a client that hangs up meanwhile is a member that leaves.
    match gateway.0.invocations.spawn(admit(gateway.clone(), opening)).await {
        Ok(Ok(Admitted { member, protocol })) => {
            if let Some(protocol) = protocol {
                upgrade.set_selected_protocol(protocol);
            }
            let upgrade = upgrade.max_message_size(MESSAGE_BYTES).max_frame_size(FRAME_BYTES);
            let upgrade = upgrade.read_buffer_size(READ_BUFFER);
            let upgrade = upgrade.write_buffer_size(0).max_write_buffer_size(WRITE_BUFFER);
            upgrade.on_upgrade(async move |socket| {
                session::run(member, socket).await;
                drop((token, place));
            })
        }
        Ok(Err(refusal)) => *refusal,
        Err(error) => {
            tracing::error!(%error, "a socket was not opened");
            failed()
        }
    }
}

/// Asks the authorizer and `$connect`; a refusal is what the client gets.
async fn admit<H: Handlers>(gateway: Gateway<H>, opening: Opening) -> Result<Admitted<H>, Box<Response>> {
    let now = gateway.0.clock;
    let answer = gateway.authorize(&event::authorizer(&opening, now())).await.map_err(|_| Box::new(failed()))?;
    let authorizer = allowed(&answer)?;
    let outgoing = Outgoing::new(&gateway.0.settings);
    let connection = Connection::new(opening.facts.clone(), authorizer, outgoing);
    let reachable = Reachable::new(&gateway, connection).map_err(|full| Box::new(no_room(full)))?;
    let event = event::connect(&opening, reachable.connection(), now());
    let response = gateway.call(&event).await.map_err(|_| Box::new(failed()))?;
    if response.status() != StatusCode::OK {
        return Err(Box::new(response.map(|body| Body::from(body.to_vec()))));
    }
    let protocol = response.headers().get(SEC_WEBSOCKET_PROTOCOL).cloned();
    Ok(Admitted { member: Member::new(reachable), protocol })
}

/// What the authorizer says of the user, if it allows the socket. Like API Gateway, values become text.
fn allowed(answer: &Value) -> Result<Map<String, Value>, Box<Response>> {
    let statements = answer["policyDocument"]["Statement"].as_array().map(Vec::as_slice).unwrap_or_default();
    let effects: Vec<_> = statements.iter().map(|statement| statement["Effect"].as_str().unwrap_or_default()).collect();
    if effects.is_empty() || effects.contains(&"Deny") || !effects.contains(&"Allow") {
        let detail = answer["context"]["detail"].as_str().unwrap_or("the authorizer does not allow this socket");
        return Err(Box::new(refuse(StatusCode::FORBIDDEN, detail)));
    }
    let mut authorizer = Map::new();
    for (name, value) in answer["context"].as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                tracing::error!(name, "the authorizer's context has a value that API Gateway does not take");
                return Err(Box::new(failed()));
            }
        };
        authorizer.insert(name.clone(), text.into());
    }
    authorizer.insert("principalId".to_owned(), answer["principalId"].clone());
    Ok(authorizer)
}

fn no_upgrade(rejection: &WebSocketUpgradeRejection) -> Response {
    let detail = format!("sockets are opened here, by clients of WebSockets: {}", rejection.body_text());
    let mut response = refuse(StatusCode::UPGRADE_REQUIRED, &detail);
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    response
}

/// There are too many sockets. Those of browsers that were closed a moment ago are soon gone.
fn no_room(full: Full) -> Response {
    let mut response = match full {
        Full::OfOne(most) => {
            let detail = format!("the user has {most} sockets, and may have no more; close one");
            refuse(StatusCode::TOO_MANY_REQUESTS, &detail)
        }
        Full::All(most) => {
            let detail = format!("there are {most} sockets, and may be no more on this server; try again later");
            refuse(StatusCode::SERVICE_UNAVAILABLE, &detail)
        }
    };
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn refuse(status: StatusCode, detail: &str) -> Response {
    Problem::no_socket(status.as_u16(), detail).answer().into_response().map(Body::from)
}

/// API Gateway's own words.
fn failed() -> Response {
    let body = json!({"message": "Internal server error"}).to_string();
    (StatusCode::INTERNAL_SERVER_ERROR, [("content-type", "application/json")], body).into_response()
}
