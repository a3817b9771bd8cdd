//! Entities of any kind: post events, read a state, a receipt, a list.

use serde_json::Value;
use shared::envelope::{EntityId, EventId};
use shared::erased::Reader;
use shared::host::ReadHost;
use shared::limits;
use shared::mailbox::image::Mailbox;
use shared::mailbox::view;
use shared::registry::Registry;
use shared::store::{Consistency, Key, ReadStore};
use shared::table;

use crate::answer::{EntityAnswer, EntityPage, HealthAnswer, ReceiptAnswer};
use crate::body::json;
use crate::pages::{self, Paging};
use crate::post::{Posting, Told};
use crate::problem::Problem;
use crate::reading::{known, shown};
use crate::request::Request;

/// Posts one event or an array, in the form that the kind knows.
pub(super) fn post(request: &Request, registry: &Registry) -> Result<Posting, Problem> {
    let kind = known(registry, request.id("kind"))?;
    let (events, told) = match json(request.bytes())? {
        None => {
            return Err(Problem::invalid("the body is empty; it takes an event, {\"type\": …}, or an array of events"));
        }
        Some(Value::Array(events)) if events.is_empty() || events.len() > limits::POST_EVENTS => {
            let limit = limits::POST_EVENTS;
            return Err(Problem::invalid(format!("the array has {} events; it takes 1 to {limit}", events.len())));
        }
        Some(Value::Array(events)) => (events, Told::Receipts),
        Some(event) => (vec![event], Told::Receipt),
    };
    let entity = EntityId::new(kind.name, request.id("id"))?;
    Ok(Posting { entity, events, key: None, told })
}

pub(super) async fn list(reader: Reader, request: Request) -> Result<EntityPage, Problem> {
    let kind = known(reader.registry(), request.id("kind"))?.name;
    let answer = |image: &Mailbox| Ok(EntityAnswer::new(image, shown(&reader, image)?));
    let (items, cursor) = pages::page(&reader, kind, &Paging::read(&request.query)?, answer).await?;
    Ok(EntityPage { items, cursor })
}

pub(super) async fn entity(reader: Reader, request: Request) -> Result<EntityAnswer, Problem> {
    let entity = EntityId::new(known(reader.registry(), request.id("kind"))?.name, request.id("id"))?;
    let image = view::mailbox(&reader, &entity, Consistency::Strong).await?;
    let image = image.ok_or_else(|| Problem::unknown_entity(&entity))?;
    Ok(EntityAnswer::new(&image, shown(&reader, &image)?))
}

pub(super) async fn event(reader: Reader, request: Request) -> Result<ReceiptAnswer, Problem> {
    let entity = EntityId::new(known(reader.registry(), request.id("kind"))?.name, request.id("id"))?;
    let unknown = || Problem::unknown_event(request.id("event_id"));
    let event: EventId = request.id("event_id").parse().map_err(|_| unknown())?;
    let standing = view::event(&reader, &entity, event).await?;
    ReceiptAnswer::new(event, standing).ok_or_else(unknown)
}

pub(super) async fn health(reader: Reader, _: Request) -> Result<HealthAnswer, Problem> {
    // An entity that cannot exist: what counts is that the table answers.
    reader.store().get(Key::new("leasebox/health", table::MAILBOX), Consistency::Eventual).await?;
    Ok(HealthAnswer { status: "ok".to_owned() })
}
