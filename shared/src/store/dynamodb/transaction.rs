//! The actions of a transaction, in the SDK's words.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, Delete as TransactDelete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update as TransactUpdate,
};

use crate::store::dynamodb::{key_attributes, values};
use crate::store::{self, Delete, StoreError, Update};
use crate::table;

fn built<T, E: std::error::Error>(result: Result<T, E>) -> Result<T, StoreError> {
    result.map_err(|error| StoreError::Invalid(error.to_string()))
}

pub(super) fn update(table_name: &str, update: Update) -> Result<TransactWriteItem, StoreError> {
    let update = TransactUpdate::builder()
        .table_name(table_name)
        .set_key(Some(key_attributes(&update.key)))
        .set_expression_attribute_names(Some(table::aliases(&[&update.update, &update.condition])))
        .set_expression_attribute_values(Some(values(update.values)))
        .update_expression(update.update)
        .condition_expression(update.condition)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build();
    Ok(TransactWriteItem::builder().update(built(update)?).build())
}

pub(super) fn put(table_name: &str, put: store::Put) -> Result<TransactWriteItem, StoreError> {
    let mut item: HashMap<String, AttributeValue> = put.item.into();
    item.extend(key_attributes(&put.key));
    let mut builder = Put::builder().table_name(table_name).set_item(Some(item));
    if let Some((condition, with)) = put.condition {
        // DynamoDB refuses a map of values that is empty, where another engine may let it pass.
        let with = (!with.is_empty()).then(|| values(with));
        builder = builder
            .condition_expression(condition)
            .set_expression_attribute_names(Some(table::aliases(&[condition])))
            .set_expression_attribute_values(with);
    }
    Ok(TransactWriteItem::builder().put(built(builder.build())?).build())
}

pub(super) fn delete(table_name: &str, delete: Delete) -> Result<TransactWriteItem, StoreError> {
    let delete = TransactDelete::builder()
        .table_name(table_name)
        .set_key(Some(key_attributes(&delete.key)))
        .set_expression_attribute_names(Some(table::aliases(&[delete.condition])))
        .condition_expression(delete.condition)
        .build();
    Ok(TransactWriteItem::builder().delete(built(delete)?).build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Key;

    #[test]
    fn a_condition_without_values_is_sent_without_a_map_of_them() {
        let sent = |values| {
            let condition = Some((table::JOURNAL_IF, values));
            let item = HashMap::<String, serde_dynamo::AttributeValue>::new().into();
            let action = store::Put { key: Key::new("account/alice", "event#1"), item, condition };
            put("leasebox", action).unwrap().put.unwrap()
        };
        assert_eq!(sent(Vec::new()).expression_attribute_values, None);
        assert!(sent(vec![(":at", table::number(1))]).expression_attribute_values.is_some());
    }
}
