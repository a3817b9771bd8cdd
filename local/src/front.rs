//! HTTP in front of the functions: each request goes to the very handler that API Gateway would call.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use lambda_http::Body as LambdaBody;
use shared::client::Client;
use shared::host::Host;
use shared::http::guard::Guard;
use shared::http::problem::Problem;
use shared::http::routes::{Found, Function, find};
use shared::limits;
use tokio_util::task::TaskTracker;

use crate::jwt::Authorizer;

/// What Lambda takes of a request's body, in bytes.
const LAMBDA_BODY: usize = 6 * 1024 * 1024;

/// A router that hands every request to its function. As on Lambda, an invocation that has begun ends in its own time,
/// also when its caller hangs up; `invocations` keeps count of them. `guard` says who may speak, `tokens` verifies users'
/// tokens first.
pub fn router<H: Host>(
    client: Client<H>,
    guard: Guard,
    tokens: Option<Authorizer>,
    invocations: TaskTracker,
) -> Router {
    let functions = Arc::new(Functions { client, guard, tokens });
    Router::new().fallback(serve::<H>).with_state(Front { functions, invocations })
}

/// What the functions are called with.
struct Functions<H> {
    client: Client<H>,
    guard: Guard,
    tokens: Option<Authorizer>,
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
    let Ok(bytes) = to_bytes(body, LAMBDA_BODY).await else {
        let problem = Problem::too_large("the body", LAMBDA_BODY + 1, limits::BODY_BYTES);
        return problem.answer().into_response().map(Body::from);
    };
    let request = lambda_http::Request::from_parts(parts, LambdaBody::Binary(bytes.to_vec()));
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
        status::handle(client.host(), guard, request).await
    }
}
