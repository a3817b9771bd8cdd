//! The clients: each sends its requests one after the other, repeats those of unknown outcome when they have a key, and
//! tells the oracle what it was told.

use lambda_http::http::Method;
use serde_json::Value;
use shared::envelope::EntityId;

use crate::actor::{Add, Command, Manner};
use crate::audit;
use crate::fault::Fault;
use crate::fleet::{Fleet, Reply};
use crate::history::Asked;
use crate::oracle::Sent;
use crate::world::World;

/// How often a request of unknown outcome is sent in all.
const TRIES: u64 = 5;
/// The longest pause between two requests of a client, in milliseconds.
const PAUSE_MS: u64 = 4_000;

/// The cast of a run.
#[derive(Clone, Debug)]
pub struct Cast {
    /// The entities.
    pub entities: Vec<EntityId>,
    /// How many commands in a hundred are poison.
    pub poison: u64,
}

/// One post.
#[derive(Clone, Debug)]
pub struct Post {
    entity: EntityId,
    commands: Vec<Add>,
    key: Option<String>,
    prefer: Option<&'static str>,
    array: bool,
}

/// One client, with its number; its tokens are its own.
pub async fn session(world: World, fleet: Fleet, cast: Cast, number: u64) {
    for request in 0..1 + world.below(5) {
        world.sleep(world.below(PAUSE_MS)).await;
        if world.happens(20) {
            read(&world, &fleet, &cast).await;
            continue;
        }
        let first = (number * 10 + request + 1) * 100;
        if let Some(post) = draw(&world, &cast, first) {
            send(&world, &fleet, post).await;
        }
    }
}

/// One of a list, if there is any.
fn pick<'a, T>(world: &World, list: &'a [T]) -> Option<&'a T> {
    list.get(usize::try_from(world.below(list.len() as u64)).unwrap_or_default())
}

fn draw(world: &World, cast: &Cast, first: u64) -> Option<Post> {
    let array = world.happens(25);
    let count = if array { 1 + world.below(3) } else { 1 };
    let commands = (first..first + count).map(|token| command(world, cast, token)).collect();
    Some(Post {
        entity: pick(world, &cast.entities)?.clone(),
        commands,
        key: world.happens(60).then(|| format!("key-{first}")),
        prefer: pick(world, &[None, None, Some("respond-async"), Some("wait=5")]).copied().flatten(),
        array,
    })
}

fn command(world: &World, cast: &Cast, token: u64) -> Add {
    let manner = manner(world, cast);
    let told = if world.happens(25) { 1 + world.below(3) } else { 0 };
    let tell = (0..told).filter_map(|_| pick(world, &cast.entities).cloned()).collect();
    let file = world.happens(15).then(|| format!("file-{}", world.below(2)));
    Add { token, manner, tell, file, push: world.happens(10) }
}

fn manner(world: &World, cast: &Cast) -> Manner {
    if world.strikes(Fault::Deadly) {
        return Manner::Deadly;
    }
    if !world.happens(cast.poison) {
        return Manner::Applied;
    }
    pick(world, &[Manner::Idle, Manner::Refused, Manner::Faulty, Manner::Panicking]).copied().unwrap_or(Manner::Refused)
}

impl Post {
    fn tokens(&self) -> Vec<u64> {
        self.commands.iter().map(|command| command.token).collect()
    }

    fn body(&self) -> String {
        let commands: Vec<Command> = self.commands.iter().cloned().map(Command::Add).collect();
        let text = match (self.array, commands.first()) {
            (false, Some(command)) => serde_json::to_string(command),
            _ => serde_json::to_string(&commands),
        };
        // Commands consist of what JSON can hold.
        text.unwrap_or_default()
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        let key = self.key.iter().map(|key| ("idempotency-key", key.clone()));
        key.chain(self.prefer.map(|prefer| ("prefer", prefer.to_owned()))).collect()
    }

    fn announce(&self, world: &World) {
        for command in &self.commands {
            let sent = Sent {
                pk: self.entity.to_string(),
                add: command.clone(),
                acknowledged: false,
                refused: false,
                event: None,
            };
            world.oracle(|oracle| oracle.sent.insert(command.token, sent));
        }
    }
}

/// Sends a post, and again as long as its outcome is unknown and it has a key.
async fn send(world: &World, fleet: &Fleet, post: Post) {
    post.announce(world);
    let from = world.now();
    for attempt in 0..TRIES {
        world.tell(|| format!("client posts {:?} to {}, try {attempt}", post.tokens(), post.entity));
        let path = format!("/entities/{}/events", post.entity);
        let reply = fleet.call(Method::POST, &path, &post.headers(), post.body()).await;
        world.tell(|| format!("client of {:?} gets {reply:?}", post.tokens()));
        let known = reply.is_some_and(|reply| answered(world, &post, &reply, from, attempt == 0));
        if known && post.key.is_some() {
            world.oracle(|oracle| {
                let stored =
                    post.tokens().iter().all(|token| oracle.sent.get(token).is_some_and(|sent| sent.acknowledged));
                oracle.keyed.extend(stored.then(|| post.clone()));
            });
        }
        if known || post.key.is_none() {
            break;
        }
        world.sleep(world.below(PAUSE_MS)).await;
    }
    if world.happens(40) {
        follow_up(world, fleet, &post).await;
    }
}

/// Takes an answer to the oracle; says whether the outcome is known by it.
fn answered(world: &World, post: &Post, reply: &Reply, from: u64, first: bool) -> bool {
    let tokens = post.tokens();
    match reply.status {
        200 | 202 if post.array => {
            let receipts = reply.body.as_array().cloned().unwrap_or_default();
            if receipts.len() != tokens.len() {
                world.oracle(|oracle| oracle.violated(format!("{tokens:?} got {} receipts", receipts.len())));
            }
            world.oracle(|oracle| oracle.acknowledged(&tokens));
            tokens.iter().zip(&receipts).for_each(|(token, receipt)| receipted(world, post, *token, receipt, from));
            true
        }
        200 | 202 => {
            world.oracle(|oracle| oracle.acknowledged(&tokens));
            tokens.iter().for_each(|token| receipted(world, post, *token, &reply.body, from));
            true
        }
        409 | 500 if reply.body.get("event_id").is_some() => {
            world.oracle(|oracle| {
                oracle.acknowledged(&tokens);
                if reply.status == 500 {
                    tokens.iter().for_each(|token| oracle.died(*token));
                }
            });
            true
        }
        429 => {
            // Only the first try says that nothing is stored: an earlier one may have been.
            if first {
                world.oracle(|oracle| oracle.refused(&tokens));
            }
            first
        }
        503 => false,
        status => {
            world.oracle(|oracle| oracle.violated(format!("{tokens:?} got {status}: {}", reply.body)));
            true
        }
    }
}

fn receipted(world: &World, post: &Post, token: u64, receipt: &Value, from: u64) {
    let event = receipt.get("event_id").and_then(Value::as_str).map(str::to_owned);
    let place = receipt.pointer("/reply/place").and_then(Value::as_u64);
    let until = world.now();
    world.oracle(|oracle| {
        if let Some(sent) = oracle.sent.get_mut(&token) {
            sent.event = event;
        }
        if receipt.get("status").and_then(Value::as_str) == Some("dead") {
            oracle.died(token);
        }
        if let Some(place) = place {
            oracle.placed(token, place);
            let history = oracle.histories.entry(post.entity.to_string()).or_default();
            history.adds.push(Asked { token, from, until: Some(until), answer: Some(place) });
        }
    });
}

/// Asks for the events that the client holds: they are known for ever.
async fn follow_up(world: &World, fleet: &Fleet, post: &Post) {
    world.sleep(world.below(PAUSE_MS)).await;
    for token in post.tokens() {
        check_event(world, fleet, &post.entity, token).await;
    }
}

/// Asks where an event stands, if the client was told which one it is.
pub async fn check_event(world: &World, fleet: &Fleet, entity: &EntityId, token: u64) {
    let Some(event) = world.oracle(|oracle| oracle.sent.get(&token).and_then(|sent| sent.event.clone())) else {
        return;
    };
    let path = format!("/entities/{entity}/events/{event}");
    let Some(reply) = fleet.call(Method::GET, &path, &[], String::new()).await else {
        return;
    };
    let status = reply.body.get("status").and_then(Value::as_str).unwrap_or_default();
    let place = reply.body.pointer("/reply/place").and_then(Value::as_u64);
    world.oracle(|oracle| match (reply.status, status) {
        (200, "queued" | "processed") => place.into_iter().for_each(|place| oracle.placed(token, place)),
        (200, "dead") => oracle.died(token),
        (503, _) => {}
        (status, _) => oracle.violated(format!("event {event} of {token} got {status}: {}", reply.body)),
    });
}

/// Reads an entity.
async fn read(world: &World, fleet: &Fleet, cast: &Cast) {
    let Some(entity) = pick(world, &cast.entities) else {
        return;
    };
    if audit::has_journal(entity) && world.happens(50) {
        audit::begin(world, entity);
    }
    let from = world.now();
    let Some(reply) = fleet.call(Method::GET, &format!("/entities/{entity}"), &[], String::new()).await else {
        return;
    };
    let entries = reply.body.pointer("/state/entries").or_else(|| reply.body.pointer("/state/state/entries"));
    let entries = entries.and_then(Value::as_array).map(|entries| entries.len() as u64);
    let length = match reply.status {
        200 => entries.unwrap_or_default(),
        404 => 0,
        _ => return,
    };
    let until = Some(world.now());
    let read = Asked { token: 0, from, until, answer: Some(length) };
    world.oracle(|oracle| oracle.histories.entry(entity.to_string()).or_default().reads.push(read));
}

/// Posts again what has a key and was applied: it must have no effect, and get the answer of the first time.
pub async fn replay(world: World, fleet: Fleet, post: Post) {
    let tokens = post.tokens();
    let before = world.oracle(|oracle| oracle.applied());
    let path = format!("/entities/{}/events", post.entity);
    // The answer must not depend on who is asked, nor on how long it is waited for.
    let Some(reply) = fleet.call(Method::POST, &path, &post.headers(), post.body()).await else {
        return world.oracle(|oracle| oracle.violated(format!("the replay of {tokens:?} got no answer")));
    };
    let receipts = reply.body.as_array().cloned().unwrap_or_else(|| vec![reply.body.clone()]);
    world.oracle(|oracle| {
        if oracle.applied() != before {
            oracle.violated(format!("the replay of {tokens:?} had an effect"));
        }
        for (token, receipt) in tokens.iter().zip(&receipts) {
            if let Some(place) = receipt.pointer("/reply/place").and_then(Value::as_u64) {
                oracle.placed(*token, place);
            }
        }
        if reply.status == 200 && !post.array && !reply.replayed {
            oracle.violated(format!("the replay of {tokens:?} is not marked as one: {reply:?}"));
        }
    });
}
