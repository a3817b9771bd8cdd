//! The bank against a plain sequential model: random commands of concurrent clients to a few accounts, asked for again
//! with their keys, at once and later, while processes die anywhere. Every answer, every balance and every journal is
//! what the model says when it takes the commands of each account one after the other, in the order of their events.
//!
//! Another number of commands, or a run that begins as another did:
//! `LEASEBOX_COMMANDS=100000 LEASEBOX_SEED=7 cargo test --workspace --lib -- --nocapture accounts::model`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Instant;

use futures::future::join_all;
use futures::stream::{self, StreamExt};
use kinds::account::Command;
use serde_json::{Map, Value, json};
use shared::envelope::{EventId, Millis};

use crate::accounts::insistent::{Insistent, Town};
use crate::accounts::time::at;
use crate::accounts::{account, events_of, transferring};
use crate::chance::{Chance, seed};
use crate::problems::problem;
use crate::world::{Reply, World};

/// Commands, unless `LEASEBOX_COMMANDS` says otherwise.
const COMMANDS: usize = 10_000;
const ACCOUNTS: usize = 50;
/// Concurrent clients.
const CLIENTS: usize = 40;
/// Accounts and transfers that are compared at the same time.
const AT_ONCE: usize = 8;
/// What an account may hold.
const MOST: u128 = i64::MAX as u128;

/// What a command was answered with.
#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Balance { owner: String, balance: u64, version: u64 },
    Transfer { id: String },
    Refused { reason: String, status: u16, values: Map<String, Value> },
}

/// A command with its answer, and with its event as far as the answer tells it.
#[derive(Clone, Debug)]
struct Told {
    id: String,
    command: Command,
    answer: Answer,
    event: Option<EventId>,
}

/// What a client sends under one key.
#[derive(Clone, Debug)]
struct Request {
    id: String,
    commands: Vec<Command>,
    path: String,
    key: String,
    body: String,
}

impl Request {
    fn random(chance: &mut Chance, key: String) -> Self {
        let id = format!("a{}", chance.below(ACCOUNTS));
        let count = chance.of(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3]);
        let commands: Vec<Command> = (0..count).map(|_| random(chance, &id)).collect();
        let mut values: Vec<Value> = commands.iter().map(|command| serde_json::to_value(command).unwrap()).collect();
        let (path, body) = match commands.as_slice() {
            [command] if chance.below(3) > 0 => own_route(&id, command),
            [_] => (events_of(&id), values.remove(0).to_string()),
            _ => (events_of(&id), Value::from(values).to_string()),
        };
        Self { id, commands, path, key, body }
    }
}

/// The route that a command has for itself, and the body that it takes there.
fn own_route(id: &str, command: &Command) -> (String, String) {
    let amount = |name: &str, amount: i64| (format!("/accounts/{id}/{name}"), json!({"amount": amount}).to_string());
    match command {
        Command::Open { owner, initial_balance } => {
            let body = json!({"owner": owner, "initial_balance": initial_balance});
            (format!("/accounts/{id}/open"), body.to_string())
        }
        Command::Deposit { amount: much } => amount("deposit", *much),
        Command::Withdraw { amount: much } => amount("withdraw", *much),
        Command::Transfer { to, amount } => ("/transfers".to_owned(), transferring(id, to, *amount)),
        Command::Credit(_) | Command::Refund { .. } => unreachable!("clients do not send these"),
    }
}

fn random(chance: &mut Chance, id: &str) -> Command {
    let small = i64::try_from(1 + chance.below(100)).unwrap();
    // Now and then what no account can take or give, and what is refused at once.
    let amount = match chance.below(40) {
        0 => i64::MAX,
        1 => i64::MAX - small,
        2 => chance.of(&[0, -small]),
        _ => small,
    };
    match chance.below(20) {
        0 => Command::Open { owner: format!("owner {small}"), initial_balance: amount },
        1..8 => Command::Deposit { amount },
        8..13 => Command::Withdraw { amount },
        _ => {
            let to = format!("a{}", chance.below(ACCOUNTS));
            // To itself is refused at once; seldom is enough.
            let to = if to == id && chance.below(4) > 0 { "elsewhere".to_owned() } else { to };
            Command::Transfer { to, amount }
        }
    }
}

/// What a reply to a request says of each of its commands.
fn told(request: &Request, reply: &Reply) -> Vec<Told> {
    let tell =
        |command: &Command, (answer, event)| Told { id: request.id.clone(), command: command.clone(), answer, event };
    match (reply.status, &reply.body) {
        (200, Value::Array(receipts)) => {
            assert_eq!(receipts.len(), request.commands.len(), "{reply:?}");
            request.commands.iter().zip(receipts).map(|(command, receipt)| tell(command, receipted(receipt))).collect()
        }
        // An array is refused as a whole.
        (400, _) => request.commands.iter().map(|command| tell(command, (refused(reply), None))).collect(),
        (200 | 202, body) => {
            let one = match body.get("transfer_id").and_then(Value::as_str) {
                Some(id) if body["status"] != "rejected" => {
                    (Answer::Transfer { id: id.to_owned() }, Some(event_of(id)))
                }
                _ if body.get("account_id").is_some() => (balance(body), None),
                _ => receipted(body),
            };
            vec![tell(&request.commands[0], one)]
        }
        (_, body) => {
            let event = body["event_id"].as_str().unwrap_or_else(|| panic!("{reply:?}")).parse().unwrap();
            vec![tell(&request.commands[0], (refused(reply), Some(event)))]
        }
    }
}

fn event_of(transfer: &str) -> EventId {
    transfer.rsplit_once('~').unwrap().1.parse().unwrap()
}

fn balance(body: &Value) -> Answer {
    let number = |name: &str| body[name].as_u64().unwrap_or_else(|| panic!("{body}"));
    let owner = body["owner"].as_str().unwrap().to_owned();
    Answer::Balance { owner, balance: number("balance"), version: number("version") }
}

fn refused(reply: &Reply) -> Answer {
    let mut values = reply.body.as_object().unwrap().clone();
    for member in ["type", "title", "status", "detail", "event_id"] {
        values.remove(member);
    }
    Answer::Refused { reason: problem(reply).to_owned(), status: reply.status, values }
}

/// What a receipt says.
fn receipted(receipt: &Value) -> (Answer, Option<EventId>) {
    assert_eq!(receipt["status"], "processed", "{receipt}");
    let event = Some(receipt["event_id"].as_str().unwrap().parse().unwrap());
    let answer = match (receipt.get("rejection"), &receipt["reply"]) {
        (Some(rejection), _) => Answer::Refused {
            reason: rejection["reason"].as_str().unwrap().to_owned(),
            status: u16::try_from(rejection["status"].as_u64().unwrap()).unwrap(),
            values: rejection["values"].as_object().cloned().unwrap_or_default(),
        },
        (None, reply) => match reply["id"].as_str() {
            Some(id) => Answer::Transfer { id: id.to_owned() },
            None => balance(reply),
        },
    };
    (answer, event)
}

/// Sends requests until there are enough, some of them twice at once and some again later.
async fn run(mut client: Insistent, name: usize, requests: usize) -> Vec<Told> {
    let (mut all, mut past): (Vec<Told>, Vec<(Request, Vec<Told>)>) = (Vec::new(), Vec::new());
    let mut number = 0;
    while all.len() < requests {
        number += 1;
        let request = Request::random(&mut client.chance, format!("{name}-{number}"));
        let answers = match client.chance.below(12) {
            0 => {
                let mut other = client.another();
                let post = client.post(&request.path, &request.key, &request.body);
                let (one, two) = tokio::join!(post, other.post(&request.path, &request.key, &request.body));
                assert_same(&request, &told(&request, &one), &told(&request, &two));
                told(&request, &one)
            }
            _ => told(&request, &client.post(&request.path, &request.key, &request.body).await),
        };
        all.extend(answers.clone());
        past.push((request, answers));
        if client.chance.below(12) == 0 {
            let (request, answers) = past[client.chance.below(past.len())].clone();
            let again = client.post(&request.path, &request.key, &request.body).await;
            assert_same(&request, &answers, &told(&request, &again));
        }
    }
    all
}

/// Asserts that a repetition of a key was answered as the first one.
fn assert_same(request: &Request, one: &[Told], two: &[Told]) {
    let answers = |told: &[Told]| told.iter().map(|told| (told.answer.clone(), told.event)).collect::<Vec<_>>();
    assert_eq!(answers(one), answers(two), "{request:?}");
}

/// What a command comes to at one account, taken alone.
#[derive(Clone, Debug)]
enum Step {
    /// What a client asked for, with the answer that it got.
    Asked(Command, Answer),
    /// Money that another account sent.
    Credit(Sent),
    /// Money that came back.
    Refund(Sent),
}

/// Money on its way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sent {
    id: String,
    from: String,
    to: String,
    amount: u64,
}

/// The plain model of one account.
#[derive(Default)]
struct Plain {
    owner: Option<String>,
    balance: u128,
    /// Event, type and payload.
    journal: Vec<(EventId, &'static str, Value)>,
    sent: BTreeSet<Sent>,
    received: BTreeSet<Sent>,
    turned_away: BTreeSet<Sent>,
    taken_back: BTreeSet<Sent>,
}

impl Plain {
    fn refuse(reason: &str, status: u16, values: &Value) -> Answer {
        Answer::Refused { reason: reason.to_owned(), status, values: values.as_object().unwrap().clone() }
    }

    fn not_open() -> Answer {
        Self::refuse("account-not-open", 404, &json!({}))
    }

    fn told(&self) -> Answer {
        let owner = self.owner.clone().unwrap();
        let balance = u64::try_from(self.balance).unwrap();
        Answer::Balance { owner, balance, version: self.journal.len() as u64 }
    }

    /// What the model answers to a command.
    fn answer(&mut self, id: &str, event: EventId, command: &Command) -> Answer {
        let balance = u64::try_from(self.balance).unwrap();
        match (command, &self.owner) {
            (Command::Open { .. }, Some(_)) => Self::refuse("account-already-open", 409, &json!({})),
            (Command::Open { owner, initial_balance }, None) => {
                self.owner = Some(owner.clone());
                self.balance = u128::try_from(*initial_balance).unwrap();
                let payload = json!({"owner": owner, "initial_balance": initial_balance});
                self.journal.push((event, "AccountOpened", payload));
                self.told()
            }
            (_, None) => Self::not_open(),
            (Command::Deposit { amount }, Some(_)) => {
                let amount = u128::try_from(*amount).unwrap();
                if self.balance + amount > MOST {
                    let amount = u64::try_from(amount).unwrap();
                    return Self::refuse("balance-overflow", 422, &json!({"balance": balance, "amount": amount}));
                }
                self.balance += amount;
                self.journal.push((event, "MoneyDeposited", json!({"amount": u64::try_from(amount).unwrap()})));
                self.told()
            }
            (Command::Withdraw { amount } | Command::Transfer { amount, .. }, Some(_)) => {
                let amount = u64::try_from(*amount).unwrap();
                if self.balance < u128::from(amount) {
                    return Self::refuse("insufficient-funds", 422, &json!({"balance": balance, "requested": amount}));
                }
                self.balance -= u128::from(amount);
                let Command::Transfer { to, .. } = command else {
                    self.journal.push((event, "MoneyWithdrawn", json!({"amount": amount})));
                    return self.told();
                };
                let sent = Sent { id: format!("{id}~{event}"), from: id.to_owned(), to: to.clone(), amount };
                self.journal.push((event, "MoneyWithdrawn", sent.payload()));
                let answer = Answer::Transfer { id: sent.id.clone() };
                assert!(self.sent.insert(sent));
                answer
            }
            (Command::Credit(_) | Command::Refund { .. }, _) => unreachable!("clients do not send these"),
        }
    }

    fn step(&mut self, id: &str, event: EventId, step: &Step) {
        match step {
            Step::Asked(command, answer) => assert_eq!(&self.answer(id, event, command), answer, "{id}: {step:?}"),
            Step::Credit(sent) if self.owner.is_some() && self.balance + u128::from(sent.amount) <= MOST => {
                self.take(event, sent);
                assert!(self.received.insert(sent.clone()), "{sent:?} arrived twice");
            }
            Step::Credit(sent) => assert!(self.turned_away.insert(sent.clone()), "{sent:?} was refused twice"),
            Step::Refund(sent) => {
                self.take(event, sent);
                assert!(self.taken_back.insert(sent.clone()), "{sent:?} came back twice");
            }
        }
    }

    fn take(&mut self, event: EventId, sent: &Sent) {
        self.balance += u128::from(sent.amount);
        self.journal.push((event, "MoneyDeposited", sent.payload()));
    }
}

impl Sent {
    fn payload(&self) -> Value {
        let Self { id, from, to, amount } = self;
        json!({"amount": amount, "transfer": {"id": id, "from": from, "to": to, "amount": amount}})
    }
}

/// The steps of every account in their order.
type Steps = BTreeMap<String, BTreeMap<u64, (EventId, Step)>>;

fn insert(steps: &mut Steps, id: &str, event: EventId, step: Step) {
    let there = steps.entry(id.to_owned()).or_default().insert(event.sequence, (event, step.clone()));
    assert!(there.is_none(), "{id}: event {event} had two effects: {there:?} and {step:?}");
}

/// What clients were told, and what accounts sent one another, in the order of the events of each account.
async fn in_order(world: &World, ids: &[String], all: &[Told]) -> Steps {
    let mut steps = Steps::new();
    let mut causes: BTreeMap<(&str, u64), EventId> = BTreeMap::new();
    for id in ids {
        for event in world.pages(id, 1, 97).await {
            let version = event["version"].as_u64().unwrap();
            causes.insert((id, version), event["event_id"].as_str().unwrap().parse().unwrap());
        }
    }
    for told in all {
        let event = match (&told.answer, told.event) {
            (_, Some(event)) => event,
            (Answer::Balance { version, .. }, None) => causes[&(told.id.as_str(), *version)],
            (Answer::Refused { status: 400, .. }, None) => continue,
            (answer, None) => panic!("{answer:?}"),
        };
        insert(&mut steps, &told.id, event, Step::Asked(told.command.clone(), told.answer.clone()));
    }
    // A credit follows from a client's transfer, a refund from a credit.
    let effects = effects(world).await;
    for refunds in [false, true] {
        for Effect { at, sender, sequence, event } in &effects {
            let cause =
                steps.get(sender).and_then(|steps| steps.get(sequence)).map(|(event, step)| (*event, step.clone()));
            match cause {
                Some((cause, Step::Asked(Command::Transfer { to, amount }, _))) if !refunds => {
                    let id = format!("{sender}~{cause}");
                    let amount = u64::try_from(amount).unwrap();
                    assert_eq!(&to, at);
                    insert(&mut steps, at, *event, Step::Credit(Sent { id, from: sender.clone(), to, amount }));
                }
                Some((_, Step::Credit(sent))) if refunds => {
                    assert_eq!(&sent.from, at);
                    insert(&mut steps, at, *event, Step::Refund(sent));
                }
                Some((_, Step::Asked(Command::Transfer { .. }, _) | Step::Credit(_))) => {}
                None if !refunds => {}
                other => panic!("{at}: effect of {sender}'s event {sequence}, which is {other:?}"),
            }
        }
    }
    steps
}

/// A command that an account got from another one, as its receipt has it.
struct Effect {
    at: String,
    sender: String,
    sequence: u64,
    event: EventId,
}

async fn effects(world: &World) -> Vec<Effect> {
    let mut effects = Vec::new();
    for at in (0..ACCOUNTS).map(|index| format!("a{index}")).chain(["elsewhere".to_owned()]) {
        for item in world.stored(&account(&at), "receipt#o/account/").await {
            let item: Value = serde_dynamo::from_item(serde_dynamo::Item::from(item)).unwrap();
            let name = item["sk"].as_str().unwrap().strip_prefix("receipt#o/account/").unwrap();
            let mut parts = name.split('/');
            let (sender, sequence) = (parts.next().unwrap().to_owned(), parts.next().unwrap().parse().unwrap());
            let outcome: Value = serde_json::from_str(item["outcome"].as_str().unwrap()).unwrap();
            assert!(outcome.get("r").is_some(), "a credit or a refund is neither refused nor dead: {item}");
            effects.push(Effect {
                at: at.clone(),
                sender,
                sequence,
                event: item["event"].as_str().unwrap().parse().unwrap(),
            });
        }
    }
    effects
}

/// Compares an account with its model, over HTTP.
async fn compare(world: &World, id: &str, plain: &Plain) {
    let reply = world.get(&format!("/accounts/{id}")).await;
    let Some(owner) = &plain.owner else {
        assert_eq!((reply.status, problem(&reply)), (404, "account-not-open"), "{id}");
        assert!(world.journal_items(id).await.is_empty(), "{id}");
        return;
    };
    let balance = u64::try_from(plain.balance).unwrap();
    let expected = json!({"account_id": id, "owner": owner, "balance": balance, "version": plain.journal.len()});
    assert_eq!((reply.status, &reply.body), (200, &expected));
    world.verified(id).await;
    let journal = world.pages(id, 1, 7).await;
    assert_eq!(journal.len(), plain.journal.len(), "{id}");
    let mut time = Millis(0);
    for (index, (event, (cause, r#type, payload))) in journal.iter().zip(&plain.journal).enumerate() {
        let expected = json!({
            "version": index + 1, "type": r#type, "schema": 1, "time": event["time"], "event_id": cause.to_string(),
            "payload": payload,
        });
        assert_eq!(event, &expected, "{id}");
        let at = at(event["time"].as_str().unwrap());
        assert!(at >= time, "{id}: {event}");
        time = at;
    }
    world.idle(&account(id)).await;
}

/// Every transfer has arrived once, or was refused once and has come back once; and whoever asks is told so.
async fn compare_transfers(world: &World, models: &BTreeMap<String, Plain>) -> (usize, usize) {
    let all = |of: fn(&Plain) -> &BTreeSet<Sent>| -> BTreeSet<Sent> { models.values().flat_map(of).cloned().collect() };
    let (sent, received) = (all(|plain| &plain.sent), all(|plain| &plain.received));
    let (turned_away, taken_back) = (all(|plain| &plain.turned_away), all(|plain| &plain.taken_back));
    assert_eq!(turned_away, taken_back);
    assert!(received.is_disjoint(&turned_away));
    assert_eq!(sent, received.union(&turned_away).cloned().collect());
    let asked = sent.iter().map(|transfer| async {
        let tracked = world.get(&format!("/transfers/{}", transfer.id)).await;
        let status = if received.contains(transfer) { "completed" } else { "refunded" };
        assert_eq!((tracked.status, &tracked.body["status"]), (200, &json!(status)), "{tracked:?}");
        assert_eq!((&tracked.body["to"], &tracked.body["amount"]), (&json!(transfer.to), &json!(transfer.amount)));
    });
    stream::iter(asked).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    (received.len(), turned_away.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_what_a_plain_sequential_model_makes_of_their_commands() {
    let (seed, began) = (seed("LEASEBOX_SEED"), Instant::now());
    let commands = std::env::var("LEASEBOX_COMMANDS").map_or(COMMANDS, |commands| commands.parse().unwrap());
    println!("LEASEBOX_SEED={seed} LEASEBOX_COMMANDS={commands}");
    let mut chance = Chance::new(seed);
    let town = Town::new(&mut chance).await;
    let clients =
        (0..CLIENTS).map(|name| tokio::spawn(run(town.client(name, &mut chance), name, commands.div_ceil(CLIENTS))));
    let clients: Vec<_> = clients.collect();
    let all: Vec<Told> = join_all(clients).await.into_iter().flat_map(Result::unwrap).collect();
    let (killed, clients_done) = (town.killed.load(Ordering::Relaxed), began.elapsed());
    let world = town.finish().await;
    assert!(all.len() >= commands);

    let ids: Vec<String> = (0..ACCOUNTS).map(|index| format!("a{index}")).collect();
    let open: Vec<String> = {
        let mut open = Vec::new();
        for id in &ids {
            if world.get(&format!("/accounts/{id}")).await.status == 200 {
                open.push(id.clone());
            }
        }
        open
    };
    let mut steps = in_order(&world, &open, &all).await;
    let mut models: BTreeMap<String, Plain> = BTreeMap::new();
    for id in ids.iter().cloned().chain(["elsewhere".to_owned()]) {
        let mut plain = Plain::default();
        for (event, step) in steps.remove(&id).unwrap_or_default().into_values() {
            plain.step(&id, event, &step);
        }
        models.insert(id, plain);
    }
    let compared = models.iter().map(|(id, plain)| compare(&world, id, plain));
    stream::iter(compared).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    assert!(steps.is_empty());
    let (completed, refunded) = compare_transfers(&world, &models).await;
    println!(
        "{} commands, {killed} killed, {} accounts open, {completed} transfers completed, {refunded} refunded; clients {} s, all {} s, LEASEBOX_SEED={seed}",
        all.len(),
        open.len(),
        clients_done.as_secs(),
        began.elapsed().as_secs()
    );
    if commands >= COMMANDS {
        assert!(killed > 200 && open.len() == ACCOUNTS && completed > 500 && refunded > 50, "too little happened");
    }
}
