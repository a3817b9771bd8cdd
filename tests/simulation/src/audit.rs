//! Whoever reads a journal, by the shipped code: whatever happens meanwhile, it leads to the snapshot.

use serde_dynamo::AttributeValue;
use shared::envelope::EntityId;
use shared::host::ReadHost;
use shared::limits::FUNCTION_TIMEOUT_MS;
use shared::mailbox::{StepError, view};
use shared::replay::{ReplayError, Verdict, page, verify};
use shared::store::Consistency;

use crate::expression::integer;
use crate::host::SimHost;
use crate::journaled::KIND;
use crate::timeline::ProcessId;
use crate::world::World;

/// Events on one page.
const PAGE: usize = 3;

/// Whether this entity has a journal.
#[must_use]
pub fn has_journal(entity: &EntityId) -> bool {
    entity.kind() == KIND
}

/// Audits an entity in a process of its own, which nobody waits for.
pub fn begin(world: &World, entity: &EntityId) {
    let process = world.start();
    let (this, entity, stormy) = (world.clone(), entity.clone(), !world.is_calm());
    world.spawn(process, async move {
        match audit(&this, process, &entity).await {
            Ok(()) => {}
            // Who began in bad weather may fail; it may not find anything wrong.
            Err(ReplayError::Step(StepError::Store(_)) | ReplayError::TooLong { .. }) if stormy => {}
            Err(error) => this.oracle(|oracle| oracle.violated(format!("the audit of {entity} failed: {error}"))),
        }
    });
}

async fn audit(world: &World, process: ProcessId, entity: &EntityId) -> Result<(), ReplayError> {
    let host = SimHost::new(world, process);
    let deadline = host.now().plus(FUNCTION_TIMEOUT_MS);
    let Some(image) = view::mailbox(&host, entity, Consistency::Strong).await? else {
        return Ok(());
    };
    let version = match &image.state {
        Some(AttributeValue::M(snapshot)) => snapshot.get("version").and_then(integer),
        _ => None,
    };
    let version = version.and_then(|version| u64::try_from(version).ok()).unwrap_or_default();
    let Some(kind) = host.registry().kind(KIND) else {
        return Ok(());
    };
    let verdict = verify(&host, kind, &image, version, deadline, |_| {}).await?;
    if verdict != Verdict::Consistent {
        world.oracle(|oracle| oracle.violated(format!("the audit of {entity} says {verdict:?} at {version} events")));
    }
    let (mut read, mut next) = (0, Some(1));
    while let Some(from) = next {
        let (entries, after) = page(&host, entity, from, PAGE, deadline).await?;
        let expected = (read + 1..).take(entries.len());
        if entries.len() > PAGE || !entries.iter().map(|entry| entry.version).eq(expected) {
            world.oracle(|oracle| oracle.violated(format!("a page of {entity} from event {from} is {entries:?}")));
        }
        read += entries.len() as u64;
        next = after;
    }
    if read < version {
        world.oracle(|oracle| oracle.violated(format!("pages of {entity} bring {read} events of {version}")));
    }
    Ok(())
}
