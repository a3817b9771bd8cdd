//! One test's world with what only the tests of this repository need: other kinds, other networks.

use std::ops::Deref;

use aws_config::{Region, SdkConfig};
use local::connect::{Identity, connect};
use shared::envelope::EntityId;
use shared::host::ReadHost;
use shared::limits::Settings;
use shared::push::Pushes;
use shared::registry::Registry;
use testing::faults::Records;
use testing::world::{create, endpoint, table_name};

pub use testing::world::{OPERATOR, Reply, deployed, guard, no_failures};

use crate::app;
use crate::connector::Wire;
use crate::ledger::registry;

/// A table of its own, and everything that works on it.
pub struct World(testing::World);

impl Deref for World {
    type Target = testing::World;

    fn deref(&self) -> &testing::World {
        &self.0
    }
}

impl World {
    /// A world with the project's own kinds and limits.
    pub async fn new() -> Self {
        Self::with(app::registry(), Settings::default()).await
    }

    /// A world with these kinds and limits.
    pub async fn with(registry: Registry, settings: Settings) -> Self {
        Self(testing::World::with(app::whole(), registry, settings).await)
    }

    /// A world whose every HTTP request to the database goes through this connector.
    pub async fn wired(wire: &Wire, registry: Registry, settings: Settings) -> Self {
        let (table, config) = (table_name(), calm_config().await);
        create(&aws_sdk_dynamodb::Client::new(&config), &table).await;
        Self::over(wire.around(&config), &table, wire.records(), registry, settings)
    }

    /// Another process over the same table, whose requests go through another network.
    pub async fn elsewhere(&self, wire: &Wire) -> Self {
        let config = wire.around(&calm_config().await);
        Self::over(config, &self.table, wire.records(), registry(), *self.host.settings())
    }

    /// Another world over the same table and its stream, as another process would be: it shares nothing in memory.
    pub fn again(&self, registry: Registry) -> Self {
        self.pushing(registry, Pushes::Nowhere)
    }

    /// A world over the same table, that hears of its own records only.
    pub fn apart(&self) -> Self {
        Self(self.of(self.host.registry().clone(), Records::default(), Pushes::Nowhere))
    }

    /// Another world over the same table and its stream, with a place that pushes go to.
    pub fn pushing(&self, registry: Registry, pushes: Pushes) -> Self {
        Self(self.of(registry, self.records.clone(), pushes))
    }

    fn over(config: SdkConfig, table: &str, records: Records, registry: Registry, settings: Settings) -> Self {
        let world = testing::World::over(app::whole(), (config, table), records, (registry, settings), Pushes::Nowhere);
        Self(world)
    }
}

/// An entity of a kind.
pub fn entity(kind: &str, id: &str) -> EntityId {
    EntityId::new(kind, id).unwrap()
}

/// The configuration of the worlds whose network fails. The SDK's budget for retries is one a region and process: a
/// region of their own leaves that of other tests alone.
async fn calm_config() -> SdkConfig {
    let connection = connect(&endpoint().await, Identity::Anyone).await;
    connection.config.to_builder().region(Region::from_static("us-west-2")).build()
}
