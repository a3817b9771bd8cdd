//! One seed's world: time, table, stream, queue, oracle and weather, and what everybody may ask of them.

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use shared::limits::{Direct, Settings};
use shared::registry::Registry;

use crate::fault::{Fault, Tally, Weather};
use crate::lock;
use crate::mutant::Mutant;
use crate::oracle::Oracle;
use crate::stream::Stream;
use crate::table::Table;
use crate::timeline::{Process, ProcessId, Ready, Sleep, Timeline};

/// How far a wrong clock may be off, in milliseconds: further than any lease, and less than receipts last.
const SKEW_MS: i64 = 300_000;

/// A handle on the world; clones are the same world.
#[derive(Clone)]
pub struct World(Arc<Parts>);

struct Parts {
    timeline: Mutex<Timeline>,
    ready: Ready,
    table: Mutex<Table>,
    oracle: Mutex<Oracle>,
    stream: Mutex<Stream>,
    weather: Weather,
    tally: Arc<Tally>,
    calm: AtomicBool,
    trace: Mutex<DefaultHasher>,
    scene: Scene,
    registry: Arc<Registry>,
}

/// What a run is asked to be.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// Where all chance comes from.
    pub seed: u64,
    /// The planted bug.
    pub mutant: Option<Mutant>,
    /// Whether everything that happens is printed.
    pub told: bool,
    /// The protocol's settings, drawn from the seed.
    pub settings: Settings,
}

impl World {
    /// The world of a seed.
    #[must_use]
    pub fn new(seed: u64, mutant: Option<Mutant>, told: bool, registry: Arc<Registry>, tally: Arc<Tally>) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        let weather = Weather::draw(&mut chance);
        let settings = settings(&mut chance);
        let mut table = Table::default();
        table.be_lenient(mutant.is_some());
        Self(Arc::new(Parts {
            timeline: Mutex::new(Timeline::new(chance)),
            ready: Ready::default(),
            table: Mutex::new(table),
            oracle: Mutex::new(Oracle::default()),
            stream: Mutex::default(),
            weather,
            tally,
            calm: AtomicBool::new(false),
            trace: Mutex::default(),
            scene: Scene { seed, mutant, told, settings },
            registry,
        }))
    }

    /// What the run was asked to be.
    #[must_use]
    pub fn scene(&self) -> &Scene {
        &self.0.scene
    }

    /// The kinds.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.0.registry
    }

    /// Works with the timeline.
    pub fn timeline<T>(&self, work: impl FnOnce(&mut Timeline) -> T) -> T {
        work(&mut lock(&self.0.timeline))
    }

    /// Works with the table.
    pub fn table<T>(&self, work: impl FnOnce(&mut Table) -> T) -> T {
        work(&mut lock(&self.0.table))
    }

    /// Works with the oracle.
    pub fn oracle<T>(&self, work: impl FnOnce(&mut Oracle) -> T) -> T {
        work(&mut lock(&self.0.oracle))
    }

    /// Works with the stream.
    pub fn stream<T>(&self, work: impl FnOnce(&mut Stream) -> T) -> T {
        work(&mut lock(&self.0.stream))
    }

    /// Tasks that are to be polled.
    #[must_use]
    pub fn ready(&self) -> &Ready {
        &self.0.ready
    }

    /// The true time, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.timeline(|timeline| timeline.now)
    }

    /// A number below `limit`.
    #[must_use]
    pub fn below(&self, limit: u64) -> u64 {
        self.timeline(|timeline| timeline.chance.random_range(0..limit.max(1)))
    }

    /// A random number.
    #[must_use]
    pub fn random(&self) -> u64 {
        self.timeline(|timeline| timeline.chance.random())
    }

    /// Whether something happens that does so in `percent` of the cases.
    #[must_use]
    pub fn happens(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Whether this fault strikes now; once the weather is calm none does.
    #[must_use]
    pub fn strikes(&self, fault: Fault) -> bool {
        let rate = self.0.weather.rate(fault);
        if rate == 0 || self.0.calm.load(Ordering::Relaxed) || self.below(1000) >= u64::from(rate) {
            return false;
        }
        self.0.tally.count(fault);
        self.tell(|| format!("    ! {}", fault.words()));
        true
    }

    /// How often a fault is to strike, in a thousand.
    #[must_use]
    pub fn rate(&self, fault: Fault) -> u32 {
        self.0.weather.rate(fault)
    }

    /// Counts a fault that struck by itself.
    pub fn struck(&self, fault: Fault) {
        self.0.tally.count(fault);
    }

    /// From now on nothing goes wrong any more.
    pub fn calm_down(&self) {
        self.0.calm.store(true, Ordering::Relaxed);
    }

    /// Whether nothing goes wrong any more.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.0.calm.load(Ordering::Relaxed)
    }

    /// Has something happen after a delay.
    pub fn after(&self, delay: u64, action: impl FnOnce(&Self) + Send + 'static) {
        self.timeline(|timeline| timeline.after(delay, Box::new(action)));
    }

    /// Waits.
    #[must_use]
    pub fn sleep(&self, delay: u64) -> Sleep {
        Sleep::new(self.clone(), delay)
    }

    /// Begins a task in a process.
    pub fn spawn(&self, process: ProcessId, work: impl Future<Output = ()> + Send + 'static) {
        self.timeline(|timeline| timeline.spawned.push((process, Box::pin(work))));
    }

    /// Starts a process, whose clock may be wrong.
    #[must_use]
    pub fn start(&self) -> ProcessId {
        let skew = if self.strikes(Fault::ClockSkew) { self.skew() } else { 0 };
        let process = self.timeline(|timeline| {
            timeline.processes.push(Process { alive: true, frozen_until: 0, skew });
            ProcessId(timeline.processes.len() - 1)
        });
        self.tell(|| format!("  process {} starts, its clock {skew} ms ahead", process.0));
        process
    }

    fn skew(&self) -> i64 {
        self.timeline(|timeline| timeline.chance.random_range(-SKEW_MS..=SKEW_MS))
    }

    /// A process as it is.
    #[must_use]
    pub fn process(&self, process: ProcessId) -> Process {
        let gone = Process { alive: false, frozen_until: 0, skew: 0 };
        self.timeline(|timeline| timeline.processes.get(process.0).copied().unwrap_or(gone))
    }

    /// Ends a process: its tasks are dropped where they are, and what they have sent is on its way.
    pub fn kill(&self, process: ProcessId) {
        self.tell(|| format!("  process {} ends", process.0));
        self.timeline(|timeline| {
            if let Some(state) = timeline.processes.get_mut(process.0) {
                state.alive = false;
            }
            timeline.killed.push(process);
        });
    }

    /// Freezes a process; what arrives meanwhile it sees when it thaws.
    pub fn freeze(&self, process: ProcessId, ms: u64) {
        self.tell(|| format!("  process {} is frozen for {ms} ms", process.0));
        self.timeline(|timeline| {
            let until = timeline.now + ms;
            if let Some(state) = timeline.processes.get_mut(process.0) {
                state.frozen_until = state.frozen_until.max(until);
            }
        });
    }

    /// The time by a process's clock, which may step while it is asked.
    #[must_use]
    pub fn clock(&self, process: ProcessId) -> u64 {
        if self.strikes(Fault::ClockJump) {
            let skew = self.skew();
            self.timeline(|timeline| {
                if let Some(state) = timeline.processes.get_mut(process.0) {
                    state.skew = skew;
                }
            });
        }
        let skew = self.process(process).skew;
        self.now().saturating_add_signed(skew)
    }

    /// Takes something into the trace, by which two runs of a seed are compared.
    pub fn note(&self, what: impl Hash) {
        what.hash(&mut *lock(&self.0.trace));
    }

    /// The trace so far.
    #[must_use]
    pub fn trace(&self) -> u64 {
        lock(&self.0.trace).finish()
    }

    /// Says what happens, when somebody listens.
    pub fn tell(&self, what: impl FnOnce() -> String) {
        if self.0.scene.told {
            println!("{:>9} {}", self.now() - crate::timeline::BEGINNING, what());
        }
    }
}

/// Settings that make rare things common: short queues, batches of one, no reply kept behind a batch.
fn settings(chance: &mut StdRng) -> Settings {
    let mut pick = |choices: &[u64]| choices.get(chance.random_range(0..choices.len())).copied().unwrap_or_default();
    let usual = Settings::default();
    Settings {
        lease_ms: usual.lease_ms,
        margin_ms: usual.margin_ms,
        queue_length: pick(&[2, 4, 100]) as usize,
        shared_events: usual.shared_events,
        batch: pick(&[1, 2, 100]) as usize,
        rounds: pick(&[1, 2, 16]) as u32,
        hops: pick(&[0, 1, 4]) as u32,
        recent_bytes: pick(&[0, 0, 400]) as usize,
        direct: if pick(&[0, 1]) == 0 { Direct::Off } else { Direct::On },
        consumption: usual.consumption,
    }
}
