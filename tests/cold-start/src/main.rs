//! A function that does nothing, with the runtime and the settings of ours: what `.ci/cold-start` compares them with.

use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    run(service_fn(async |_event: LambdaEvent<Value>| Ok::<_, Error>(Value::Null))).await
}
