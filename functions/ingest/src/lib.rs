//! The function that posts: a request becomes a post, and its receipts an answer.

pub mod authorizer;
pub mod bank;
pub mod caller;
pub mod chat;
pub mod frame;
pub mod invoke;
pub mod operator;
pub mod request;
pub mod response;
pub mod socket;
pub mod tickets;

use futures::FutureExt;
use lambda_http::http::Response;
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt};
use shared::client::{Client, Submission};
use shared::envelope::Millis;
use shared::host::Host;
use shared::http::answer::Answer;
use shared::http::guard::Guard;
use shared::http::observed::Observed;
use shared::http::problem::Problem;
use shared::http::routes::{Chatting, Endpoint, Found, Function, find};
use shared::trace::Trace;
use tracing::Instrument;

use crate::request::Dialect;

/// Answers one request. `guard` says who may speak, `deadline` is when the invocation ends.
pub async fn handle<H: Host>(client: &Client<H>, guard: &Guard, request: Request, deadline: Millis) -> Response<Body> {
    let xray = request.lambda_context_ref().and_then(|context| context.xray_trace_id.as_deref());
    let observed = Observed::new(client.host(), &request, xray);
    let client = &client.over(observed.host.clone());
    let trace = observed.carried();
    if let Some(RequestContext::WebSocket(context)) = request.request_context_ref() {
        // On the heap: what a frame may ask for is much, and most requests are none.
        let answer = socket::answer(client, context, (request.body().as_ref(), trace), deadline).boxed();
        return answer.instrument(observed.span()).await.into_response().map(Body::from);
    }
    let answered = answer(client, guard, (&request, trace), deadline).instrument(observed.span()).await;
    observed.tell(answered.unwrap_or_else(Problem::answer)).into_response().map(Body::from)
}

async fn answer<H: Host>(
    client: &Client<H>,
    guard: &Guard,
    (request, trace): (&Request, Option<Trace>),
    deadline: Millis,
) -> Result<Answer, Problem> {
    if let Found::Route(route, params) = find(request.method().as_str(), request.uri().path())
        && route.function == Function::Ingest
    {
        let verified = caller::verified(request);
        guard.check(request.headers(), verified, route, &params)?;
        match route.endpoint {
            Endpoint::Operator(task) => {
                // On the heap, as everything that few requests do: the future of each request has room for all that it holds.
                let done = operator::answer(client.host(), verified.signer, (task, &params), request, deadline);
                return done.boxed().await;
            }
            Endpoint::Chat(Chatting::Ticket) => return tickets::answer(client.host(), guard, &params, request),
            _ => {}
        }
    }
    let posting = request::read(client.host().registry(), request)?.traced(trace);
    let submission = Submission {
        entity: &posting.entity,
        drafts: &posting.drafts,
        mode: posting.mode,
        wait_ms: posting.wait_ms,
        deadline,
    };
    let receipts = client.submit(submission).await?;
    if posting.dialect == Dialect::Transfer {
        return bank::transferred(client.host(), &posting, receipts, deadline).boxed().await;
    }
    Ok(response::write(&posting, receipts))
}
