//! Reading a journal: pages of it, the state at any time that has passed, and whether the snapshot is what follows.
//!
//! A replay holds one page at a time, however long the journal is.

use serde_dynamo::AttributeValue::S;
use serde_json::Value;

use crate::envelope::{EntityId, Millis};
use crate::host::ReadHost;
use crate::journal::{self, Entry};
use crate::limits;
use crate::mailbox::image::Mailbox;
use crate::mailbox::{StepError, reread, view};
use crate::registry::{Kind, Stage, Unreadable};
use crate::sourced::Snapshot;
use crate::store::{Consistency, Order, Query, ReadStore};
use crate::table;

/// Journal items that one step of a replay reads. An item has up to 4 KB, and DynamoDB reads at most 1 MB at once.
pub const STEP: usize = 250;

/// Why a replay came to no end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The store failed, or an item is damaged.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The state or an event of the journal cannot be used.
    #[error("{entity}: {unreadable}")]
    Unreadable {
        /// The entity whose journal was read.
        entity: EntityId,
        /// Why the state or the event cannot be used.
        unreadable: Unreadable,
    },
    /// The time was over before the journal was.
    #[error("the journal of {entity} is too long for one request: there was time for {events} events")]
    TooLong {
        /// The entity whose journal was read.
        entity: EntityId,
        /// How many there was time for.
        events: u64,
    },
}

impl ReplayError {
    /// Whether the database did not answer: the same may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Step(StepError::Store(error)) if error.is_transient())
    }
}

/// How far a replay goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Up to this version, which the journal may not have reached.
    Version(u64),
    /// Up to the last event of this time.
    Time(Millis),
}

impl Until {
    fn includes(self, entry: &Entry) -> bool {
        match self {
            Self::Version(version) => entry.version <= version,
            Self::Time(time) => entry.at <= time,
        }
    }
}

/// What came of a replay.
pub struct Replayed {
    /// The actor with the state that follows.
    pub stage: Box<dyn Stage>,
    /// From how many events.
    pub version: u64,
}

impl Replayed {
    /// What follows, as [`snapshot`] shows what is kept.
    ///
    /// # Errors
    /// When it is no snapshot: the kind keeps no journal.
    pub fn snapshot(&self, entity: &EntityId) -> Result<Snapshot<Value>, ReplayError> {
        read_snapshot(entity, &*self.stage)
    }
}

/// What came of verifying an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The snapshot that was compared.
    pub snapshot: Snapshot<Value>,
    /// How the snapshot compares with the journal.
    pub verdict: Verdict,
}

/// How a snapshot compares with what follows from its journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the same.
    Consistent,
    /// The journal ends before the snapshot does, or the states differ.
    Differs,
    /// An event cannot be read, or does not follow.
    Broken(String),
}

/// Events from a version on, and the version from which the next page goes on.
///
/// # Errors
/// When the store fails beyond the deadline, or an item is damaged.
pub async fn page<H: ReadHost>(
    host: &H,
    entity: &EntityId,
    from: u64,
    limit: usize,
    deadline: Millis,
) -> Result<(Vec<Entry>, Option<u64>), StepError> {
    let (mut entries, mut next) = items(host, entity, from, limit, deadline).await?;
    if let Some(first) = entries.get(limit) {
        next = Some(first.version);
        entries.truncate(limit);
    }
    Ok((entries, next))
}

/// Reads events one after the other into an actor that begins with nothing. `progress` is told how far it is.
///
/// # Errors
/// When the journal cannot be read to the end.
pub async fn replay<H: ReadHost>(
    host: &H,
    (kind, entity): (&Kind, &EntityId),
    until: Until,
    deadline: Millis,
    mut progress: impl FnMut(u64) + Send,
) -> Result<Replayed, ReplayError> {
    let unreadable = |unreadable| ReplayError::Unreadable { entity: entity.clone(), unreadable };
    let mut replayed = Replayed { stage: kind.stage(None).map_err(unreadable)?, version: 0 };
    let mut next = Some(1);
    while let Some(from) = next {
        if host.now() >= deadline {
            return Err(ReplayError::TooLong { entity: entity.clone(), events: replayed.version });
        }
        let (entries, after) = items(host, entity, from, STEP, deadline).await?;
        for entry in &entries {
            if !until.includes(entry) {
                return Ok(replayed);
            }
            replayed.stage.replay(entry).map_err(unreadable)?;
            replayed.version = entry.version;
        }
        progress(replayed.version);
        next = after;
    }
    Ok(replayed)
}

/// Replays the journal up to a snapshot and compares the two.
///
/// # Errors
/// When the store fails, or the snapshot itself cannot be read.
pub async fn verify<H: ReadHost>(
    host: &H,
    kind: &Kind,
    image: &Mailbox,
    version: u64,
    deadline: Millis,
    progress: impl FnMut(u64) + Send,
) -> Result<Verdict, ReplayError> {
    let entity = &image.entity;
    let damaged = |unreadable| ReplayError::Unreadable { entity: entity.clone(), unreadable };
    let snapshot = kind.stage(image.stored()).map_err(damaged)?;
    let replayed = match replay(host, (kind, entity), Until::Version(version), deadline, progress).await {
        Ok(replayed) => replayed,
        Err(ReplayError::Unreadable { unreadable: Unreadable::Damaged(what), .. }) => return Ok(Verdict::Broken(what)),
        Err(ReplayError::Step(StepError::Damaged { damage, .. })) => return Ok(Verdict::Broken(damage.0)),
        Err(error) => return Err(error),
    };
    // Both are written anew: an older form of the snapshot is no difference.
    match (snapshot.stored(), replayed.stage.stored()) {
        (Ok(kept), Ok(follows)) if kept == follows => Ok(Verdict::Consistent),
        _ => Ok(Verdict::Differs),
    }
}

/// Reads the snapshot of an entity, of a kind that keeps a journal, and verifies it; none when nothing was ever posted to
/// the entity. `progress` is told how far it is, and how far it goes.
///
/// # Errors
/// When the store fails, or the snapshot itself cannot be read.
pub async fn verify_entity<H: ReadHost>(
    host: &H,
    (kind, entity): (&Kind, &EntityId),
    deadline: Millis,
    mut progress: impl FnMut(u64, u64) + Send,
) -> Result<Option<Verified>, ReplayError> {
    let Some((image, snapshot)) = kept(host, (kind, entity)).await? else {
        return Ok(None);
    };
    let version = snapshot.version;
    let verdict = verify(host, kind, &image, version, deadline, |done| progress(done, version)).await?;
    Ok(Some(Verified { snapshot, verdict }))
}

/// The snapshot of an entity, of a kind that keeps a journal; none when nothing was ever posted to the entity.
///
/// # Errors
/// When the store fails, or the snapshot cannot be read.
pub async fn snapshot<H: ReadHost>(host: &H, of: (&Kind, &EntityId)) -> Result<Option<Snapshot<Value>>, ReplayError> {
    Ok(kept(host, of).await?.map(|(_, snapshot)| snapshot))
}

/// The mailbox of an entity, and the snapshot in it.
async fn kept<H: ReadHost>(
    host: &H,
    (kind, entity): (&Kind, &EntityId),
) -> Result<Option<(Mailbox, Snapshot<Value>)>, ReplayError> {
    let Some(image) = view::mailbox(host, entity, Consistency::Strong).await? else {
        return Ok(None);
    };
    let unreadable = |unreadable| ReplayError::Unreadable { entity: entity.clone(), unreadable };
    let stage = kind.stage(image.stored()).map_err(unreadable)?;
    let snapshot = read_snapshot(entity, &*stage)?;
    Ok(Some((image, snapshot)))
}

fn read_snapshot(entity: &EntityId, stage: &dyn Stage) -> Result<Snapshot<Value>, ReplayError> {
    let damaged = |what: String| {
        let unreadable = Unreadable::Damaged(what);
        ReplayError::Unreadable { entity: entity.clone(), unreadable }
    };
    let view = stage.view().map_err(|fault| damaged(fault.to_string()))?;
    serde_json::from_value(view).map_err(|error| damaged(format!("it is no snapshot of a journal: {error}")))
}

/// The events of up to `limit` items, from a version on, and the version from which the next items go on. However far the
/// deadline is, it takes no longer than the replay of a request may.
///
/// # Errors
/// When the store fails for so long, or an item is damaged.
pub async fn items<H: ReadHost>(
    host: &H,
    entity: &EntityId,
    from: u64,
    limit: usize,
    deadline: Millis,
) -> Result<(Vec<Entry>, Option<u64>), StepError> {
    // Who has all the time in the world is to be told, too, when the store is gone.
    let deadline = deadline.min(host.now().plus(limits::REPLAY_MS));
    let sk = |version| S(table::journal_key(entity, version).sk);
    let query = Query {
        index: None,
        consistency: Consistency::Strong,
        condition: table::LIST_BETWEEN,
        values: vec![(":pk", S(entity.as_str().to_owned())), (":from", sk(from)), (":to", sk(u64::MAX))],
        order: Order::Ascending,
        after: None,
        limit,
    };
    let page = reread(host, deadline, || host.store().query(query.clone())).await?;
    let damaged = |damage| StepError::Damaged { entity: entity.clone(), damage };
    let mut entries = Vec::new();
    for item in page.items {
        entries.extend(journal::read(item).map_err(damaged)?.into_iter().filter(|entry| entry.version >= from));
    }
    let next = entries.last().and_then(|entry: &Entry| entry.version.checked_add(1)).filter(|_| page.last.is_some());
    Ok((entries, next))
}
