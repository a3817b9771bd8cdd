//! Reading entities: what generic routes show, and what an app's own routes read with.

use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::actor::Actor;
use shared::envelope::{EntityId, Millis};
use shared::host::ReadHost;
use shared::limits;
use shared::mailbox::image::{Damaged, Mailbox};
use shared::mailbox::{StepError, view};
use shared::registry::{Kind, Registry};
use shared::store::Consistency;

use crate::problem::Problem;
use crate::request::Request;
use shared::erased::Reader;

/// Finds a kind by its name.
///
/// # Errors
/// A problem when there is no such kind.
pub fn known<'a>(registry: &'a Registry, kind: &str) -> Result<&'a Kind, Problem> {
    let names = || registry.names().collect::<Vec<_>>().join(", ");
    registry.kind(kind).ok_or_else(|| Problem::unknown_kind(kind, &names()))
}

/// The state of an entity as readers see it.
///
/// # Errors
/// A problem when it cannot be read.
pub fn shown<H: ReadHost>(host: &H, image: &Mailbox) -> Result<Value, Problem> {
    let stage = known(host.registry(), image.entity.kind())?.stage(image.stored());
    let view =
        stage.map_err(|error| error.to_string()).and_then(|stage| stage.view().map_err(|fault| fault.to_string()));
    view.map_err(|damage| damaged(&image.entity, damage))
}

fn damaged(entity: &EntityId, damage: impl Into<String>) -> Problem {
    StepError::Damaged { entity: entity.clone(), damage: Damaged(damage.into()) }.into()
}

/// A value that was made of what is shown of an entity.
///
/// # Errors
/// A problem when it is not of that form: the entity is damaged.
pub fn read<T: DeserializeOwned>(entity: &EntityId, value: Value) -> Result<T, Problem> {
    serde_json::from_value(value).map_err(|error| damaged(entity, error.to_string()))
}

/// The state of an entity of the kind `A`, by a consistent read; none when nothing was ever posted to it.
///
/// # Errors
/// A problem when the id is malformed, the database does not answer, or what it holds cannot be read.
pub async fn state<A: Actor>(reader: &Reader, id: &str) -> Result<Option<A::State>, Problem> {
    let entity = EntityId::new(A::KIND, id)?;
    match view::mailbox(reader, &entity, Consistency::Strong).await? {
        None => Ok(None),
        Some(image) => read(&entity, shown(reader, &image)?).map(Some),
    }
}

/// A handler of a route with the variable `{id}`: answers with the state of the entity of the kind `A` that it names, and
/// with a 404 when nothing was ever posted to it. Give it as `view::<Stock>`.
///
/// # Errors
/// A problem when there is no such entity, the database does not answer, or what it holds cannot be read.
pub async fn view<A: Actor>(reader: Reader, request: Request) -> Result<A::State, Problem> {
    let entity = request.entity::<A>("id")?;
    state::<A>(&reader, entity.id()).await?.ok_or_else(|| Problem::unknown_entity(&entity))
}

/// Until when a read is repeated that the database does not answer.
pub fn deadline<H: ReadHost>(host: &H) -> Millis {
    host.now().plus(limits::REPLAY_MS)
}
