//! The whole stack on a network that fails: concurrent clients post through the real handlers, the real SDK and a real
//! DynamoDB engine, while replies are lost and late, connections break, and DynamoDB throttles. Then everything that
//! was acknowledged is compared with everything that is there.
//!
//! A longer run, and one that begins as another did:
//! `LEASEBOX_CALLS=500000 LEASEBOX_SEED=7 cargo test --workspace --lib -- --nocapture stack::`.
//! The seed decides what befalls the n-th request and what each client posts; which request is the n-th, the scheduler
//! decides.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use shared::envelope::{EntityId, Millis};
use shared::host::ReadHost;
use shared::limits::{Direct, FINISH_MS, FUNCTION_TIMEOUT_MS, Settings};
use shared::wake::Wake;

use crate::chance::{Chance, seed};
use crate::connector::{Operation, Wire, faults};
use crate::ledger::{ledger, registry, tell, write};
use crate::problems::problem;
use crate::world::{Reply, World, entity};

/// Store calls, unless `LEASEBOX_CALLS` says otherwise: a portion beside all other tests, `.ci/proof` makes 20,000.
const CALLS: u64 = 4_000;
/// Requests with each kind of fault among so many calls, at the least.
const EACH_FAULT: usize = 30;
/// Of so many requests each fault befalls one.
const ONE_OF: usize = 64;
/// Time for one attempt: short, so that what is late is soon over.
const ATTEMPT: Duration = Duration::from_millis(500);
/// Concurrent clients.
const CLIENTS: usize = 48;
/// The same on a database outside this process: DynamoDB Local takes a few dozen calls a second beside other work, and
/// what is late there without the test's doing only adds to its queue. There it takes many minutes, so `.ci/run` leaves
/// it out where it runs the tests on DynamoDB Local.
const OUTSIDE: (u64, Duration, usize) = (600, Duration::from_millis(1_500), 12);
/// Ledgers and counters at a time; after so many posts of a client it turns to new ones.
const LEDGERS: usize = 40;
const COUNTERS: usize = 12;
const GENERATION: usize = 60;

/// What became of a post, as its client knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Stored,
    Refused,
    Unknown,
}

/// One entry that a client wrote.
#[derive(Debug)]
struct Entry {
    to: EntityId,
    text: String,
    effects: Vec<(EntityId, String)>,
    told: Told,
}

/// What one client did, in order.
#[derive(Debug, Default)]
struct Log {
    entries: Vec<Entry>,
    /// To which counter, how much, and what it was told.
    amounts: Vec<(EntityId, i64, Told)>,
    /// Invocations that were ended before they answered.
    killed: u64,
}

struct Client {
    world: Arc<World>,
    name: usize,
    chance: Chance,
    log: Log,
}

impl Client {
    async fn run(mut self, enough: Arc<dyn Fn() -> bool + Send + Sync>) -> Log {
        for number in 0.. {
            if enough() {
                break;
            }
            match self.chance.below(4) {
                0 => self.count(number).await,
                _ => self.write(number).await,
            }
        }
        self.log
    }

    async fn count(&mut self, number: usize) {
        let keyed = self.chance.below(2) == 0;
        let counter =
            format!("{}-{}-{}", number / GENERATION, self.chance.below(COUNTERS), if keyed { "k" } else { "o" });
        let amount = 1 + i64::try_from(self.chance.below(9)).unwrap();
        let (method, path, body) = match keyed || self.chance.below(2) == 0 {
            true => {
                ("POST", format!("/entities/counter/{counter}/events"), json!({"type": "increment", "amount": amount}))
            }
            false => ("GET", format!("/webhook?user_id={counter}&delta={amount}"), Value::Null),
        };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let told = self.send(method, &path, &body, number, keyed).await;
        self.log.amounts.push((entity("counter", &counter), amount, told));
    }

    async fn write(&mut self, number: usize) {
        let to = self.ledger(number);
        let events = self.chance.of(&[1, 1, 1, 3]);
        let (mut bodies, mut entries) = (Vec::new(), Vec::new());
        for event in 0..events {
            let text = format!("{}.{number}.{event}", self.name);
            let told = self.chance.of(&[0, 0, 0, 1, 2]);
            let effects: Vec<_> = (0..told).map(|index| (self.ledger(number), format!("{text}>{index}"))).collect();
            let tells: Vec<_> = effects.iter().map(|(to, text)| (to, write(text))).collect();
            bodies.push(tell(&text, &tells));
            entries.push(Entry { to: to.clone(), text, effects, told: Told::Unknown });
        }
        let body = if events == 1 { bodies[0].to_string() } else { json!(bodies).to_string() };
        let keyed = self.chance.below(2) == 0;
        let told = self.send("POST", &format!("/entities/{to}/events"), &body, number, keyed).await;
        self.log.entries.extend(entries.into_iter().map(|entry| Entry { told, ..entry }));
    }

    fn ledger(&mut self, number: usize) -> EntityId {
        ledger(&format!("{}-{}", number / GENERATION, self.chance.below(LEDGERS)))
    }

    /// Posts; with a key, again and again until it is acknowledged.
    async fn send(&mut self, method: &str, path: &str, body: &str, number: usize, keyed: bool) -> Told {
        let key = format!("{}-{number}", self.name);
        let mut headers = Vec::from_iter(keyed.then_some(("idempotency-key", key.as_str())));
        if self.chance.below(3) == 0 {
            headers.push(("prefer", "respond-async"));
        }
        loop {
            // Some invocations have hardly time for a second try, and some end in the middle of whatever they do.
            let ms = self.chance.of(&[FUNCTION_TIMEOUT_MS, FUNCTION_TIMEOUT_MS, FUNCTION_TIMEOUT_MS, FINISH_MS + 100]);
            let life = if self.chance.below(50) == 0 { self.chance.next() % 200 } else { 2 * FUNCTION_TIMEOUT_MS };
            let deadline = self.world.host.now().plus(ms);
            let answer = self.world.http_until(deadline, method, path, &headers, body);
            let told = match tokio::time::timeout(Duration::from_millis(life), answer).await {
                Ok(reply) => told(&reply),
                Err(_) => {
                    self.log.killed += 1;
                    Told::Unknown
                }
            };
            if told == Told::Stored || !keyed {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn told(reply: &Reply) -> Told {
    match reply.status {
        200 | 202 => {
            for receipt in reply.body.as_array().into_iter().flatten() {
                assert!(["processed", "queued"].contains(&receipt["status"].as_str().unwrap()), "{reply:?}");
            }
            Told::Stored
        }
        429 => Told::Refused,
        503 => {
            assert_eq!(problem(reply), "outcome-unknown", "{reply:?}");
            Told::Unknown
        }
        other => panic!("{other}: {reply:?}"),
    }
}

/// The event source mapping and the delayed queue, in front of one process.
pub struct Feed {
    world: Arc<World>,
    wakes: Vec<(Wake, Millis)>,
    chance: Chance,
}

impl Feed {
    pub fn new(world: Arc<World>, chance: Chance) -> Self {
        Self { world, wakes: Vec::new(), chance }
    }

    /// Delivers what there is and what is due; says whether there was anything.
    async fn step(&mut self) -> bool {
        let mut records = self.world.records.take();
        let rest = records.split_off(records.len().min(50));
        self.world.records.put_back(&rest);
        for batch in records.chunks(25) {
            self.deliver(batch).await;
            if self.chance.below(16) == 0 {
                // At least once means that it may be twice.
                self.deliver(batch).await;
            }
        }
        let now = self.world.host.now();
        self.wakes.extend(self.world.wakes.take().into_iter().map(|(wake, delay)| (wake, now.plus(delay))));
        let (due, later) = std::mem::take(&mut self.wakes).into_iter().partition(|(_, due)| *due <= now);
        self.wakes = later;
        let due: Vec<(Wake, Millis)> = due;
        for (wake, at) in &due {
            if !all_done(&self.world.wake(wake).await) {
                self.wakes.push((wake.clone(), *at));
            }
        }
        !records.is_empty() || !due.is_empty()
    }

    /// What was not done is delivered again, with everything after it.
    async fn deliver(&self, batch: &[EntityId]) {
        let answer = self.world.stream(&batch.iter().collect::<Vec<_>>()).await;
        let failed = answer["batchItemFailures"].as_array().unwrap();
        let index = |failure: &Value| failure["itemIdentifier"].as_str().unwrap().parse::<usize>().unwrap() - 100;
        if let Some(first) = failed.iter().map(index).min() {
            self.world.records.put_back(&batch[first..]);
        }
    }

    /// Delivers until it is told that the test is done.
    pub async fn run(mut self, done: Arc<AtomicBool>) -> Self {
        while !done.load(Ordering::Relaxed) {
            if !self.step().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        self
    }

    /// Until there is nothing any more, and nothing that is due some time.
    pub async fn finish(&mut self) {
        loop {
            if self.step().await {
                continue;
            }
            let now = self.world.host.now();
            match self.wakes.iter().map(|(_, due)| *due).min() {
                Some(due) => self.world.advance(due.since(now)),
                None if self.world.wakes.is_empty() && self.world.records.is_empty() => return,
                None => {}
            }
        }
    }
}

fn all_done(answer: &Value) -> bool {
    answer["batchItemFailures"].as_array().unwrap().is_empty()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_reordered_however_the_network_fails() {
    run(Direct::Off).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_reordered_on_the_direct_path_either() {
    run(Direct::On).await;
}

async fn run(direct: Direct) {
    let (seed, began) = (seed("LEASEBOX_SEED"), std::time::Instant::now());
    let outside = std::env::var("DYNAMODB_ENDPOINT").is_ok();
    let (least, attempt, clients) = if outside { OUTSIDE } else { (CALLS, ATTEMPT, CLIENTS) };
    let least = std::env::var("LEASEBOX_CALLS").map_or(least, |calls| calls.parse().unwrap());
    println!("LEASEBOX_SEED={seed} LEASEBOX_CALLS={least}");
    let mut chance = Chance::new(seed);
    let wire = Wire::new(attempt);
    let settings = Settings { lease_ms: 5_000, margin_ms: 500, direct, ..Settings::default() };
    let one = Arc::new(World::wired(&wire, registry(), settings).await);
    let two = Arc::new(one.other());
    let worlds = [&one, &two];
    wire.roll(Chance::new(chance.next()), ONE_OF);

    let calls = {
        let worlds = worlds.map(Arc::clone);
        move || worlds.iter().map(|world| u64::from(world.faults.calls())).sum::<u64>()
    };
    let enough: Arc<dyn Fn() -> bool + Send + Sync> = {
        let calls = calls.clone();
        Arc::new(move || calls() >= least)
    };
    let done = Arc::new(AtomicBool::new(false));
    let feeds = worlds.map(|world| {
        let feed = Feed::new(Arc::clone(world), Chance::new(chance.next()));
        tokio::spawn(feed.run(Arc::clone(&done)))
    });
    let clients = (0..clients).map(|name| {
        let world = Arc::clone(worlds[name % 2]);
        let client = Client { world, name, chance: Chance::new(chance.next()), log: Log::default() };
        tokio::spawn(client.run(Arc::clone(&enough)))
    });
    let logs: Vec<Log> = join_all(clients.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect();
    let (called, requests) = (calls(), wire.requests());
    done.store(true, Ordering::Relaxed);
    let mut feeds = join_all(feeds).await.into_iter().map(Result::unwrap);
    let (mut feed, other) = (feeds.next().unwrap(), feeds.next().unwrap());
    feed.wakes.extend(other.wakes);
    let now = two.host.now();
    feed.wakes.extend(two.wakes.take().into_iter().map(|(wake, delay)| (wake, now.plus(delay))));
    wire.calm().await;
    feed.finish().await;

    let entries = compare_ledgers(&one, &logs).await;
    let amounts = compare_counters(&one, &logs).await;
    let killed: u64 = logs.iter().map(|log| log.killed).sum();
    let faults = faults();
    let met: Vec<String> = faults.iter().map(|(fault, name)| format!("{name} {}", wire.met(*fault))).collect();
    println!(
        "{direct:?}: calls {called}, requests {requests}, {}, invocations killed {killed}; {entries}; {amounts}; {} s, LEASEBOX_SEED={seed}",
        met.join(", "),
        began.elapsed().as_secs()
    );
    assert!(called >= least);
    for (fault, name) in faults {
        assert!(
            wire.met(fault) > if outside { 0 } else { EACH_FAULT * (called / CALLS) as usize },
            "{name}: {}",
            wire.met(fault)
        );
        for operation in [Operation::Read, Operation::Update, Operation::Transaction] {
            assert!(outside || wire.met_by(operation, fault) > 0, "no {operation:?} met {name}");
        }
    }
}

/// Compares what the ledgers hold with what their clients were told, and brings a summary.
async fn compare_ledgers(world: &World, logs: &[Log]) -> String {
    let written: HashMap<&str, &Entry> =
        logs.iter().flat_map(|log| &log.entries).map(|entry| (entry.text.as_str(), entry)).collect();
    let receivers = written.values().flat_map(|entry| entry.effects.iter().map(|(to, _)| to));
    let ledgers: BTreeSet<&EntityId> = written.values().map(|entry| &entry.to).chain(receivers).collect();
    let mut held: BTreeMap<&EntityId, Vec<String>> = BTreeMap::new();
    for id in ledgers {
        if world.item(shared::table::mailbox_key(id)).await.is_some() {
            world.idle(id).await;
            held.insert(id, world.entries(id).await);
        }
    }
    // Where each entry is; none may be there twice.
    let mut places: HashMap<&str, (&EntityId, usize)> = HashMap::new();
    for (id, entries) in &held {
        for (place, text) in entries.iter().enumerate() {
            assert_eq!(places.insert(text, (id, place)), None, "{text} is there twice");
        }
    }
    let mut counts = [0_u64; 3];
    for log in logs {
        let mut last: HashMap<&EntityId, usize> = HashMap::new();
        for Entry { to, text, told, .. } in &log.entries {
            counts[*told as usize] += 1;
            let place = places.get(text.as_str());
            assert!(place.is_none_or(|(id, _)| *id == to), "{text} is elsewhere");
            match told {
                Told::Stored => {
                    let (_, place) = place.unwrap_or_else(|| panic!("{text} was acknowledged and is not in {to}"));
                    assert!(last.insert(to, *place) < Some(*place), "{text} is out of order");
                }
                Told::Refused => assert_eq!(place, None, "{text} was refused as if nothing were stored"),
                Told::Unknown => {}
            }
        }
    }
    // The effects of whatever was applied: each once, in the order of their sender, and nothing else.
    let mut effects: HashMap<(&EntityId, &EntityId), Vec<&str>> = HashMap::new();
    for (id, entries) in &held {
        for entry in entries.iter().filter_map(|text| written.get(text.as_str())) {
            for (to, text) in &entry.effects {
                effects.entry((id, to)).or_default().push(text);
            }
        }
    }
    let mut there: HashMap<(&EntityId, &EntityId), Vec<&str>> = HashMap::new();
    for (id, entries) in &held {
        for text in entries.iter().filter(|text| !written.contains_key(text.as_str())) {
            let (cause, _) = text.split_once('>').unwrap_or_else(|| panic!("nobody wrote {text}"));
            there.entry((&written[cause].to, id)).or_default().push(text);
        }
    }
    let told = effects.values().map(Vec::len).sum::<usize>();
    assert_eq!(there, effects);
    let [stored, refused, unknown] = counts;
    format!(
        "entries acknowledged {stored}, refused {refused}, unknown {unknown}, effects {told}, ledgers {}",
        held.len()
    )
}

/// Compares the counters' values with what their clients were told, and brings a summary.
async fn compare_counters(world: &World, logs: &[Log]) -> String {
    let mut sums: BTreeMap<&EntityId, (i64, i64)> = BTreeMap::new();
    for (counter, amount, told) in logs.iter().flat_map(|log| &log.amounts) {
        let (least, most) = sums.entry(counter).or_default();
        *least += if *told == Told::Stored { *amount } else { 0 };
        *most += if *told == Told::Refused { 0 } else { *amount };
    }
    let unsure = sums.values().filter(|(least, most)| least != most).count();
    for (counter, (least, most)) in &sums {
        if *most == 0 {
            continue;
        }
        let value = world.get(&format!("/counter/{}", counter.id())).await.body["value"].as_i64().unwrap_or_default();
        assert!((*least..=*most).contains(&value), "{counter}: {value} is not in {least}..={most}");
        assert!(!counter.id().ends_with('k') || least == most, "{counter}: a keyed post ends acknowledged");
    }
    format!("counters {}, of which {} exact", sums.len(), sums.len() - unsure)
}
