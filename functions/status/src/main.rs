//! Wiring of the function that reads.

use lambda_http::{Error, Request, run, service_fn};
use shared::emf::Emitter;
use shared::http::guard::Guard;
use shared::lambda;
use shared::live::Config;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::log();
    let config = Config { table: std::env::var("TABLE_NAME")?, lease_seconds: None, connections: None };
    // It issues no tickets, so it has no key, and it changes nothing, so no page's origin matters to it.
    let guard = &Guard {
        socket_url: std::env::var("SOCKET_URL").ok().filter(|url| !url.is_empty()),
        ..Guard::gateway(&std::env::var("USERS")?, "", None)?
    };
    let metrics = Emitter::install("status")?;
    let (_, host) = &lambda::connect(config).await;
    run(service_fn(async |request: Request| {
        let response = status::handle(host, guard, request).await;
        metrics.flush();
        Ok::<_, Error>(response)
    }))
    .await
}
