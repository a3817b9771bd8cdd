//! Virtual time: what happens when, the processes, and the tasks that wait.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use rand::rngs::StdRng;

use crate::lock;
use crate::world::World;

/// A task's future.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Something that happens at a point in time.
pub type Action = Box<dyn FnOnce(&World) + Send>;

/// When the simulated world begins, in milliseconds since the Unix epoch; before it lies room for clocks that are slow.
pub const BEGINNING: u64 = 1_800_000_000_000;

/// A process: what is in its memory ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessId(pub usize);

/// The world outside: clients, the stream and the queue, which no fault ends.
pub const OUTSIDE: ProcessId = ProcessId(0);

/// A process as the scheduler sees it.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// Whether it still runs.
    pub alive: bool,
    /// Until when it is frozen.
    pub frozen_until: u64,
    /// How far its clock is ahead, in milliseconds.
    pub skew: i64,
}

/// What is to come.
pub struct Timeline {
    /// The time.
    pub now: u64,
    /// Where all chance comes from.
    pub chance: StdRng,
    /// The processes by their ids.
    pub processes: Vec<Process>,
    /// Tasks that were spawned and have not begun.
    pub spawned: Vec<(ProcessId, Work)>,
    /// Processes that have ended and whose tasks are still to be dropped.
    pub killed: Vec<ProcessId>,
    order: u64,
    events: BinaryHeap<Reverse<Due>>,
}

struct Due {
    at: (u64, u64),
    action: Action,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl Timeline {
    /// A beginning.
    #[must_use]
    pub fn new(chance: StdRng) -> Self {
        let outside = Process { alive: true, frozen_until: 0, skew: 0 };
        Self {
            now: BEGINNING,
            chance,
            processes: vec![outside],
            spawned: Vec::new(),
            killed: Vec::new(),
            order: 0,
            events: BinaryHeap::new(),
        }
    }

    /// Has something happen after a delay; of two things at the same time the one that was asked for first comes first.
    pub fn after(&mut self, delay: u64, action: Action) {
        self.order += 1;
        self.events.push(Reverse(Due { at: (self.now + delay, self.order), action }));
    }

    /// Goes on to the next thing that happens.
    pub fn next(&mut self) -> Option<Action> {
        let Reverse(due) = self.events.pop()?;
        self.now = due.at.0;
        Some(due.action)
    }

    /// Forgets what is to come.
    pub fn clear(&mut self) {
        self.events.clear();
        self.spawned.clear();
    }
}

/// Tasks that are to be polled.
pub type Ready = Arc<Mutex<Vec<usize>>>;

/// Wakes one task.
pub struct Bell {
    task: usize,
    rung: AtomicBool,
    ready: Ready,
}

impl Bell {
    /// The bell of a task.
    #[must_use]
    pub fn new(task: usize, ready: Ready) -> Arc<Self> {
        Arc::new(Self { task, rung: AtomicBool::new(false), ready })
    }

    /// Rings: the task is polled once, however often it rings before that.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::Relaxed) {
            lock(&self.ready).push(self.task);
        }
    }

    /// The task is about to be polled.
    pub fn heard(&self) {
        self.rung.store(false, Ordering::Relaxed);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

/// A wait for virtual time.
pub struct Sleep {
    world: World,
    delay: u64,
    state: Option<Arc<Mutex<Slept>>>,
}

#[derive(Default)]
struct Slept {
    over: bool,
    waker: Option<Waker>,
}

impl Sleep {
    /// A wait that begins when it is first polled.
    #[must_use]
    pub fn new(world: World, delay: u64) -> Self {
        Self { world, delay, state: None }
    }

    fn begin(&self) -> Arc<Mutex<Slept>> {
        let slept = Arc::new(Mutex::new(Slept::default()));
        let state = Arc::clone(&slept);
        self.world.after(self.delay, move |_| {
            let waker = {
                let mut slept = lock(&state);
                slept.over = true;
                slept.waker.take()
            };
            waker.into_iter().for_each(Waker::wake);
        });
        slept
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let state = match &self.state {
            Some(state) => Arc::clone(state),
            None => {
                let state = self.begin();
                self.state = Some(Arc::clone(&state));
                state
            }
        };
        let mut slept = lock(&state);
        if slept.over {
            return Poll::Ready(());
        }
        slept.waker = Some(context.waker().clone());
        Poll::Pending
    }
}
