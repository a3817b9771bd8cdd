//! The function that reads, and that answers whatever no route takes. It never writes: it is given a host that cannot.

pub mod invoke;

use std::sync::Arc;

use shared::erased::Reader;
use shared::host::ReadHost;
use tracing::Instrument;
use web::answer::Answer;
use web::app::Service;
use web::guard::Guard;
use web::incoming::Incoming;
use web::observed::Observed;
use web::problem::Problem;
use web::reading::deadline;
use web::request::Request;
use web::route::Handler;
use web::routing::Found;

/// Answers one HTTP request that only reads. `guard` says who may speak.
pub async fn handle<H: ReadHost>(service: &Service, host: &H, guard: &Arc<Guard>, incoming: Incoming) -> Answer {
    let observed = Observed::new(host, &incoming);
    let is_head = incoming.method == "HEAD";
    let answered = answer(service, &observed.host, guard, incoming).instrument(observed.span()).await;
    let mut answer = observed.tell(answered.unwrap_or_else(Problem::answer));
    if is_head {
        answer.body.clear();
    }
    answer
}

async fn answer<H: ReadHost>(
    service: &Service,
    host: &H,
    guard: &Arc<Guard>,
    incoming: Incoming,
) -> Result<Answer, Problem> {
    if let (Found::WrongMethod(allowed), "OPTIONS") = (&incoming.found, incoming.method.as_str()) {
        return Ok(Answer { status: 204, headers: vec![("allow", allowed.clone())], body: String::new() });
    }
    let (route, params) = incoming.route()?;
    guard.check(&incoming.headers, &incoming.verified, route, params)?;
    let found = (Arc::clone(route), params.clone());
    match &found.0.handler {
        Some(Handler::Read(read)) => {
            let request = Request::new(incoming, found.clone(), guard, (deadline(host), None))?;
            read(Reader::new(host), request).await
        }
        Some(Handler::Document) => {
            Request::new(incoming, found, guard, (deadline(host), None))?;
            Ok(Answer::text("application/json", service.document()).header("cache-control", "max-age=60"))
        }
        // API Gateway sends these to `ingest`.
        Some(Handler::Post(_) | Handler::Act(_)) | None => Err(Problem::wrong_method(found.0.method, "GET, POST")),
    }
}
