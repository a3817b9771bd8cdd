//! HTTP in front of the functions: each request, and each event of a socket, goes to the very handler that API Gateway
//! would call.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures::FutureExt;
use ingest::frame::{self, Asked};
use lambda_http::Body as LambdaBody;
use serde_json::Value;
use shared::chat;
use shared::client::Client;
use shared::host::Host;
use shared::http::answer::Answer;
use shared::http::guard::Guard;
use shared::http::incoming::Incoming;
use shared::http::routes::Function;
use shared::limits;
use tokio_util::task::TaskTracker;

use crate::jwt::Authorizer;
use crate::sockets::{Handlers, Pace};

mod body;

/// A router that hands every request to its function. As on Lambda, an invocation that has begun ends in its own time,
/// also when its caller hangs up; `invocations` keeps count of them.
pub fn router<H: Host>(functions: Arc<Functions<H>>, invocations: TaskTracker) -> Router {
    Router::new().fallback(serve::<H>).with_state(Front { functions, invocations })
}

/// What the functions are called with.
pub struct Functions<H> {
    /// Where events are posted.
    pub client: Client<H>,
    /// Who may speak.
    pub guard: Guard,
    /// What verifies users' tokens, before the guard sees them.
    pub tokens: Option<Authorizer>,
}

impl<H: Host> Handlers for Functions<H> {
    async fn authorize(&self, event: &Value) -> Value {
        ingest::authorizer::answer(&self.guard, event, self.client.host().now())
    }

    fn pace(&self, text: &str) -> Pace {
        match frame::read(text.as_bytes()).asked {
            Ok(Asked::Send { .. } | Asked::Read { .. }) => Pace::InTurn,
            // One that names nobody is refused, and pushes nothing.
            Ok(Asked::Typing { to }) if chat::user(&to).is_ok() => Pace::Seldom,
            Ok(Asked::Typing { .. } | Asked::Sync { .. } | Asked::Ping {}) | Err(_) => Pace::AtOnce,
        }
    }

    async fn invoke(&self, request: lambda_http::Request) -> lambda_http::Response<LambdaBody> {
        let deadline = self.client.host().now().plus(limits::FUNCTION_TIMEOUT_MS);
        ingest::hear(&self.client, request, deadline).await.into_response().map(LambdaBody::from)
    }
}

struct Front<H> {
    functions: Arc<Functions<H>>,
    invocations: TaskTracker,
}

impl<H> Clone for Front<H> {
    fn clone(&self) -> Self {
        Self { functions: Arc::clone(&self.functions), invocations: self.invocations.clone() }
    }
}

async fn serve<H: Host>(State(front): State<Front<H>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = match body::read(body).await {
        Ok(body) => body,
        Err(problem) => return problem.answer().into_response().map(Body::from),
    };
    let incoming = Incoming::from(Request::from_parts(parts, body));
    match front.invocations.spawn(invoke(front.functions, incoming)).await {
        Ok(answer) => answer.into_response().map(Body::from),
        Err(error) => {
            tracing::error!(%error, "an invocation ended without an answer");
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}

async fn invoke<H: Host>(functions: Arc<Functions<H>>, incoming: Incoming) -> Answer {
    let Functions { client, guard, tokens } = &*functions;
    let incoming = match tokens {
        None => incoming,
        Some(tokens) => match tokens.admit(guard, incoming, client.host().now()) {
            Ok(incoming) => incoming,
            Err(refused) => return refused.answer(),
        },
    };
    match incoming.route() {
        Ok((route, _)) if route.function == Function::Ingest => {
            let deadline = client.host().now().plus(limits::FUNCTION_TIMEOUT_MS);
            ingest::handle(client, guard, incoming, deadline).await
        }
        // On the heap: what reads hold would take its room in every post too.
        _ => status::handle(client.host(), guard, incoming).boxed().await,
    }
}
