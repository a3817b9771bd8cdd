//! From a request to what is posted. Everything is checked here, before anything is stored.

use lambda_http::http::HeaderMap;
use serde_json::Value;
use shared::client::Mode;
use shared::envelope::{Draft, EntityId, IdempotencyKey, Keyed, body_hash};
use shared::limits;
use shared::registry::{Kind, Registry};
use web::post::{Posting, Told};
use web::problem::Problem;
use web::reading::known;
use web::request::Request;

/// What is posted for a request.
#[derive(Debug)]
pub struct Plan {
    /// The entity that receives the events.
    pub entity: EntityId,
    /// The events to be posted, in order.
    pub drafts: Vec<Draft>,
    /// Whether this invocation processes them, or `drain` later.
    pub mode: Mode,
    /// How long to wait for the results, in milliseconds.
    pub wait_ms: u64,
}

/// What is to be posted for a request, by what its route says and what its headers prefer.
///
/// # Errors
/// The problem to answer with. Nothing is stored then.
pub fn plan(registry: &Registry, request: &Request, posting: Posting) -> Result<(Plan, Told), Problem> {
    let Posting { entity, events, key: own_key, told } = posting;
    let bodies = bodies(known(registry, entity.kind())?, &entity, &events, &told)?;
    let stored = bodies.iter().map(String::len).sum();
    if stored > limits::BODY_BYTES {
        return Err(Problem::too_large("the post, with its defaults filled in,", stored, limits::BODY_BYTES));
    }
    let key = one_key(idempotency_key(&request.headers)?, own_key)?;
    let prefer = prefer(&request.headers)?;
    let default_wait = match told {
        Told::Receipt | Told::Receipts => 0,
        Told::Reply(_) | Told::Own(_) if prefer.mode == Mode::Inline => limits::DIALECT_WAIT_MS,
        Told::Reply(_) | Told::Own(_) => 0,
    };
    let wait_ms = prefer.wait_ms.unwrap_or(default_wait);
    let mut drafts = drafts(bodies, key.as_ref());
    // A trace is no part of what a key stands for: the same post, sent again, may be of another.
    drafts.iter_mut().for_each(|draft| draft.trace = request.trace);
    Ok((Plan { entity, drafts, mode: prefer.mode, wait_ms }, told))
}

/// The stored form of each event, if the kind understands all of them and outsiders may post them.
fn bodies(kind: &Kind, entity: &EntityId, events: &[Value], told: &Told) -> Result<Vec<String>, Problem> {
    let read = |(index, event): (usize, &Value)| {
        let place = match told {
            Told::Receipts => format!("event {index} of the array"),
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
