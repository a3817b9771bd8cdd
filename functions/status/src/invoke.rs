//! The function as API Gateway calls it.

use lambda_runtime::LambdaEvent;
use serde_json::Value;
use serde_json::value::RawValue;
use shared::host::Host;
use shared::http::gateway;
use shared::http::guard::Guard;

/// Answers one event. Whatever a client sends is answered: an invocation that failed would be a 500.
pub async fn invoke<H: Host>(host: &H, guard: &Guard, event: LambdaEvent<Box<RawValue>>) -> Value {
    let LambdaEvent { payload, context } = event;
    gateway::write(match gateway::read(payload.get(), context.xray_trace_id) {
        Ok(incoming) => crate::handle(host, guard, incoming).await,
        Err(problem) => problem.answer(),
    })
}
