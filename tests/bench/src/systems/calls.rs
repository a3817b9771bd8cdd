//! DynamoDB for the systems that Leasebox is compared with: the SDK with Leasebox's own settings, every call billed.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{DisplayErrorContext, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update,
};

use crate::bill::Bill;
use crate::connection::Connection;
use crate::systems::Failed;

/// An item, or a part of one.
pub type Item = HashMap<String, AttributeValue>;

/// What became of a conditional write.
#[derive(Debug)]
pub enum Done {
    /// It was applied, and this is the item then, if the call returns it.
    Applied(Item),
    /// Its condition failed, on this item.
    Refused(Item),
}

/// A conditional write of one item: expressions and their values.
#[derive(Clone, Debug, Default)]
pub struct Write {
    /// The update expression; none when the item is put or deleted.
    pub update: String,
    /// The condition expression.
    pub condition: &'static str,
    /// The values of both.
    pub values: Vec<(&'static str, AttributeValue)>,
}

/// The calls that these systems make.
#[derive(Clone, Debug)]
pub struct Calls {
    client: Client,
    table: Arc<str>,
    bill: Bill,
}

/// A text as a value.
pub fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// A number as a value.
pub fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// An attribute as a number; 0 when there is none.
pub fn number_of(item: &Item, name: &str) -> u64 {
    let digits = item.get(name).and_then(|value| value.as_n().ok());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

/// An attribute as a text; empty when there is none.
pub fn text_of<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

fn key(pk: &str, sk: &str) -> Item {
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

fn values(values: Vec<(&'static str, AttributeValue)>) -> Option<Item> {
    let values: Item = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    (!values.is_empty()).then_some(values)
}

fn failed<E: Error + 'static>(error: SdkError<E>) -> Failed {
    Failed(DisplayErrorContext(error).to_string())
}

const TOTAL: ReturnConsumedCapacity = ReturnConsumedCapacity::Total;
const OLD: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;

impl Calls {
    /// The calls to a table.
    #[must_use]
    pub fn new(connection: &Connection, bill: Bill) -> Self {
        Self { client: Client::new(&connection.config), table: connection.table.as_str().into(), bill }
    }

    /// Reads an item, consistently.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn get(&self, pk: &str, sk: &str) -> Result<Item, Failed> {
        let get = self.client.get_item().table_name(&*self.table).set_key(Some(key(pk, sk))).consistent_read(true);
        let got = get.return_consumed_capacity(TOTAL).send().await.map_err(failed)?;
        self.bill.read(got.consumed_capacity.as_ref());
        Ok(got.item.unwrap_or_default())
    }

    /// Puts an item if a condition holds.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn put(&self, pk: &str, sk: &str, mut item: Item, write: Write) -> Result<Done, Failed> {
        item.extend(key(pk, sk));
        let put = self.client.put_item().table_name(&*self.table).set_item(Some(item));
        let put = put.condition_expression(write.condition).set_expression_attribute_values(values(write.values));
        let put = put.return_values_on_condition_check_failure(OLD).return_consumed_capacity(TOTAL);
        match put.send().await {
            Ok(output) => {
                self.bill.wrote(output.consumed_capacity.as_ref());
                Ok(Done::Applied(Item::new()))
            }
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => Ok(self.refused(refused.item())),
                _ => Err(failed(error)),
            },
        }
    }

    /// Updates an item if a condition holds; the answer has the whole item.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn update(&self, pk: &str, sk: &str, write: Write) -> Result<Done, Failed> {
        let update = self.client.update_item().table_name(&*self.table).set_key(Some(key(pk, sk)));
        let update = update.update_expression(write.update).set_expression_attribute_values(values(write.values));
        let condition = (!write.condition.is_empty()).then(|| write.condition.to_owned());
        let update = update.set_condition_expression(condition).return_values(ReturnValue::AllNew);
        let update = update.return_values_on_condition_check_failure(OLD).return_consumed_capacity(TOTAL);
        match update.send().await {
            Ok(output) => {
                self.bill.wrote(output.consumed_capacity.as_ref());
                Ok(Done::Applied(output.attributes.unwrap_or_default()))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => Ok(self.refused(refused.item())),
                _ => Err(failed(error)),
            },
        }
    }

    /// Deletes an item if a condition holds.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn delete(&self, pk: &str, sk: &str, write: Write) -> Result<Done, Failed> {
        let delete = self.client.delete_item().table_name(&*self.table).set_key(Some(key(pk, sk)));
        let delete = delete.condition_expression(write.condition).set_expression_attribute_values(values(write.values));
        let delete = delete.return_values_on_condition_check_failure(OLD).return_consumed_capacity(TOTAL);
        match delete.send().await {
            Ok(output) => {
                self.bill.wrote(output.consumed_capacity.as_ref());
                Ok(Done::Applied(Item::new()))
            }
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(refused)) => Ok(self.refused(refused.item())),
                _ => Err(failed(error)),
            },
        }
    }

    /// Updates one item if a condition holds, and puts another with it.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn update_and_put(
        &self,
        (pk, sk): (&str, &str),
        write: Write,
        (put_sk, mut put): (&str, Item),
    ) -> Result<Done, Failed> {
        let built = |error: aws_sdk_dynamodb::error::BuildError| Failed(error.to_string());
        let update = Update::builder().table_name(&*self.table).set_key(Some(key(pk, sk)));
        let update = update.update_expression(write.update).condition_expression(write.condition);
        let update = update.set_expression_attribute_values(values(write.values));
        let update = update.return_values_on_condition_check_failure(OLD).build().map_err(built)?;
        put.extend(key(pk, put_sk));
        let put = Put::builder().table_name(&*self.table).set_item(Some(put)).build().map_err(built)?;
        let transaction = self.client.transact_write_items().return_consumed_capacity(TOTAL);
        let transaction = transaction.transact_items(TransactWriteItem::builder().update(update).build());
        match transaction.transact_items(TransactWriteItem::builder().put(put).build()).send().await {
            Ok(output) => {
                self.bill.wrote(output.consumed_capacity());
                Ok(Done::Applied(Item::new()))
            }
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled))
                    if cancelled
                        .cancellation_reasons()
                        .iter()
                        .any(|reason| reason.code() == Some("ConditionalCheckFailed")) =>
                {
                    let reason = cancelled.cancellation_reasons().iter().find(|reason| reason.item().is_some());
                    Ok(self.refused(reason.and_then(|reason| reason.item())))
                }
                _ => Err(failed(error)),
            },
        }
    }

    fn refused(&self, old: Option<&Item>) -> Done {
        self.bill.refused(old);
        Done::Refused(old.cloned().unwrap_or_default())
    }
}
