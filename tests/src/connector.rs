//! A network that fails, under the real SDK: an HTTP connector around the real one decides by chance or by a script what
//! befalls a request, and what then comes back comes as bytes from a socket ([`crate::wire`]).
//!
//! Every request is sent by a task of its own, so that it arrives whether or not its sender still waits, as it does in
//! a real network.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::RuntimeComponents;
use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use serde_json::{Value, json};
use shared::table;
use tokio::sync::Notify;

use crate::chance::Chance;
use crate::wire::{self, Bytes, MISHAPS, Mishap, Said};
use testing::faults::Records;

/// How many answers are kept for others.
const SAID: usize = 8;

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nobody listens: nothing is sent.
    Reset,
    /// The request takes effect, and this becomes of its answer.
    Applied(Mishap),
    /// The request takes effect, and its reply comes after the attempt's time is up.
    ReplyLate,
    /// The request itself arrives after the attempt's time is up, perhaps after those that were sent later.
    RequestLate,
    /// The request takes effect, and is answered with an internal error.
    Failed,
    /// DynamoDB throttles it, and nothing takes effect.
    Throttled,
    /// Another transaction is in its way, and nothing takes effect. A read, which no transaction stops, is throttled.
    Conflict,
    /// Nothing happens to it.
    Fine,
}

/// What can go wrong with a request, apart from what becomes of its answer, with its name in a summary.
const FAULTS: [(Fate, &str); 6] = [
    (Fate::Reset, "connections refused"),
    (Fate::ReplyLate, "replies late"),
    (Fate::RequestLate, "requests late"),
    (Fate::Failed, "500 after it was applied"),
    (Fate::Throttled, "throttled"),
    (Fate::Conflict, "conflicts"),
];

/// Everything that can go wrong, with its name in a summary.
pub fn faults() -> Vec<(Fate, &'static str)> {
    let mishaps = MISHAPS.map(|(mishap, name)| (Fate::Applied(mishap), name));
    [FAULTS.as_slice(), &mishaps].concat()
}

/// What a request asks for, as far as its answer differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Read,
    Update,
    Transaction,
    Other,
}

impl Operation {
    fn of(target: &str) -> Self {
        match target.rsplit('.').next() {
            Some("GetItem" | "Query") => Self::Read,
            Some("UpdateItem") => Self::Update,
            Some("TransactWriteItems") => Self::Transaction,
            _ => Self::Other,
        }
    }
}

/// One step of a script: the fate of the next request, and where it waits for the test before it meets it.
#[derive(Clone, Debug)]
pub struct Step(Fate, Option<Gate>);

impl From<Fate> for Step {
    fn from(fate: Fate) -> Self {
        Self(fate, None)
    }
}

/// Where a request waits for the test.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Notify, Notify)>);

impl Gate {
    /// A step of a script behind this gate.
    pub fn before(&self, fate: Fate) -> Step {
        Step(fate, Some(self.clone()))
    }

    /// Waits until a request stands before the gate.
    pub async fn reached(&self) {
        self.0.0.notified().await;
    }

    /// Lets it pass.
    pub fn open(&self) {
        self.0.1.notify_one();
    }
}

#[derive(Debug)]
enum Plan {
    Script(VecDeque<Step>),
    /// Of so many requests each fault befalls one.
    Chance(Chance, usize),
    /// Of so many requests this fault befalls one.
    Only(Chance, Fate, usize),
}

/// The network of one test: all its processes share it.
#[derive(Clone, Debug)]
pub struct Wire(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    plan: Mutex<Plan>,
    attempt: Duration,
    fates: Mutex<Vec<(Fate, Operation)>>,
    /// The last answers about an item, for those who are to get one that is not theirs.
    said: Mutex<VecDeque<(String, String, Said)>>,
    under_way: AtomicU64,
    records: Records,
}

impl Wire {
    /// A network that does nothing wrong as yet; `attempt` is the time that the SDK gives one attempt.
    pub fn new(attempt: Duration) -> Self {
        let plan = Mutex::new(Plan::Script(VecDeque::new()));
        let (fates, said) = (Mutex::default(), Mutex::default());
        let (under_way, records) = (AtomicU64::default(), Records::default());
        Self(Arc::new(Inner { plan, attempt, fates, said, under_way, records }))
    }

    /// The next requests meet these fates in their order, and those after them none.
    pub fn script<const N: usize>(&self, steps: [Step; N]) {
        *self.0.plan.lock().unwrap() = Plan::Script(steps.into());
    }

    /// From now on each fault befalls one request of so many.
    pub fn roll(&self, chance: Chance, of: usize) {
        *self.0.plan.lock().unwrap() = Plan::Chance(chance, of);
    }

    /// From now on this fault befalls one request of so many, and no other does any.
    pub fn roll_one(&self, chance: Chance, fault: Fate, of: usize) {
        *self.0.plan.lock().unwrap() = Plan::Only(chance, fault, of);
    }

    /// From now on nothing goes wrong; waits for the requests that are under way.
    pub async fn calm(&self) {
        self.script([]);
        while self.0.under_way.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How many requests met this fate.
    pub fn met(&self, fate: Fate) -> usize {
        self.0.fates.lock().unwrap().iter().filter(|(met, _)| *met == fate).count()
    }

    /// How many requests for this met this fate.
    pub fn met_by(&self, operation: Operation, fate: Fate) -> usize {
        self.0.fates.lock().unwrap().iter().filter(|met| **met == (fate, operation)).count()
    }

    /// How many requests there were: every attempt of every call.
    pub fn requests(&self) -> usize {
        self.0.fates.lock().unwrap().len()
    }

    /// The table's stream as the database saw it, also of writes whose replies were lost.
    pub fn records(&self) -> Records {
        self.0.records.clone()
    }

    /// The SDK's configuration with this network in it, and with its timeout of one attempt.
    pub fn around(&self, config: &SdkConfig) -> SdkConfig {
        let real = config.http_client().unwrap();
        let attempt = self.0.attempt;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(attempt)
            .operation_attempt_timeout(attempt)
            .operation_timeout(attempt * 5)
            .build();
        let client = WiredClient { real, wire: self.clone() };
        config.to_builder().http_client(client).timeout_config(timeouts).build()
    }

    fn next(&self, operation: Operation) -> Step {
        let step = match &mut *self.0.plan.lock().unwrap() {
            Plan::Script(steps) => steps.pop_front().unwrap_or(Step(Fate::Fine, None)),
            Plan::Only(chance, fault, of) => if chance.below(*of) == 0 { *fault } else { Fate::Fine }.into(),
            Plan::Chance(chance, of) => faults().get(chance.below(*of)).map_or(Fate::Fine, |(fault, _)| *fault).into(),
        };
        self.0.fates.lock().unwrap().push((step.0, operation));
        step
    }

    async fn meet(self, real: SharedHttpConnector, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let Step(fate, gate) = self.next(Operation::of(&target));
        if let Some(Gate(gate)) = gate {
            gate.0.notify_one();
            gate.1.notified().await;
        }
        let late = self.0.attempt + self.0.attempt / 4;
        match fate {
            Fate::Reset => wire::refused(real, request).await,
            Fate::Throttled => Bytes::whole(&refused("ThrottlingException", None)).answer(real, request).await,
            Fate::Conflict => Bytes::whole(&conflict(&target)).answer(real, request).await,
            Fate::Fine => self.apply(real, request).await,
            Fate::Applied(mishap) => {
                let again = request.try_clone().unwrap();
                let (another, said) = self.said(real.clone(), request).await?;
                Bytes::spoilt(mishap, &said, &another).answer(real, again).await
            }
            Fate::ReplyLate => {
                let reply = self.apply(real, request).await;
                tokio::time::sleep(late).await;
                reply
            }
            Fate::RequestLate => {
                tokio::time::sleep(late).await;
                self.apply(real, request).await
            }
            Fate::Failed => {
                let again = request.try_clone().unwrap();
                self.apply(real.clone(), request).await?;
                let body = json!({"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError"});
                Bytes::whole(&reply(500, &body)).answer(real, again).await
            }
        }
    }

    /// Sends a request, and brings an answer that was somebody else's, and its own.
    async fn said(&self, real: SharedHttpConnector, request: HttpRequest) -> Result<(Said, Said), ConnectorError> {
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let sent: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
        let response = self.apply(real, request).await?;
        let headers = response.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers = headers.filter(|(name, _)| !["content-length", "transfer-encoding"].contains(&name.as_str()));
        let (status, body) = (response.status().as_u16(), response.body().bytes().unwrap_or_default().to_vec());
        let own = Said { status, headers: headers.collect(), body };
        let asked = wire::partition(&sent).unwrap_or_default();
        let mut said = self.0.said.lock().unwrap();
        // Of the same operation, since nothing else would be read; about another item, since nothing else is wrong.
        let others = said.iter().find(|(of, about, _)| *of == target && about != asked);
        let nobody = || Said { body: Vec::new(), ..own.clone() };
        let another = others.map_or_else(nobody, |(_, _, another)| another.clone());
        let answered: Value = serde_json::from_slice(&own.body).unwrap_or_default();
        if let Some(about) = wire::partition(&answered) {
            said.push_front((target, about.to_owned(), own.clone()));
            said.truncate(SAID);
        }
        Ok((another, own))
    }

    /// Sends a request, and writes into the stream what it changed.
    async fn apply(&self, real: SharedHttpConnector, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let sent: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
        let response = real.call(request).await?;
        if response.status().is_success() {
            let received: Value =
                serde_json::from_slice(response.body().bytes().unwrap_or_default()).unwrap_or_default();
            if let Some(pk) = pending(&sent, &received) {
                self.0.records.add(pk);
            }
        }
        Ok(response)
    }
}

/// The mailbox that a write left with something pending, as the stream's filter has it.
fn pending<'a>(sent: &'a Value, received: &Value) -> Option<&'a str> {
    let transaction = sent.pointer("/TransactItems/0/Update");
    let key = transaction.unwrap_or(sent).pointer("/Key/pk/S").and_then(Value::as_str);
    let left = match transaction {
        Some(update) => !update["UpdateExpression"].as_str().unwrap_or_default().contains(table::RELEASE),
        None => received.pointer("/Attributes/pending").is_some(),
    };
    key.filter(|_| left)
}

fn reply(status: u16, body: &Value) -> Said {
    Said { status, headers: Vec::new(), body: body.to_string().into_bytes() }
}

fn refused(error: &str, reasons: Option<Value>) -> Said {
    let mut body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{error}"), "message": "by the test"});
    if let Some(reasons) = reasons {
        body["CancellationReasons"] = reasons;
    }
    reply(400, &body)
}

fn conflict(target: &str) -> Said {
    match target.rsplit('.').next() {
        Some("UpdateItem") => refused("TransactionConflictException", None),
        Some("TransactWriteItems") => {
            let reasons = json!([{"Code": "TransactionConflict", "Message": "by the test"}]);
            refused("TransactionCanceledException", Some(reasons))
        }
        _ => refused("ProvisionedThroughputExceededException", None),
    }
}

/// The real HTTP client with this network in between.
#[derive(Debug)]
struct WiredClient {
    real: SharedHttpClient,
    wire: Wire,
}

impl HttpClient for WiredClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let real = self.real.http_connector(settings, components);
        SharedHttpConnector::new(WiredConnector { real, wire: self.wire.clone() })
    }
}

struct WiredConnector {
    real: SharedHttpConnector,
    wire: Wire,
}

impl fmt::Debug for WiredConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WiredConnector")
    }
}

impl HttpConnector for WiredConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (wire, real) = (self.wire.clone(), self.real.clone());
        wire.0.under_way.fetch_add(1, Ordering::SeqCst);
        let sent = tokio::spawn(async move {
            let met = wire.clone().meet(real, request).await;
            wire.0.under_way.fetch_sub(1, Ordering::SeqCst);
            met
        });
        HttpConnectorFuture::new(
            async move { sent.await.unwrap_or_else(|error| Err(ConnectorError::io(error.into()))) },
        )
    }
}
