//! A consumer behind the Lambda Invoke API, as `sam local start-lambda` serves it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::consumer::{BatchResponse, Consumer, DeliveryError};

/// Invokes one function over Lambda's Invoke API.
#[derive(Debug)]
pub struct Function {
    client: reqwest::Client,
    url: String,
    /// So that its absence, and its return, are each told once.
    was_reachable: AtomicBool,
}

impl Function {
    /// The function of that name at the endpoint. An invocation may take as long as `timeout`, which
    /// has to include the start of a container.
    pub fn new(endpoint: &str, name: &str, timeout: Duration) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().connect_timeout(Duration::from_secs(2)).timeout(timeout).build()?;
        let endpoint = endpoint.trim_end_matches('/');
        let url = format!("{endpoint}/2015-03-31/functions/{name}/invocations");
        Ok(Self { client, url, was_reachable: AtomicBool::new(true) })
    }

    async fn invoke(&self, event: &Value) -> Result<BatchResponse, DeliveryError> {
        let answer = self.client.post(&self.url).json(event).send().await;
        let answer = answer.map_err(|error| if error.is_connect() { unreachable(error) } else { failed(error) })?;
        if is_absence(answer.status()) {
            return Err(DeliveryError::Unreachable(refusal(answer).await));
        }
        if !answer.status().is_success() {
            return Err(DeliveryError::Failed(refusal(answer).await));
        }
        let error = answer.headers().get("x-amz-function-error").cloned();
        let body = answer.text().await.map_err(failed)?;
        match error {
            Some(kind) => Err(DeliveryError::Failed(format!("{kind:?}: {body}"))),
            None => read(&body),
        }
    }

    /// Says once that nobody is there, and once that somebody is again.
    fn note(&self, reachable: bool, cause: Option<&DeliveryError>) {
        if self.was_reachable.swap(reachable, Ordering::Relaxed) == reachable {
            return;
        }
        match cause {
            Some(cause) => tracing::warn!(url = self.url, %cause, "waiting for the function"),
            None => tracing::info!(url = self.url, "the function is there"),
        }
    }
}

impl Consumer for Function {
    async fn deliver(&self, event: Value) -> Result<BatchResponse, DeliveryError> {
        let outcome = self.invoke(&event).await;
        match &outcome {
            Err(cause @ DeliveryError::Unreachable(_)) => self.note(false, Some(cause)),
            Ok(_) | Err(DeliveryError::Failed(_)) => self.note(true, None),
        }
        outcome
    }
}

/// Answers that say nothing about the event: the function is not there, or has no room or container.
fn is_absence(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_FOUND
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::NOT_IMPLEMENTED
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
    )
}

/// An emulator may tell an error of the function in the body only. A function that was stopped for
/// taking too long answers nothing, which must not pass for success.
fn read(body: &str) -> Result<BatchResponse, DeliveryError> {
    match serde_json::from_str::<Value>(body) {
        Ok(Value::Object(fields)) if fields.contains_key("errorMessage") => Err(DeliveryError::Failed(body.to_owned())),
        Ok(answer @ Value::Object(_)) => Ok(BatchResponse::from_json(&answer)),
        _ => Err(DeliveryError::Failed(format!(
            "the function answered {body:?} instead of a batch response; it may have timed out"
        ))),
    }
}

async fn refusal(answer: Response) -> String {
    let status = answer.status();
    let body = answer.text().await.unwrap_or_default();
    format!("{status}: {body}")
}

fn unreachable(error: reqwest::Error) -> DeliveryError {
    DeliveryError::Unreachable(error.without_url().to_string())
}

fn failed(error: reqwest::Error) -> DeliveryError {
    DeliveryError::Failed(error.without_url().to_string())
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::response::IntoResponse;
    use axum::routing::post;
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    const PATH: &str = "/2015-03-31/functions/DrainFunction/invocations";

    /// A function that answers with this.
    async fn function<R>(answer: R) -> Function
    where
        R: IntoResponse + Clone + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new().route(PATH, post(async move || answer.clone()));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Function::new(&endpoint, "DrainFunction", Duration::from_millis(300)).unwrap()
    }

    async fn outcome<R>(answer: R) -> Result<BatchResponse, DeliveryError>
    where
        R: IntoResponse + Clone + Send + Sync + 'static,
    {
        function(answer).await.deliver(json!({"Records": []})).await
    }

    #[tokio::test]
    async fn a_batch_response_is_read() {
        let answer = outcome(r#"{"batchItemFailures": [{"itemIdentifier": "7"}]}"#).await;
        assert_eq!(answer, Ok(BatchResponse::Partial(vec!["7".to_owned()])));
        assert_eq!(outcome("{}").await, Ok(BatchResponse::Accepted));
    }

    #[tokio::test]
    async fn an_error_of_the_function_is_told_by_header_or_body_or_silence() {
        let error = r#"{"errorMessage": "boom", "errorType": "Panic"}"#;
        let by_header = outcome(([("X-Amz-Function-Error", "Unhandled")], "{}")).await;
        for told in [by_header, outcome(error).await, outcome("").await, outcome("null").await] {
            assert!(matches!(told, Err(DeliveryError::Failed(_))), "{told:?}");
        }
        let refused = outcome((StatusCode::INTERNAL_SERVER_ERROR, "no container")).await;
        assert!(matches!(refused, Err(DeliveryError::Failed(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn nobody_there_is_not_a_failure() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let absent = Function::new(&endpoint, "DrainFunction", Duration::from_secs(1)).unwrap();
        let outcome = absent.deliver(json!({})).await;
        assert!(matches!(outcome, Err(DeliveryError::Unreachable(_))), "{outcome:?}");
        let unknown = self::outcome((StatusCode::NOT_FOUND, "Function not found")).await;
        assert!(matches!(unknown, Err(DeliveryError::Unreachable(_))), "{unknown:?}");
    }

    #[tokio::test]
    async fn an_invocation_that_takes_too_long_fails() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let silent = Function::new(&endpoint, "DrainFunction", Duration::from_millis(50)).unwrap();
        let outcome = silent.deliver(json!({})).await;
        assert!(matches!(outcome, Err(DeliveryError::Failed(_))), "{outcome:?}");
    }
}
