//! The function that reads, and that answers whatever no route takes. It never writes.

pub mod bank;
pub mod chat;
pub mod invoke;
pub mod operator;
pub mod page;
pub mod pages;

use shared::actor::Actor;
use shared::actors::counter::{self, Counter};
use shared::envelope::{EntityId, EventId};
use shared::host::Host;
use shared::http::answer::{
    Answer, CounterAnswer, EntityAnswer, HealthAnswer, LockAnswer, PendingAnswer, ReceiptAnswer, UserAnswer,
};
use shared::http::guard::Guard;
use shared::http::incoming::Incoming;
use shared::http::observed::Observed;
use shared::http::openapi;
use shared::http::problem::Problem;
use shared::http::query::Query;
use shared::http::routes::Endpoint;
use shared::http::routing::{Found, Params};
use shared::mailbox::image::Mailbox;
use shared::mailbox::view;
use shared::registry::Kind;
use shared::store::Consistency;
use tracing::Instrument;

use crate::pages::Paging;

/// Answers one request. `guard` says who may speak.
pub async fn handle<H: Host>(host: &H, guard: &Guard, incoming: Incoming) -> Answer {
    let observed = Observed::new(host, &incoming);
    let answered = answer(&observed.host, guard, &incoming).instrument(observed.span()).await;
    let mut answer = observed.tell(answered.unwrap_or_else(Problem::answer));
    if incoming.method == "HEAD" {
        answer.body.clear();
    }
    answer
}

async fn answer<H: Host>(host: &H, guard: &Guard, incoming: &Incoming) -> Result<Answer, Problem> {
    let (method, query) = (incoming.method.as_str(), incoming.query.as_str());
    if let (Found::WrongMethod(allowed), "OPTIONS") = (&incoming.found, method) {
        return Ok(Answer { status: 204, headers: vec![("allow", allowed.clone())], body: String::new() });
    }
    let (route, params) = incoming.route()?;
    guard.check(&incoming.headers, &incoming.verified, route, params)?;
    match route.endpoint {
        Endpoint::Users => users(host, query).await,
        Endpoint::List => list(host, params, query).await,
        Endpoint::Bank(banking) => bank::answer(host, banking, params, query).await,
        Endpoint::Chat(chatting) => chat::answer(host, chatting, params, query).await,
        Endpoint::Page(page) => Ok(page::answer(guard, page)),
        Endpoint::Operator(task) => operator::answer(host, (task, params), query).await,
        endpoint => {
            Query::read(query, &[])?;
            one(host, endpoint, params, method).await
        }
    }
}

async fn one<H: Host>(host: &H, endpoint: Endpoint, params: &Params, method: &str) -> Result<Answer, Problem> {
    match endpoint {
        Endpoint::Counter => counter(host, params).await,
        Endpoint::Entity => entity(host, params).await,
        Endpoint::Event => event(host, params).await,
        Endpoint::Health => health(host).await,
        Endpoint::OpenApi => Ok(Answer::json(200, &openapi::document()).header("cache-control", "max-age=60")),
        Endpoint::Users
        | Endpoint::List
        | Endpoint::Bank(_)
        | Endpoint::Chat(_)
        | Endpoint::Page(_)
        | Endpoint::Operator(_)
        | Endpoint::Webhook
        | Endpoint::Increment
        | Endpoint::Post => {
            // API Gateway sends these to `ingest`.
            Err(Problem::wrong_method(method, "GET, POST"))
        }
    }
}

async fn users<H: Host>(host: &H, query: &str) -> Result<Answer, Problem> {
    let (user, paging) = Paging::read(query, &["user_id"])?;
    let Some(user) = user else {
        return pages::users(host, Counter::KIND, &paging).await;
    };
    let entity = EntityId::new(Counter::KIND, &user)?;
    let image = view::mailbox(host, &entity, Consistency::Strong).await?;
    let image = image.ok_or_else(|| Problem::unknown_entity(&entity))?;
    Ok(Answer::json(200, &user_answer(host, &image)?))
}

/// A counter with its queue and its lock, as `/status` shows it.
///
/// # Errors
/// A problem when the stored state cannot be read.
pub fn user_answer<H: Host>(host: &H, image: &Mailbox) -> Result<UserAnswer, Problem> {
    let counter = state(host, image)?.get("value").and_then(serde_json::Value::as_i64).unwrap_or_default();
    let pending = (image.first()..).zip(&image.queue).filter_map(|(sequence, envelope)| {
        let counter::Command::Increment(increment) = serde_json::from_str(&envelope.body).ok()?;
        let event_id = EventId { sequence, id: envelope.id }.to_string();
        Some(PendingAnswer { event_id, delta: increment.amount })
    });
    Ok(UserAnswer {
        user_id: image.entity.id().to_owned(),
        counter,
        pending: pending.collect(),
        lock: image.lease.as_ref().map(LockAnswer::new),
    })
}

/// The state of an entity as readers see it.
///
/// # Errors
/// A problem when it cannot be read.
pub fn state<H: Host>(host: &H, image: &Mailbox) -> Result<serde_json::Value, Problem> {
    let stage = known(host, image.entity.kind())?.stage(image.stored());
    let view =
        stage.map_err(|error| error.to_string()).and_then(|stage| stage.view().map_err(|fault| fault.to_string()));
    view.map_err(|damage| {
        let damage = shared::mailbox::image::Damaged(damage);
        shared::mailbox::StepError::Damaged { entity: image.entity.clone(), damage }.into()
    })
}

/// A kind by its name.
///
/// # Errors
/// A problem when there is no such kind.
pub fn known<'a, H: Host>(host: &'a H, kind: &str) -> Result<&'a Kind, Problem> {
    let names = || host.registry().names().collect::<Vec<_>>().join(", ");
    host.registry().kind(kind).ok_or_else(|| Problem::unknown_kind(kind, &names()))
}

async fn list<H: Host>(host: &H, params: &Params, query: &str) -> Result<Answer, Problem> {
    let (_, paging) = Paging::read(query, &[])?;
    pages::entities(host, known(host, params.get("kind"))?.name, &paging).await
}

async fn counter<H: Host>(host: &H, params: &Params) -> Result<Answer, Problem> {
    let entity = EntityId::new(Counter::KIND, params.get("id"))?;
    let value = match view::mailbox(host, &entity, Consistency::Strong).await? {
        None => 0,
        Some(image) => user_answer(host, &image)?.counter,
    };
    Ok(Answer::json(200, &CounterAnswer { counter_id: entity.id().to_owned(), value }))
}

async fn entity<H: Host>(host: &H, params: &Params) -> Result<Answer, Problem> {
    let entity = EntityId::new(known(host, params.get("kind"))?.name, params.get("id"))?;
    let image = view::mailbox(host, &entity, Consistency::Strong).await?;
    let image = image.ok_or_else(|| Problem::unknown_entity(&entity))?;
    Ok(Answer::json(200, &EntityAnswer::new(&image, state(host, &image)?)))
}

async fn event<H: Host>(host: &H, params: &Params) -> Result<Answer, Problem> {
    let entity = EntityId::new(known(host, params.get("kind"))?.name, params.get("id"))?;
    let unknown = || Problem::unknown_event(params.get("event_id"));
    let event: EventId = params.get("event_id").parse().map_err(|_| unknown())?;
    let standing = view::event(host, &entity, event).await?;
    let receipt = ReceiptAnswer::new(event, standing).ok_or_else(unknown)?;
    Ok(Answer::json(200, &receipt))
}

async fn health<H: Host>(host: &H) -> Result<Answer, Problem> {
    // An entity that cannot exist: what counts is that the table answers.
    let probe = shared::store::Key::new("leasebox/health", shared::table::MAILBOX);
    shared::store::Store::get(host.store(), probe, Consistency::Eventual).await?;
    Ok(Answer::json(200, &HealthAnswer { status: "ok".to_owned() }))
}
