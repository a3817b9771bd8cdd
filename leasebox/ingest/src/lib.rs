//! The function that posts: a request becomes a post, and its receipts an answer.

pub mod authorizer;
pub mod invoke;
pub mod request;
pub mod response;
pub mod socket;

use std::sync::Arc;

use futures::FutureExt;
use shared::client::{Client, Submission};
use shared::envelope::Millis;
use shared::erased::{AnyHost, Reader};
use shared::host::{Host, ReadHost};
use shared::trace::Trace;
use tracing::Instrument;
use web::answer::Answer;
use web::app::Service;
use web::guard::Guard;
use web::incoming::Incoming;
use web::observed::Observed;
use web::post::Posting;
use web::problem::Problem;
use web::request::Request;
use web::route::{Function, Handler};

/// Answers one HTTP request that writes, or is to write. `guard` says who may speak, `deadline` is when the invocation
/// ends.
pub async fn handle<H: Host>(client: &Client<H>, guard: &Arc<Guard>, incoming: Incoming, deadline: Millis) -> Answer {
    let observed = Observed::new(client.host(), &incoming);
    // Without its types: the protocol is in the function once, and not once more for what routes do by themselves.
    let client = &client.over(AnyHost::new(&observed.host));
    let within = (deadline, observed.carried());
    let answered = answer(client, guard, incoming, within).instrument(observed.span()).await;
    observed.tell(answered.unwrap_or_else(Problem::answer))
}

/// Answers one event of a socket, as API Gateway sends it. `deadline` is when the invocation ends, and `xray` what Lambda says
/// of X-Ray's trace.
pub async fn hear<H: Host>(
    service: &Service,
    client: &Client<H>,
    event: &str,
    (deadline, xray): (Millis, Option<&str>),
) -> Answer {
    socket::answer(service, client, event, (deadline, xray)).await.unwrap_or_else(Problem::answer)
}

async fn answer(
    client: &Client<AnyHost>,
    guard: &Arc<Guard>,
    incoming: Incoming,
    (deadline, trace): (Millis, Option<Trace>),
) -> Result<Answer, Problem> {
    let (route, params) = incoming.route()?;
    if route.function != Function::Ingest {
        // API Gateway sends these to `status`.
        return Err(Problem::wrong_method(incoming.method.as_str(), "GET, POST"));
    }
    guard.check(&incoming.headers, &incoming.verified, route, params)?;
    let found = (Arc::clone(route), params.clone());
    let request = Request::new(incoming, found, guard, (deadline, trace))?;
    let route = Arc::clone(&request.route);
    match &route.handler {
        // On the heap, as everything that few requests do: the future of each request has room for all that it holds.
        Some(Handler::Act(act)) => act(client.clone(), request).await,
        Some(Handler::Post(read)) => {
            let posting = read(&request, client.host().registry())?;
            post(client, &request, posting).await
        }
        Some(Handler::Read(_) | Handler::Document) | None => Err(Problem::wrong_method(route.method, "GET, POST")),
    }
}

async fn post(client: &Client<AnyHost>, request: &Request, posting: Posting) -> Result<Answer, Problem> {
    let (plan, told) = request::plan(client.host().registry(), request, posting)?;
    let submission = Submission {
        entity: &plan.entity,
        drafts: &plan.drafts,
        mode: plan.mode,
        wait_ms: plan.wait_ms,
        deadline: request.deadline,
    };
    let receipts = client.submit(submission).await?;
    let reader = || Reader::new(client.host());
    response::write(&plan, told, receipts, (reader, request.deadline)).boxed().await
}
