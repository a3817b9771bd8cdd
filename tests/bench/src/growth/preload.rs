//! Fills a table by cheap ways, with items as events would have left them.

use std::collections::HashMap;
use std::ops::Range;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures::stream::{self, StreamExt, TryStreamExt};
use shared::client::Client as Poster;
use shared::client::{Mode, Submission};
use shared::envelope::{Draft, EntityId};
use shared::host::ReadHost;
use shared::limits::{self, Settings};
use shared::live::{Clock, Live};
use shared::push::Pushes;
use shared::store::Key;
use shared::store::dynamodb::DynamoDb;
use shared::table;

use crate::connection::Connection;
use crate::systems::Failed;

/// Items that DynamoDB takes in one batch.
const BATCH: usize = 25;
/// Batches on their way at the same time.
const AT_ONCE: usize = 4;

type Item = HashMap<String, AttributeValue>;

/// The id of an entity that was filled in.
pub fn id(number: usize) -> String {
    format!("filled-{number}")
}

/// Copies an entity's mailbox to others.
pub async fn entities(connection: &Connection, model: &str, numbers: Range<usize>) -> Result<(), Failed> {
    let client = Client::new(&connection.config);
    let item = mailbox(&client, &connection.table, model).await?;
    let copies = numbers.map(|number| {
        let mut copy = item.clone();
        copy.insert("pk".to_owned(), AttributeValue::S(format!("counter/{}", id(number))));
        copy
    });
    put(&client, &connection.table, copies.collect()).await
}

/// Makes stream records: a few items are written over and over.
pub async fn records(connection: &Connection, model: &str, count: usize) -> Result<(), Failed> {
    let client = Client::new(&connection.config);
    let item = mailbox(&client, &connection.table, model).await?;
    let writes = (0..count).map(|number| {
        let mut copy = item.clone();
        // Another content each time: to write what is there leaves no record.
        copy.insert("pk".to_owned(), AttributeValue::S(format!("counter/{}", id(number % 1_000))));
        copy.insert("head".to_owned(), AttributeValue::N((number + 2).to_string()));
        copy
    });
    put(&client, &connection.table, writes.collect()).await
}

/// Posts increments that wait: from a process whose stream nobody reads.
pub async fn wait(connection: &Connection, entity: &EntityId, count: usize) -> Result<(), Failed> {
    let store = DynamoDb::new(&connection.config, &connection.table);
    let host = Live::new(store, crate::registry(), Settings::default(), Pushes::Nowhere, Clock::machine());
    let deadline = host.now().plus(limits::FUNCTION_TIMEOUT_MS);
    let body = r#"{"type":"increment","amount":1}"#.to_owned();
    let drafts = vec![Draft { body, keyed: None, from: None, trace: None }; count];
    let submission = Submission { entity, drafts: &drafts, mode: Mode::Detached, wait_ms: 0, deadline };
    Poster::new(host).submit(submission).await.map(drop).map_err(|error| Failed(error.to_string()))
}

async fn mailbox(client: &Client, table_name: &str, id: &str) -> Result<Item, Failed> {
    let Key { pk, sk } = Key::new(&format!("counter/{id}"), table::MAILBOX);
    let get =
        client.get_item().table_name(table_name).key("pk", AttributeValue::S(pk)).key("sk", AttributeValue::S(sk));
    let got = get.consistent_read(true).send().await;
    let got = got.map_err(|error| Failed(DisplayErrorContext(error).to_string()))?;
    got.item.ok_or_else(|| Failed(format!("there is no counter {id}")))
}

async fn put(client: &Client, table_name: &str, items: Vec<Item>) -> Result<(), Failed> {
    let batches = items.chunks(BATCH).map(<[Item]>::to_vec);
    let writes = batches.map(|batch| write(client, table_name, batch));
    stream::iter(writes).buffer_unordered(AT_ONCE).try_collect().await
}

async fn write(client: &Client, table_name: &str, items: Vec<Item>) -> Result<(), Failed> {
    let mut requests = Vec::new();
    for item in items {
        let put = PutRequest::builder().set_item(Some(item)).build().map_err(|error| Failed(error.to_string()))?;
        requests.push(WriteRequest::builder().put_request(put).build());
    }
    while !requests.is_empty() {
        let written = client.batch_write_item().request_items(table_name, requests).send().await;
        let written = written.map_err(|error| Failed(DisplayErrorContext(error).to_string()))?;
        requests = written.unprocessed_items.unwrap_or_default().remove(table_name).unwrap_or_default();
    }
    Ok(())
}
