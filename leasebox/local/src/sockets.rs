//! WebSockets as API Gateway serves them: each event of a socket goes to the very handler that API Gateway would call,
//! in the same form, and pushes come in through a management endpoint.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use futures::FutureExt;
use lambda_http::{Body, Response};
use serde_json::Value;
use shared::push::connection_at;
use tokio_util::task::TaskTracker;
use web::socket::Pace;

use crate::shutdown::{self, Shutdown, Trigger};
use crate::sockets::member::Open;
use crate::{Clock, bounds};

mod connect;
mod connection;
mod ending;
mod event;
mod management;
mod member;
mod outgoing;
mod session;
#[cfg(test)]
mod tests;

/// The path of sockets.
pub const PATH: &str = "/ws";

// The quotas of WebSocket APIs, in "Quotas for configuring and running a WebSocket API in API Gateway".
/// The largest frame that is taken, in bytes. A larger message comes in several.
const FRAME_BYTES: usize = 32 * 1024;
/// The largest message in either direction, in bytes.
const MESSAGE_BYTES: usize = 128 * 1024;
/// How long a socket may be silent.
const IDLE: Duration = Duration::from_secs(10 * 60);
/// How long a socket may be open.
const LIFE: Duration = Duration::from_secs(2 * 60 * 60);

/// What the events of sockets are handed to.
pub trait Handlers: Send + Sync + 'static {
    /// Answers the authorizer's event of a socket that somebody wants to open.
    fn authorize(&self, event: &Value) -> impl Future<Output = Value> + Send;

    /// When this message of a socket is to be handed over.
    fn pace(&self, text: &str) -> Pace;

    /// Answers an event of a socket.
    fn invoke(&self, event: &str) -> impl Future<Output = Response<Body>> + Send;
}

/// What may be chosen.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a socket may be silent.
    pub idle: Duration,
    /// How long a socket may be open.
    pub life: Duration,
    /// How long the other side may take to say good-bye, and what is in hand to end before.
    pub grace: Duration,
    /// How many messages of one socket are in hand at once; no more are read then.
    pub in_hand: u32,
    /// How many messages may wait for one socket's reader, and how many pongs.
    pub waiting: usize,
    /// How many bytes may wait for one socket's reader.
    pub waiting_bytes: usize,
    /// How many sockets there are at once.
    pub most: usize,
    /// How many of them one user has.
    pub most_of_one: usize,
    /// The time between two messages of one socket that are handed over seldom.
    pub seldom: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            idle: IDLE,
            life: LIFE,
            grace: Duration::from_secs(2),
            in_hand: 16,
            waiting: 256,
            waiting_bytes: 4 * 1024 * 1024,
            most: bounds::SOCKETS,
            most_of_one: bounds::SOCKETS_OF_ONE,
            seldom: bounds::SELDOM,
        }
    }
}

/// Everything that sockets share.
pub struct Gateway<H>(Arc<Shared<H>>);

struct Shared<H> {
    handlers: Arc<H>,
    /// What has begun, and every socket until its end is told.
    invocations: TaskTracker,
    /// Where this gateway's management API is served.
    management: SocketAddr,
    settings: Settings,
    clock: Clock,
    open: Open,
    closing: Trigger,
    shutdown: Shutdown,
}

impl<H> Clone for Gateway<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// An invocation that ended without an answer. Its cause is in the log, and not the client's to know.
#[derive(Debug)]
struct Failed;

impl<H: Handlers> Gateway<H> {
    /// A gateway whose management API is to be served at an address. `invocations` keeps count of what has begun.
    pub fn new(
        handlers: Arc<H>,
        invocations: TaskTracker,
        management: SocketAddr,
        settings: Settings,
        clock: Clock,
    ) -> Self {
        let (closing, shutdown) = shutdown::channel();
        let open = Open::default();
        Self(Arc::new(Shared { handlers, invocations, management, settings, clock, open, closing, shutdown }))
    }

    /// The route of sockets. It needs to be told who connects.
    pub fn routes(&self) -> Router {
        Router::new().route(PATH, any(connect::open::<H>)).with_state(self.clone())
    }

    /// The routes of the management API, which pushes to connections go to.
    pub fn management(&self) -> Router {
        management::router(self.clone())
    }

    /// Closes all sockets, now and from now on. `invocations` tells when they are closed and their ends are processed.
    pub fn close(&self) {
        self.0.closing.fire();
    }

    /// An id that nobody can guess.
    fn fresh_id(&self) -> String {
        connection_at(self.0.management, rand::random())
    }

    /// Hands an event to its handler. It is what fails, if anything does, and not who called.
    async fn call(&self, event: &Value) -> Result<Response<Body>, Failed> {
        let event = event.to_string();
        let answered = AssertUnwindSafe(self.0.handlers.invoke(&event)).catch_unwind().await;
        answered.map_err(|_| {
            tracing::error!("an invocation for a socket ended without an answer");
            Failed
        })
    }

    /// Asks the authorizer.
    async fn authorize(&self, event: &Value) -> Result<Value, Failed> {
        let answered = AssertUnwindSafe(self.0.handlers.authorize(event)).catch_unwind().await;
        answered.map_err(|_| {
            tracing::error!("the authorizer ended without an answer");
            Failed
        })
    }
}
