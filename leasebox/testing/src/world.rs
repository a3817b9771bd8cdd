//! One test's world: a table of its own on a real DynamoDB engine, a clock that the test moves, and the handlers. These
//! are called on the heap: a test that calls one in ten places would have ten of its futures on its thread's stack.

use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_config::SdkConfig;
use futures::FutureExt;
use futures::future::{Either, select};
use lambda_http::http::{Method, Request};
use lambda_http::{Context, LambdaEvent};
use local::connect::{Identity, connect};
use local::database::{Database, Serving};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::actor::Actor;
use shared::client::{AskError, Client, Mode, Receipted, Submission};
use shared::envelope::{Draft, EntityId, Millis};
use shared::erased::Reader;
use shared::host::ReadHost;
use shared::limits::{self, Settings};
use shared::live::{Clock, Live, machine_time};
use shared::mailbox::image::Mailbox;
use shared::mailbox::view;
use shared::push::Pushes;
use shared::registry::Registry;
use shared::store::Consistency;
use shared::store::dynamodb::DynamoDb;
use shared::wake::Wake;
use web::answer::Answer;
use web::app::Service;
use web::guard::operators::Token;
use web::guard::tickets::Tickets;
use web::guard::{Guard, Users};
use web::route::Function;

use crate::faults::{Faults, Faulty, Records};
use crate::meter::{Meter, Total};
use crate::wakes::SentWakes;

/// Batches and wakes after which whatever is still pending is taken to be so for ever.
const PATIENCE: u32 = 500;

/// The host of a test.
pub type TestHost = Live<Meter<Faulty<DynamoDb>>>;

/// A table of its own, and everything that works on it.
pub struct World {
    /// What the handlers work on: its store counts and fails.
    pub host: TestHost,
    /// What posts events and asks for replies, below HTTP.
    pub client: Client<TestHost>,
    /// The wakes that were sent, which the test delivers or not.
    pub wakes: SentWakes,
    /// Where this process fails.
    pub faults: Faults,
    /// The stream's records, which the test delivers or not.
    pub records: Records,
    /// How the SDK reaches the database.
    pub config: SdkConfig,
    /// The name of the table.
    pub table: String,
    service: Arc<Service>,
    ahead: Arc<AtomicU64>,
}

/// An answer as a client gets it.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status of the answer.
    pub status: u16,
    /// The headers of the answer, by name.
    pub headers: lambda_http::http::HeaderMap,
    /// The body as JSON; null when it is none.
    pub body: Value,
}

impl Reply {
    fn read(answer: Answer) -> Self {
        let (parts, body) = answer.into_response().into_parts();
        let body = serde_json::from_str(&body).unwrap_or(Value::Null);
        Self { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

impl World {
    /// An app over a table of its own, on the database of this test run: the embedded one, or the one that the variable
    /// `DYNAMODB_ENDPOINT` names.
    ///
    /// # Panics
    /// When the app is none: two kinds of one name, or routes that cannot be told apart.
    pub async fn new<A: TryInto<Service, Error: Debug>>(app: A) -> Self {
        let service = Arc::new(app.try_into().unwrap());
        let registry = service.registry.clone();
        Self::with(service, registry, Settings::default()).await
    }

    /// An app over a table of its own, with other kinds and limits than it has.
    pub async fn with(service: Arc<Service>, registry: Registry, settings: Settings) -> Self {
        let connection = connect(&endpoint().await, Identity::Anyone).await;
        let table = table_name();
        create(&connection.clients.dynamodb, &table).await;
        Self::over(service, (connection.config, &table), Records::default(), (registry, settings), Pushes::Nowhere)
    }

    /// Another process of the same app over the same table and its stream: it shares nothing in memory.
    #[must_use]
    pub fn again(&self) -> Self {
        self.of(self.host.registry().clone(), self.records.clone(), Pushes::Nowhere)
    }

    /// Another process over the same table, with these kinds, these records, and a place that pushes go to.
    #[must_use]
    pub fn of(&self, registry: Registry, records: Records, pushes: Pushes) -> Self {
        let (service, config) = (Arc::clone(&self.service), self.config.clone());
        Self::over(service, (config, &self.table), records, (registry, *self.host.settings()), pushes)
    }

    /// A process of an app over a table that there is.
    #[must_use]
    pub fn over(
        service: Arc<Service>,
        (config, table): (SdkConfig, &str),
        records: Records,
        (registry, settings): (Registry, Settings),
        pushes: Pushes,
    ) -> Self {
        let ahead = Arc::new(AtomicU64::new(0));
        let by = Arc::clone(&ahead);
        let clock = Clock::new(move || machine_time().plus(by.load(Ordering::Relaxed)));
        let faults = Faults::default();
        let store = Meter::new(Faulty::new(DynamoDb::new(&config, table), faults.clone(), records.clone()));
        let host = Live::new(store, registry, settings, pushes, clock);
        let client = Client::new(host.clone());
        let wakes = SentWakes::default();
        Self { host, client, wakes, faults, records, config, table: table.to_owned(), service, ahead }
    }

    /// What something costs in DynamoDB's units, measured from what the database reports.
    pub async fn cost<T>(&self, of: impl Future<Output = T>) -> (T, Total) {
        self.host.store().take();
        let done = of.await;
        (done, self.host.store().take())
    }

    /// Does something until it is done or until this process dies of a fault.
    pub async fn until_death<F: Future>(&self, work: F) -> Option<F::Output> {
        match select(Box::pin(work), Box::pin(self.faults.death())).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }

    /// Delivers the stream's records and the wakes that they cause, letting time pass as the wakes want it, until there are
    /// none left. It brings the time that passed, in milliseconds.
    ///
    /// # Panics
    /// When there is always something left, or `drain` does not take what it is given.
    pub async fn work_off(&self) -> u64 {
        let mut wakes: Vec<(Wake, u64)> = Vec::new();
        let mut passed = 0;
        for _ in 0..PATIENCE {
            let records = self.records.take();
            if records.is_empty() {
                wakes.sort_by_key(|(_, delay)| *delay);
                if wakes.is_empty() {
                    return passed;
                }
                let (wake, delay) = wakes.remove(0);
                wakes.iter_mut().for_each(|(_, other)| *other -= delay);
                self.advance(delay);
                passed += delay;
                assert_eq!(self.wake(&wake).await, no_failures());
            } else {
                let records: Vec<&EntityId> = records.iter().collect();
                assert_eq!(self.stream(&records).await, no_failures());
            }
            wakes.extend(self.wakes.take());
        }
        panic!("after {PATIENCE} batches there still is something to do");
    }

    /// The state of an entity of the kind `A`; none when nothing was ever posted to it.
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn state<A: Actor>(&self, id: &str) -> Option<A::State> {
        web::reading::state::<A>(&Reader::new(&self.host), id).await.unwrap()
    }

    /// Sends a command to an entity of the kind `A`, and waits for its reply.
    ///
    /// # Errors
    /// As [`AskError`] says: the actor's rejection, for one.
    pub async fn ask<A: Actor>(&self, id: &str, command: impl Into<A::Command>) -> Result<A::Reply, AskError> {
        self.client.ask::<A>(id, command, Duration::from_secs(5)).await
    }

    /// Lets time pass, on this world's clock only.
    pub fn advance(&self, ms: u64) {
        self.ahead.fetch_add(ms, Ordering::Relaxed);
    }

    /// Sets this world's clock back, by no more than it was advanced.
    pub fn set_back(&self, ms: u64) {
        let back = self.ahead.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |ahead| ahead.checked_sub(ms));
        assert!(back.is_ok(), "the clock would run behind the machine's");
    }

    /// When an invocation that starts now ends.
    pub fn deadline(&self) -> Millis {
        self.host.now().plus(limits::FUNCTION_TIMEOUT_MS)
    }

    /// Sends an HTTP request to the function that API Gateway would send it to.
    pub async fn http(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        self.http_until(self.deadline(), method, path, headers, body).await
    }

    /// Sends an HTTP request to an invocation that ends at this time.
    pub async fn http_until(
        &self,
        deadline: Millis,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.call_until(deadline, request.body(lambda_http::Body::from(body)).unwrap()).await
    }

    /// Calls the function that serves a request.
    pub async fn call(&self, request: lambda_http::Request) -> Reply {
        self.call_until(self.deadline(), request).await
    }

    async fn call_until(&self, deadline: Millis, request: lambda_http::Request) -> Reply {
        let service = &self.service;
        let incoming = service.routes.incoming(request.map(|body| body.to_vec()));
        Reply::read(match incoming.route() {
            Ok((route, _)) if route.function == Function::Ingest => {
                ingest::handle(&self.client, &guard(), incoming, deadline).boxed().await
            }
            _ => status::handle(service, &self.host, &guard(), incoming).boxed().await,
        })
    }

    /// Hands an event of a socket to the function that hears them.
    pub async fn hear(&self, event: &str) -> Reply {
        Reply::read(ingest::hear(&self.service, &self.client, event, (self.deadline(), None)).boxed().await)
    }

    /// Hands an event of an API to a function as Lambda would: it is read there, and the answer is the API's.
    pub async fn invoke(&self, function: Function, guard: &Arc<Guard>, event: &str) -> Reply {
        let mut context = Context::default();
        context.deadline = self.deadline().0;
        let event = LambdaEvent::new(RawValue::from_string(event.to_owned()).unwrap(), context);
        let answer: Value = match function {
            Function::Ingest => {
                let answer = ingest::invoke::invoke(&self.service, &self.client, guard, event).boxed().await.unwrap();
                serde_json::from_str(answer.get()).unwrap()
            }
            Function::Status => status::invoke::invoke(&self.service, &self.host, guard, event).boxed().await,
        };
        let headers = answer["headers"].as_object().unwrap().iter();
        let header =
            |(name, value): (&String, &Value)| (name.parse().unwrap(), value.as_str().unwrap().parse().unwrap());
        Reply {
            status: u16::try_from(answer["statusCode"].as_u64().unwrap()).unwrap(),
            headers: headers.map(header).collect(),
            body: serde_json::from_str(answer["body"].as_str().unwrap()).unwrap_or_default(),
        }
    }

    /// Sends a `GET` without headers.
    pub async fn get(&self, path: &str) -> Reply {
        self.http("GET", path, &[], "").await
    }

    /// Sends a `POST` with this body and without headers.
    pub async fn post(&self, path: &str, body: &str) -> Reply {
        self.http("POST", path, &[], body).await
    }

    /// Posts commands to an entity, below HTTP.
    pub async fn submit(&self, entity: &EntityId, mode: Mode, bodies: &[Value]) -> Vec<Receipted> {
        let draft = |body: &Value| Draft { body: body.to_string(), keyed: None, from: None, trace: None };
        let drafts: Vec<Draft> = bodies.iter().map(draft).collect();
        let deadline = self.deadline();
        self.client.submit(Submission { entity, drafts: &drafts, mode, wait_ms: 0, deadline }).boxed().await.unwrap()
    }

    /// What a stream record of this entity makes `drain` do. It brings the function's answer.
    pub async fn stream(&self, entities: &[&EntityId]) -> Value {
        let record = |(index, entity): (usize, &&EntityId)| {
            json!({
                "eventID": format!("{index}"), "eventName": "MODIFY", "eventVersion": "1.1",
                "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
                "dynamodb": {
                    "ApproximateCreationDateTime": 1_790_000_000,
                    "Keys": {"pk": {"S": entity.as_str()}, "sk": {"S": "mailbox"}},
                    "NewImage": {"pending": {"S": "p"}},
                    "SequenceNumber": format!("{}", 100 + index), "SizeBytes": 100, "StreamViewType": "NEW_IMAGE"
                }
            })
        };
        let records: Vec<Value> = entities.iter().enumerate().map(record).collect();
        drain::handle(&self.host, &self.wakes, json!({"Records": records}), self.deadline()).boxed().await.unwrap()
    }

    /// Delivers a wake to `drain`.
    pub async fn wake(&self, wake: &Wake) -> Value {
        let body = serde_json::to_string(wake).unwrap();
        let event = json!({"Records": [{"messageId": "m-1", "eventSource": "aws:sqs", "body": body}]});
        drain::handle(&self.host, &self.wakes, event, self.deadline()).boxed().await.unwrap()
    }

    /// The mailbox of an entity, by a consistent read.
    pub async fn mailbox(&self, entity: &EntityId) -> Mailbox {
        view::mailbox(&self.host, entity, Consistency::Strong).await.unwrap().unwrap()
    }
}

/// What `drain` answers when it is done with everything that it was given.
#[must_use]
pub fn no_failures() -> Value {
    json!({"batchItemFailures": []})
}

/// What operators send in the tests.
pub const TOKEN: &str = "the-token-of-the-tests";
/// The header with it.
pub const OPERATOR: [(&str, &str); 1] = [("authorization", "Bearer the-token-of-the-tests")];

/// The guard of a server of this machine, which tells users by what they say and operators by [`TOKEN`].
#[must_use]
pub fn guard() -> Arc<Guard> {
    let tickets = Tickets::new(&[7; 32]).unwrap();
    Arc::new(Guard::direct(Token::new(TOKEN).unwrap(), Users::Open, Vec::new(), tickets))
}

/// The guard of the functions behind an API that is open to everyone.
pub fn deployed() -> Arc<Guard> {
    Arc::new(Guard::gateway("open", "", Some("the ticket key of the tests, which is long")).unwrap())
}

/// Where the database of this test run is: one for all tests, which keep apart by their tables.
pub async fn endpoint() -> String {
    static EMBEDDED: OnceLock<Serving> = OnceLock::new();
    if let Ok(endpoint) = std::env::var("DYNAMODB_ENDPOINT") {
        return endpoint;
    }
    static STARTING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _starting = STARTING.lock().await;
    if EMBEDDED.get().is_none() {
        let serving = Database::in_memory().unwrap().serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let _ = EMBEDDED.set(serving);
    }
    EMBEDDED.get().unwrap().endpoint()
}

/// Without its stream, which nobody here reads (`faults::Records` are what it would carry): a write to a table that has
/// one takes DynamoDB Local the longer, the more records there are in all streams together.
pub async fn create(client: &aws_sdk_dynamodb::Client, table: &str) {
    let request = local::table::request(client, table).unwrap();
    request.set_stream_specification(None).send().await.unwrap();
}

/// The name of a table that no other test has.
pub fn table_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("leasebox-{}-{}-{}", std::process::id(), machine_time().0, NEXT.fetch_add(1, Ordering::Relaxed))
}
