//! Wiring of the function that reads.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::value::RawValue;
use shared::emf::Emitter;
use shared::http::guard::Guard;
use shared::lambda;
use shared::limits::{Consumption, Direct};
use shared::live::Config;
use shared::log::subscriber;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    subscriber::on_lambda(|name| std::env::var(name).ok())?;
    let consumption = std::env::var("LEASEBOX_CONSUMED").map_or(Ok(Consumption::Asked), |when| when.parse())?;
    let (table, direct) = (std::env::var("TABLE_NAME")?, Direct::Off);
    let config = Config { table, lease_seconds: None, direct, connections: None, consumption };
    // It issues no tickets, so it has no key, and it changes nothing, so no page's origin matters to it.
    let guard = &Guard {
        socket_url: std::env::var("SOCKET_URL").ok().filter(|url| !url.is_empty()),
        ..Guard::gateway(&std::env::var("USERS")?, "", None)?
    };
    let metrics = Emitter::install("status")?;
    let (_, host) = &lambda::connect(config).await;
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let answer = status::invoke::invoke(host, guard, event).await;
        metrics.flush();
        Ok::<_, Error>(answer)
    }))
    .await
}
