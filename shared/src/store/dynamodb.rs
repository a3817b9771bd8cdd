//! The AWS SDK as a store, and one mapping of its errors.

mod connection;
mod transaction;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConsumedCapacity, ReturnConsumedCapacity, ReturnValue,
    ReturnValuesOnConditionCheckFailure,
};
use serde_dynamo::Item;

use crate::log::quiet;
use crate::metrics;
use crate::store::{
    Consistency, Consumed, Delete, Key, Order, Page, Query, Returns, Store, StoreError, Transaction, Update, Values,
    Written,
};
use crate::table;

pub use connection::{ATTEMPT, ATTEMPTS, OPERATION, Roots, http_client, retries, settings, timeouts};

/// One table of DynamoDB, through the SDK.
#[derive(Clone, Debug)]
pub struct DynamoDb {
    client: Client,
    table: Arc<str>,
}

impl DynamoDb {
    /// The store that a table is.
    #[must_use]
    pub fn new(config: &SdkConfig, table: &str) -> Self {
        Self { client: Client::new(config), table: table.into() }
    }

    /// Makes the connection before the first request needs it: on a cold start, TLS costs more than all else.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.get(Key::new("leasebox/warm-up", table::MAILBOX), Consistency::Eventual).await.map(drop)
    }
}

impl Store for DynamoDb {
    async fn get(&self, key: Key, consistency: Consistency) -> Result<(Option<Item>, Consumed), StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&*self.table)
            .set_key(Some(key_attributes(&key)))
            .consistent_read(consistency == Consistency::Strong)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| classify(&error))?;
        let consumed = read_units(found.consumed_capacity.as_ref());
        answered(&key.pk, "get", consumed);
        Ok((found.item.map(Item::from), consumed))
    }

    async fn update(&self, update: Update) -> Result<Written, StoreError> {
        let (attempts, partition) = (Attempts::default(), update.key.pk.clone());
        let written = self
            .client
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(key_attributes(&update.key)))
            .set_expression_attribute_names(Some(table::aliases(&[&update.update, &update.condition])))
            .set_expression_attribute_values(Some(values(update.values)))
            .update_expression(update.update)
            .condition_expression(update.condition)
            .return_values(match update.returns {
                Returns::Item => ReturnValue::AllNew,
                Returns::Nothing => ReturnValue::None,
            })
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .interceptor(attempts.clone())
            .send()
            .await;
        match written {
            Ok(output) => {
                let consumed = write_units([output.consumed_capacity.as_ref()]);
                answered(&partition, "update", consumed);
                Ok(Written::Applied { item: output.attributes.unwrap_or_default().into(), consumed })
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    refused(&partition, "update");
                    Ok(Written::Refused { old: failed.item.clone().map(Item::from), clean: attempts.clean() })
                }
                _ => Err(attempts.error(classify(&error))),
            },
        }
    }

    async fn transact(&self, transaction: Transaction) -> Result<Written, StoreError> {
        let (attempts, partition) = (Attempts::default(), transaction.update.key.pk.clone());
        let mut actions = vec![transaction::update(&self.table, transaction.update)?];
        for put in transaction.puts {
            actions.push(transaction::put(&self.table, put)?);
        }
        let deletes_from = actions.len();
        for delete in transaction.deletes {
            actions.push(transaction::delete(&self.table, delete)?);
        }
        let written = self
            .client
            .transact_write_items()
            .set_transact_items(Some(actions))
            .client_request_token(transaction.token)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .interceptor(attempts.clone())
            .send()
            .await;
        match written {
            Ok(output) => {
                let consumed = write_units(output.consumed_capacity().iter().map(Some));
                answered(&partition, "transact", consumed);
                Ok(Written::Applied { item: HashMap::<String, AttributeValue>::new().into(), consumed })
            }
            Err(error) => cancelled(&error, deletes_from, attempts.clean())
                .inspect(|_| refused(&partition, "transact"))
                .map_err(|error| attempts.error(error)),
        }
    }

    async fn delete(&self, delete: Delete) -> Result<Written, StoreError> {
        let attempts = Attempts::default();
        let deleted = self
            .client
            .delete_item()
            .table_name(&*self.table)
            .set_key(Some(key_attributes(&delete.key)))
            .set_expression_attribute_names(Some(table::aliases(&[delete.condition])))
            .condition_expression(delete.condition)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .interceptor(attempts.clone())
            .send()
            .await;
        match deleted {
            Ok(output) => {
                let consumed = write_units([output.consumed_capacity.as_ref()]);
                answered(&delete.key.pk, "delete", consumed);
                Ok(Written::Applied { item: HashMap::<String, AttributeValue>::new().into(), consumed })
            }
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => {
                    refused(&delete.key.pk, "delete");
                    Ok(Written::Refused { old: None, clean: attempts.clean() })
                }
                _ => Err(attempts.error(classify(&error))),
            },
        }
    }

    async fn query(&self, query: Query) -> Result<Page, StoreError> {
        // The table is queried by `pk`, an index by a name that begins with the kind, and either is the first value.
        let partition = match query.values.first() {
            Some((_, serde_dynamo::AttributeValue::S(partition))) => partition.clone(),
            _ => String::new(),
        };
        let page = self
            .client
            .query()
            .table_name(&*self.table)
            .set_index_name(query.index.map(str::to_owned))
            .consistent_read(query.consistency == Consistency::Strong)
            .set_expression_attribute_names(Some(table::aliases(&[query.condition])))
            .set_expression_attribute_values(Some(values(query.values)))
            .key_condition_expression(query.condition)
            .scan_index_forward(query.order == Order::Ascending)
            .set_exclusive_start_key(query.after.map(HashMap::from))
            .limit(i32::try_from(query.limit).unwrap_or(i32::MAX))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| classify(&error))?;
        let consumed = read_units(page.consumed_capacity.as_ref());
        answered(&partition, "query", consumed);
        Ok(Page {
            items: page.items.unwrap_or_default().into_iter().map(Item::from).collect(),
            last: page.last_evaluated_key.map(Item::from),
            consumed,
        })
    }
}

/// What a cancelled transaction says: whose condition failed, and what stood in the way.
/// The actions from number `deletes_from` on are deletes.
fn cancelled(
    error: &SdkError<TransactWriteItemsError>,
    deletes_from: usize,
    clean: bool,
) -> Result<Written, StoreError> {
    let reasons = match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => cancelled.cancellation_reasons(),
        Some(TransactWriteItemsError::TransactionInProgressException(_)) => {
            return Err(StoreError::Conflict("an earlier try of the same transaction is still running".to_owned()));
        }
        _ => return Err(classify(error)),
    };
    let code = |code: &str| reasons.iter().any(|reason| reason.code.as_deref() == Some(code));
    let message = || reasons.iter().filter_map(|reason| reason.message()).collect::<Vec<_>>().join("; ");
    let failed = |reason: &CancellationReason| reason.code.as_deref() == Some("ConditionalCheckFailed");
    let gone = reasons.iter().skip(deletes_from).any(failed);
    match reasons.first() {
        Some(first) if failed(first) => Ok(Written::Refused { old: first.item.clone().map(Item::from), clean }),
        _ if gone => Ok(Written::Refused { old: None, clean }),
        _ if code("ValidationError") || code("ItemCollectionSizeLimitExceeded") => Err(StoreError::Refused(message())),
        _ if code("ThrottlingError") || code("ProvisionedThroughputExceeded") => Err(StoreError::Throttled(message())),
        _ if code("TransactionConflict") || !reasons.iter().any(failed) => Err(StoreError::Conflict(message())),
        _ => Err(StoreError::Occupied(message())),
    }
}

/// An error of the SDK in words: what it says, and what each of its causes says. The SDK's own form of this goes on with the
/// whole response, and in an answer that broke off lies an item.
#[must_use]
pub fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// A call was answered, and this is what it consumed.
fn answered(partition: &str, operation: &'static str, consumed: Consumed) {
    metrics::consumed(partition, operation, consumed);
    let Consumed { write, read } = consumed;
    tracing::debug!(entity = partition, operation, write, read, "a store call");
}

/// The condition of a write failed.
fn refused(partition: &str, operation: &'static str) {
    tracing::debug!(entity = partition, operation, "the condition of a store call failed");
}

/// The one place where the SDK's errors get their meaning.
fn classify<E: ProvideErrorMetadata + std::error::Error + 'static>(error: &SdkError<E>) -> StoreError {
    let text = told(error);
    tracing::debug!(error = quiet(&text), "a store call failed");
    let service = match error {
        SdkError::ServiceError(service) => service,
        SdkError::ConstructionFailure(_) => return StoreError::Invalid(text),
        _ => return StoreError::Unknown(text),
    };
    match service.err().code().unwrap_or_default() {
        "ProvisionedThroughputExceededException" | "RequestLimitExceeded" | "ThrottlingException" | "Throttling" => {
            StoreError::Throttled(text)
        }
        "TransactionConflictException"
        | "ReplicatedWriteConflictException"
        | "IdempotentParameterMismatchException" => StoreError::Conflict(text),
        "ValidationException" => StoreError::Refused(text),
        "ResourceNotFoundException" => StoreError::Invalid("there is no such table".to_owned()),
        _ if service.raw().status().is_client_error() => StoreError::Invalid(text),
        _ => StoreError::Unknown(text),
    }
}

/// Watches the attempts of one call: whether one of them may have been applied without saying so.
#[derive(Clone, Debug, Default)]
struct Attempts {
    unknown: Arc<AtomicBool>,
}

impl Attempts {
    /// Whether every attempt that failed said for sure that it was not applied.
    fn clean(&self) -> bool {
        !self.unknown.load(Ordering::Relaxed)
    }

    /// What a call failed of. The last attempt's answer says nothing of those before it.
    fn error(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Throttled(text) | StoreError::Conflict(text) if !self.clean() => StoreError::Unknown(text),
            error => error,
        }
    }
}

impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // DynamoDB refuses with 400, also for throttling and conflicts; without an answer, or after an internal error,
        // the write may have been applied.
        let said = context.response().is_some_and(|response| !response.status().is_server_error());
        if !said {
            self.unknown.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn key_attributes(key: &Key) -> HashMap<String, AttributeValue> {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    HashMap::from([("pk".to_owned(), text(&key.pk)), ("sk".to_owned(), text(&key.sk))])
}

fn values(values: Values) -> HashMap<String, AttributeValue> {
    values.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

fn read_units(capacity: Option<&ConsumedCapacity>) -> Consumed {
    Consumed { write: 0.0, read: capacity.and_then(ConsumedCapacity::capacity_units).unwrap_or_default() }
}

fn write_units<'a>(capacities: impl IntoIterator<Item = Option<&'a ConsumedCapacity>>) -> Consumed {
    let units = capacities.into_iter().flatten().filter_map(ConsumedCapacity::capacity_units);
    Consumed { write: units.sum(), read: 0.0 }
}
