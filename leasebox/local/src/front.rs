//! HTTP in front of the functions: each request, and each event of a socket, goes to the very handler that API Gateway
//! would call.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures::FutureExt;
use lambda_http::Body as LambdaBody;
use serde_json::Value;
use shared::client::Client;
use shared::host::Host;
use shared::limits;
use tokio_util::task::TaskTracker;
use web::answer::Answer;
use web::app::Service;
use web::guard::Guard;
use web::incoming::Incoming;
use web::route::Function;
use web::socket::Pace;

use crate::jwt::Authorizer;
use crate::sockets::Handlers;

mod body;

/// A router that hands every request to its function. As on Lambda, an invocation that has begun ends in its own time,
/// also when its caller hangs up; `invocations` keeps count of them.
pub fn router<H: Host>(functions: Arc<Functions<H>>, invocations: TaskTracker) -> Router {
    Router::new().fallback(serve::<H>).with_state(Front { functions, invocations })
}

/// What the functions are called with.
pub struct Functions<H> {
    /// The app that the functions run.
    pub service: Arc<Service>,
    /// Where events are posted.
    pub client: Client<H>,
    /// What decides who may speak.
    pub guard: Arc<Guard>,
    /// What verifies users' tokens, before the guard sees them.
    pub tokens: Option<Authorizer>,
}

impl<H: Host> Handlers for Functions<H> {
    async fn authorize(&self, event: &Value) -> Value {
        ingest::authorizer::answer(&self.guard, event, self.client.host().now())
    }

    fn pace(&self, text: &str) -> Pace {
        self.service.sockets.as_ref().map_or(Pace::InTurn, |sockets| sockets.pace(text))
    }

    async fn invoke(&self, event: &str) -> lambda_http::Response<LambdaBody> {
        let deadline = self.client.host().now().plus(limits::FUNCTION_TIMEOUT_MS);
        ingest::hear(&self.service, &self.client, event, (deadline, None)).await.into_response().map(LambdaBody::from)
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
    let incoming = front.functions.service.routes.incoming(Request::from_parts(parts, body));
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
    let Functions { service, client, guard, tokens } = &*functions;
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
        _ => status::handle(service, client.host(), guard, incoming).boxed().await,
    }
}
