//! Keeps the embedded database small: trims the stream behind the stored checkpoint, and deletes
//! items whose time to live is over.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::database::{Database, Trimmer};
use crate::outage::Outage;
use crate::progress::{Position, Positions};
use crate::shutdown::Shutdown;

/// How often records are trimmed.
const TRIM: Duration = Duration::from_secs(1);

/// How often expired items are deleted; DynamoDB itself takes its time, too.
const EXPIRE: Duration = Duration::from_secs(60);

/// Works behind the pump until the shutdown. `stored` tells which positions are stored: only what
/// lies before them may be trimmed, because a restart begins there. Failures are told and tried
/// again; the history only grows meanwhile.
pub async fn keep_short(
    database: Database,
    mut trimmer: Trimmer,
    stored: watch::Receiver<Positions>,
    shutdown: Shutdown,
) {
    let [mut trim, mut expire] = [TRIM, EXPIRE].map(|period| {
        let mut interval = interval(period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval
    });
    let mut outage = Outage::default();
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            _ = trim.tick() => {
                let positions = stored.borrow().clone();
                let trimmed = spawn_blocking(move || {
                    trim_before(&mut trimmer, &positions, &mut outage);
                    (trimmer, outage)
                });
                match trimmed.await {
                    Ok(returned) => (trimmer, outage) = returned,
                    Err(error) => return tracing::error!(%error, "trimming the stream ended"),
                }
            }
            _ = expire.tick() => {
                let database = database.clone();
                if let Err(error) = spawn_blocking(move || delete_expired(&database)).await {
                    tracing::error!(%error, "deleting expired items failed");
                }
            }
        }
    }
}

/// The embedded stream has one shard, so its position is the stream's.
fn trim_before(trimmer: &mut Trimmer, positions: &Positions, outage: &mut Outage) {
    let positions: Vec<&Position> = positions.values().collect();
    let [Position { after: Some(after), .. }] = positions[..] else {
        return;
    };
    if let Some(records @ 1..) = outage.tell("trimming the stream", trimmer.trim(after)) {
        tracing::debug!(records, through = %after, "trimmed the stream");
    }
}

fn delete_expired(database: &Database) {
    match database.delete_expired() {
        Ok(0) => {}
        Ok(items) => tracing::debug!(items, "deleted expired items"),
        Err(error) => tracing::warn!(%error, "expired items cannot be deleted"),
    }
}
