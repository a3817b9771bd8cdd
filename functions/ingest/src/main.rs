//! Wiring of the function that posts.

use lambda_http::Error;
use lambda_http::lambda_runtime::{LambdaEvent, run, service_fn};
use serde_json::value::RawValue;
use shared::client::Client;
use shared::emf::Emitter;
use shared::http::guard::Guard;
use shared::lambda;
use shared::limits::Consumption;
use shared::live::Config;
use shared::log::subscriber;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    subscriber::on_lambda(|name| std::env::var(name).ok())?;
    let config = Config {
        table: std::env::var("TABLE_NAME")?,
        lease_seconds: std::env::var("LEASE_SECONDS").ok().map(|seconds| seconds.parse()).transpose()?,
        direct: std::env::var("DIRECT").ok().map(|switch| switch.parse()).transpose()?.unwrap_or_default(),
        connections: std::env::var("CONNECTIONS_URL").ok().filter(|url| !url.is_empty()),
        consumption: std::env::var("LEASEBOX_CONSUMED").map_or(Ok(Consumption::Asked), |when| when.parse())?,
    };
    let (users, allowed) = (std::env::var("USERS")?, std::env::var("ALLOWED_ORIGINS").unwrap_or_default());
    let guard = &Guard::gateway(&users, &allowed, Some(&std::env::var("TICKET_KEY")?))?;
    let metrics = Emitter::install("ingest")?;
    let (_, host) = lambda::connect(config).await;
    let client = &Client::new(host);
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let answer = ingest::invoke::invoke(client, guard, event).await;
        metrics.flush();
        answer
    }))
    .await
}
