//! `drain`'s wakes through the SQS API: the development server's own, or with `SQS_ENDPOINT` the one that is there.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use drain::queue::Queue;
use local::connect::{Identity, connect};
use local::consumer::{BatchResponse, Consumer, DeliveryError};
use local::dead_letters::DeadLetters;
use local::progress::Progress;
use local::retry::Retry;
use local::shutdown::{self, Trigger};
use local::sqs;
use local::wakes::Wakes as Waking;
use serde_json::Value;
use shared::envelope::{EntityId, Millis, Owner};
use shared::live::machine_time;
use shared::wake::{SeenLease, Wake, Wakes};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// The bodies of the messages that came out.
#[derive(Clone, Debug, Default)]
struct Bodies(Arc<Mutex<Vec<String>>>);

impl Consumer for Bodies {
    async fn deliver(&self, event: Value) -> Result<BatchResponse, DeliveryError> {
        let records = event["Records"].as_array().unwrap().iter();
        let bodies = records.map(|record| record["body"].as_str().unwrap().to_owned());
        self.0.lock().unwrap().extend(bodies);
        Ok(BatchResponse::Accepted)
    }
}

/// An endpoint with a queue.
struct Endpoint {
    client: Client,
    queue: String,
    came: Bodies,
    /// What the development server's own needs to go on.
    _own: Option<(Trigger, TempDir)>,
}

impl Endpoint {
    async fn new() -> Self {
        match std::env::var("SQS_ENDPOINT") {
            Ok(endpoint) => Self::given(&endpoint).await,
            Err(_) => Self::own().await,
        }
    }

    async fn given(endpoint: &str) -> Self {
        let client = Client::new(&config(endpoint).await);
        let name = format!("wakes-{:016x}", rand::random::<u64>());
        let created = client.create_queue().queue_name(name).send().await.unwrap();
        Self { client, queue: created.queue_url.unwrap(), came: Bodies::default(), _own: None }
    }

    async fn own() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let waking = Waking::new(Progress::new(), || machine_time().0);
        let router = sqs::router(waking.clone(), &base);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let (came, dir) = (Bodies::default(), tempfile::tempdir().unwrap());
        let (consumer, dead_letters) = (Arc::new(came.clone()), DeadLetters::open(dir.path()).unwrap());
        let (trigger, shutdown) = shutdown::channel();
        tokio::spawn(async move { waking.run(consumer, dead_letters, Retry::default(), shutdown).await });
        let client = Client::new(&config(&base).await);
        Self { client, queue: sqs::queue_url(&base), came, _own: Some((trigger, dir)) }
    }

    fn queue(&self) -> Queue {
        Queue::new(self.client.clone(), self.queue.clone())
    }

    /// The wakes that came so far.
    async fn came(&self) -> Vec<Wake> {
        if self._own.is_none() {
            let receive = self.client.receive_message().queue_url(&self.queue).max_number_of_messages(10);
            let messages = receive.send().await.unwrap().messages.unwrap_or_default();
            self.came.0.lock().unwrap().extend(messages.into_iter().filter_map(|message| message.body));
        }
        self.came.0.lock().unwrap().iter().map(|body| serde_json::from_str(body).unwrap()).collect()
    }

    /// Waits for so many wakes.
    async fn wait(&self, number: usize) -> Vec<Wake> {
        let begun = Instant::now();
        loop {
            let came = self.came().await;
            if came.len() >= number {
                return came;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{number} wakes were sent, {came:?} came");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The configuration that the functions have.
async fn config(endpoint: &str) -> SdkConfig {
    connect(endpoint, Identity::Anyone).await.config
}

fn wake(id: &str) -> Wake {
    let lease = SeenLease { owner: Owner::new(Millis(1_790_000_000_000), 7), until: Millis(1_790_000_030_000) };
    Wake { entity: EntityId::new("counter", id).unwrap(), lease: Some(lease), due: None }
}

#[tokio::test]
async fn a_wake_comes_as_it_was_sent_and_not_before_its_delay() {
    let endpoint = Endpoint::new().await;
    let (now, later) = (wake("now"), Wake { lease: None, due: Some(Millis(5)), ..wake("later") });
    let sent = Instant::now();
    // The delay is no whole number of seconds, which SQS counts in: it is rounded up.
    endpoint.queue().wake(&later, 1_200).await.unwrap();
    endpoint.queue().wake(&now, 0).await.unwrap();
    assert_eq!(endpoint.wait(1).await, std::slice::from_ref(&now));
    assert_eq!(endpoint.wait(2).await, [now, later]);
    assert!(sent.elapsed() >= Duration::from_millis(1_200), "the delay was {:?}", sent.elapsed());
}

#[tokio::test]
async fn a_delay_longer_than_sqs_takes_is_cut_to_what_it_takes() {
    let endpoint = Endpoint::new().await;
    endpoint.queue().wake(&wake("late"), 86_400_000).await.unwrap();
    endpoint.queue().wake(&wake("now"), 0).await.unwrap();
    assert_eq!(endpoint.wait(1).await, [wake("now")]);
}

#[tokio::test]
async fn a_wake_that_no_queue_took_is_an_error() {
    let endpoint = Endpoint::new().await;
    let nowhere = Queue::new(endpoint.client.clone(), format!("{}-not", endpoint.queue));
    let refused = nowhere.wake(&wake("alice"), 0).await.unwrap_err();
    assert!(refused.to_string().contains("QueueDoesNotExist"), "{refused}");
}
