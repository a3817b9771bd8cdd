//! DynamoDB's API over HTTP, in front of dynoxide's operations. dynoxide has a server too, which lets everyone in, web pages
//! as well, and which nothing can be put in front of.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

/// What comes before an operation's name, for tables and for streams.
const TARGETS: [&str; 2] = ["DynamoDB_20120810.", "DynamoDBStreams_20120810."];

/// The largest request that DynamoDB takes, in bytes.
const BODY: usize = 16 * 1024 * 1024;

/// SQLite's words for a write that there is no room for; dynoxide passes on nothing else of it.
const FULL: &str = "database or disk is full";

/// Where a database is, which is what bounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file, bounded by the disk.
    File,
    /// In memory, gone when the process ends.
    Memory,
}

/// The routes, for whoever may use all of them.
pub fn routes(database: Database, place: Place) -> Router {
    Router::new().fallback(answer).layer(DefaultBodyLimit::max(BODY)).with_state((database, place))
}

async fn answer(State((database, place)): State<(Database, Place)>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = TARGETS.iter().find_map(|prefix| target.strip_prefix(prefix)).unwrap_or_default();
    let (status, body) = match call(&database, operation, &body) {
        Some(Ok(answer)) => (StatusCode::OK, answer),
        Some(Err(error)) => {
            let error = place.explain(error);
            tracing::debug!(operation, %error, "refused");
            let status = StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, error.to_json())
        }
        None => {
            let message = format!("there is no operation `{target}`");
            let body = json!({"__type": "com.amazon.coral.service#UnknownOperationException", "message": message});
            (StatusCode::BAD_REQUEST, body.to_string())
        }
    };
    let headers = [
        ("content-type", "application/x-amz-json-1.0".to_owned()),
        ("x-amz-crc32", crc32fast::hash(body.as_bytes()).to_string()),
        ("x-amzn-requestid", format!("{:032X}", rand::random::<u128>())),
    ];
    (status, headers, body).into_response()
}

/// Does an operation, if there is one of this name.
fn call(database: &Database, operation: &str, body: &[u8]) -> Option<dynoxide::Result<String>> {
    Some(match operation {
        "BatchExecuteStatement" => run(body, |request| database.batch_execute_statement(request)),
        "BatchGetItem" => run(body, |request| database.batch_get_item(request)),
        "BatchWriteItem" => run(body, |request| database.batch_write_item(request)),
        "CreateTable" => run(body, |request| database.create_table(request)),
        "DeleteItem" => run(body, |request| database.delete_item(request)),
        "DeleteTable" => run(body, |request| database.delete_table(request)),
        "DescribeStream" => run(body, |request| database.describe_stream(request)),
        "DescribeTable" => run(body, |request| database.describe_table(request)),
        "DescribeTimeToLive" => run(body, |request| database.describe_time_to_live(request)),
        "ExecuteStatement" => run(body, |request| database.execute_statement(request)),
        "ExecuteTransaction" => run(body, |request| database.execute_transaction(request)),
        "GetItem" => run(body, |request| database.get_item(request)),
        "GetRecords" => run(body, |request| database.get_records(request)),
        "GetShardIterator" => run(body, |request| database.get_shard_iterator(request)),
        "ListStreams" => run(body, |request| database.list_streams(request)),
        "ListTables" => run(body, |request| database.list_tables(request)),
        "ListTagsOfResource" => run(body, |request| database.list_tags_of_resource(request)),
        "PutItem" => run(body, |request| database.put_item(request)),
        "Query" => run(body, |request| database.query(request)),
        "Scan" => run(body, |request| database.scan(request)),
        "TagResource" => run(body, |request| database.tag_resource(request)),
        "TransactGetItems" => run(body, |request| database.transact_get_items(request)),
        "TransactWriteItems" => run(body, |request| database.transact_write_items(request)),
        "UntagResource" => run(body, |request| database.untag_resource(request)),
        "UpdateItem" => run(body, |request| database.update_item(request)),
        "UpdateTable" => run(body, |request| database.update_table(request)),
        "UpdateTimeToLive" => run(body, |request| database.update_time_to_live(request)),
        _ => return None,
    })
}

impl Place {
    /// Says of a write that there was no room for what would make some. Nothing of it was stored.
    fn explain(self, error: DynoxideError) -> DynoxideError {
        if !error.to_string().contains(FULL) {
            return error;
        }
        DynoxideError::InternalServerError(match self {
            Self::File => format!("{FULL}: nothing of this request was stored; it works again when there is room"),
            Self::Memory => format!(
                "{FULL}: one in memory takes 1 GB at most, and nothing of this request was stored; start the server \
                 without --ephemeral, so that it keeps its state in a file"
            ),
        })
    }
}

fn run<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Q) -> dynoxide::Result<A>,
) -> dynoxide::Result<String> {
    let answer = operation(serde_json::from_slice(body).map_err(|error| unreadable(&error.to_string()))?)?;
    serde_json::to_string(&answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// DynamoDB's error for a request that cannot be read. dynoxide's readers say which it is in a word before the message.
fn unreadable(message: &str) -> DynoxideError {
    match message.split_once(':') {
        Some(("SERIALIZATION" | "SERIALIZATION_AS_READ", told)) => {
            DynoxideError::SerializationException(told.to_owned())
        }
        Some(("VALIDATION" | "VALIDATION_AS_READ" | "VALIDATION_REQUEST", told)) => {
            DynoxideError::ValidationException(told.to_owned())
        }
        _ => DynoxideError::ValidationException(message.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the engine itself says it: the words are all that there is to know it by.
    fn full() -> DynoxideError {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (x); PRAGMA max_page_count = 4").unwrap();
        let refused = connection.execute("INSERT INTO t VALUES (randomblob(100000))", []).unwrap_err();
        assert_eq!(refused.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull));
        DynoxideError::InternalServerError(format!("backend: {refused}"))
    }

    #[test]
    fn who_finds_no_room_is_told_what_makes_some() {
        let memory = Place::Memory.explain(full());
        assert_eq!(memory.status_code(), 500);
        assert!(memory.to_string().contains("1 GB") && memory.to_string().contains("--ephemeral"), "{memory}");
        let file = Place::File.explain(full()).to_string();
        assert!(file.contains("when there is room") && !file.contains("--ephemeral"), "{file}");
        let other = Place::Memory.explain(DynoxideError::InternalServerError("something else".to_owned()));
        assert!(!other.to_string().contains("1 GB"), "{other}");
    }
}
