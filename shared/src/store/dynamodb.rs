//! The AWS SDK as a store, and one mapping of its errors.

mod connection;
mod failure;
mod transaction;
mod whole;

use std::collections::HashMap;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConsumedCapacity, ReturnConsumedCapacity, ReturnValue,
    ReturnValuesOnConditionCheckFailure,
};
use serde_dynamo::Item;

use crate::metrics;
use crate::store::{
    Consistency, Consumed, Delete, Key, Order, Page, Query, ReadStore, Returns, Store, StoreError, Transaction, Update,
    Values, Written,
};
use crate::table;

use failure::{Attempts, classify};

pub use connection::{ATTEMPT, ATTEMPTS, OPERATION, Roots, http_client, retries, settings, timeouts};
pub use failure::told;

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

impl ReadStore for DynamoDb {
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
        let consumed = read_units(found.consumed_capacity.as_ref())?;
        let item = found.item.map(|item| own(&key, item)).transpose()?;
        answered(&key.pk, "get", consumed);
        Ok((item, consumed))
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
        let consumed = read_units(page.consumed_capacity.as_ref())?;
        let items = page.items.ok_or_else(|| stray("it has no list of items"))?;
        answered(&partition, "query", consumed);
        Ok(Page {
            items: items.into_iter().map(Item::from).collect(),
            last: page.last_evaluated_key.map(Item::from),
            consumed,
        })
    }
}

impl Store for DynamoDb {
    async fn update(&self, update: Update) -> Result<Written, StoreError> {
        let (attempts, key, returns) = (Attempts::<UpdateItemError>::default(), update.key, update.returns);
        let written = self
            .client
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(key_attributes(&key)))
            .set_expression_attribute_names(Some(table::aliases(&[&update.update, &update.condition])))
            .set_expression_attribute_values(Some(values(update.values)))
            .update_expression(update.update)
            .condition_expression(update.condition)
            .return_values(match returns {
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
                let consumed = write_units(output.consumed_capacity.as_slice())?;
                let item = match (returns, output.attributes) {
                    (Returns::Item, item) => own(&key, item.unwrap_or_default())?,
                    (Returns::Nothing, None) => nothing(),
                    (Returns::Nothing, Some(_)) => return Err(stray("it has an item that was not asked for")),
                };
                answered(&key.pk, "update", consumed);
                Ok(Written::Applied { item, consumed })
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    let old = failed.item.clone().map(|item| own(&key, item)).transpose()?;
                    refused(&key.pk, "update");
                    Ok(Written::Refused { old, clean: attempts.clean() })
                }
                _ => Err(attempts.error(classify(&error))),
            },
        }
    }

    async fn transact(&self, transaction: Transaction) -> Result<Written, StoreError> {
        let (attempts, key) = (Attempts::<TransactWriteItemsError>::default(), transaction.update.key.clone());
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
                let consumed = write_units(output.consumed_capacity())?;
                answered(&key.pk, "transact", consumed);
                Ok(Written::Applied { item: nothing(), consumed })
            }
            Err(error) => cancelled(&error, (&key, deletes_from), attempts.clean())
                .inspect(|_| refused(&key.pk, "transact"))
                .map_err(|error| attempts.error(error)),
        }
    }

    async fn delete(&self, delete: Delete) -> Result<Written, StoreError> {
        let attempts = Attempts::<DeleteItemError>::default();
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
                let consumed = write_units(output.consumed_capacity.as_slice())?;
                answered(&delete.key.pk, "delete", consumed);
                Ok(Written::Applied { item: nothing(), consumed })
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
}

/// What a cancelled transaction says: whose condition failed, and what stood in the way.
/// The first action is the update of the item with this key, and those from number `deletes_from` on are deletes.
fn cancelled(
    error: &SdkError<TransactWriteItemsError>,
    (key, deletes_from): (&Key, usize),
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
        Some(first) if failed(first) => {
            let old = first.item.clone().map(|item| own(key, item)).transpose()?;
            Ok(Written::Refused { old, clean })
        }
        _ if gone => Ok(Written::Refused { old: None, clean }),
        _ if code("ValidationError") || code("ItemCollectionSizeLimitExceeded") => Err(StoreError::Refused(message())),
        _ if code("ThrottlingError") || code("ProvisionedThroughputExceeded") => Err(StoreError::Throttled(message())),
        _ if code("TransactionConflict") || !reasons.iter().any(failed) => Err(StoreError::Conflict(message())),
        _ => Err(StoreError::Occupied(message())),
    }
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

fn key_attributes(key: &Key) -> HashMap<String, AttributeValue> {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    HashMap::from([("pk".to_owned(), text(&key.pk)), ("sk".to_owned(), text(&key.sk))])
}

fn values(values: Values) -> HashMap<String, AttributeValue> {
    values.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

fn nothing() -> Item {
    HashMap::<String, AttributeValue>::new().into()
}

/// The item of an answer, if it is the one that was asked for.
fn own(key: &Key, item: HashMap<String, AttributeValue>) -> Result<Item, StoreError> {
    let is = |name: &str, value: &str| matches!(item.get(name), Some(AttributeValue::S(found)) if found == value);
    if is("pk", &key.pk) && is("sk", &key.sk) { Ok(item.into()) } else { Err(stray("its item is another one")) }
}

/// An answer that arrived whole, and is not DynamoDB's to what was asked. What was asked may have been done.
fn stray(why: &str) -> StoreError {
    StoreError::Unknown(format!("the answer belongs to something else: {why}"))
}

/// Every request asks what it consumes: an answer that does not say is none.
fn units(capacity: Option<&ConsumedCapacity>) -> Result<f64, StoreError> {
    capacity.and_then(ConsumedCapacity::capacity_units).ok_or_else(|| stray("it does not say what was consumed"))
}

fn read_units(capacity: Option<&ConsumedCapacity>) -> Result<Consumed, StoreError> {
    Ok(Consumed { write: 0.0, read: units(capacity)? })
}

fn write_units(capacities: &[ConsumedCapacity]) -> Result<Consumed, StoreError> {
    let first = units(capacities.first())?;
    let others = capacities.iter().skip(1).filter_map(ConsumedCapacity::capacity_units);
    Ok(Consumed { write: first + others.sum::<f64>(), read: 0.0 })
}
