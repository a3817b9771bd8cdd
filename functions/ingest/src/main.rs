//! Wiring of the function that posts.

use lambda_http::{Error, Request, RequestExt, run, service_fn, tracing};
use shared::client::Client;
use shared::emf::Emitter;
use shared::envelope::Millis;
use shared::http::guard::Guard;
use shared::live::{Config, connect};
use shared::store::dynamodb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let sdk = dynamodb::settings().load().await;
    let config = Config {
        table: std::env::var("TABLE_NAME")?,
        lease_seconds: std::env::var("LEASE_SECONDS").ok().map(|seconds| seconds.parse()).transpose()?,
        connections: std::env::var("CONNECTIONS_URL").ok().filter(|url| !url.is_empty()),
    };
    let metrics = Emitter::install("ingest")?;
    let client = &Client::new(connect(&sdk, config).await);
    run(service_fn(async |request: Request| {
        let deadline = Millis(request.lambda_context().deadline);
        let response = ingest::handle(client, &Guard::Iam, request, deadline).await;
        metrics.flush();
        Ok::<_, Error>(response)
    }))
    .await
}
