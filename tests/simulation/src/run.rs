//! One seed: the cast is drawn, the clients act while faults strike, the weather calms down, and everything is judged.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use shared::envelope::EntityId;
use shared::registry::Registry;

use crate::actor::was_dying;
use crate::audit;
use crate::client::{Cast, check_event, replay, session};
use crate::fault::{Fault, Tally};
use crate::fleet::Fleet;
use crate::journaled;
use crate::lock;
use crate::mutant::Mutant;
use crate::oracle;
use crate::timeline::{BEGINNING, Bell, OUTSIDE, ProcessId, Work};
use crate::world::World;

/// When the weather calms down at the latest, in milliseconds.
const STORM_MS: u64 = 240_000;
/// Posts that are repeated in the end.
const REPLAYS: usize = 3;
/// Polls after which a run is taken for endless.
const POLLS: u64 = 2_000_000;

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What was not as it must be.
    pub violation: Option<String>,
    /// A hash of everything that happened: two runs of a seed have the same.
    pub trace: u64,
    /// Commands that were applied.
    pub applied: u64,
    /// How long it took in virtual time, in milliseconds.
    pub virtual_ms: u64,
}

struct Task {
    process: ProcessId,
    work: Work,
    bell: Arc<Bell>,
}

/// Plays one seed.
#[must_use]
pub fn run(seed: u64, mutant: Option<Mutant>, told: bool, registry: &Arc<Registry>, tally: &Arc<Tally>) -> Report {
    let world = World::new(seed, mutant, told, Arc::clone(registry), Arc::clone(tally));
    let mut runner = Runner { world: world.clone(), tasks: Vec::new(), polls: 0 };
    runner.play();
    let report = Report {
        violation: world.oracle(|oracle| oracle.violation.take()),
        trace: world.trace(),
        applied: world.oracle(|oracle| oracle.applied()),
        virtual_ms: world.now() - BEGINNING,
    };
    // Futures hold the world, and the world what is to come.
    runner.tasks.clear();
    world.timeline(|timeline| timeline.clear());
    report
}

struct Runner {
    world: World,
    tasks: Vec<Option<Task>>,
    polls: u64,
}

impl Runner {
    fn play(&mut self) {
        let world = self.world.clone();
        let cast = cast(&world);
        let fleet = Fleet::new(&world, usize::try_from(world.below(3)).unwrap_or_default());
        let clients = 1 + world.below(4);
        let acting = Arc::new(AtomicU64::new(clients));
        for number in 0..clients {
            let (world, fleet, cast, acting) = (world.clone(), fleet.clone(), cast.clone(), Arc::clone(&acting));
            self.world.spawn(OUTSIDE, async move {
                session(world.clone(), fleet, cast, number).await;
                if acting.fetch_sub(1, Ordering::Relaxed) == 1 {
                    calm(&world);
                }
            });
        }
        world.after(STORM_MS, World::calm_down);
        self.until_rest();
        self.judge();
        self.look_back(&fleet);
        cast.entities
            .iter()
            .filter(|entity| audit::has_journal(entity))
            .for_each(|entity| audit::begin(&world, entity));
        self.until_rest();
    }

    fn judge(&self) {
        let world = &self.world;
        let finding = world.table(|table| world.oracle(|oracle| oracle::at_rest(oracle, table)));
        world.oracle(|oracle| {
            if let Err(violation) = finding {
                oracle.violated(violation);
            }
            let histories: Vec<_> = oracle.histories.values().map(crate::history::History::is_linearizable).collect();
            histories.into_iter().filter_map(Result::err).for_each(|violation| oracle.violated(violation));
        });
    }

    /// Asks for every event once more, now that all is over, and posts again what had a key.
    fn look_back(&mut self, fleet: &Fleet) {
        let mut known: Vec<(String, u64)> = self.world.oracle(|oracle| {
            let known = oracle.sent.iter().filter(|(_, sent)| sent.event.is_some());
            known.map(|(token, sent)| (sent.pk.clone(), *token)).collect()
        });
        known.sort_unstable();
        for (pk, token) in known {
            if let Ok(entity) = pk.parse::<EntityId>() {
                let (world, fleet) = (self.world.clone(), fleet.clone());
                self.world.spawn(OUTSIDE, async move { check_event(&world, &fleet, &entity, token).await });
            }
        }
        self.until_rest();
        // One after the other: what is asked is whether each of them has an effect.
        let keyed = self.world.oracle(|oracle| std::mem::take(&mut oracle.keyed));
        for post in keyed.into_iter().take(REPLAYS) {
            self.world.spawn(OUTSIDE, replay(self.world.clone(), fleet.clone(), post));
            self.until_rest();
        }
    }

    fn violated(&self) -> bool {
        self.world.oracle(|oracle| oracle.violation.is_some())
    }

    /// Goes on until nothing is to come any more, or something is not as it must be.
    fn until_rest(&mut self) {
        while !self.violated() {
            self.take_in();
            if let Some(task) = self.next_ready() {
                self.poll(task);
            } else if let Some(action) = self.world.timeline(crate::timeline::Timeline::go_on) {
                action(&self.world);
            } else {
                return;
            }
        }
    }

    /// Takes in what was spawned, and lets go of what has ended.
    fn take_in(&mut self) {
        let (spawned, killed) = self
            .world
            .timeline(|timeline| (std::mem::take(&mut timeline.spawned), std::mem::take(&mut timeline.killed)));
        for (process, work) in spawned {
            let bell = Bell::new(self.tasks.len(), Arc::clone(self.world.ready()));
            bell.ring();
            self.tasks.push(Some(Task { process, work, bell }));
        }
        for process in killed {
            for place in &mut self.tasks {
                if place.as_ref().is_some_and(|task| task.process == process) {
                    *place = None;
                }
            }
        }
    }

    /// One of the tasks that can go on, whichever chance picks.
    fn next_ready(&self) -> Option<usize> {
        let count = lock(self.world.ready()).len() as u64;
        let index = if count > 1 { self.world.below(count) } else { 0 };
        let mut ready = lock(self.world.ready());
        (count > 0).then(|| ready.swap_remove(usize::try_from(index).unwrap_or_default()))
    }

    fn poll(&mut self, number: usize) {
        let Some(task) = self.tasks.get_mut(number).and_then(Option::as_mut) else {
            return;
        };
        let (process, bell) = (self.world.process(task.process), Arc::clone(&task.bell));
        bell.heard();
        if !process.alive {
            self.drop_task(number);
            return;
        }
        let now = self.world.now();
        if process.frozen_until > now {
            self.world.after(process.frozen_until - now, move |_| bell.ring());
            return;
        }
        self.polls += 1;
        if self.polls > POLLS {
            self.world.oracle(|oracle| oracle.violated("it never comes to rest"));
        }
        let waker = Waker::from(bell);
        let polled =
            std::panic::catch_unwind(AssertUnwindSafe(|| task.work.as_mut().poll(&mut Context::from_waker(&waker))));
        let process = task.process;
        if was_dying() {
            self.world.kill(process);
            return;
        }
        match polled {
            Ok(std::task::Poll::Pending) => {}
            Ok(std::task::Poll::Ready(())) => self.drop_task(number),
            Err(_) => {
                self.world.oracle(|oracle| oracle.violated("the shipped code panicked"));
                self.drop_task(number);
            }
        }
    }

    fn drop_task(&mut self, number: usize) {
        if let Some(place) = self.tasks.get_mut(number) {
            *place = None;
        }
    }
}

/// The clients are done: from now on nothing goes wrong, and in a while everything must have come to rest.
fn calm(world: &World) {
    world.calm_down();
    world.tell(|| "calm".to_owned());
    let deadly = world.oracle(|oracle| {
        oracle.sent.values().filter(|sent| sent.add.manner == crate::actor::Manner::Deadly).count() as u64
    });
    let patience = oracle::patience(&world.scene().settings, deadly);
    world.after(patience, |world| {
        let finding = world.table(|table| world.oracle(|oracle| oracle::at_rest(oracle, table)));
        if let Err(violation) = finding {
            world.oracle(|oracle| oracle.violated(format!("when all had had their time: {violation}")));
        }
    });
}

fn cast(world: &World) -> Cast {
    let kinds = ["log", "log", "log", "skipper", "blocker", journaled::KIND, journaled::KIND];
    let count = 1 + world.below(3);
    let entity = |index: u64| {
        let kind = kinds.get(usize::try_from(world.below(kinds.len() as u64)).unwrap_or_default());
        EntityId::new(kind.copied().unwrap_or("log"), &format!("e{index}")).ok()
    };
    let poison = if world.rate(Fault::Deadly) > 0 || world.happens(30) { 10 } else { 0 };
    Cast { entities: (0..count).filter_map(entity).collect(), poison }
}
