//! One test's world: a table of its own on a real DynamoDB engine, a clock that the test moves, and the handlers. These
//! are called on the heap: a test that calls one in ten places would have ten of its futures on its thread's stack.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use aws_config::{Region, SdkConfig};
use futures::FutureExt;
use lambda_http::http::{Method, Request};
use local::connect::{Identity, connect};
use local::database::{Database, Serving};
use serde_json::{Value, json};
use shared::actors;
use shared::client::{Client, Mode, Receipted, Submission};
use shared::envelope::{Draft, EntityId, Millis};
use shared::host::Host;
use shared::http::guard::operators::Token;
use shared::http::guard::tickets::Tickets;
use shared::http::guard::{Guard, Users};
use shared::limits::{self, Settings};
use shared::live::{Clock, Live, machine_time};
use shared::mailbox::image::Mailbox;
use shared::mailbox::view;
use shared::push::Pushes;
use shared::registry::Registry;
use shared::store::Consistency;
use shared::store::dynamodb::DynamoDb;
use shared::wake::{Wake, WakeError, Wakes};

use crate::connector::Wire;
use crate::faults::{Faults, Faulty, Records};
use crate::ledger::registry;
use crate::meter::Meter;

/// The host of a test.
pub type TestHost = Live<Meter<Faulty<DynamoDb>>>;

/// A table of its own, and everything that works on it.
pub struct World {
    pub host: TestHost,
    pub client: Client<TestHost>,
    pub wakes: SentWakes,
    pub faults: Faults,
    pub records: Records,
    pub config: SdkConfig,
    pub table: String,
    ahead: Arc<AtomicU64>,
}

/// An answer as a client gets it.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: lambda_http::http::HeaderMap,
    pub body: Value,
}

impl Reply {
    fn read(response: lambda_http::Response<lambda_http::Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Self { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

impl World {
    /// A world with the project's own kinds and limits.
    pub async fn new() -> Self {
        Self::with(actors::registry(), Settings::default()).await
    }

    /// A world with these kinds and limits.
    pub async fn with(registry: Registry, settings: Settings) -> Self {
        let connection = connect(&endpoint().await, Identity::Anyone).await;
        let table = table_name();
        create(&connection.clients.dynamodb, &table).await;
        Self::over(connection.config, &table, Records::default(), registry, settings, Pushes::Nowhere)
    }

    /// A world whose every HTTP request to the database goes through this connector.
    pub async fn wired(wire: &Wire, registry: Registry, settings: Settings) -> Self {
        let (table, config) = (table_name(), calm_config().await);
        create(&aws_sdk_dynamodb::Client::new(&config), &table).await;
        Self::over(wire.around(&config), &table, wire.records(), registry, settings, Pushes::Nowhere)
    }

    /// Another process over the same table, whose requests go through another network.
    pub async fn elsewhere(&self, wire: &Wire) -> Self {
        let config = wire.around(&calm_config().await);
        Self::over(config, &self.table, wire.records(), registry(), *self.host.settings(), Pushes::Nowhere)
    }

    /// Another world over the same table and its stream, as another process would be: it shares nothing in memory.
    pub fn again(&self, registry: Registry) -> Self {
        self.pushing(registry, Pushes::Nowhere)
    }

    /// A world over the same table, that hears of its own records only.
    pub fn apart(&self) -> Self {
        let registry = self.host.registry().clone();
        let records = Records::default();
        Self::over(self.config.clone(), &self.table, records, registry, *self.host.settings(), Pushes::Nowhere)
    }

    /// The same with a place that pushes go to.
    pub fn pushing(&self, registry: Registry, pushes: Pushes) -> Self {
        let records = self.records.clone();
        Self::over(self.config.clone(), &self.table, records, registry, *self.host.settings(), pushes)
    }

    fn over(
        config: SdkConfig,
        table: &str,
        records: Records,
        registry: Registry,
        settings: Settings,
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
        Self { host, client, wakes, faults, records, config, table: table.to_owned(), ahead }
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

    /// The same to an invocation that ends at another time.
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
        use shared::http::routes::{Found, Function, find};
        let found = find(request.method().as_str(), request.uri().path());
        let response = match found {
            Found::Route(route, _) if route.function == Function::Ingest => {
                ingest::handle(&self.client, &guard(), request, deadline).boxed().await
            }
            _ => status::handle(&self.host, &guard(), request).boxed().await,
        };
        Reply::read(response)
    }

    /// Calls the function that posts, with whatever it is called with other than by a route.
    pub async fn call_ingest(&self, request: lambda_http::Request) -> Reply {
        Reply::read(ingest::handle(&self.client, &guard(), request, self.deadline()).boxed().await)
    }

    /// `GET` without headers.
    pub async fn get(&self, path: &str) -> Reply {
        self.http("GET", path, &[], "").await
    }

    /// `POST` without headers.
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

/// Wakes that were sent and that the test delivers, or not.
#[derive(Clone, Debug, Default)]
pub struct SentWakes {
    sent: Arc<Mutex<Vec<(Wake, u64)>>>,
    broken: Arc<AtomicBool>,
}

impl SentWakes {
    /// The wakes sent since the last call, with their delays in milliseconds.
    pub fn take(&self) -> Vec<(Wake, u64)> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }

    /// Whether none was sent since they were last taken.
    pub fn is_empty(&self) -> bool {
        self.sent.lock().unwrap().is_empty()
    }

    /// From now on none can be sent.
    pub fn break_queue(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }
}

impl Wakes for SentWakes {
    async fn wake(&self, wake: &Wake, delay_ms: u64) -> Result<(), WakeError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(WakeError("the test broke the queue".to_owned()));
        }
        self.sent.lock().unwrap().push((wake.clone(), delay_ms));
        Ok(())
    }
}

/// What operators send in the tests.
pub const TOKEN: &str = "the-token-of-the-tests";
/// The header with it.
pub const OPERATOR: [(&str, &str); 1] = [("authorization", "Bearer the-token-of-the-tests")];

pub fn guard() -> Guard {
    Guard::direct(Token::new(TOKEN).unwrap(), Users::Open, Vec::new(), Tickets::new(&[7; 32]).unwrap())
}

/// The guard of the functions behind an API that is open to everyone.
pub fn deployed() -> Guard {
    Guard::gateway("open", "", Some("the ticket key of the tests, which is long")).unwrap()
}

/// An entity of a kind.
pub fn entity(kind: &str, id: &str) -> EntityId {
    EntityId::new(kind, id).unwrap()
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

/// The configuration of the worlds whose network fails. The SDK's budget for retries is one a region and process: a
/// region of their own leaves that of other tests alone.
async fn calm_config() -> SdkConfig {
    let connection = connect(&endpoint().await, Identity::Anyone).await;
    connection.config.to_builder().region(Region::from_static("us-west-2")).build()
}

/// Without its stream, which nobody here reads (`faults::Records` are what it would carry): a write to a table that has
/// one takes DynamoDB Local the longer, the more records there are in all streams together.
async fn create(client: &aws_sdk_dynamodb::Client, table: &str) {
    let request = local::table::request(client, table).unwrap();
    request.set_stream_specification(None).send().await.unwrap();
}

/// The name of a table that no other test has.
pub fn table_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("leasebox-{}-{}-{}", std::process::id(), machine_time().0, NEXT.fetch_add(1, Ordering::Relaxed))
}
