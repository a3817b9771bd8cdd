//! `leasebox`: the three functions, the database, the stream and the wakes, in one process.

use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde_json::Value;
use shared::client::Client;
use shared::host::Host;
use shared::limits::{self, Consumption};
use shared::live::{Clock, Live, machine_time};
use shared::log::quiet;
use shared::push::Pushes;
use shared::store::dynamodb::DynamoDb;
use shared::wake::{Wake, WakeError};
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use web::app::Service;
use web::guard::Users;

use crate::accept;
use crate::access::{self, Access, AccessError};
use crate::backend::{Backend, BackendError, Keep, Source};
use crate::bounds;
use crate::consumer::{BatchResponse, Consumer, DeliveryError};
use crate::data_dir::DataDirError;
use crate::door;
use crate::feeding::{Feed, FeedingError};
use crate::front::{self, Functions};
use crate::metrics;
use crate::pump::{Clients, Settings};
use crate::secret::Told;
use crate::shutdown;
use crate::sockets::{self, Gateway};
use crate::table::{self, TableError};
use crate::wakes::Wakes;

/// The options of `leasebox`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Where state is kept across restarts.
    #[arg(long, value_name = "DIR", default_value = ".leasebox/data")]
    pub data: PathBuf,
    /// Keep state in memory only: up to 1 GB of it, what the database adds to it included.
    #[arg(long, conflicts_with = "data")]
    pub ephemeral: bool,
    /// The address to serve on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub bind: IpAddr,
    /// The port to serve on; 0 takes a free one.
    #[arg(long, default_value_t = 3000)]
    pub port: u16,
    /// The address of the Prometheus endpoint. Beyond loopback, everyone who reaches it may read it.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub metrics_bind: IpAddr,
    /// The port of the Prometheus endpoint; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 2121)]
    pub metrics_port: u16,
    /// Another DynamoDB, instead of the embedded one.
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL_DYNAMODB")]
    pub endpoint: Option<String>,
    /// The name of the table.
    #[arg(long, value_name = "NAME", default_value = "leasebox")]
    pub table: String,
    /// How long a holder may keep an entity without renewing, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = limits::LEASE_MS / 1000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=600))]
    pub lease: u64,
    /// `on`: an event for an entity that nobody works on is applied by one read and one write instead of two writes.
    #[arg(long, value_name = "on|off", default_value = "off")]
    pub direct: limits::Direct,
    /// Which answers say what they consumed: those to requests that ask for it (`asked`), or `always`.
    #[arg(long, value_name = "WHEN", default_value = "asked")]
    pub consumed: Consumption,
    /// Events of concurrent posts to one entity that share a write; with 1 each post is a write of its own.
    #[arg(long, value_name = "EVENTS", default_value_t = limits::SHARED_EVENTS)]
    pub shared_events: usize,
    /// The options that say who may speak.
    #[command(flatten)]
    pub access: access::Options,
}

/// Why the server does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The directory or the database is not usable.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// Nobody may speak, or anybody.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The data directory cannot be written.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The table is not usable.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The feeding does not start.
    #[error(transparent)]
    Feeding(#[from] FeedingError),
    /// The address is taken, or not this machine's.
    #[error("{address} cannot be served: {cause}; pass --port with another one")]
    Listen {
        /// The address that cannot be served.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// The server, or the stream's pump, ended by itself.
    #[error("the server ended: {0}")]
    Ended(#[from] io::Error),
}

/// How the SDK reaches a database.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The SDK's configuration, with the database's endpoint.
    pub config: aws_config::SdkConfig,
    /// The clients of tables and streams.
    pub clients: Clients,
}

/// `drain`, called in this process.
struct Drain<H> {
    host: H,
    wakes: Wakes,
}

impl<H: Host> Consumer for Drain<H> {
    async fn deliver(&self, event: Value) -> Result<BatchResponse, DeliveryError> {
        let deadline = self.host.now().plus(limits::FUNCTION_TIMEOUT_MS);
        let response = drain::handle(&self.host, &self.wakes, event, deadline).await;
        response.map(|answer| BatchResponse::from_json(&answer)).map_err(|error| DeliveryError::Failed(quiet(error)))
    }
}

impl shared::wake::Wakes for Wakes {
    async fn wake(&self, wake: &Wake, delay_ms: u64) -> Result<(), WakeError> {
        let body = serde_json::to_string(wake).map_err(|error| WakeError(error.to_string()))?;
        self.send(body, Duration::from_millis(delay_ms));
        Ok(())
    }
}

/// Runs an app until `stop` returns; what is in hand then is finished, and a start that is not done
/// by then is given up. `connect` makes the SDK's configuration for an endpoint.
///
/// # Errors
/// When something that is needed is not there, or ends by itself.
pub async fn run(
    options: Options,
    service: Service,
    connect: impl AsyncFn(&str) -> Connection,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let (bind, port) = (options.metrics_bind, options.metrics_port);
    let mut stop = Box::pin(stop);
    let server = tokio::select! {
        started = Server::start(options, service, connect) => started?,
        () = &mut stop => return Ok(()),
    };
    server.announce(metrics::serve(bind, port).await);
    server.run(stop).await
}

/// A server that listens and is not yet answering.
pub struct Server {
    backend: Backend,
    feed: Feed,
    service: Arc<Service>,
    host: Live<DynamoDb>,
    listener: TcpListener,
    address: SocketAddr,
    management: TcpListener,
    kept: Option<PathBuf>,
    access: Access,
}

impl Server {
    /// Opens the database, makes the table and takes the port.
    ///
    /// # Errors
    /// When one of these is not to be had.
    pub async fn start(
        options: Options,
        service: Service,
        connect: impl AsyncFn(&str) -> Connection,
    ) -> Result<Self, ServeError> {
        options.access.suits(options.bind)?;
        let address = SocketAddr::new(options.bind, options.port);
        let listener = TcpListener::bind(address).await.map_err(|cause| ServeError::Listen { address, cause })?;
        let own = SocketAddr::from(([127, 0, 0, 1], 0));
        let management = TcpListener::bind(own).await.map_err(|cause| ServeError::Listen { address: own, cause })?;
        let keep = if options.ephemeral { Keep::Nothing } else { Keep::In(options.data.clone()) };
        let source = match &options.endpoint {
            Some(endpoint) => Source::Endpoint(endpoint.clone()),
            None => Source::Embedded(own),
        };
        let backend = Backend::start(&keep, &source).await?;
        let kept = (!options.ephemeral).then_some(options.data);
        let access = Access::new(&options.access, kept.as_deref())?;
        let Connection { config, clients } = connect(backend.endpoint()).await;
        table::ensure(&clients.dynamodb, &options.table).await?;
        let feed = Feed::new(clients, &options.table, || machine_time().0);
        let settings = limits::Settings {
            lease_ms: options.lease * 1000,
            direct: options.direct,
            consumption: options.consumed,
            shared_events: options.shared_events,
            ..limits::Settings::default()
        };
        let store = DynamoDb::new(&config, &options.table);
        let host =
            Live::new(store, service.registry.clone(), settings, Pushes::by_connection(&config), Clock::machine());
        let address = listener.local_addr()?;
        let service = Arc::new(service);
        Ok(Self { backend, feed, service, host, listener, address, management, kept, access })
    }

    /// The address at which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` returns, and finishes what is in hand then.
    ///
    /// # Errors
    /// When the listener or the pump ends by itself.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        let drain = Arc::new(Drain { host: self.host.clone(), wakes: self.feed.wakes.clone() });
        let mut feeding = self.feed.start(&self.backend, drain, Settings::default())?;
        let invocations = TaskTracker::new();
        let Access { guard, tokens, .. } = self.access;
        let functions = Arc::new(Functions { service: self.service, client: Client::new(self.host), guard, tokens });
        let gateway = Gateway::new(
            Arc::clone(&functions),
            invocations.clone(),
            self.management.local_addr()?,
            sockets::Settings::default(),
            || machine_time().0,
        );
        // It serves until all else has ended: the last invocations still push.
        let bounds = accept::Settings::default();
        let management = accept::serve(self.management, gateway.management(), bounds, pending(), pending());
        let _management = AbortOnDropHandle::new(tokio::spawn(management));
        let router = front::router(functions, invocations.clone()).merge(gateway.routes());
        let (stopped, stopping) = shutdown::channel();
        let stop = async {
            stop.await;
            gateway.close();
            invocations.close();
            stopped.fire();
        };
        let served = async {
            accept::serve(self.listener, router, bounds, stop, invocations.wait()).await;
            invocations.wait().await;
        };
        let overdue = async {
            stopping.requested().await;
            sleep(Duration::from_secs(bounds::END_SECONDS)).await;
        };
        let overdue = overdue.shared();
        tokio::select! {
            () = served => {}
            () = overdue.clone() => {}
            error = feeding.failed() => return Err(error.into()),
        }
        tokio::select! {
            stopped = feeding.stop() => stopped?,
            () = overdue => tracing::warn!("the end takes too long: what is still in hand is given up"),
        }
        self.backend.stop().await;
        Ok(())
    }

    /// Says what to type next.
    fn announce(&self, metrics: Option<SocketAddr>) {
        let base = format!("http://{}", self.address).replace("127.0.0.1", "localhost");
        println!("Leasebox listens on {base}");
        if self.service.routes.iter().any(|route| route.path == "/") {
            println!("  page       {base}/?user=alice");
        }
        if self.service.sockets.is_some() {
            println!("  sockets    {}{}?user_id=alice", base.replacen("http", "ws", 1), sockets::PATH);
        }
        println!(
            "  database   {}   its URL, with the key: {}",
            door::shown(self.backend.endpoint()),
            self.backend.dir().endpoint_file().display()
        );
        if let Some(address) = metrics {
            println!("  metrics    http://{address}/metrics");
        }
        match &self.kept {
            Some(directory) => println!("  state      {}", directory.display()),
            None => println!("  state      in memory: it is gone when this ends"),
        }
        match &self.access.operators {
            Told::Given => println!("  operators  send the token that was given"),
            Told::In(file) => println!("  operators  send the token in {}", file.display()),
            Told::Shown(token) => println!("  operators  send the token {token}"),
        }
        match self.access.guard.users {
            Users::Open => println!("  users      whoever asks is who they say"),
            Users::Verified => println!("  users      send a token that was signed for them"),
        }
        println!();
        println!("Now type, in another terminal:");
        for hint in &self.service.hints {
            println!("  {}", hint.replace("{base}", &base));
        }
        println!("  curl {base}/openapi.json");
        println!();
        println!("Ctrl-C finishes what is in hand, within {} s; a second one ends at once.", bounds::END_SECONDS);
    }
}
