//! From a request to what is posted. Everything is checked here, before anything is stored.

use lambda_http::http::HeaderMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::actor::Actor;
use shared::actors::counter::{self, Increment};
use shared::client::Mode;
use shared::envelope::{Draft, EntityId, IdempotencyKey, Keyed, body_hash};
use shared::http::incoming::Incoming;
use shared::http::problem::Problem;
use shared::http::query::Query;
use shared::http::routes::Endpoint;
use shared::http::routing::Params;
use shared::limits;
use shared::registry::{Kind, Registry};
use shared::trace::Trace;

use crate::bank;
use crate::chat::{self, Said};

/// What a request posts, and in which dialect it is answered.
#[derive(Debug)]
pub struct PostRequest {
    /// To whom.
    pub entity: EntityId,
    /// The events.
    pub drafts: Vec<Draft>,
    /// Who processes them.
    pub mode: Mode,
    /// How long to wait for the results, in milliseconds.
    pub wait_ms: u64,
    /// How the answer looks.
    pub dialect: Dialect,
}

impl PostRequest {
    /// The same as part of a trace. It is no part of what a key stands for: the same post, sent again, may be of another.
    #[must_use]
    pub fn traced(mut self, trace: Option<Trace>) -> Self {
        self.drafts.iter_mut().for_each(|draft| draft.trace = trace);
        self
    }
}

/// How an answer looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `{"user_id","counter","event_id"}`.
    Webhook,
    /// `{"counter_id","value"}`.
    Counter,
    /// `{"account_id","owner","balance","version"}`.
    Account,
    /// A transfer with where it stands.
    Transfer,
    /// A message.
    Message,
    /// `{"with","unread","upto"}`.
    Conversation,
    /// A receipt.
    Event,
    /// An array of receipts.
    Events,
}

/// Reads a request to a route that posts.
///
/// # Errors
/// The problem to answer with. Nothing is stored then.
pub fn read(
    registry: &Registry,
    endpoint: Endpoint,
    params: &Params,
    incoming: &Incoming,
) -> Result<PostRequest, Problem> {
    let Incoming { query, body, headers, .. } = incoming;
    if body.len() > limits::BODY_BYTES {
        return Err(Problem::too_large("the body", body.len(), limits::BODY_BYTES));
    }
    let mut own_key = None;
    let (entity, events, dialect) = match endpoint {
        Endpoint::Webhook => webhook(query, body)?,
        Endpoint::Increment => {
            Query::read(query, &[])?;
            let Increment { amount } = object(body)?.unwrap_or(Increment { amount: 1 });
            (counter_id(params.get("id"))?, vec![increment(amount)], Dialect::Counter)
        }
        Endpoint::Bank(banking) => {
            Query::read(query, &[])?;
            bank::read(banking, params.get("id"), body)?
        }
        Endpoint::Chat(chatting) => {
            Query::read(query, &[])?;
            let Said { user, event, key, dialect } = chat::read(chatting, params, body)?;
            own_key = key;
            (user, vec![event], dialect)
        }
        _ => {
            Query::read(query, &[])?;
            let kind = known(registry, params.get("kind"))?;
            let (events, dialect) = events(body)?;
            (EntityId::new(kind.name, params.get("id"))?, events, dialect)
        }
    };
    let bodies = bodies(known(registry, entity.kind())?, &entity, &events, dialect)?;
    let stored = bodies.iter().map(String::len).sum();
    if stored > limits::BODY_BYTES {
        return Err(Problem::too_large("the post, with its defaults filled in,", stored, limits::BODY_BYTES));
    }
    let key = one_key(idempotency_key(headers)?, own_key)?;
    let prefer = prefer(headers)?;
    let default_wait = match dialect {
        Dialect::Event | Dialect::Events => 0,
        _ if prefer.mode == Mode::Inline => limits::DIALECT_WAIT_MS,
        _ => 0,
    };
    let wait_ms = prefer.wait_ms.unwrap_or(default_wait);
    Ok(PostRequest { entity, drafts: drafts(bodies, key.as_ref()), mode: prefer.mode, wait_ms, dialect })
}

fn known<'a>(registry: &'a Registry, kind: &str) -> Result<&'a Kind, Problem> {
    let names = || registry.names().collect::<Vec<_>>().join(", ");
    registry.kind(kind).ok_or_else(|| Problem::unknown_kind(kind, &names()))
}

fn counter_id(id: &str) -> Result<EntityId, Problem> {
    Ok(EntityId::new(counter::Counter::KIND, id)?)
}

fn increment(amount: i64) -> Value {
    serde_json::json!({"type": "increment", "amount": amount})
}

/// What `/webhook` takes, from the query or, with POST, from a JSON body.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Webhook {
    user_id: Option<String>,
    delta: Option<i64>,
}

fn webhook(query: &str, body: &[u8]) -> Result<(EntityId, Vec<Value>, Dialect), Problem> {
    let mut webhook: Webhook = object(body)?.unwrap_or_default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let taken = match &*name {
            "user_id" => webhook.user_id.replace(value.into_owned()).is_some(),
            "delta" => webhook.delta.replace(integer("delta", &value)?).is_some(),
            _ => return Err(Problem::invalid(format!("there is no parameter `{name}`; there are user_id and delta"))),
        };
        if taken {
            return Err(Problem::invalid(format!("`{name}` is given more than once")));
        }
    }
    let missing = |name: &str| Problem::invalid(format!("`{name}` is missing: /webhook?user_id=alice&delta=5"));
    let user = webhook.user_id.ok_or_else(|| missing("user_id"))?;
    let delta = webhook.delta.ok_or_else(|| missing("delta"))?;
    let entity = counter_id(&user).map_err(|problem| problem.with("parameter", "user_id"))?;
    Ok((entity, vec![increment(delta)], Dialect::Webhook))
}

fn integer(name: &str, value: &str) -> Result<i64, Problem> {
    value.parse().map_err(|_| {
        let value: String = value.chars().take(40).collect();
        Problem::invalid(format!("`{name}` is `{value}`; it takes an integer from {} to {}", i64::MIN, i64::MAX))
    })
}

/// A JSON body, whatever its Content-Type says; none when it is empty.
fn json<T: DeserializeOwned>(body: &[u8]) -> Result<Option<T>, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let parsed = serde_json::from_slice(body).map(Some);
    parsed.map_err(|error| Problem::invalid(format!("the body is not the JSON that this route takes: {error}")))
}

/// A JSON object; serde would also take an array for a struct.
pub(crate) fn object<T: DeserializeOwned>(body: &[u8]) -> Result<Option<T>, Problem> {
    match json::<Value>(body)? {
        None => Ok(None),
        Some(Value::Object(_)) => json(body),
        Some(_) => Err(Problem::invalid("the body is JSON but no object: {\"name\": value}")),
    }
}

fn events(body: &[u8]) -> Result<(Vec<Value>, Dialect), Problem> {
    match json(body)? {
        None => Err(Problem::invalid("the body is empty; it takes an event, {\"type\": …}, or an array of events")),
        Some(Value::Array(events)) if events.is_empty() || events.len() > limits::POST_EVENTS => {
            let limit = limits::POST_EVENTS;
            Err(Problem::invalid(format!("the array has {} events; it takes 1 to {limit}", events.len())))
        }
        Some(Value::Array(events)) => Ok((events, Dialect::Events)),
        Some(event) => Ok((vec![event], Dialect::Event)),
    }
}

/// The stored form of each event, if the kind understands all of them and outsiders may post them.
fn bodies(kind: &Kind, entity: &EntityId, events: &[Value], dialect: Dialect) -> Result<Vec<String>, Problem> {
    let read = |(index, event): (usize, &Value)| {
        let place = match dialect {
            Dialect::Events => format!("event {index} of the array"),
            _ => "the event".to_owned(),
        };
        if !event.is_object() {
            return Err(Problem::invalid(format!("{place} is no object: {{\"type\": …}}")));
        }
        let parsed = kind.parse(entity, event);
        let parsed =
            parsed.map_err(|error| Problem::invalid(format!("a {} does not take {place}: {error}", kind.name)))?;
        if !parsed.admitted {
            return Err(Problem::not_admitted(kind.name));
        }
        if let Some(rejection) = parsed.refused {
            return Err(Problem::rejected(rejection));
        }
        match parsed.body.len() {
            bytes if bytes > limits::PAYLOAD_BYTES => Err(Problem::too_large(&place, bytes, limits::PAYLOAD_BYTES)),
            _ => Ok(parsed.body),
        }
    };
    events.iter().enumerate().map(read).collect()
}

fn drafts(bodies: Vec<String>, key: Option<&IdempotencyKey>) -> Vec<Draft> {
    let hash = body_hash(bodies.iter().map(String::as_str));
    let draft =
        |(part, body)| Draft { body, keyed: key.map(|key| Keyed::client(key, part, &hash)), from: None, trace: None };
    bodies.into_iter().enumerate().map(draft).collect()
}

/// A message that its client has named is keyed by that name, on the socket too: it can have no other key.
fn one_key(header: Option<IdempotencyKey>, own: Option<IdempotencyKey>) -> Result<Option<IdempotencyKey>, Problem> {
    match (header, own) {
        (Some(header), Some(own)) if header != own => {
            Err(Problem::invalid("`client_id` is the message's idempotency key; leave the Idempotency-Key out"))
        }
        (header, own) => Ok(own.or(header)),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::invalid("there is more than one Idempotency-Key"));
    }
    let text = value.to_str().map_err(|_| Problem::invalid("the Idempotency-Key is not visible ASCII"))?;
    Ok(Some(IdempotencyKey::new(text.trim())?))
}

/// What the client prefers (RFC 7240).
struct Prefer {
    mode: Mode,
    wait_ms: Option<u64>,
}

fn prefer(headers: &HeaderMap) -> Result<Prefer, Problem> {
    let mut prefer = Prefer { mode: Mode::Inline, wait_ms: None };
    for value in headers.get_all("prefer") {
        let text = value.to_str().map_err(|_| Problem::invalid("the Prefer header is not visible ASCII"))?;
        for preference in text.split(',') {
            // Parameters of a preference come after a semicolon; those that we honour have none.
            let preference = preference.split(';').next().unwrap_or_default().trim();
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "respond-async" => prefer.mode = Mode::Detached,
                "wait" => prefer.wait_ms = Some(1000 * seconds(value.trim().trim_matches('"'))?),
                _ => {}
            }
        }
    }
    Ok(prefer)
}

fn seconds(value: &str) -> Result<u64, Problem> {
    let seconds = value.parse().ok().filter(|seconds| *seconds <= limits::WAIT_SECONDS);
    let limit = limits::WAIT_SECONDS;
    seconds.ok_or_else(|| Problem::invalid(format!("Prefer: wait takes a number of seconds from 0 to {limit}")))
}
