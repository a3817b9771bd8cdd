//! The host of a real process: the machine's clock, the system's randomness, a store, and sockets.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::Builder;

use crate::envelope::Millis;
use crate::host::{Host, ReadHost};
use crate::limits::{Consumption, Direct, Settings};
use crate::push::{Pushed, Pushes};
use crate::registry::Registry;
use crate::store::Store;
use crate::waiting::Waiting;

/// The world of a real process. Cloning it is cheap, and clones share their waiters.
#[derive(Clone, Debug)]
pub struct Live<S> {
    store: S,
    registry: Arc<Registry>,
    settings: Settings,
    pushes: Pushes,
    waiting: Waiting,
    clock: Clock,
    started: Instant,
}

/// What tells the time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Millis + Send + Sync>);

impl Clock {
    /// A clock that asks a function.
    #[must_use]
    pub fn new(now: impl Fn() -> Millis + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// A clock that asks this machine for the time.
    #[must_use]
    pub fn machine() -> Self {
        Self::new(machine_time)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

impl<S: Store> Live<S> {
    /// A host of these parts.
    #[must_use]
    pub fn new(store: S, registry: Registry, settings: Settings, pushes: Pushes, clock: Clock) -> Self {
        Self {
            store,
            registry: Arc::new(registry),
            settings,
            pushes,
            waiting: Waiting::default(),
            clock,
            started: Instant::now(),
        }
    }
}

/// The time by this machine's clock.
#[must_use]
pub fn machine_time() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

impl<S: Store> ReadHost for Live<S> {
    type Store = S;

    fn store(&self) -> &S {
        &self.store
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn now(&self) -> Millis {
        (self.clock.0)()
    }

    fn stopwatch(&self) -> Duration {
        self.started.elapsed()
    }

    fn random(&self) -> u64 {
        rand::random()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl<S: Store> Host for Live<S> {
    fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    async fn push(&self, connection: &str, message: &str) -> Pushed {
        self.pushes.push(connection, message).await
    }
}

/// What a process is told from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name of the table.
    pub table: String,
    /// How long a holder may keep an entity without renewing, in seconds.
    pub lease_seconds: Option<u64>,
    /// Whether events for idle entities are applied by one write.
    pub direct: Direct,
    /// The management endpoint of a WebSocket API, when there is one.
    pub connections: Option<String>,
    /// Which answers tell what they consumed.
    pub consumption: Consumption,
}

/// Where a process's pushes go. None is sent twice: after a failure it may have arrived.
#[must_use]
pub fn pushes(sdk: &SdkConfig, config: &Config) -> Pushes {
    let Some(url) = &config.connections else {
        return Pushes::Nowhere;
    };
    let settings = Builder::from(sdk).endpoint_url(url).retry_config(RetryConfig::disabled());
    Pushes::Gateway(Client::from_conf(settings.build()))
}
