//! The command `sam`: what `sam local` lacks. It serves the database and the wake queue where containers
//! reach them, and feeds the drain function through the Invoke API.

mod environment;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::environment::Environment;
use crate::Clock;
use crate::backend::{Backend, BackendError, Keep, Source, is_missing_address};
use crate::door::{self, Door, Key};
use crate::feeding::{Feed, FeedingError};
use crate::lambda::Function;
use crate::pump::{Clients, Settings};
use crate::shutdown::{self, Trigger};
use crate::sqs;
use crate::table::{self, TableError};

/// The table's name in this mode; the template gives it no other.
const TABLE: &str = "leasebox";

/// How long an invocation may take: the function's own time, and the start of its container.
const INVOCATION: Duration = Duration::from_secs(90);

/// The options of `sam`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Where state is kept across restarts.
    #[arg(long, value_name = "DIR", default_value = ".leasebox")]
    pub data: PathBuf,
    /// The address to serve on, to whoever has the key that is in the environment file; containers must reach it.
    #[arg(long, value_name = "ADDRESS", default_value = "172.17.0.1")]
    pub bind: IpAddr,
    /// The port of the embedded DynamoDB; the wake queue's is the next one.
    #[arg(long, default_value_t = 8000, value_parser = clap::value_parser!(u16).range(1..65535))]
    pub port: u16,
    /// Another DynamoDB, instead of the embedded one; containers must reach it.
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Where `sam local start-lambda` listens.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3001")]
    pub lambda: String,
    /// The drain function's name in the template.
    #[arg(long, value_name = "NAME", default_value = "DrainFunction")]
    pub function: String,
    /// The environment file to write for `sam local --env-vars`.
    #[arg(long, value_name = "FILE", default_value = ".leasebox/env.json")]
    pub env_file: PathBuf,
}

/// Why the mode does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum SamError {
    /// The bind address is not one of this machine's.
    #[error(
        "this machine has no address {0}; start Docker, whose bridge it usually is, \
         or pass --bind with an address that containers reach"
    )]
    MissingAddress(IpAddr),
    /// The directory or the database is not usable.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The table is not usable.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The feeding does not start.
    #[error(transparent)]
    Feeding(#[from] FeedingError),
    /// The Invoke API's client cannot be built.
    #[error("no client for {url}: {cause}")]
    Lambda {
        /// The endpoint of the Invoke API.
        url: String,
        /// What the client said.
        cause: reqwest::Error,
    },
    /// The wake queue cannot be served.
    #[error("the wake queue cannot be served on {address}: {cause}")]
    Queue {
        /// The address that cannot be served.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// The environment file cannot be written.
    #[error("{} cannot be written: {cause}", path.display())]
    EnvFile {
        /// The file that cannot be written.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The stream is not followed any more.
    #[error("the stream pump ended: {0}")]
    Pump(io::Error),
}

/// Runs until `stop` returns; what is in hand then is finished. `connect` makes the SDK clients of an
/// endpoint.
pub async fn run(
    options: Options,
    hints: &[&'static str],
    connect: impl AsyncFn(&str) -> Clients,
    clock: Clock,
    stop: impl Future<Output = ()>,
) -> Result<(), SamError> {
    let backend = start_backend(&options).await?;
    let clients = connect(backend.endpoint()).await;
    table::ensure(&clients.dynamodb, TABLE).await?;
    let feed = Feed::new(clients, TABLE, clock);
    let queue = SocketAddr::new(options.bind, options.port + 1);
    let queue = Queue::serve(&feed, queue, backend.key()).await?;
    let environment = Environment::new(backend.endpoint(), &queue.base, TABLE);
    environment.write(&options.env_file).map_err(|cause| {
        let path = options.env_file.clone();
        SamError::EnvFile { path, cause }
    })?;
    let function = Function::new(&options.lambda, &options.function, INVOCATION);
    let function = function.map_err(|cause| {
        let url = options.lambda.clone();
        SamError::Lambda { url, cause }
    })?;
    let mut feeding = feed.start(&backend, Arc::new(function), Settings::default())?;
    announce(&options, hints, &environment);
    let ended = tokio::select! {
        () = stop => None,
        error = feeding.failed() => Some(error),
    };
    let stopped = match ended {
        Some(error) => Err(error),
        None => feeding.stop().await,
    };
    queue.stop().await;
    backend.stop().await;
    stopped.map_err(SamError::Pump)
}

async fn start_backend(options: &Options) -> Result<Backend, SamError> {
    let source = match &options.endpoint {
        Some(endpoint) => Source::Endpoint(endpoint.clone()),
        None => Source::Embedded(SocketAddr::new(options.bind, options.port)),
    };
    let backend = Backend::start(&Keep::In(options.data.clone()), &source).await;
    backend.map_err(|error| match is_missing_address(&error) {
        true => SamError::MissingAddress(options.bind),
        false => error.into(),
    })
}

/// The wake queue's endpoint, served.
struct Queue {
    base: String,
    trigger: Trigger,
    server: JoinHandle<()>,
}

impl Queue {
    async fn serve(feed: &Feed, address: SocketAddr, key: &Key) -> Result<Self, SamError> {
        let listener = TcpListener::bind(address).await.map_err(|cause| match cause.kind() {
            io::ErrorKind::AddrNotAvailable => SamError::MissingAddress(address.ip()),
            _ => SamError::Queue { address, cause },
        })?;
        let base = key.url(address);
        let router: Router = Door::new(key.clone(), address.ip()).before(sqs::router(feed.wakes.clone(), &base));
        let (trigger, shutdown) = shutdown::channel();
        let server = tokio::spawn(async move {
            let stop = async move { shutdown.requested().await };
            let served = axum::serve(listener, router).with_graceful_shutdown(stop).await;
            if let Err(error) = served {
                tracing::error!(%error, "the wake queue's endpoint ended");
            }
        });
        Ok(Self { base, trigger, server })
    }

    async fn stop(self) {
        self.trigger.fire();
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the wake queue's endpoint ended");
        }
    }
}

/// Whether the URL leads back to whoever uses it: in a container that is the container.
fn is_loopback(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

/// Says what to type next.
fn announce(options: &Options, hints: &[&str], environment: &Environment) {
    if is_loopback(&environment.dynamodb) || is_loopback(&environment.queue) {
        tracing::warn!("containers do not reach a loopback address; pass another one by --bind or --endpoint");
    }
    let file = options.env_file.display();
    let Environment { dynamodb, queue, .. } = environment;
    println!("DynamoDB     {}   table {TABLE}", door::shown(dynamodb));
    println!("wake queue   {}", door::shown(queue));
    println!("environment  {file}   with the URLs of both, and the key in them");
    println!();
    println!("Now type, in two more terminals, after `sam build`:");
    println!("  sam local start-lambda --env-vars {file}");
    println!("  sam local start-api --env-vars {file}");
    println!("and then:");
    for hint in hints {
        println!("  {}", hint.replace("{base}", "localhost:3000"));
    }
    println!();
    println!("Feeding {} at {}. Ctrl-C stops.", options.function, options.lambda);
}

#[cfg(test)]
mod tests;
