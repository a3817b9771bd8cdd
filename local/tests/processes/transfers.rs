//! A thousand transfers between two servers of which one is killed: at no time is there more money or less.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use kinds::account::Command;
use local::connect::{Identity, connect};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use shared::client::{Client as Poster, Mode, Submission};
use shared::envelope::{Draft, EntityId, EventId, IdempotencyKey, Keyed, body_hash};
use shared::host::ReadHost;
use shared::limits::{self, Settings};
use shared::live::{Clock, Live};
use shared::push::Pushes;
use shared::store::dynamodb::DynamoDb;

use crate::answer::get;
use crate::database::Shared;
use crate::increment::{BOUND, reached};
use crate::ring::{Balances, Ring};

const ACCOUNTS: usize = 20;
const INITIAL: u64 = 1_000;
const TRANSFERS: usize = 1_000;
const CLIENTS: usize = 32;
/// The account that is never opened: what is sent to it comes back.
const CLOSED: &str = "closed";
/// How long one transfer may take with all repetitions, on a busy machine and with a kill in between.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many snapshots are taken at least while money moves.
const SNAPSHOTS: usize = 50;

/// One transfer as its client sees it.
#[derive(Clone, Debug)]
struct Order {
    key: String,
    from: String,
    to: String,
    amount: u64,
    /// How often it was posted.
    posts: u32,
}

/// How the payer has decided.
#[derive(Debug, PartialEq, Eq)]
enum Decided {
    Accepted { id: String },
    Rejected,
}

/// Where the servers are: the killed one makes room for another.
struct Servers(Mutex<[String; 2]>);

impl Servers {
    fn url(&self, index: usize) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[index % 2].clone()
    }
}

fn account(index: usize) -> String {
    format!("ring-{}", index % ACCOUNTS)
}

fn orders(random: &mut StdRng) -> Vec<Order> {
    let order = |index: usize| {
        let from = random.random_range(0..ACCOUNTS);
        // Round the ring, and now and then to where no account is.
        let to = if random.random_bool(0.05) { CLOSED.to_owned() } else { account(from + random.random_range(1..=3)) };
        let amount = random.random_range(1..=400);
        Order { key: format!("order-{index}"), from: account(from), to, amount, posts: 0 }
    };
    (0..TRANSFERS).map(order).collect()
}

impl Order {
    /// Posts it, at the other server when one does not answer, until the payer is known to have it or to have refused it.
    async fn post(&mut self, http: &Client, servers: &Servers, first: usize) -> Decided {
        let end = Instant::now() + PATIENCE;
        for server in first.. {
            assert!(Instant::now() < end, "not decided within {PATIENCE:?}: {self:?}");
            self.posts += 1;
            let request = http.post(format!("{}/transfers", servers.url(server))).header("idempotency-key", &self.key);
            let body = json!({"from": self.from, "to": self.to, "amount": self.amount});
            let Ok(answer) = request.json(&body).send().await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let status = answer.status();
            let Ok(answer) = answer.json::<Value>().await else {
                continue;
            };
            match status {
                StatusCode::OK | StatusCode::ACCEPTED => match answer["status"].as_str().unwrap() {
                    // Only once it is processed it is certain which of its posts counts.
                    "queued" => {}
                    "debited" | "completed" | "refunding" | "refunded" => {
                        return Decided::Accepted { id: answer["transfer_id"].as_str().unwrap().to_owned() };
                    }
                    other => panic!("{other}: {answer}"),
                },
                StatusCode::UNPROCESSABLE_ENTITY => {
                    assert!(answer["type"].as_str().unwrap().ends_with("insufficient-funds"), "{answer}");
                    return Decided::Rejected;
                }
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {}
                status => panic!("{status} to {self:?}: {answer}"),
            }
        }
        unreachable!("there is always another server");
    }
}

/// What the journals say of one transfer.
#[derive(Debug, Default, PartialEq, Eq)]
struct Moved {
    /// The account and the amount of each debit.
    debits: Vec<(String, u64)>,
    /// The same of each credit, a refund included.
    credits: Vec<(String, u64)>,
}

/// Every transfer by its id, from the journals of all accounts, which are verified on the way.
async fn journals(http: &Client, url: &str) -> BTreeMap<String, Moved> {
    let mut moved = BTreeMap::<String, Moved>::new();
    for account in (0..ACCOUNTS).map(account) {
        let mut next = Some(1);
        while let Some(from) = next {
            let page = get(http, &format!("{url}/accounts/{account}/events?from={from}&limit=25")).await;
            for event in page["items"].as_array().unwrap() {
                let payload = &event["payload"];
                let Some(id) = payload["transfer"]["id"].as_str() else {
                    assert_eq!(event["type"], "AccountOpened");
                    continue;
                };
                let of = moved.entry(id.to_owned()).or_default();
                let side = if event["type"] == "MoneyWithdrawn" { &mut of.debits } else { &mut of.credits };
                side.push((account.clone(), payload["amount"].as_u64().unwrap()));
            }
            next = page["next"].as_u64();
        }
        let verified = get(http, &format!("{url}/accounts/{account}/verify")).await;
        assert_eq!(verified["consistent"], true, "{verified}");
    }
    moved
}

/// What the snapshots have seen.
#[derive(Debug, Default)]
struct Seen {
    snapshots: usize,
    /// How many of them had money on its way.
    flying: usize,
    /// The most transfers on their way in one.
    most: usize,
    /// How often too much was on its way for one transaction.
    crowded: usize,
}

impl Seen {
    async fn look(&mut self, ring: &Ring) -> Option<Balances> {
        let Some(balances) = ring.balances().await else {
            self.crowded += 1;
            return None;
        };
        assert_eq!(balances.total(), ACCOUNTS as u64 * INITIAL, "{balances:?}");
        self.snapshots += 1;
        self.flying += usize::from(!balances.flying.is_empty());
        self.most = self.most.max(balances.flying.len());
        Some(balances)
    }
}

/// How far the load and those who watch it have come.
#[derive(Default)]
struct Pace {
    decided: AtomicUsize,
    looks: AtomicUsize,
    over: AtomicBool,
}

impl Pace {
    /// Where a snapshot is slow, the load waits for it: the number of snapshots is no matter of the machine.
    async fn keep(&self) {
        while self.decided.load(Ordering::Relaxed) * SNAPSHOTS > (self.looks.load(Ordering::Relaxed) + 1) * TRANSFERS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Looks until the load is over.
    async fn watch(&self, ring: &Ring) -> Seen {
        let mut seen = Seen::default();
        while !self.over.load(Ordering::Relaxed) {
            seen.look(ring).await;
            self.looks.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        seen
    }
}

struct World {
    ring: Ring,
    shared: Shared,
}

impl World {
    async fn new() -> Self {
        let shared = Shared::new("transfers").await;
        let client = connect(&shared.endpoint, Identity::Anyone).await.clients.dynamodb;
        let names = (0..ACCOUNTS).map(account).chain([CLOSED.to_owned()]);
        let accounts = names.map(|id| EntityId::new("account", &id).unwrap()).collect();
        Self { ring: Ring { client, table: shared.table.clone(), accounts }, shared }
    }
}

/// Posts to an account what no process is there to run, and brings the event.
async fn queue(world: &World, from: &EntityId, command: &Command, key: &str) -> EventId {
    let config = connect(&world.shared.endpoint, Identity::Anyone).await.config;
    let store = DynamoDb::new(&config, &world.ring.table);
    let host = Live::new(
        store,
        kinds::app().service().unwrap().registry,
        Settings::default(),
        Pushes::Nowhere,
        Clock::machine(),
    );
    let body = serde_json::to_string(command).unwrap();
    let keyed = Keyed::client(&IdempotencyKey::new(key).unwrap(), 0, &body_hash([body.as_str()]));
    let drafts = [Draft { body, keyed: Some(keyed), from: None, trace: None }];
    let deadline = host.now().plus(limits::FUNCTION_TIMEOUT_MS);
    let submission = Submission { entity: from, drafts: &drafts, mode: Mode::Detached, wait_ms: 0, deadline };
    Poster::new(host).submit(submission).await.unwrap()[0].event
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_that_waited_beside_the_first_leads_to_the_same_transfer() {
    let (world, http) = (World::new().await, Client::new());
    local::table::ensure(&world.ring.client, &world.ring.table).await.unwrap();
    let [from, to, ..] = world.ring.accounts.as_slice() else {
        panic!("a ring has more");
    };
    for account in [from, to] {
        let command = Command::Open { owner: account.id().to_owned(), initial_balance: 100 };
        queue(&world, account, &command, "open").await;
    }
    let command = Command::Transfer { to: to.id().to_owned(), amount: 30 };
    let mut events = Vec::new();
    for _ in 0..2 {
        events.push(queue(&world, from, &command, "transfer").await);
    }
    assert_ne!(events[0], events[1]);
    let server = world.shared.serve();
    let id = |event: &EventId| format!("{}~{event}", from.id());
    let end = Instant::now() + BOUND;
    for event in &events {
        loop {
            let tracked = get(&http, &format!("{}/transfers/{}", server.url(), id(event))).await;
            if tracked["status"] == "completed" {
                assert_eq!(tracked["transfer_id"], id(&events[0]), "{tracked}");
                break;
            }
            assert!(Instant::now() < end, "{tracked}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let balances = world.ring.balances().await.unwrap();
    assert_eq!((balances.held, balances.flying.len()), (200, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_money_is_made_or_lost_by_a_kill() {
    let world = World::new().await;
    let (victim, survivor) = (world.shared.serve(), world.shared.serve());
    let http = Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
    for account in (0..ACCOUNTS).map(account) {
        let open = http.post(format!("{}/accounts/{account}/open", survivor.url()));
        let opened = open.json(&json!({"owner": account, "initial_balance": INITIAL})).send().await.unwrap();
        assert_eq!(opened.status(), StatusCode::OK);
    }

    let servers = Servers(Mutex::new([victim.url().to_owned(), survivor.url().to_owned()]));
    let pace = Pace::default();
    let mut shares = vec![Vec::new(); CLIENTS];
    for (index, order) in orders(&mut StdRng::seed_from_u64(7)).into_iter().enumerate() {
        shares[index % CLIENTS].push(order);
    }
    let begun = Instant::now();
    let load = async {
        let clients = shares.into_iter().enumerate().map(|(client, share)| {
            let (http, servers, pace) = (&http, &servers, &pace);
            async move {
                let mut done = Vec::new();
                for mut order in share {
                    pace.keep().await;
                    let decision = order.post(http, servers, client).await;
                    pace.decided.fetch_add(1, Ordering::Relaxed);
                    done.push((order, decision));
                }
                done
            }
        });
        let done: Vec<_> = join_all(clients).await.into_iter().flatten().collect();
        pace.over.store(true, Ordering::Relaxed);
        done
    };
    let kill = async {
        reached(&pace.decided, TRANSFERS / 2).await;
        victim.kill();
        let successor = world.shared.serve();
        servers.0.lock().unwrap_or_else(PoisonError::into_inner)[0] = successor.url().to_owned();
        successor
    };
    let (done, mut seen, successor) = tokio::join!(load, pace.watch(&world.ring), kill);
    let took = begun.elapsed();

    // What the last of them left behind ends by itself.
    let end = Instant::now() + BOUND;
    loop {
        let balances = seen.look(&world.ring).await;
        if let Some(balances) = balances.as_ref().filter(|balances| balances.idle) {
            assert_eq!(balances.held, ACCOUNTS as u64 * INITIAL, "{balances:?}");
            break;
        }
        assert!(Instant::now() < end, "still on its way after {BOUND:?}: {balances:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let repeated = done.iter().filter(|(order, _)| order.posts > 1).count();
    let moved = journals(&http, successor.url()).await;
    let (mut completed, mut refunded) = (0, 0);
    for (order, decision) in &done {
        let Decided::Accepted { id } = decision else {
            continue;
        };
        let tracked = get(&http, &format!("{}/transfers/{id}", successor.url())).await;
        let receiver = match tracked["status"].as_str().unwrap() {
            "completed" => &order.to,
            "refunded" => &order.from,
            other => panic!("{other}: {tracked}"),
        };
        (completed, refunded) =
            (completed + u32::from(receiver == &order.to), refunded + u32::from(order.to == CLOSED));
        let (debits, credits) = (vec![(order.from.clone(), order.amount)], vec![(receiver.clone(), order.amount)]);
        assert_eq!(moved.get(id), Some(&Moved { debits, credits }), "{order:?}");
    }
    let rejected = done.iter().filter(|(_, decision)| *decision == Decided::Rejected).count();
    println!(
        "{TRANSFERS} transfers in {took:?}: {completed} completed, {refunded} refunded, {rejected} rejected; {repeated} \
         posted more than once; {seen:?}"
    );
    assert_eq!(moved.len() + rejected, TRANSFERS, "a transfer was made twice, or not at all");
    assert_eq!((completed + refunded) as usize, moved.len());
    assert!(completed > 0 && refunded > 0 && rejected > 0, "one way for a transfer to end was not shown");
    assert!(repeated > 0, "the kill hit no request");
    assert!(seen.snapshots + seen.crowded >= SNAPSHOTS, "{seen:?}");
    assert!(seen.flying > 0, "no snapshot had money on its way: {seen:?}");
}
