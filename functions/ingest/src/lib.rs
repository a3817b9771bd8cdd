//! The function that posts: a request becomes a post, and its receipts an answer.

pub mod authorizer;
pub mod bank;
pub mod chat;
pub mod frame;
pub mod invoke;
pub mod operator;
pub mod request;
pub mod response;
pub mod socket;
pub mod tickets;

use futures::FutureExt;
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};
use shared::client::{Client, Submission};
use shared::envelope::Millis;
use shared::host::Host;
use shared::http::answer::Answer;
use shared::http::guard::Guard;
use shared::http::incoming::Incoming;
use shared::http::observed::Observed;
use shared::http::problem::Problem;
use shared::http::routes::{Chatting, Endpoint, Function};
use shared::trace::Trace;
use tracing::Instrument;

use crate::request::Dialect;

/// Answers one request. `guard` says who may speak, `deadline` is when the invocation ends.
pub async fn handle<H: Host>(client: &Client<H>, guard: &Guard, incoming: Incoming, deadline: Millis) -> Answer {
    let observed = Observed::new(client.host(), &incoming);
    let client = &client.over(observed.host.clone());
    let trace = observed.carried();
    let answered = answer(client, guard, (&incoming, trace), deadline).instrument(observed.span()).await;
    observed.tell(answered.unwrap_or_else(Problem::answer))
}

/// Answers one event of a socket. `deadline` is when the invocation ends.
pub async fn hear<H: Host>(client: &Client<H>, event: Request, deadline: Millis) -> Answer {
    let Some(RequestContext::WebSocket(context)) = event.request_context_ref() else {
        return Problem::invalid("the event is none of a WebSocket API").answer();
    };
    let xray = event.lambda_context_ref().and_then(|context| context.xray_trace_id.as_deref());
    let observed = Observed::socket(client.host(), event.headers(), xray);
    let client = &client.over(observed.host.clone());
    let trace = observed.carried();
    socket::answer(client, context, (event.body().as_ref(), trace), deadline).instrument(observed.span()).await
}

async fn answer<H: Host>(
    client: &Client<H>,
    guard: &Guard,
    (incoming, trace): (&Incoming, Option<Trace>),
    deadline: Millis,
) -> Result<Answer, Problem> {
    let (route, params) = incoming.route()?;
    if route.function != Function::Ingest {
        // API Gateway sends these to `status`.
        return Err(Problem::wrong_method(incoming.method.as_str(), "GET, POST"));
    }
    guard.check(&incoming.headers, &incoming.verified, route, params)?;
    match route.endpoint {
        Endpoint::Operator(task) => {
            // On the heap, as everything that few requests do: the future of each request has room for all that it holds.
            return operator::answer(client.host(), (task, params), incoming, deadline).boxed().await;
        }
        Endpoint::Chat(Chatting::Ticket) => return tickets::answer(client.host(), guard, params, &incoming.query),
        _ => {}
    }
    let posting = request::read(client.host().registry(), route.endpoint, params, incoming)?.traced(trace);
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
