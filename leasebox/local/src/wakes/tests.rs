//! The wake queue with a scripted consumer.

use aws_lambda_events::event::sqs::SqsEvent;

use super::*;
use crate::consumer::DeliveryError;
use crate::fixture::{RETRY, Script, eventually, read_lines};
use crate::shutdown::{Trigger, channel};

struct Running {
    wakes: Wakes,
    consumer: Arc<Script>,
    progress: Arc<Progress>,
    dir: tempfile::TempDir,
    trigger: Trigger,
    task: tokio::task::JoinHandle<()>,
}

fn start() -> Running {
    let (consumer, progress) = (Script::new(), Progress::new());
    let wakes = Wakes::new(Arc::clone(&progress), || 1_761_000_000_000);
    let dir = tempfile::tempdir().unwrap();
    let dead_letters = DeadLetters::open(dir.path()).unwrap();
    let (trigger, shutdown) = channel();
    let (queue, receiver) = (wakes.clone(), consumer.clone());
    let task = tokio::spawn(async move { queue.run(receiver, dead_letters, RETRY, shutdown).await });
    Running { wakes, consumer, progress, dir, trigger, task }
}

impl Running {
    fn bodies(&self) -> Vec<String> {
        let events = self.consumer.events();
        let records = events.iter().flat_map(|event| event["Records"].as_array().unwrap());
        records.map(|record| record["body"].as_str().unwrap().to_owned()).collect()
    }

    async fn settled(&self) {
        eventually("no wake is outstanding", async || self.progress.outstanding() == 0).await;
    }
}

fn failed_ids(event: &serde_json::Value, body: &str) -> BatchResponse {
    let records = event["Records"].as_array().unwrap().iter();
    let failed = records.filter(|record| record["body"] == body);
    BatchResponse::Partial(failed.map(|record| record["messageId"].as_str().unwrap().into()).collect())
}

#[tokio::test]
async fn messages_come_when_they_are_due_in_lambdas_shape() {
    let running = start();
    let begun = Instant::now();
    running.wakes.send("late", Duration::from_millis(200));
    let id = running.wakes.send("early", Duration::from_millis(50));
    eventually("the first comes", async || running.bodies() == ["early"]).await;
    assert!(begun.elapsed() >= Duration::from_millis(50));
    running.settled().await;
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!(running.bodies(), ["early", "late"]);
    let event = running.consumer.events().remove(0);
    let expected = json!({
        "messageId": id,
        "receiptHandle": format!("{id}#1"),
        "body": "early",
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1761000000000",
            "SenderId": "local",
            "ApproximateFirstReceiveTimestamp": "1761000000000",
        },
        "messageAttributes": {},
        "md5OfBody": "2b3de800b4576343a07e86b8c420e448",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:leasebox-wakes",
        "awsRegion": "us-east-1",
    });
    assert_eq!(event["Records"][0], expected);
    let parsed: SqsEvent = serde_json::from_value(event).unwrap();
    assert_eq!(parsed.records[0].body.as_deref(), Some("early"));
}

#[tokio::test]
async fn only_what_failed_comes_again() {
    let running = start();
    running.consumer.then(|event| Ok(failed_ids(event, "b")));
    for body in ["a", "b", "c"] {
        running.wakes.send(body, Duration::from_millis(50));
    }
    running.settled().await;
    assert_eq!(running.bodies(), ["a", "b", "c", "b"]);
    let again = &running.consumer.events()[1]["Records"][0];
    assert_eq!(again["attributes"]["ApproximateReceiveCount"], "2");
}

#[tokio::test]
async fn an_unknown_id_an_error_and_a_panic_each_fail_the_whole_batch() {
    let running = start();
    running.consumer.then(|_| Ok(BatchResponse::Partial(vec!["unknown".to_owned()])));
    running.consumer.then(|_| Err(DeliveryError::Failed("an error".to_owned())));
    running.consumer.then(|_| panic!("a panic"));
    running.wakes.send("a", Duration::ZERO);
    running.settled().await;
    assert_eq!(running.bodies(), ["a"; 4]);
    assert!(read_lines(&running.dir.path().join("dead-letters.jsonl")).is_empty());
}

#[tokio::test]
async fn what_keeps_failing_goes_to_the_dead_letters() {
    let running = start();
    for _ in 0..RETRY.attempts {
        running.consumer.then(|_| Err(DeliveryError::Failed("poison".to_owned())));
    }
    running.wakes.send("a", Duration::ZERO);
    running.settled().await;
    let letters = read_lines(&running.dir.path().join("dead-letters.jsonl"));
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["record"]["body"], "a");
    assert_eq!(letters[0]["cause"], "poison");
    assert_eq!(running.bodies(), ["a"; 4]);
}

#[tokio::test]
async fn a_shutdown_keeps_what_is_not_delivered_outstanding() {
    let running = start();
    running.consumer.then(|_| Err(DeliveryError::Unreachable("nobody".to_owned())));
    running.wakes.send("now", Duration::ZERO);
    running.wakes.send("later", Duration::from_secs(60));
    eventually("it is offered", async || running.bodies() == ["now"]).await;
    running.trigger.fire();
    running.task.await.unwrap();
    assert_eq!(running.progress.outstanding(), 2);
    assert_eq!(running.wakes.waiting(), 2);
}

#[tokio::test]
async fn many_due_at_once_come_in_batches() {
    let running = start();
    for number in 0..95 {
        running.wakes.send(number.to_string(), Duration::from_millis(50));
    }
    running.settled().await;
    assert_eq!(running.bodies().len(), 95);
    let sizes = running.consumer.events();
    assert!(sizes.iter().all(|event| event["Records"].as_array().unwrap().len() <= BATCH));
}
