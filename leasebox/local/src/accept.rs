//! HTTP/1.1 on a listener, within [`bounds`]: clients that are slow, silent or many cost others nothing.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bounds;

/// What may be chosen.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Connections at once; more wait.
    pub connections: usize,
    /// How long the head of a request may take, and the silence between two.
    pub head: Duration,
    /// How long clients have at the end.
    pub grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { connections: bounds::CONNECTIONS, head: bounds::HEAD, grace: bounds::GRACE }
    }
}

/// A connection's place among all. Requests carry it, so that a socket which one becomes can keep it.
#[derive(Clone, Debug)]
pub struct Place {
    _place: Arc<OwnedSemaphorePermit>,
}

/// Serves a router until `stop` returns. Requests that have come are answered then, and no others taken: clients that do
/// their part have until `finished` returns, and the grace after it.
pub async fn serve(
    mut listener: TcpListener,
    router: Router,
    settings: Settings,
    stop: impl Future<Output = ()>,
    finished: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(settings.connections));
    let (connections, ending, cut) = (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(settings.head).max_buf_size(bounds::BUFFER);
    tokio::pin!(stop);
    loop {
        let next = async {
            // Nobody closes it.
            let place = Arc::clone(&places).acquire_owned().await.ok()?;
            let (stream, client) = Listener::accept(&mut listener).await;
            Some((place, stream, client))
        };
        let next = tokio::select! {
            next = next => next,
            () = &mut stop => None,
        };
        let Some((place, stream, client)) = next else { break };
        let requests = requests(router.clone(), client, Place { _place: Arc::new(place) });
        let connection = http.serve_connection(TokioIo::new(stream), requests).with_upgrades();
        let (ending, cut) = (ending.clone(), cut.clone());
        connections.spawn(async move {
            let mut connection = pin!(connection);
            // How a connection ends is its client's business.
            tokio::select! {
                _ = connection.as_mut() => return,
                () = ending.cancelled() => connection.as_mut().graceful_shutdown(),
            }
            tokio::select! {
                _ = connection => {}
                () = cut.cancelled() => {}
            }
        });
    }
    drop(listener);
    connections.close();
    ending.cancel();
    let late = async {
        finished.await;
        sleep(settings.grace).await;
    };
    tokio::select! {
        () = connections.wait() => {}
        () = late => cut.cancel(),
    }
}

/// Hands the requests of one connection to the router, with what belongs to the connection.
fn requests(
    router: Router,
    client: SocketAddr,
    place: Place,
) -> impl Service<Request<Incoming>, Response = axum::response::Response, Error = std::convert::Infallible, Future: Send>
{
    let router = TowerToHyperService::new(router);
    service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(client));
        request.extensions_mut().insert(place.clone());
        router.call(request.map(Body::new))
    })
}

#[cfg(test)]
mod tests;
