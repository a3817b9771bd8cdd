//! What goes wrong, as a closed list, how often in one run, and how often it did.

use std::sync::atomic::{AtomicU64, Ordering};

use rand::Rng;
use rand::rngs::StdRng;

/// Declares the faults with the words that the closing line counts them by.
macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $words:literal,)*) => {
        /// One kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $($(#[$doc])* $name,)*
        }

        impl Fault {
            /// Every kind, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What it is called in the closing line.
            #[must_use]
            pub fn words(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                }
            }
        }
    };
}

faults! {
    /// A request never reaches the database, and nobody says so.
    RequestLost = "requests lost",
    /// A request is applied long after its sender has given it up.
    RequestLate = "requests applied late",
    /// A connection breaks before the request is sent.
    ResetBefore = "resets before",
    /// A connection breaks after the request was applied.
    ResetAfter = "resets after",
    /// An answer is lost after the request was applied.
    ReplyLost = "replies lost",
    /// An answer comes late.
    ReplyLate = "replies late",
    /// The database asks for less traffic.
    Throttled = "throttled",
    /// An internal error before the request was applied.
    InternalBefore = "errors before",
    /// An internal error after the request was applied.
    InternalAfter = "errors after",
    /// Another transaction touches the item.
    Conflict = "conflicts",
    /// An eventually consistent read brings an old image.
    StaleRead = "stale reads",
    /// The process ends before a call to the store.
    CrashBefore = "crashes before a call",
    /// The process ends after its call was applied, before the answer.
    CrashApplied = "crashes after a write",
    /// The process ends right after an answer.
    CrashAnswered = "crashes after an answer",
    /// The process is frozen for up to three leases, and thaws.
    Pause = "pauses",
    /// A process whose clock is wrong.
    ClockSkew = "skewed clocks",
    /// A clock steps while its process runs.
    ClockJump = "clock jumps",
    /// A function's time is over in the middle of its work.
    TimeOver = "time overs",
    /// A batch of stream records is delivered again although it was processed.
    RecordsRepeated = "stream batches repeated",
    /// A batch of stream records is delivered late.
    RecordsLate = "stream batches late",
    /// A message is delivered twice.
    WakeRepeated = "wakes repeated",
    /// A message is delivered late.
    WakeLate = "wakes late",
    /// A message cannot be sent.
    WakeFailed = "wakes refused",
    /// A message was sent, and the sender is told that it was not.
    WakeUnknown = "wakes of unknown outcome",
    /// A proxy drops the answer to a client.
    AnswerLost = "answers to clients lost",
    /// A command takes the process down that runs it.
    Deadly = "deadly commands",
}

/// How often each fault strikes in one run, in a thousand chances.
#[derive(Clone, Debug)]
pub struct Weather {
    rates: Vec<u32>,
}

impl Weather {
    /// The weather of one seed: each kind of fault blows in half of the runs, so that in most of them few kinds do,
    /// often; a mixture of everything would hide what a single one can do.
    pub fn draw(chance: &mut StdRng) -> Self {
        let rate = |chance: &mut StdRng| match chance.random_range(0..4) {
            0 | 1 => 0,
            2 => 15,
            _ => chance.random_range(20..200),
        };
        Self { rates: Fault::ALL.iter().map(|_| rate(chance)).collect() }
    }

    /// How often this one strikes, in a thousand.
    #[must_use]
    pub fn rate(&self, fault: Fault) -> u32 {
        self.rates.get(fault as usize).copied().unwrap_or_default()
    }
}

/// How often each fault struck.
#[derive(Debug)]
pub struct Tally(Vec<AtomicU64>);

impl Default for Tally {
    fn default() -> Self {
        Self(Fault::ALL.iter().map(|_| AtomicU64::new(0)).collect())
    }
}

impl Tally {
    /// Counts one.
    pub fn count(&self, fault: Fault) {
        if let Some(counter) = self.0.get(fault as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often this one struck.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        self.0.get(fault as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}
