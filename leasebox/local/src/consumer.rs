//! Who receives events: the drain function, in this process or behind the Lambda Invoke API.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde_json::Value;

use crate::shutdown::Shutdown;

/// How long to wait before asking an unreachable consumer again.
const PATIENCE: Duration = Duration::from_millis(500);

/// Receives one Lambda event (DynamoDB Streams or SQS) and says what it accepted of it.
pub trait Consumer: Send + Sync + 'static {
    /// Hands one event to the consumer and waits for its response. The same event may come again: delivery is at least
    /// once.
    fn deliver(&self, event: Value) -> impl Future<Output = Result<BatchResponse, DeliveryError>> + Send;
}

impl<C: Consumer> Consumer for Arc<C> {
    async fn deliver(&self, event: Value) -> Result<BatchResponse, DeliveryError> {
        C::deliver(self, event).await
    }
}

/// Why a delivery has no batch response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// Nobody was there to take the event: it is offered again and the attempt is not counted.
    #[error("the consumer is not reachable: {0}")]
    Unreachable(String),
    /// The consumer took the event and failed: the whole batch is retried.
    #[error("{0}")]
    Failed(String),
}

/// What a consumer accepted, by the rules of `ReportBatchItemFailures`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchResponse {
    /// Every record is done.
    Accepted,
    /// These items failed: sequence numbers of stream records, or message ids.
    Partial(Vec<String>),
    /// The whole batch failed, for this cause.
    Rejected(String),
}

impl BatchResponse {
    /// Reads a function's answer as Lambda does: nothing, or an empty list, is success; an item
    /// without an identifier fails the whole batch.
    pub fn from_json(answer: &Value) -> Self {
        match answer {
            Value::Null => Self::Accepted,
            Value::Object(fields) => match fields.get("batchItemFailures") {
                None | Some(Value::Null) => Self::Accepted,
                Some(Value::Array(items)) if items.is_empty() => Self::Accepted,
                Some(Value::Array(items)) => Self::from_items(items),
                Some(other) => Self::Rejected(format!("batchItemFailures is not a list: {other}")),
            },
            other => Self::Rejected(format!("not a batch response: {other}")),
        }
    }

    fn from_items(items: &[Value]) -> Self {
        let identifiers: Option<Vec<String>> = items
            .iter()
            .map(|item| item.get("itemIdentifier").and_then(Value::as_str))
            .map(|id| id.filter(|id| !id.is_empty()).map(str::to_owned))
            .collect();
        match identifiers {
            Some(identifiers) => Self::Partial(identifiers),
            None => Self::Rejected("an item failed without an identifier".to_owned()),
        }
    }
}

/// Delivers once, waiting for as long as nobody is there; `event` makes what each attempt hands over. A panic is a
/// rejected batch.
/// `None` means that the shutdown came first and the event is not delivered.
pub(crate) async fn deliver_patiently<C: Consumer>(
    consumer: &C,
    event: impl Fn() -> Value,
    shutdown: &Shutdown,
) -> Option<BatchResponse> {
    loop {
        let delivery = AssertUnwindSafe(consumer.deliver(event())).catch_unwind();
        match delivery.await {
            Ok(Ok(response)) => return Some(response),
            Ok(Err(DeliveryError::Failed(cause))) => return Some(BatchResponse::Rejected(cause)),
            Err(_) => return Some(BatchResponse::Rejected("the consumer panicked".to_owned())),
            Ok(Err(DeliveryError::Unreachable(_))) => {
                if shutdown.sleep(PATIENCE).await.is_interrupted() {
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_to_report_is_success() {
        for answer in [json!(null), json!({}), json!({"batchItemFailures": null}), json!({"batchItemFailures": []})] {
            assert_eq!(BatchResponse::from_json(&answer), BatchResponse::Accepted, "{answer}");
        }
    }

    #[test]
    fn identifiers_are_kept_in_order() {
        let answer = json!({"batchItemFailures": [{"itemIdentifier": "2"}, {"itemIdentifier": "1"}]});
        let expected = BatchResponse::Partial(vec!["2".to_owned(), "1".to_owned()]);
        assert_eq!(BatchResponse::from_json(&answer), expected);
    }

    #[test]
    fn an_item_that_names_nothing_fails_the_whole_batch() {
        for answer in [
            json!({"batchItemFailures": [{"itemIdentifier": ""}]}),
            json!({"batchItemFailures": [{"itemIdentifier": null}]}),
            json!({"batchItemFailures": [{"itemIdentifier": "1"}, {"wrong": "2"}]}),
            json!({"batchItemFailures": "all"}),
            json!("done"),
        ] {
            let response = BatchResponse::from_json(&answer);
            assert!(matches!(response, BatchResponse::Rejected(_)), "{answer}");
        }
    }
}
