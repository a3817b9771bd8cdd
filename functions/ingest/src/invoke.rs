//! One function for what API Gateway asks it: requests, frames of sockets, and whether a socket may be opened.

use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Error, LambdaEvent, Request, RequestExt, Service, service_fn};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use shared::client::Client;
use shared::envelope::Millis;
use shared::host::Host;
use shared::http::guard::Guard;

use crate::authorizer;

/// What tells the events apart.
#[derive(Deserialize)]
struct Head {
    r#type: Option<Value>,
    #[serde(rename = "methodArn")]
    method: Option<Value>,
}

/// Answers one event, whatever it is.
///
/// # Errors
/// When API Gateway sends no such events.
pub async fn invoke<H: Host>(
    client: &Client<H>,
    guard: &Guard,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<Box<RawValue>, Error> {
    let LambdaEvent { payload, context } = event;
    let head: Head = serde_json::from_str(payload.get())?;
    // Only the API itself writes these members: a client's body and headers lie deeper.
    if head.r#type.is_some_and(|kind| kind == "REQUEST") && head.method.is_some() {
        let event = serde_json::from_str(payload.get())?;
        return Ok(to_raw_value(&authorizer::answer(guard, &event, client.host().now()))?);
    }
    let request: LambdaRequest = serde_json::from_str(payload.get())?;
    let mut requests = Adapter::from(service_fn(async |request: Request| {
        let deadline = Millis(request.lambda_context().deadline);
        Ok::<_, Error>(crate::handle(client, guard, request, deadline).await)
    }));
    Ok(to_raw_value(&requests.call(LambdaEvent::new(request, context)).await?)?)
}
