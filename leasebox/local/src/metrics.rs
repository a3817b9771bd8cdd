//! Metrics in development: a Prometheus endpoint on a port of its own.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use shared::metrics::{self, Metric, Shape, Unit};
use tokio::net::TcpListener;

use crate::door::refuse_foreign_hosts;

/// How often what was recorded is put into its buckets, when nobody asks for it.
const UPKEEP: Duration = Duration::from_secs(5);
/// The upper ends of buckets of times, in seconds: from what an actor takes to what an outage takes.
const SECONDS: [f64; 16] =
    [1e-6, 1e-5, 1e-4, 1e-3, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0];
/// The upper ends of buckets of numbers.
const COUNTS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 100.0, 200.0];

/// Serves the metrics of this process. A port that is taken is a warning: whoever only wants to try something is not to
/// be kept from it by another server. It brings where it serves, if it does.
///
/// On loopback, they are for programs of this machine, and not for a page whose author's name was made to lead here.
pub async fn serve(bind: IpAddr, port: u16) -> Option<SocketAddr> {
    let address = SocketAddr::new(bind, port);
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(%address, %error, "there are no metrics: the port is taken; pass --metrics-port with another one");
            return None;
        }
    };
    let handle = match install() {
        Ok(handle) => handle,
        Err(error) => {
            tracing::warn!(%error, "there are no metrics");
            return None;
        }
    };
    let served = listener.local_addr().ok();
    let page = handle.clone();
    let page = async move || ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page.render());
    let router = Router::new().route("/metrics", get(page)).layer(from_fn_with_state(bind, admit));
    tokio::spawn(async move { axum::serve(listener, router).await });
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            handle.run_upkeep();
        }
    });
    served
}

async fn admit(State(bind): State<IpAddr>, request: Request, next: Next) -> Response {
    match refuse_foreign_hosts(request.headers(), bind) {
        Err(refusal) if bind.to_canonical().is_loopback() => refusal.into_response(),
        _ => next.run(request).await,
    }
}

fn install() -> Result<PrometheusHandle, metrics_exporter_prometheus::BuildError> {
    let mut builder = PrometheusBuilder::new();
    for Metric { name, shape, unit, .. } in metrics::ALL {
        let buckets: &[f64] = match (shape, unit) {
            (Shape::Counter, _) => continue,
            (Shape::Histogram, Unit::Seconds) => &SECONDS,
            (Shape::Histogram, Unit::Count) => &COUNTS,
        };
        builder = builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), buckets)?;
    }
    let handle = builder.install_recorder()?;
    metrics::describe();
    Ok(handle)
}
