//! Reads one shard, record by record, across expired iterators and trimmed history.

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::error::SdkError;
use aws_sdk_dynamodbstreams::types::{Record, ShardIteratorType};
use shared::store::dynamodb::told;

use crate::sequence::Sequence;

/// Why a read of the stream gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stream or the shard does not exist any more.
    #[error("the stream is gone: {0}")]
    Gone(String),
    /// The position is older than what the stream keeps.
    #[error("the position was trimmed: {0}")]
    Trimmed(String),
    /// The iterator is too old; the position is still good.
    #[error("the iterator expired: {0}")]
    Expired(String),
    /// Anything else: worth another try.
    #[error("{0}")]
    Other(String),
}

impl<E> From<SdkError<E>> for ReadError
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    fn from(error: SdkError<E>) -> Self {
        let text = told(&error);
        match error.code() {
            Some("ResourceNotFoundException") => Self::Gone(text),
            Some("TrimmedDataAccessException") => Self::Trimmed(text),
            Some("ExpiredIteratorException") => Self::Expired(text),
            _ => Self::Other(text),
        }
    }
}

/// What one read gave.
#[derive(Debug)]
pub struct Page {
    /// The records, oldest first; possibly none.
    pub records: Vec<Record>,
    /// Whether the shard goes on.
    pub end: End,
}

/// Whether more may come from a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The shard is open.
    Open,
    /// The shard is closed and was read to its end.
    Closed,
}

/// A place in a shard.
#[derive(Debug)]
pub struct Reader {
    client: Client,
    stream: String,
    shard: String,
    /// The last record that was read; `None` is the trim horizon.
    after: Option<Sequence>,
    iterator: Option<String>,
}

impl Reader {
    /// Reads from the record after the given one.
    pub fn new(client: Client, stream: &str, shard: &str, after: Option<Sequence>) -> Self {
        let (stream, shard) = (stream.to_owned(), shard.to_owned());
        Self { client, stream, shard, after, iterator: None }
    }

    /// Reads up to `limit` records. After an error it starts again from the same position, or from
    /// the horizon when the position is no longer there.
    pub async fn read(&mut self, limit: i32) -> Result<Page, ReadError> {
        let outcome = self.read_once(limit).await;
        if let Err(error) = &outcome {
            self.iterator = None;
            if matches!(error, ReadError::Trimmed(_)) {
                tracing::warn!(shard = self.shard, after = ?self.after, "records were trimmed before they were read; going on at the horizon");
                self.after = None;
            }
        }
        outcome
    }

    async fn read_once(&mut self, limit: i32) -> Result<Page, ReadError> {
        let iterator = match self.iterator.take() {
            Some(iterator) => iterator,
            None => match self.request_iterator().await? {
                Some(iterator) => iterator,
                None => {
                    return Ok(Page { records: Vec::new(), end: End::Closed });
                }
            },
        };
        let request = self.client.get_records().shard_iterator(iterator).limit(limit);
        let answer = request.send().await?;
        self.iterator = answer.next_shard_iterator;
        let records = answer.records.unwrap_or_default();
        if let Some(last) = records.iter().rev().find_map(sequence) {
            self.after = Some(last);
        }
        let end = if self.iterator.is_some() { End::Open } else { End::Closed };
        Ok(Page { records, end })
    }

    async fn request_iterator(&self) -> Result<Option<String>, ReadError> {
        let request = self.client.get_shard_iterator();
        let request = request.stream_arn(&self.stream).shard_id(&self.shard);
        let request = match &self.after {
            None => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Some(after) => {
                request.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).sequence_number(after.as_str())
            }
        };
        Ok(request.send().await?.shard_iterator)
    }
}

/// A record's sequence number.
pub fn sequence(record: &Record) -> Option<Sequence> {
    let number = record.dynamodb()?.sequence_number()?;
    Some(Sequence::new(number))
}
