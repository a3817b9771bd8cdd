//! Wiring of the function that the stream and the wakes call.

use drain::queue::Queue;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use shared::emf::Emitter;
use shared::envelope::Millis;
use shared::lambda;
use shared::limits::{Consumption, Direct};
use shared::live::Config;
use shared::log::subscriber;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    subscriber::on_lambda(|name| std::env::var(name).ok())?;
    let config = Config {
        table: std::env::var("TABLE_NAME")?,
        lease_seconds: std::env::var("LEASE_SECONDS").ok().map(|seconds| seconds.parse()).transpose()?,
        // It posts nothing for outsiders.
        direct: Direct::Off,
        connections: std::env::var("CONNECTIONS_URL").ok().filter(|url| !url.is_empty()),
        // Nobody waits for an answer of drain's.
        consumption: Consumption::Asked,
    };
    let metrics = Emitter::install("drain")?;
    let (sdk, host) = &lambda::connect(config).await;
    let wakes = &Queue::new(aws_sdk_sqs::Client::new(sdk), std::env::var("WAKE_QUEUE_URL")?);
    run(service_fn(async |event: LambdaEvent<Value>| {
        let deadline = Millis(event.context.deadline);
        let response = drain::handle(host, wakes, event.payload, deadline).await;
        metrics.flush();
        Ok::<_, Error>(response?)
    }))
    .await
}
