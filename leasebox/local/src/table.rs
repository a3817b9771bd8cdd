//! The table, as the template declares it, on an endpoint that has no CloudFormation.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, StreamSpecification, StreamViewType, TableDescription, TableStatus, TimeToLiveSpecification,
    TimeToLiveStatus,
};
use shared::store::dynamodb::told;

/// How long a new table may take to become active.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why the table is not there.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The database refused a call.
    #[error("{call} of table {table}: {cause}")]
    Refused {
        /// The operation of DynamoDB's API that was refused.
        call: &'static str,
        /// The name of the table.
        table: String,
        /// What the SDK said.
        cause: String,
    },
    /// There is a table of this name, and it is another one.
    #[error("table {table} exists, but {what}; use another database or another table name")]
    Different {
        /// The name of the table.
        table: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// It does not become active.
    #[error("table {0} did not become active within {PATIENCE:?}")]
    Inactive(String),
}

/// Makes sure that the table exists and is active, with its index, its stream and its time to live.
/// Callers may race: whoever comes second finds it there.
pub async fn ensure(client: &Client, table: &str) -> Result<(), TableError> {
    match request(client, table)?.send().await {
        Ok(_) => {}
        Err(error) if error.code() == Some("ResourceInUseException") => {}
        Err(error) => return Err(refused("CreateTable", table, &error)),
    }
    let described = tokio::time::timeout(PATIENCE, wait_until_active(client, table)).await;
    let described = described.map_err(|_| TableError::Inactive(table.to_owned()))??;
    check(table, &described)?;
    enable_time_to_live(client, table).await
}

/// The request that creates the table, as the template declares it, its time to live apart.
///
/// # Errors
///
/// The SDK takes a part of it for incomplete, which would be a mistake here.
pub fn request(client: &Client, table: &str) -> Result<CreateTableFluentBuilder, TableError> {
    let incomplete = |error: aws_sdk_dynamodb::error::BuildError| TableError::Refused {
        call: "CreateTable",
        table: table.to_owned(),
        cause: error.to_string(),
    };
    let attribute = |name: &str| {
        let attribute = AttributeDefinition::builder().attribute_name(name);
        attribute.attribute_type(ScalarAttributeType::S).build().map_err(incomplete)
    };
    let key = |name: &str, kind: KeyType| {
        let key = KeySchemaElement::builder().attribute_name(name);
        key.key_type(kind).build().map_err(incomplete)
    };
    let index = |name: &str, hash: &str, range: &str, projection: ProjectionType| {
        let index = GlobalSecondaryIndex::builder().index_name(name);
        let index = index.key_schema(key(hash, KeyType::Hash)?).key_schema(key(range, KeyType::Range)?);
        index.projection(Projection::builder().projection_type(projection).build()).build().map_err(incomplete)
    };
    let stream = StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::NewImage);
    let request = client.create_table().table_name(table);
    Ok(request
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk")?)
        .attribute_definitions(attribute("sk")?)
        .attribute_definitions(attribute("kind")?)
        .attribute_definitions(attribute("list")?)
        .attribute_definitions(attribute("rank")?)
        .key_schema(key("pk", KeyType::Hash)?)
        .key_schema(key("sk", KeyType::Range)?)
        .global_secondary_indexes(index("directory", "kind", "pk", ProjectionType::KeysOnly)?)
        .global_secondary_indexes(index("lists", "list", "rank", ProjectionType::All)?)
        .stream_specification(stream.build().map_err(incomplete)?))
}

async fn wait_until_active(client: &Client, table: &str) -> Result<TableDescription, TableError> {
    loop {
        let answer = client.describe_table().table_name(table).send().await;
        let answer = answer.map_err(|error| refused("DescribeTable", table, &error))?;
        match answer.table {
            Some(described) if described.table_status == Some(TableStatus::Active) => {
                return Ok(described);
            }
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// A table that somebody else made may lack what the system relies on.
fn check(table: &str, described: &TableDescription) -> Result<(), TableError> {
    let different = |what| Err(TableError::Different { table: table.to_owned(), what });
    let keys = described.key_schema().iter().map(KeySchemaElement::attribute_name);
    if !keys.eq(["pk", "sk"]) {
        return different("its key is not pk and sk");
    }
    let has = |name| described.global_secondary_indexes().iter().any(|index| index.index_name() == Some(name));
    if !has("directory") {
        return different("it has no index `directory`");
    }
    if !has("lists") {
        return different("it has no index `lists`");
    }
    let view = described.stream_specification().and_then(|stream| stream.stream_view_type());
    if !matches!(view, Some(StreamViewType::NewImage | StreamViewType::NewAndOldImages)) {
        return different("it has no stream of new images");
    }
    Ok(())
}

async fn enable_time_to_live(client: &Client, table: &str) -> Result<(), TableError> {
    let described = client.describe_time_to_live().table_name(table).send().await;
    let described = described.map_err(|error| refused("DescribeTimeToLive", table, &error))?;
    let status = described.time_to_live_description.and_then(|ttl| ttl.time_to_live_status);
    if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
        return Ok(());
    }
    let ttl = TimeToLiveSpecification::builder().attribute_name("ttl").enabled(true).build();
    let ttl = ttl.map_err(|error| refused("UpdateTimeToLive", table, &error))?;
    let updated = client.update_time_to_live().table_name(table);
    match updated.time_to_live_specification(ttl).send().await {
        Ok(_) => Ok(()),
        // Somebody else enabled it between the two calls.
        Err(error) if error.message().is_some_and(|said| said.contains("already enabled")) => Ok(()),
        Err(error) => Err(refused("UpdateTimeToLive", table, &error)),
    }
}

fn refused<E>(call: &'static str, table: &str, error: E) -> TableError
where
    E: std::error::Error,
{
    let (table, cause) = (table.to_owned(), told(&error));
    TableError::Refused { call, table, cause }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::World;

    #[tokio::test]
    async fn whoever_comes_second_finds_it_there() {
        let world = World::new().await;
        let clients = world.clients();
        let (first, second) = tokio::join!(ensure(&clients.dynamodb, "mine"), ensure(&clients.dynamodb, "mine"));
        first.unwrap();
        second.unwrap();
        let described = clients.dynamodb.describe_time_to_live().table_name("mine").send().await;
        let ttl = described.unwrap().time_to_live_description.unwrap();
        assert_eq!(ttl.attribute_name(), Some("ttl"));
        assert_eq!(ttl.time_to_live_status(), Some(&TimeToLiveStatus::Enabled));
    }

    #[tokio::test]
    async fn another_table_of_the_same_name_is_refused() {
        let world = World::new().await;
        let client = world.clients().dynamodb;
        let create = request(&client, "other").unwrap().set_stream_specification(None);
        create.send().await.unwrap();
        let refused = ensure(&client, "other").await.unwrap_err();
        assert!(refused.to_string().contains("no stream of new images"), "{refused}");
    }
}
