//! A process of the simulated world, as the protocol sees it.

use std::sync::Arc;
use std::time::Duration;

use shared::envelope::Millis;
use shared::host::{Host, ReadHost};
use shared::limits::Settings;
use shared::push::Pushed;
use shared::registry::Registry;
use shared::waiting::Waiting;
use shared::wake::{Wake, WakeError, Wakes};

use crate::actor::is_dying;
use crate::fault::Fault;
use crate::mutant::Mutant;
use crate::sdk::SimStore;
use crate::stream;
use crate::timeline::ProcessId;
use crate::world::World;

/// The host of one process.
#[derive(Clone)]
pub struct SimHost {
    world: World,
    process: ProcessId,
    store: SimStore,
    registry: Arc<Registry>,
    waiting: Waiting,
}

impl SimHost {
    /// The host of this process.
    #[must_use]
    pub fn new(world: &World, process: ProcessId) -> Self {
        Self {
            world: world.clone(),
            process,
            store: SimStore::new(world.clone(), process),
            registry: Arc::clone(world.registry()),
            waiting: Waiting::default(),
        }
    }
}

impl ReadHost for SimHost {
    type Store = SimStore;

    fn store(&self) -> &SimStore {
        &self.store
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn settings(&self) -> &Settings {
        &self.world.scene().settings
    }

    fn now(&self) -> Millis {
        Millis(self.world.clock(self.process))
    }

    fn stopwatch(&self) -> Duration {
        Duration::from_millis(self.world.now())
    }

    fn random(&self) -> u64 {
        self.world.random()
    }

    async fn sleep(&self, duration: Duration) {
        self.world.sleep(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)).await;
    }
}

impl Host for SimHost {
    fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    async fn push(&self, _connection: &str, message: &str) -> Pushed {
        if is_dying() {
            return Pushed::Unknown;
        }
        self.world.oracle(|oracle| oracle.pushed(message));
        Pushed::Arrived
    }
}

/// The queue of wakes, as one process sees it.
#[derive(Clone)]
pub struct SimWakes {
    world: World,
}

impl SimWakes {
    /// The world's queue.
    #[must_use]
    pub fn new(world: &World) -> Self {
        Self { world: world.clone() }
    }
}

impl Wakes for SimWakes {
    async fn wake(&self, wake: &Wake, delay_ms: u64) -> Result<(), WakeError> {
        let world = &self.world;
        world.sleep(1 + world.below(5)).await;
        let failed = || Err(WakeError("simulated".to_owned()));
        if world.strikes(Fault::WakeFailed) {
            return failed();
        }
        if world.scene().mutant != Some(Mutant::WakeNotSent) {
            stream::send(world, wake, delay_ms);
        }
        if world.strikes(Fault::WakeUnknown) { failed() } else { Ok(()) }
    }
}
