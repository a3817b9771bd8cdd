//! An SQS endpoint for functions in containers: it answers SendMessage to the wake queue, in the
//! AWS JSON protocol, and nothing else.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use md5::{Digest, Md5};
use serde_json::{Value, json};

use crate::wakes::{QUEUE, Wakes};

/// SQS keeps a message back for this long at most.
const MAX_DELAY_SECONDS: i64 = 900;

/// The size of the largest message that SQS takes.
const MAX_BODY: usize = 1024 * 1024;

/// The routes of the endpoint. `base` is the URL at which functions reach it.
pub fn router(wakes: Wakes, base: &str) -> Router {
    let queue = Queue { wakes, url: queue_url(base) };
    Router::new().fallback(answer).with_state(queue)
}

/// The wake queue's URL on an endpoint.
pub fn queue_url(base: &str) -> String {
    format!("{}/000000000000/{QUEUE}", base.trim_end_matches('/'))
}

#[derive(Debug, Clone)]
struct Queue {
    wakes: Wakes,
    url: String,
}

/// A refusal in SQS's own shape: the type that the SDK looks for, and the older code for the rest.
#[derive(Debug)]
struct Refusal {
    kind: &'static str,
    code: &'static str,
    message: String,
}

impl Refusal {
    fn unsupported(message: String) -> Self {
        let code = "AWS.SimpleQueueService.UnsupportedOperation";
        Self { kind: "UnsupportedOperation", code, message }
    }

    fn invalid(message: String) -> Self {
        Self { kind: "InvalidParameterValue", code: "InvalidParameterValue", message }
    }

    fn no_such_queue(name: &str) -> Self {
        let code = "AWS.SimpleQueueService.NonExistentQueue";
        let message = format!("there is no queue {name:?} here, only {QUEUE:?}");
        Self { kind: "QueueDoesNotExist", code, message }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        tracing::warn!(kind = self.kind, message = self.message, "refused an SQS request");
        let body = json!({
            "__type": format!("com.amazonaws.sqs#{}", self.kind),
            "message": self.message,
        });
        let mut response = json_response(StatusCode::BAD_REQUEST, &body);
        if let Ok(code) = HeaderValue::from_str(&format!("{};Sender", self.code)) {
            response.headers_mut().insert("x-amzn-query-error", code);
        }
        response
    }
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    let kind = [("content-type", "application/x-amz-json-1.0")];
    (status, kind, body.to_string()).into_response()
}

async fn answer(State(queue): State<Queue>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    match queue.dispatch(target, &body) {
        Ok(answer) => json_response(StatusCode::OK, &answer),
        Err(refusal) => refusal.into_response(),
    }
}

impl Queue {
    fn dispatch(&self, target: Option<&str>, body: &[u8]) -> Result<Value, Refusal> {
        let input: Value = serde_json::from_slice(body).unwrap_or_default();
        match target.and_then(|target| target.strip_prefix("AmazonSQS.")) {
            Some("SendMessage") => self.send_message(&input),
            Some("GetQueueUrl") => {
                check_queue(input["QueueName"].as_str().unwrap_or_default())?;
                Ok(json!({"QueueUrl": self.url}))
            }
            _ => {
                let target = target.unwrap_or("a request without X-Amz-Target");
                let message = format!("{target} is not offered here, only SendMessage and GetQueueUrl");
                Err(Refusal::unsupported(message))
            }
        }
    }

    fn send_message(&self, input: &Value) -> Result<Value, Refusal> {
        let url = input["QueueUrl"].as_str().unwrap_or_default();
        check_queue(url.rsplit('/').next().unwrap_or_default())?;
        for field in ["MessageAttributes", "MessageSystemAttributes", "MessageGroupId"] {
            if !input[field].is_null() {
                return Err(Refusal::unsupported(format!("{field} is not offered here")));
            }
        }
        let body = input["MessageBody"].as_str().unwrap_or_default();
        if body.is_empty() || body.len() > MAX_BODY {
            return Err(Refusal::invalid(format!("MessageBody must have 1 to {MAX_BODY} bytes")));
        }
        let id = self.wakes.send(body, delay(&input["DelaySeconds"])?);
        Ok(json!({"MessageId": id, "MD5OfMessageBody": hex::encode(Md5::digest(body))}))
    }
}

fn check_queue(name: &str) -> Result<(), Refusal> {
    if name == QUEUE { Ok(()) } else { Err(Refusal::no_such_queue(name)) }
}

fn delay(field: &Value) -> Result<Duration, Refusal> {
    let seconds = if field.is_null() { Some(0) } else { field.as_i64() };
    let seconds = seconds.filter(|seconds| (0..=MAX_DELAY_SECONDS).contains(seconds));
    let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let invalid = || {
        let expected = format!("must be between 0 and {MAX_DELAY_SECONDS}, if present");
        Refusal::invalid(format!("Value {field} for parameter DelaySeconds is invalid. Reason: {expected}."))
    };
    seconds.map(Duration::from_secs).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
    use aws_sdk_sqs::error::ProvideErrorMetadata;
    use aws_sdk_sqs::operation::send_message::SendMessageError;
    use aws_smithy_http_client::Builder;
    use tokio::net::TcpListener;

    use super::*;
    use crate::dead_letters::DeadLetters;
    use crate::fixture::{RETRY, Script, eventually};
    use crate::progress::Progress;
    use crate::shutdown;

    async fn serve() -> (Wakes, aws_sdk_sqs::Client, String) {
        let wakes = Wakes::new(Progress::new(), || 1_761_000_000_000);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = router(wakes.clone(), &base);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(Builder::new().build_http())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(&base)
            .credentials_provider(Credentials::new("local", "local", None, None, "test"));
        (wakes, aws_sdk_sqs::Client::from_conf(config.build()), base)
    }

    #[tokio::test]
    async fn a_message_sent_by_the_sdk_reaches_the_consumer_after_its_delay() {
        let (wakes, client, _) = serve().await;
        let url = client.get_queue_url().queue_name(QUEUE).send().await.unwrap();
        let send = client.send_message().queue_url(url.queue_url().unwrap());
        let sent = send.message_body("{\"pk\":\"ä\"}").delay_seconds(1).send().await.unwrap();
        let begun = tokio::time::Instant::now();

        let dir = tempfile::tempdir().unwrap();
        let dead_letters = DeadLetters::open(dir.path()).unwrap();
        let (consumer, (_trigger, shutdown)) = (Script::new(), shutdown::channel());
        let (queue, receiver) = (wakes.clone(), consumer.clone());
        tokio::spawn(async move { queue.run(receiver, dead_letters, RETRY, shutdown).await });
        eventually("the message is delivered", async || !consumer.events().is_empty()).await;
        assert!(begun.elapsed() > Duration::from_millis(900));
        let record = &consumer.events()[0]["Records"][0];
        assert_eq!(record["messageId"], sent.message_id().unwrap());
        assert_eq!(record["body"], "{\"pk\":\"ä\"}");
        assert_eq!(record["md5OfBody"], sent.md5_of_message_body().unwrap());
    }

    #[tokio::test]
    async fn another_queue_does_not_exist() {
        let (wakes, client, base) = serve().await;
        let send = client.send_message().queue_url(format!("{base}/000000000000/other"));
        let error = send.message_body("x").send().await.unwrap_err().into_service_error();
        assert!(matches!(error, SendMessageError::QueueDoesNotExist(_)), "{error:?}");
        assert_eq!(wakes.waiting(), 0);
    }

    #[tokio::test]
    async fn a_delay_that_sqs_would_refuse_is_refused() {
        let (_, client, base) = serve().await;
        let send = client.send_message().queue_url(queue_url(&base)).message_body("x");
        let error = send.delay_seconds(901).send().await.unwrap_err();
        assert_eq!(error.code(), Some("InvalidParameterValue"));
        assert!(error.message().unwrap().contains("DelaySeconds"));
    }

    #[tokio::test]
    async fn other_operations_are_refused_by_name() {
        let (_, client, base) = serve().await;
        let error = client.receive_message().queue_url(queue_url(&base)).send().await.unwrap_err();
        assert_eq!(error.code(), Some("AWS.SimpleQueueService.UnsupportedOperation"));
        assert!(error.message().unwrap().contains("AmazonSQS.ReceiveMessage"));
    }
}
