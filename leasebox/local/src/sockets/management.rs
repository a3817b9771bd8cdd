//! The management API of a WebSocket API, for the SDK: push to a connection, look at it, and close it.
//!
//! Whoever knows an id may use it, signed or not: ids cannot be guessed. Pages in a browser may not, under no name.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::door::{refuse_foreign_hosts, refuse_pages};
use crate::sockets::connection::Connection;
use crate::sockets::ending::End;
use crate::sockets::outgoing::Queued;
use crate::sockets::{Gateway, Handlers, MESSAGE_BYTES, event};

/// An error in the form that the SDK knows.
struct Refusal(StatusCode, &'static str, &'static str);

const GONE: Refusal = Refusal(StatusCode::GONE, "GoneException", "there is no such connection");
const FORBIDDEN: Refusal =
    Refusal(StatusCode::FORBIDDEN, "ForbiddenException", "this is for functions, and not for pages in a browser");
const TOO_LARGE: Refusal =
    Refusal(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException", "a message has at most 128 KB");
const NO_TEXT: Refusal = Refusal(StatusCode::BAD_REQUEST, "BadRequestException", "a message is text in UTF-8");

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, name, message) = self;
        let headers = [("x-amzn-errortype", name.to_owned()), ("x-amzn-requestid", event::fresh())];
        (status, headers, Json(json!({"message": message}))).into_response()
    }
}

/// The routes.
pub(super) fn router<H: Handlers>(gateway: Gateway<H>) -> Router {
    let connection = post(push::<H>).get(show::<H>).delete(close::<H>);
    Router::new().route("/@connections/{id}", connection).layer(from_fn(no_browsers)).with_state(gateway)
}

async fn no_browsers(request: Request, next: Next) -> Response {
    let headers = request.headers();
    match refuse_pages(headers).and_then(|()| refuse_foreign_hosts(headers, Ipv4Addr::LOCALHOST.into())) {
        Ok(()) => next.run(request).await,
        Err(_) => FORBIDDEN.into_response(),
    }
}

async fn push<H: Handlers>(
    State(gateway): State<Gateway<H>>,
    Path(id): Path<String>,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let connection = find(&gateway, &id)?;
    let bytes = to_bytes(body, MESSAGE_BYTES).await.map_err(|_| TOO_LARGE)?;
    let message = String::from_utf8(bytes.to_vec()).map_err(|_| NO_TEXT)?;
    match connection.outgoing.push(message) {
        Queued::Waits => Ok(StatusCode::OK),
        Queued::Closed => Err(GONE),
    }
}

async fn show<H: Handlers>(State(gateway): State<Gateway<H>>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let connection = find(&gateway, &id)?;
    let facts = &connection.facts;
    let agent = facts.user_agent.as_deref().unwrap_or_default();
    Ok(Json(json!({
        "connectedAt": written(facts.connected_at),
        "identity": {"sourceIp": facts.source, "userAgent": agent},
        "lastActiveAt": written(connection.last_active_at()),
    })))
}

async fn close<H: Handlers>(State(gateway): State<Gateway<H>>, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    find(&gateway, &id)?.outgoing.close(End::deleted());
    Ok(StatusCode::NO_CONTENT)
}

/// A connection that is open, and stays so for all that is known.
fn find<H: Handlers>(gateway: &Gateway<H>, id: &str) -> Result<Arc<Connection>, Refusal> {
    let found = gateway.0.open.find(id).filter(|connection| connection.outgoing.end().is_none());
    found.ok_or(GONE)
}

fn written(ms: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}
