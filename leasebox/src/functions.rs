//! The three functions, wired: the environment that Lambda gives them is read here and nowhere else.

use std::env;
use std::fmt::Display;
use std::sync::Arc;

use drain::queue::Queue;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use serde_json::value::RawValue;
use shared::client::Client;
use shared::emf::Emitter;
use shared::envelope::Millis;
use shared::lambda;
use shared::limits::{Consumption, Direct};
use shared::live::Config;
use shared::log::subscriber;
use shared::registry::Registry;
use tokio::runtime::Builder;
use web::app::{Misbuilt, Service};
use web::guard::Guard;

use crate::app::Exit;

/// Runs one function until Lambda ends it. What keeps it from starting is told on the standard error, where Lambda logs it.
pub(crate) fn run<T, R: Future<Output = Result<(), Error>>>(
    app: Result<T, Misbuilt>,
    function: impl FnOnce(T) -> R,
) -> Exit {
    let app = match app {
        Ok(app) => app,
        Err(misbuilt) => return refuse(&misbuilt),
    };
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error),
    };
    match runtime.block_on(function(app)) {
        Ok(()) => Exit::SUCCESS,
        Err(error) => refuse(&error),
    }
}

pub(crate) fn refuse(error: &dyn Display) -> Exit {
    eprintln!("leasebox: {error}");
    Exit::FAILURE
}

pub(crate) async fn ingest(service: Service) -> Result<(), Error> {
    subscriber::on_lambda(variable)?;
    let config = Config {
        direct: variable("DIRECT").map(|switch| switch.parse()).transpose()?.unwrap_or_default(),
        lease_seconds: lease()?,
        connections: connections(),
        consumption: consumption()?,
        table: env::var("TABLE_NAME")?,
    };
    let (users, allowed) = (env::var("USERS")?, variable("ALLOWED_ORIGINS").unwrap_or_default());
    let guard = &Arc::new(Guard::gateway(&users, &allowed, variable("TICKET_KEY").as_deref())?);
    let metrics = emitter("ingest")?;
    let (_, host) = lambda::connect(config, service.registry.clone()).await;
    let (service, client) = (&service, &Client::new(host));
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let answer = ingest::invoke::invoke(service, client, guard, event).await;
        metrics.flush();
        answer
    }))
    .await
}

pub(crate) async fn drain(registry: Registry) -> Result<(), Error> {
    subscriber::on_lambda(variable)?;
    let config = Config {
        // It posts nothing for outsiders, and nobody waits for its answer.
        direct: Direct::Off,
        consumption: Consumption::Asked,
        lease_seconds: lease()?,
        connections: connections(),
        table: env::var("TABLE_NAME")?,
    };
    let metrics = emitter("drain")?;
    let (sdk, host) = lambda::connect(config, registry).await;
    let host = &host;
    let wakes = &Queue::of(&sdk, env::var("WAKE_QUEUE_URL")?);
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        let deadline = Millis(event.context.deadline);
        let response = drain::handle(host, wakes, event.payload, deadline).await;
        metrics.flush();
        Ok::<_, Error>(response?)
    }))
    .await
}

pub(crate) async fn status(service: Service) -> Result<(), Error> {
    subscriber::on_lambda(variable)?;
    let consumption = consumption()?;
    let config = Config {
        direct: Direct::Off,
        lease_seconds: None,
        connections: None,
        consumption,
        table: env::var("TABLE_NAME")?,
    };
    // It issues no tickets, so it has no key, and it changes nothing, so no page's origin matters to it.
    let guard =
        &Arc::new(Guard { socket_url: variable("SOCKET_URL"), ..Guard::gateway(&env::var("USERS")?, "", None)? });
    let metrics = emitter("status")?;
    let (_, host) = &lambda::connect(config, service.registry.clone()).await;
    let service = &service;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let answer = status::invoke::invoke(service, host, guard, event).await;
        metrics.flush();
        Ok::<_, Error>(answer)
    }))
    .await
}

/// A variable of the environment; an empty one says nothing.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn lease() -> Result<Option<u64>, Error> {
    Ok(variable("LEASE_SECONDS").map(|seconds| seconds.parse()).transpose()?)
}

fn connections() -> Option<String> {
    variable("CONNECTIONS_URL")
}

fn consumption() -> Result<Consumption, Error> {
    Ok(variable("LEASEBOX_CONSUMED").map_or(Ok(Consumption::Asked), |when| when.parse())?)
}

/// Collects metrics, in the namespace that the stack has for itself.
fn emitter(function: &'static str) -> Result<Emitter, Error> {
    let namespace = variable("METRICS_NAMESPACE").unwrap_or_else(|| "Leasebox".to_owned());
    Emitter::install(namespace, function)
}
