//! The function as API Gateway calls it.

use std::sync::Arc;

use lambda_runtime::LambdaEvent;
use serde_json::Value;
use serde_json::value::RawValue;
use shared::host::ReadHost;
use web::app::Service;
use web::gateway;
use web::guard::Guard;

/// Answers one event of API Gateway, from the raw invocation to its response. Whatever a client sends is answered: an
/// invocation that failed would be a 500.
pub async fn invoke<H: ReadHost>(
    service: &Service,
    host: &H,
    guard: &Arc<Guard>,
    event: LambdaEvent<Box<RawValue>>,
) -> Value {
    let LambdaEvent { payload, context } = event;
    gateway::write(match gateway::read(&service.routes, payload.get(), context.xray_trace_id) {
        Ok(incoming) => crate::handle(service, host, guard, incoming).await,
        Err(problem) => problem.answer(),
    })
}
