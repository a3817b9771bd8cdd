//! How an event's cost and latency grow with what is there already. One client posts one event after the other, so that
//! what is measured is the event and no waiting.

pub mod blob;
mod preload;

use std::time::{Duration, Instant};

use kinds::account::{self, Account};
use kinds::counter::{Counter, Increment};
use shared::client::{Client, Mode, Submission};
use shared::envelope::{Draft, EntityId};
use shared::host::ReadHost;
use shared::limits::{self, Settings};
use shared::registry::{Kind, Registry};

use crate::bill::Bill;
use crate::compare::CompareError;
use crate::connection::{Connection, Source};
use crate::drive::Measured;
use crate::growth::blob::Blob;
use crate::run::Run;
use crate::systems::ours::{self, Process};
use crate::systems::{Failed, PATIENCE};

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growing {
    /// Entities in the table.
    Entities,
    /// The entity's state, in bytes.
    State,
    /// Envelopes that wait when the event comes.
    Queue,
    /// Stream records that the table has made.
    Stream,
    /// Events in the entity's journal.
    Journal,
}

/// One curve: what grows, up to where, and what its reader is told.
#[derive(Clone, Copy, Debug)]
pub struct Curve {
    /// What `--only` and files call it.
    pub key: &'static str,
    /// What the report calls it.
    pub title: &'static str,
    /// What the axis says.
    pub axis: &'static str,
    /// What grows.
    pub growing: Growing,
    /// Where it is measured.
    pub sizes: &'static [usize],
    /// What a user does about it.
    pub advice: &'static str,
}

/// All of them, in the order of the report.
pub const CURVES: &[Curve] = &[
    Curve {
        key: "entities",
        title: "The number of entities",
        axis: "entities in the table",
        growing: Growing::Entities,
        sizes: &[10, 100, 1_000, 10_000, 100_000],
        advice: "Nothing needs to be done: an event reads and writes its own entity's item, by its key. Have as many \
                 entities as the domain has, and split a hot one rather than sparing others.",
    },
    Curve {
        key: "state",
        title: "The size of the state",
        axis: "bytes of state",
        growing: Growing::State,
        sizes: &[0, 1_024, 4_096, 8_192, 16_384, 32_768, 61_440],
        advice: "Keep the state small: both writes of an event pay for the whole item, a write unit for each KB that is \
                 begun. Up to some 400 bytes an event costs its least, 2 units; what is only read now and then belongs \
                 into side records or into entities of its own.",
    },
    Curve {
        key: "queue",
        title: "The length of the queue",
        axis: "envelopes that wait when the event comes",
        growing: Growing::Queue,
        sizes: &[0, 10, 25, 50, 75, 99],
        advice: "Nothing needs to be done about short queues: whoever takes the lease runs everything that waits in one \
                 commit, so the event that finds a hundred before it pays for one larger item, not for a hundred events. \
                 A queue that stays long says that the entity is too hot: split it.",
    },
    Curve {
        key: "stream",
        title: "The history of the stream",
        axis: "stream records made before",
        growing: Growing::Stream,
        sizes: &[0, 1_000, 10_000, 50_000],
        advice: "Nothing needs to be done: no event reads the stream, and DynamoDB keeps a record for a day. A local \
                 database may slow down with its records; the development server deletes those that are done with.",
    },
    Curve {
        key: "journal",
        title: "The history of an account",
        axis: "events in the journal",
        growing: Growing::Journal,
        sizes: &[0, 100, 1_000, 10_000, 100_000],
        advice: "Nothing needs to be done: an event is decided with the snapshot in the mailbox, and its journal is only \
                 appended to. What does grow is a replay of all (`/verify`, `?version=`): page through it.",
    },
];

/// What was measured at one size.
#[derive(Clone, Debug)]
pub struct Point {
    /// What had grown to what.
    pub size: usize,
    /// The events.
    pub measured: Measured,
}

/// How long a curve takes, roughly.
#[must_use]
pub fn estimate(curve: &Curve, most: usize) -> Duration {
    let largest = sizes(curve, most).last().copied().unwrap_or_default() as u64;
    Duration::from_millis(match curve.growing {
        Growing::Entities => 4_000 + largest / 3,
        Growing::State | Growing::Queue => 8_000,
        Growing::Stream => 4_000 + largest / 2,
        Growing::Journal => 4_000 + largest / 4,
    })
}

/// Where a curve is measured when nothing may grow beyond `most`.
fn sizes(curve: &Curve, most: usize) -> Vec<usize> {
    curve.sizes.iter().copied().filter(|size| *size <= most.max(100) || curve.growing == Growing::State).collect()
}

/// Measures a curve, with so many events at each size.
///
/// # Errors
/// When there is no table, or an event is not processed.
pub async fn measure(
    run: &Run,
    source: &Source,
    curve: &Curve,
    events: usize,
    most: usize,
) -> Result<Vec<Point>, CompareError> {
    let connection = Connection::open(source).await?;
    let bill = Bill::default();
    let registry = Registry::new([Kind::of::<Account>(), Kind::of::<Counter>(), Kind::of::<Blob>()]);
    let client = ours::client(&connection, registry, Settings::default(), &bill);
    let mut grown = Grown { connection, client, bill, curve: *curve, at: 0 };
    let (mut points, sizes) = (Vec::new(), sizes(curve, most));
    grown.begin().await?;
    for size in &sizes {
        run.says(&format!("{}: {size}", curve.title));
        grown.grow_to(*size).await?;
        points.push(Point { size: *size, measured: grown.events(events, *size).await? });
        run.took(estimate(curve, most) / u32::try_from(sizes.len()).unwrap_or(1));
    }
    Ok(points)
}

struct Grown {
    connection: Connection,
    client: Client<Process>,
    bill: Bill,
    curve: Curve,
    /// The size that has been reached.
    at: usize,
}

const ID: &str = "grows";

impl Grown {
    async fn begin(&mut self) -> Result<(), Failed> {
        match self.curve.growing {
            Growing::Journal => {
                let open = account::Command::Open { owner: "bench".to_owned(), initial_balance: 0 };
                self.client.ask::<Account>(ID, open, PATIENCE).await.map(drop).map_err(failed)
            }
            Growing::Entities | Growing::Stream | Growing::Queue | Growing::State => self.increment(ID).await,
        }
    }

    async fn increment(&self, id: &str) -> Result<(), Failed> {
        self.client.ask::<Counter>(id, Increment { amount: 1 }, PATIENCE).await.map(drop).map_err(failed)
    }

    async fn grow_to(&mut self, size: usize) -> Result<(), Failed> {
        let from = self.at;
        match self.curve.growing {
            Growing::Entities => preload::entities(&self.connection, ID, from..size).await?,
            Growing::Stream => preload::records(&self.connection, ID, size.saturating_sub(from)).await?,
            Growing::Journal => self.deposit(size.saturating_sub(from)).await?,
            Growing::State => {
                self.client.ask::<Blob>(ID, blob::Command::Grow { bytes: size }, PATIENCE).await.map_err(failed)?;
            }
            Growing::Queue => {}
        }
        self.at = size;
        Ok(())
    }

    /// So many deposits, as many as possible in one post.
    async fn deposit(&self, count: usize) -> Result<(), Failed> {
        let entity = EntityId::new(account::KIND, ID).map_err(failed)?;
        let body = r#"{"type":"deposit","amount":1}"#;
        let mut left = count;
        while left > 0 {
            let some = left.min(limits::POST_EVENTS);
            self.post(&entity, body, some).await?;
            left -= some;
        }
        Ok(())
    }

    async fn post(&self, entity: &EntityId, body: &str, count: usize) -> Result<(), Failed> {
        let drafts = vec![Draft { body: body.to_owned(), keyed: None, from: None, trace: None }; count];
        let deadline = self.client.host().now().plus(limits::FUNCTION_TIMEOUT_MS);
        let submission = Submission { entity, drafts: &drafts, mode: Mode::Inline, wait_ms: 10_000, deadline };
        self.client.submit(submission).await.map(drop).map_err(failed)
    }

    async fn events(&self, events: usize, size: usize) -> Result<Measured, Failed> {
        let mut measured = Measured::default();
        let began = Instant::now();
        // The queue is as long as it should be for one event only.
        let events = if self.curve.growing == Growing::Queue { events.div_ceil(10) } else { events };
        for number in 0..events {
            let id = self.ready(number, size).await?;
            self.bill.take();
            let posted = Instant::now();
            match self.curve.growing {
                Growing::State => {
                    self.client.ask::<Blob>(&id, blob::Command::Touch, PATIENCE).await.map(drop).map_err(failed)?;
                }
                Growing::Journal => {
                    let deposit = account::Command::Deposit { amount: 1 };
                    self.client.ask::<Account>(&id, deposit, PATIENCE).await.map(drop).map_err(failed)?;
                }
                Growing::Entities | Growing::Queue | Growing::Stream => self.increment(&id).await?,
            }
            measured.done_in(posted.elapsed());
            measured.total = measured.total.plus(self.bill.take());
        }
        measured.took = began.elapsed();
        Ok(measured)
    }

    /// The entity of the next event.
    async fn ready(&self, number: usize, size: usize) -> Result<String, Failed> {
        match self.curve.growing {
            Growing::Entities => Ok(preload::id(number * 7919 % size.max(1))),
            Growing::Queue => {
                let entity = EntityId::new("counter", ID).map_err(failed)?;
                let mut left = size;
                while left > 0 {
                    let some = left.min(limits::POST_EVENTS);
                    preload::wait(&self.connection, &entity, some).await?;
                    left -= some;
                }
                Ok(ID.to_owned())
            }
            Growing::State | Growing::Stream | Growing::Journal => Ok(ID.to_owned()),
        }
    }
}

fn failed(error: impl std::fmt::Display) -> Failed {
    Failed(error.to_string())
}
