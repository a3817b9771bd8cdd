//! One function for what API Gateway asks it: requests, events of sockets, and whether a socket may be opened.

use std::sync::Arc;

use lambda_http::{Error, LambdaEvent};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use shared::client::Client;
use shared::envelope::Millis;
use shared::host::Host;
use web::app::Service;
use web::gateway;
use web::guard::Guard;

use crate::authorizer;

/// What tells the events apart. Only the API itself writes these members: a client's body and headers lie deeper.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    r#type: Option<Value>,
    method_arn: Option<IgnoredAny>,
    request_context: Option<Context>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    connection_id: Option<IgnoredAny>,
}

/// Answers one event, whatever it is.
///
/// # Errors
/// When API Gateway sends no such events.
pub async fn invoke<H: Host>(
    service: &Service,
    client: &Client<H>,
    guard: &Arc<Guard>,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<Box<RawValue>, Error> {
    let LambdaEvent { payload, context } = event;
    let head: Head = serde_json::from_str(payload.get())?;
    let deadline = Millis(context.deadline);
    if head.r#type.is_some_and(|kind| kind == "REQUEST") && head.method_arn.is_some() {
        let event = serde_json::from_str(payload.get())?;
        return Ok(to_raw_value(&authorizer::answer(guard, &event, client.host().now()))?);
    }
    let answer = if head.request_context.is_some_and(|context| context.connection_id.is_some()) {
        // On the heap: what a frame may ask for is much, and most requests are none.
        Box::pin(crate::hear(service, client, payload.get(), (deadline, context.xray_trace_id.as_deref()))).await
    } else {
        match gateway::read(&service.routes, payload.get(), context.xray_trace_id) {
            Ok(incoming) => crate::handle(client, guard, incoming, deadline).await,
            Err(problem) => problem.answer(),
        }
    };
    Ok(to_raw_value(&gateway::write(answer))?)
}
