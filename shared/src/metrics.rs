//! What an operator sees: every metric once, with its name, its unit and what it says, and how it is recorded. Labels are kinds and outcomes, never ids, so that there are few series however many entities there are.
//!
//! Recording goes through the `metrics` facade: in development to a Prometheus endpoint, on Lambda to a line of CloudWatch's
//! embedded metric format after each invocation. Neither takes a network call, and without a recorder nothing happens.

use crate::client::{Receipted, SubmitError};
use crate::envelope::Millis;
use crate::mailbox::image::{Mailbox, Recent};
use crate::mailbox::takeover::Takeover;
use crate::mailbox::view::Standing;
use crate::store::Consumed;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things or occurrences.
    Count,
    /// A duration in seconds.
    Seconds,
}

/// How values of a metric add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A counter, which only grows.
    Counter,
    /// Its values are a distribution.
    Histogram,
}

/// A metric: its name, how its values add up, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, in Prometheus and in CloudWatch alike.
    pub name: &'static str,
    /// How it adds up.
    pub shape: Shape,
    /// The unit of its values.
    pub unit: Unit,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, for a reader.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $constant:ident = $shape:ident $name:literal [$($label:literal),*] $unit:ident $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Metric = Metric {
                name: $name,
                shape: Shape::$shape,
                unit: Unit::$unit,
                labels: &[$($label),*],
                help: $help,
            };
        )*
        /// Every metric that there is.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    POSTS = Counter "leasebox_posts_total" ["kind", "outcome"] Count
        "Events that outsiders posted: ran, queued, duplicate (of a key), full (refused), unknown (whether it is stored).";
    BATCH = Histogram "leasebox_batch_size" ["kind"] Count
        "Envelopes in one commit.";
    TURNS = Counter "leasebox_turns_total" ["kind", "outcome"] Count
        "Envelopes that left the queue: replied, rejected (by the rules of the business), dead, repeated (a key).";
    LEASE_WAIT = Histogram "leasebox_lease_wait_seconds" ["kind"] Seconds
        "From the posting of the oldest envelope of a batch to its run, by the clocks of both.";
    TAKEOVERS = Counter "leasebox_takeovers_total" ["kind", "how"] Count
        "Leases that were taken other than by a post: acquire (it was free), replace (its holder was taken for dead).";
    LEASES_LOST = Counter "leasebox_leases_lost_total" ["kind"] Count
        "Visits that ended because somebody else had taken the lease.";
    ROUNDS = Histogram "leasebox_visit_rounds" ["kind"] Count
        "Commits and deliveries of one visit.";
    QUEUE_DEPTH = Histogram "leasebox_queue_depth" ["kind"] Count
        "Envelopes that waited when a lease was taken.";
    OLDEST_AGE = Histogram "leasebox_oldest_age_seconds" ["kind"] Seconds
        "How long the oldest envelope had waited when a lease was taken.";
    HANDLER = Histogram "leasebox_handler_seconds" ["kind"] Seconds
        "The actor's own time for one envelope, averaged over its batch.";
    EFFECTS = Counter "leasebox_effects_total" ["kind", "outcome"] Count
        "Deliveries of effects to other entities: delivered, failed (it is tried again), given-up (a dead letter).";
    DEAD_LETTERS = Counter "leasebox_dead_letters_total" ["kind", "what"] Count
        "Dead letters: event, effect.";
    WRITE_UNITS = Counter "leasebox_write_units_total" ["kind", "operation"] Count
        "Write units that DynamoDB reported. What a failed condition costs it does not report.";
    READ_UNITS = Counter "leasebox_read_units_total" ["kind", "operation"] Count
        "Read units that DynamoDB reported.";
    WAKES = Counter "leasebox_wakes_total" ["kind", "outcome"] Count
        "Delayed looks: sent, failed (not sent), acted (one arrived, and its entity was taken over and visited).";
    DIRECT = Counter "leasebox_direct_total" ["kind", "outcome"] Count
        "Tries of the direct path: applied, busy (somebody works on the entity), overtaken (somebody else wrote), unfit (for the queue).";
    STREAM_AGE = Histogram "leasebox_stream_age_seconds" [] Seconds
        "How old the oldest stream record of a batch was when drain was called with it.";
}

/// Tells the recorder what each metric is. Call it once, after a recorder is installed.
pub fn describe() {
    for Metric { name, shape, unit, help, .. } in ALL {
        let unit = match unit {
            Unit::Count => ::metrics::Unit::Count,
            Unit::Seconds => ::metrics::Unit::Seconds,
        };
        match shape {
            Shape::Counter => ::metrics::describe_counter!(*name, unit, *help),
            Shape::Histogram => ::metrics::describe_histogram!(*name, unit, *help),
        }
    }
}

fn count(metric: Metric, kind: &str, label: &'static str, value: &'static str, by: u64) {
    if by > 0 {
        ::metrics::counter!(metric.name, "kind" => kind.to_owned(), label => value).increment(by);
    }
}

fn measure(metric: Metric, kind: &str, value: f64) {
    ::metrics::histogram!(metric.name, "kind" => kind.to_owned()).record(value);
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// Events were posted, and this is what their poster is told.
pub(crate) fn posted(kind: &str, events: usize, told: &Result<Vec<Receipted>, SubmitError>) {
    match told {
        Ok(receipts) => {
            receipts.iter().for_each(|receipt| count(POSTS, kind, "outcome", outcome(&receipt.standing), 1))
        }
        Err(_) => count(POSTS, kind, "outcome", self::told(told), events as u64),
    }
}

/// What the poster of the first event is told, in the words of the counter.
pub(crate) fn told(told: &Result<Vec<Receipted>, SubmitError>) -> &'static str {
    match told {
        Ok(receipts) => receipts.first().map_or("queued", |receipt| outcome(&receipt.standing)),
        Err(SubmitError::Full(_)) => "full",
        Err(SubmitError::Unknown(_) | SubmitError::Abandoned | SubmitError::Store(_) | SubmitError::Damaged(_)) => {
            "unknown"
        }
    }
}

fn outcome(standing: &Standing) -> &'static str {
    match standing {
        Standing::Settled(settled) if settled.replayed => "duplicate",
        Standing::Settled(_) | Standing::Dead { .. } | Standing::Forgotten => "ran",
        Standing::Queued { .. } | Standing::Never => "queued",
    }
}

/// A lease was taken, and this is what waited.
pub(crate) fn acquired(image: &Mailbox, now: Millis) {
    let kind = image.entity.kind();
    measure(QUEUE_DEPTH, kind, image.queue.len() as f64);
    if let Some(oldest) = image.queue.first() {
        measure(OLDEST_AGE, kind, seconds(now.since(oldest.at)));
    }
}

/// Envelopes are about to leave the queue at `now`; the actor took so long for all of them.
pub(crate) fn ran(image: &Mailbox, taken: usize, now: Millis, handler: std::time::Duration) {
    let kind = image.entity.kind();
    let Some(oldest) = image.queue.first().filter(|_| taken > 0) else {
        return;
    };
    // Once a batch, not once an envelope: the embedded format holds a hundred values of a metric.
    measure(LEASE_WAIT, kind, seconds(now.since(oldest.at)));
    measure(HANDLER, kind, handler.as_secs_f64() / taken as f64);
}

/// How a try of the direct path ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    Applied,
    Busy,
    Overtaken,
    Unfit,
}

pub(crate) fn direct(kind: &str, attempt: Attempt) {
    let outcome = match attempt {
        Attempt::Applied => "applied",
        Attempt::Busy => "busy",
        Attempt::Overtaken => "overtaken",
        Attempt::Unfit => "unfit",
    };
    count(DIRECT, kind, "outcome", outcome, 1);
}

/// A batch is committed.
pub(crate) fn committed(kind: &str, batch: &[Recent]) {
    measure(BATCH, kind, batch.len() as f64);
    let turns = |outcome: &str| batch.iter().filter(|recent| turn(recent) == outcome).count() as u64;
    for outcome in ["replied", "rejected", "dead", "repeated"] {
        count(TURNS, kind, "outcome", outcome, turns(outcome));
    }
    count(DEAD_LETTERS, kind, "what", "event", turns("dead"));
}

/// How one envelope left the queue, by the form of what is kept of it.
pub(crate) fn turn(recent: &Recent) -> &'static str {
    match recent.outcome.get(..4) {
        _ if recent.original.is_some() => "repeated",
        Some("{\"r\"") => "replied",
        Some("{\"x\"") => "rejected",
        _ => "dead",
    }
}

pub(crate) fn taken_over(kind: &str, takeover: Takeover) {
    let how = match takeover {
        Takeover::Acquire { .. } => "acquire",
        Takeover::Replace { .. } => "replace",
    };
    count(TAKEOVERS, kind, "how", how, 1);
}

pub(crate) fn visited(kind: &str, rounds: u32, lost: bool) {
    measure(ROUNDS, kind, f64::from(rounds));
    if lost {
        ::metrics::counter!(LEASES_LOST.name, "kind" => kind.to_owned()).increment(1);
    }
}

/// How the delivery of an effect ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// Its receiver has it.
    Yes,
    /// It is tried again later.
    NotYet,
    /// It lies in the dead letters.
    Never,
}

pub(crate) fn delivered(sender: &str, delivered: Delivered) {
    let outcome = match delivered {
        Delivered::Yes => "delivered",
        Delivered::NotYet => "failed",
        Delivered::Never => "given-up",
    };
    count(EFFECTS, sender, "outcome", outcome, 1);
    count(DEAD_LETTERS, sender, "what", "effect", u64::from(delivered == Delivered::Never));
}

/// DynamoDB reported what an operation on items of this partition key, or of this kind, consumed.
pub(crate) fn consumed(partition: &str, operation: &'static str, consumed: Consumed) {
    let kind = partition.split('/').next().unwrap_or_default();
    for (metric, units) in [(WRITE_UNITS, consumed.write), (READ_UNITS, consumed.read)] {
        // The facade counts whole numbers. Half a unit, of an eventually consistent read, is rounded up.
        count(metric, kind, "operation", operation, units.ceil() as u64);
    }
}

/// What became of a wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// It was sent to the queue.
    Sent,
    /// It could not be sent.
    Failed,
    /// It arrived, and its entity was taken over and visited.
    Acted,
}

/// A wake was sent, or could not be, or had something to do.
pub fn woken(kind: &str, woken: Woken) {
    let outcome = match woken {
        Woken::Sent => "sent",
        Woken::Failed => "failed",
        Woken::Acted => "acted",
    };
    count(WAKES, kind, "outcome", outcome, 1);
}

/// An operator put the first envelope of a blocked entity to the dead letters.
pub(crate) fn parked(kind: &str) {
    count(DEAD_LETTERS, kind, "what", "event", 1);
}

/// `drain` is called with stream records of which the oldest has this age, in milliseconds.
pub fn stream_age(ms: u64) {
    ::metrics::histogram!(STREAM_AGE.name).record(seconds(ms));
}
