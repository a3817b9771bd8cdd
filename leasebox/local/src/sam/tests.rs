//! The mode with a drain function of a few lines behind a real Invoke API.

use std::sync::Mutex;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::extract::State;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::*;
use crate::fixture::{clients, eventually};

type Events = Arc<Mutex<Vec<Value>>>;

fn free_ports() -> u16 {
    // Two neighbours; the embedded database takes the first and the wake queue the second.
    (18_000..28_000)
        .step_by(2)
        .skip(std::process::id() as usize % 1000)
        .find(|port| [*port, port + 1].iter().all(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()))
        .unwrap()
}

fn options(dir: &std::path::Path) -> Options {
    Options {
        data: dir.to_owned(),
        bind: IpAddr::from([127, 0, 0, 1]),
        port: free_ports(),
        endpoint: None,
        lambda: String::new(),
        function: "DrainFunction".to_owned(),
        env_file: dir.join("made/env.json"),
    }
}

/// A function that answers a stream record by sending a wake, as the drain function does when the
/// lease is held.
async fn drain(State((events, queue)): State<(Events, String)>, body: String) -> &'static str {
    let event: Value = serde_json::from_str(&body).unwrap();
    let source = event["Records"][0]["eventSource"].clone();
    events.lock().unwrap().push(event);
    if source == "aws:dynamodb" {
        let send = json!({"QueueUrl": sqs::queue_url(&queue), "MessageBody": "wake", "DelaySeconds": 0});
        let request = reqwest::Client::new().post(&queue).body(send.to_string());
        let request = request.header("x-amz-target", "AmazonSQS.SendMessage");
        assert!(request.send().await.unwrap().status().is_success());
    }
    r#"{"batchItemFailures": []}"#
}

#[tokio::test]
async fn a_write_reaches_the_function_and_so_does_the_wake_it_sends() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    let events = Events::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    options.lambda = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let stop_signal = async { drop(stopped.await) };
    let running = run(options.clone(), &[], async |endpoint: &str| clients(endpoint), || 0, stop_signal);
    let journey = async {
        eventually("the environment is written", async || options.env_file.exists()).await;
        let written: Value = serde_json::from_slice(&std::fs::read(&options.env_file).unwrap()).unwrap();
        let url = |name: &str| written["DrainFunction"][name].as_str().unwrap().to_owned();
        let (database, queue) = (url("AWS_ENDPOINT_URL_DYNAMODB"), url("AWS_ENDPOINT_URL_SQS"));
        assert_eq!(crate::data_dir::read_endpoint(&options.data).unwrap(), database);
        let database = clients(&database).dynamodb;
        let put = database.put_item().table_name(TABLE);
        let put = put
            .item("pk", AttributeValue::S("counter/a".to_owned()))
            .item("sk", AttributeValue::S("mailbox".to_owned()))
            .item("pending", AttributeValue::S("p".to_owned()));
        put.send().await.unwrap();
        // The function comes up late, as `sam local start-lambda` does.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let path = "/2015-03-31/functions/DrainFunction/invocations";
        let router = Router::new().route(path, post(drain)).with_state((events.clone(), queue.clone()));
        tokio::spawn(async move { axum::serve(listener, router).await });
        eventually("both events came", async || events.lock().unwrap().len() == 2).await;
        stop.send(()).unwrap();
    };
    let (ended, ()) = tokio::join!(running, journey);
    ended.unwrap();
    let events = events.lock().unwrap();
    assert_eq!(events[0]["Records"][0]["dynamodb"]["Keys"]["pk"]["S"], "counter/a");
    assert_eq!(events[1]["Records"][0]["body"], "wake");
    let written: Value = serde_json::from_slice(&std::fs::read(&options.env_file).unwrap()).unwrap();
    let drain = &written["DrainFunction"];
    let url = |name: &str| drain[name].as_str().unwrap();
    assert!(url("AWS_ENDPOINT_URL_DYNAMODB").starts_with(&format!("http://127.0.0.1:{}/", options.port)));
    assert!(url("AWS_ENDPOINT_URL_SQS").starts_with(&format!("http://127.0.0.1:{}/", options.port + 1)));
    assert_eq!(url("WAKE_QUEUE_URL"), sqs::queue_url(url("AWS_ENDPOINT_URL_SQS")));
    // Nobody signs where SAM is local.
    assert_eq!(drain["USERS"], "open");
    assert!(drain["TICKET_KEY"].as_str().unwrap().len() >= shared::limits::TICKET_KEY_BYTES);
    assert_eq!(written["IngestFunction"], *drain);
    assert_eq!(written["StatusFunction"], *drain);
}

#[tokio::test]
async fn a_bridge_that_is_not_there_is_told_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { bind: IpAddr::from([192, 0, 2, 1]), ..options(dir.path()) };
    let refused =
        run(options, &[], async |endpoint: &str| clients(endpoint), || 0, std::future::pending()).await.unwrap_err();
    let told = refused.to_string();
    assert!(told.contains("start Docker") && told.contains("--bind"), "{told}");
}

#[test]
fn a_loopback_address_is_known_in_every_spelling() {
    for url in ["http://localhost:8000", "http://127.0.0.1:8000", "http://127.1.2.3", "http://[::1]:8000"] {
        assert!(is_loopback(url), "{url}");
    }
    for url in ["http://172.17.0.1:8000", "https://dynamodb.us-east-1.amazonaws.com", "not a URL"] {
        assert!(!is_loopback(url), "{url}");
    }
}
