//! One connection: who is at its other end, and what waits to be sent there.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use axum::http::HeaderMap;
use axum::http::header::{HOST, USER_AGENT};
use reqwest::Url;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::sockets::outgoing::Outgoing;

/// What is known of a connection before anybody is asked.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) id: String,
    /// By the machine's clock, in milliseconds.
    pub(super) connected_at: u64,
    pub(super) source: IpAddr,
    pub(super) user_agent: Option<String>,
    /// What the client calls this server.
    pub(super) host: String,
}

/// A request to open a socket.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) facts: Facts,
    pub(super) headers: HeaderMap,
    pub(super) query: Option<String>,
}

/// A socket that may be opened, or is open.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) facts: Facts,
    /// What the authorizer says, for every event of the socket.
    pub(super) authorizer: Map<String, Value>,
    pub(super) outgoing: Outgoing,
    pub(super) connected: Instant,
    active: Mutex<Instant>,
}

impl Opening {
    /// The request, unless its host is none: the handlers take URLs.
    pub(super) fn new(
        id: String,
        connected_at: u64,
        source: IpAddr,
        headers: HeaderMap,
        query: Option<String>,
    ) -> Option<Self> {
        let mut hosts = headers.get_all(HOST).into_iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return None;
        };
        let host = host.to_str().ok()?.to_owned();
        let is_one = host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:[]".contains(c));
        if !is_one || Url::parse(&format!("http://{host}/")).is_err() {
            return None;
        }
        let user_agent = headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Some(Self { facts: Facts { id, connected_at, source, user_agent, host }, headers, query })
    }
}

impl Connection {
    pub(super) fn new(facts: Facts, authorizer: Map<String, Value>, outgoing: Outgoing) -> Self {
        let now = Instant::now();
        Self { facts, authorizer, outgoing, connected: now, active: Mutex::new(now) }
    }

    /// Whose it is.
    pub(super) fn user(&self) -> Option<&Value> {
        self.authorizer.get("user")
    }

    /// Notes that something was sent or received.
    pub(super) fn touch(&self) {
        *self.active.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// When something was last sent or received.
    pub(super) fn last_active(&self) -> Instant {
        *self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same by the machine's clock, in milliseconds.
    pub(super) fn last_active_at(&self) -> u64 {
        let since = self.last_active().duration_since(self.connected);
        self.facts.connected_at.saturating_add(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
