//! The two dialects of the counter: `/webhook` with `/status`, and `/counter`.

use leasebox::schemars::{self, JsonSchema};
use leasebox::shared::host::ReadHost;
use leasebox::shared::mailbox::image::Mailbox;
use leasebox::shared::mailbox::view;
use leasebox::shared::store::Consistency;
use leasebox::web::answer::LockAnswer;
use leasebox::web::pages::{Paging, page};
use leasebox::web::reading::shown;
use leasebox::{
    Access, Actor, App, CURSOR, EntityId, EventId, LIMIT, Parameter, Post, Problem, Reader, Request, Role, Route,
};
use serde::{Deserialize, Serialize};

use crate::counter::answers::{CounterAnswer, PendingAnswer, UserAnswer, UserPage, WebhookAnswer};
use crate::counter::{Command, Counter, Increment, Reply};

const USER: Parameter = Parameter::text("user_id");
const DELTA: Parameter = Parameter::integer("delta");

/// Adds the counter's routes.
pub(super) fn add<R: Role>(app: App<R>) -> App<R> {
    let by_webhook = || {
        let route = Route::post("/webhook", Access::Signed, webhook).query([USER, DELTA]);
        route.summary("Add a delta to a user's counter")
    };
    app.route(by_webhook().by("GET"))
        .route(by_webhook())
        .route(Route::post("/counter/{id}/increment", Access::Signed, increment).summary("Increment a counter"))
        .route(
            Route::get("/status", Access::Signed, users)
                .query([USER, LIMIT, CURSOR])
                .summary("Read one user's counter, or list all"),
        )
        .route(Route::get("/counter/{id}", Access::Signed, counter).summary("Read a counter"))
}

/// The body of a delta, when it is not in the query.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WebhookBody {
    /// The user.
    user_id: Option<String>,
    /// How much to add.
    delta: Option<i64>,
}

/// What `/webhook` takes, from the query or, with POST, from a JSON body.
fn webhook(request: &Request, body: Option<WebhookBody>) -> Result<Post<WebhookAnswer>, Problem> {
    let WebhookBody { mut user_id, mut delta } = body.unwrap_or_default();
    let twice = |name: &str| Problem::invalid(format!("`{name}` is given more than once"));
    if let Some(value) = request.query.get(USER.name)
        && user_id.replace(value.to_owned()).is_some()
    {
        return Err(twice(USER.name));
    }
    if let Some(value) = request.query.get(DELTA.name)
        && delta.replace(integer(DELTA.name, value)?).is_some()
    {
        return Err(twice(DELTA.name));
    }
    let missing = |name: &str| Problem::invalid(format!("`{name}` is missing: /webhook?user_id=alice&delta=5"));
    let user = user_id.ok_or_else(|| missing(USER.name))?;
    let amount = delta.ok_or_else(|| missing(DELTA.name))?;
    let post = Post::to::<Counter>(&user, Increment { amount });
    let post = post.map_err(|problem| problem.with("parameter", USER.name))?;
    Ok(post.answer(|counter: &EntityId, event: EventId, Reply { value }| {
        Ok(WebhookAnswer { user_id: counter.id().to_owned(), counter: value, event_id: event.to_string() })
    }))
}

fn integer(name: &str, value: &str) -> Result<i64, Problem> {
    value.parse().map_err(|_| {
        let value: String = value.chars().take(40).collect();
        Problem::invalid(format!("`{name}` is `{value}`; it takes an integer from {} to {}", i64::MIN, i64::MAX))
    })
}

fn increment(request: &Request, body: Option<Increment>) -> Result<Post<CounterAnswer>, Problem> {
    let post = Post::to::<Counter>(request.id("id"), body.unwrap_or(Increment { amount: 1 }))?;
    Ok(post.answer(|counter: &EntityId, _: EventId, Reply { value }| {
        Ok(CounterAnswer { counter_id: counter.id().to_owned(), value })
    }))
}

/// One user, or a page of them.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Users {
    One(UserAnswer),
    Page(UserPage),
}

async fn users(reader: Reader, request: Request) -> Result<Users, Problem> {
    let query = &request.query;
    let Some(user) = query.get(USER.name) else {
        let answer = |image: &Mailbox| user_answer(&reader, image);
        let (items, cursor) = page(&reader, Counter::KIND, &Paging::read(query)?, answer).await?;
        return Ok(Users::Page(UserPage { items, cursor }));
    };
    if query.get("limit").is_some() || query.get("cursor").is_some() {
        return Err(Problem::invalid("limit and cursor are for lists, not for one entity"));
    }
    let entity = EntityId::new(Counter::KIND, user)?;
    let image = view::mailbox(&reader, &entity, Consistency::Strong).await?;
    let image = image.ok_or_else(|| Problem::unknown_entity(&entity))?;
    user_answer(&reader, &image).map(Users::One)
}

/// A counter with its queue and its lock, as `/status` shows it.
fn user_answer<H: ReadHost>(host: &H, image: &Mailbox) -> Result<UserAnswer, Problem> {
    let counter = shown(host, image)?.get("value").and_then(leasebox::Value::as_i64).unwrap_or_default();
    let pending = (image.first()..).zip(&image.queue).filter_map(|(sequence, envelope)| {
        let Command::Increment(increment) = serde_json::from_str(&envelope.body).ok()?;
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

async fn counter(reader: Reader, request: Request) -> Result<CounterAnswer, Problem> {
    let entity = request.entity::<Counter>("id")?;
    let value = match view::mailbox(&reader, &entity, Consistency::Strong).await? {
        None => 0,
        Some(image) => user_answer(&reader, &image)?.counter,
    };
    Ok(CounterAnswer { counter_id: entity.id().to_owned(), value })
}
