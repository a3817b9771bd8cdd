//! A socket's events, as API Gateway sends them: it was opened, a frame has come, it was closed. What the app says to them
//! is this very answer.

use lambda_http::aws_lambda_events::apigw::{
    ApiGatewayWebsocketProxyRequest as Event, ApiGatewayWebsocketProxyRequestContext as Context,
};
use serde_json::Value;
use shared::client::Client;
use shared::envelope::Millis;
use shared::erased::AnyHost;
use shared::host::Host;
use shared::trace::Trace;
use tracing::Instrument;
use web::answer::Answer;
use web::app::Service;
use web::gateway;
use web::guard::UserId;
use web::observed::Observed;
use web::problem::Problem;
use web::socket::Socket;

/// Answers one event.
pub(crate) async fn answer<H: Host>(
    service: &Service,
    client: &Client<H>,
    event: &str,
    (deadline, xray): (Millis, Option<&str>),
) -> Result<Answer, Problem> {
    let none = |error| Problem::invalid(format!("the event is none of a WebSocket API: {error}"));
    let Event { headers, request_context, body, is_base64_encoded, .. } = serde_json::from_str(event).map_err(none)?;
    let body = gateway::body(body.unwrap_or_default(), is_base64_encoded)?;
    let Some(sockets) = &service.sockets else {
        return Err(Problem::no_socket(404, "this app has no sockets"));
    };
    let observed = Observed::socket(client.host(), &headers, xray);
    let client = client.over(AnyHost::new(&observed.host));
    let socket = &socket(client, &request_context, observed.carried(), deadline)?;
    let answered = async {
        match request_context.event_type.as_deref() {
            Some("CONNECT") => sockets.opened(socket).await.map(|()| said(String::new())),
            Some("DISCONNECT") => sockets.closed(socket).await.map(|()| said(String::new())),
            _ => Ok(said(sockets.frame(socket, &body).await)),
        }
    };
    answered.instrument(observed.span()).await
}

/// A socket and whose it is: the authorizer has said so, and API Gateway has kept it.
fn socket(
    client: Client<AnyHost>,
    context: &Context,
    trace: Option<Trace>,
    deadline: Millis,
) -> Result<Socket, Problem> {
    let user = context.authorizer.fields.get("user").and_then(Value::as_str);
    let (Some(user), Some(connection)) = (user, context.connection_id.clone()) else {
        return Err(Problem::unauthorized("the event names no user: the API's authorizer has not seen it"));
    };
    Ok(Socket { client, user: UserId::new(user)?, connection, trace, deadline })
}

/// What is said to the client. For an answer without a word API Gateway sends an empty frame.
fn said(body: String) -> Answer {
    Answer { status: 200, headers: Vec::new(), body }
}
