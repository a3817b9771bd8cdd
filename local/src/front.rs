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
use shared::http::guard::Guard;
use shared::http::routes::{Found, Function, find};
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
        ingest::handle(&self.client, &self.guard, request, deadline).await
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
    let request = lambda_http::Request::from_parts(parts, LambdaBody::Binary(body));
    match front.invocations.spawn(invoke(front.functions, request)).await {
        Ok(response) => response.map(|body| Body::from(body.to_vec())),
        Err(error) => {
            tracing::error!(%error, "an invocation ended without an answer");
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}

async fn invoke<H: Host>(
    functions: Arc<Functions<H>>,
    request: lambda_http::Request,
) -> lambda_http::Response<LambdaBody> {
    let Functions { client, guard, tokens } = &*functions;
    let request = match tokens {
        None => request,
        Some(tokens) => match tokens.admit(guard, request, client.host().now()) {
            Ok(request) => request,
            Err(refused) => return refused.response(),
        },
    };
    let posts = match find(request.method().as_str(), request.uri().path()) {
        Found::Route(route, _) => route.function == Function::Ingest,
        Found::WrongMethod(_) | Found::Nowhere => false,
    };
    if posts {
        let deadline = client.host().now().plus(limits::FUNCTION_TIMEOUT_MS);
        ingest::handle(client, guard, request, deadline).await
    } else {
        // On the heap: what reads hold would take its room in every post too.
        status::handle(client.host(), guard, request).boxed().await
    }
}
