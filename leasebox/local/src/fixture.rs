//! What the tests share: a database with the table, its clients, and a consumer that notes and obeys.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_http_client::Builder;
use serde_json::Value;
use tokio::sync::watch;

use crate::consumer::{BatchResponse, Consumer, DeliveryError};
use crate::data_dir::DataDir;
use crate::database::{Database, Serving};
use crate::dead_letters::DeadLetters;
use crate::progress::{Positions, Progress};
use crate::pump::{Clients, Nudge, Pump, Settings};
use crate::retry::Retry;
use crate::table;

/// Clients of an endpoint, with credentials that any emulator takes.
pub fn clients(endpoint: &str) -> Clients {
    let credentials = Credentials::new("local", "local", None, None, "test");
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(Builder::new().build_http())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    Clients { dynamodb: aws_sdk_dynamodb::Client::new(&sdk), streams: aws_sdk_dynamodbstreams::Client::new(&sdk) }
}

/// A data directory and a database with a table of its own: embedded, or the one that the variable
/// `DYNAMODB_ENDPOINT` names.
pub struct World {
    pub dir: DataDir,
    pub table: String,
    endpoint: String,
    /// Kept, so that it goes on answering.
    _embedded: Option<Serving>,
}

impl World {
    pub async fn new() -> Self {
        let dir = DataDir::temporary().unwrap();
        let name = dir.path().file_name().unwrap().to_str().unwrap().replace(".", "");
        let (endpoint, _embedded) = match std::env::var("DYNAMODB_ENDPOINT") {
            Ok(endpoint) => (endpoint, None),
            Err(_) => {
                let serving = serve(Database::in_memory().unwrap()).await;
                (serving.endpoint(), Some(serving))
            }
        };
        let world = Self { dir, table: name, endpoint, _embedded };
        table::ensure(&world.clients().dynamodb, &world.table).await.unwrap();
        world
    }

    pub fn clients(&self) -> Clients {
        clients(&self.endpoint)
    }

    /// Writes a mailbox with work pending, as a post does.
    pub async fn post(&self, entity: &str, number: usize) {
        put(&self.clients(), &self.table, entity, number, "p").await;
    }

    /// A pump on this world's table and directory, with short pauses.
    pub fn pump(&self, consumer: &Arc<Script>, progress: &Arc<Progress>) -> Pump<Script> {
        Pump {
            clients: self.clients(),
            table: self.table.clone(),
            consumer: Arc::clone(consumer),
            progress: Arc::clone(progress),
            directory: self.dir.path().to_owned(),
            dead_letters: DeadLetters::open(self.dir.path()).unwrap(),
            settings: Settings {
                pause: Duration::from_millis(5),
                idle: Duration::from_millis(20),
                checkpoint: Duration::from_millis(20),
                retry: RETRY,
                ..Settings::default()
            },
            nudge: Nudge::default(),
            stored: watch::channel(Positions::new()).0,
        }
    }

    pub fn dead_letters(&self) -> Vec<Value> {
        read_lines(&self.dir.path().join("dead-letters.jsonl"))
    }
}

/// Retries without much waiting.
pub const RETRY: Retry = Retry { attempts: 4, first: Duration::from_millis(5), longest: Duration::from_millis(20) };

pub async fn serve(database: Database) -> Serving {
    database.serve("127.0.0.1:0".parse().unwrap()).await.unwrap()
}

pub async fn put(clients: &Clients, table: &str, entity: &str, number: usize, pending: &str) {
    let request = clients.dynamodb.put_item().table_name(table);
    let request = request
        .item("pk", AttributeValue::S(format!("counter/{entity}")))
        .item("sk", AttributeValue::S("mailbox".to_owned()))
        .item("kind", AttributeValue::S("counter".to_owned()))
        .item("number", AttributeValue::N(number.to_string()))
        .item("pending", AttributeValue::S(pending.to_owned()));
    request.send().await.unwrap();
}

pub fn read_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits until it holds, and says what does not.
pub async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    for _ in 0..1000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within 10 s: {what}");
}

type Answer = Box<dyn FnOnce(&Value) -> Result<BatchResponse, DeliveryError> + Send>;

/// A consumer that notes every event and answers by its script; when that is over, it accepts.
#[derive(Default)]
pub struct Script {
    events: Mutex<Vec<Value>>,
    answers: Mutex<VecDeque<Answer>>,
}

impl Script {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Answers the next event that has no answer yet.
    pub fn then(&self, answer: impl FnOnce(&Value) -> Result<BatchResponse, DeliveryError> + Send + 'static) {
        self.answers.lock().unwrap().push_back(Box::new(answer));
    }

    pub fn events(&self) -> Vec<Value> {
        self.events.lock().unwrap().clone()
    }

    /// The entity and number of every stream record delivered so far, one list for each event.
    pub fn batches(&self) -> Vec<Vec<(String, usize)>> {
        self.events().iter().map(numbers).collect()
    }

    pub fn numbers(&self) -> Vec<usize> {
        self.batches().into_iter().flatten().map(|(_, number)| number).collect()
    }
}

/// The entity and number of every stream record of an event.
pub fn numbers(event: &Value) -> Vec<(String, usize)> {
    let records = event["Records"].as_array().unwrap().iter();
    let images = records.map(|record| &record["dynamodb"]["NewImage"]);
    let entity = |image: &Value| image["pk"]["S"].as_str().unwrap().to_owned();
    let number = |image: &Value| image["number"]["N"].as_str().unwrap().parse().unwrap();
    images.map(|image| (entity(image), number(image))).collect()
}

impl Consumer for Script {
    async fn deliver(&self, event: Value) -> Result<BatchResponse, DeliveryError> {
        self.events.lock().unwrap().push(event.clone());
        let answer = self.answers.lock().unwrap().pop_front();
        answer.map_or(Ok(BatchResponse::Accepted), |answer| answer(&event))
    }
}
