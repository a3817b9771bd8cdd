//! The shards of a stream and the order among them: a shard is read when its parent is finished.

use std::collections::BTreeMap;

use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::types::Shard;

use super::reader::ReadError;

/// The shards that exist now, each with its parent.
#[derive(Debug, Default)]
pub struct Lineage {
    parents: BTreeMap<String, Option<String>>,
}

impl Lineage {
    /// Asks the stream for all its shards, page by page.
    pub async fn describe(client: &Client, stream: &str) -> Result<Self, ReadError> {
        let mut lineage = Self::default();
        let mut from = None;
        loop {
            let request = client.describe_stream().stream_arn(stream);
            let answer = request.set_exclusive_start_shard_id(from).send().await?;
            let Some(description) = answer.stream_description else {
                return Ok(lineage);
            };
            lineage.extend(description.shards.unwrap_or_default());
            from = description.last_evaluated_shard_id;
            if from.is_none() {
                return Ok(lineage);
            }
        }
    }

    fn extend(&mut self, shards: Vec<Shard>) {
        let shards = shards.into_iter();
        self.parents.extend(shards.filter_map(|shard| shard.shard_id.map(|id| (id, shard.parent_shard_id))));
    }

    /// Whether the stream still has this shard.
    pub fn contains(&self, shard: &str) -> bool {
        self.parents.contains_key(shard)
    }

    /// The shards whose turn it is: unfinished, and with a parent that is finished or gone.
    pub fn ready(&self, is_finished: impl Fn(&str) -> bool) -> Vec<String> {
        let blocked = |parent: &str| self.contains(parent) && !is_finished(parent);
        let shards = self.parents.iter();
        shards
            .filter(|(shard, _)| !is_finished(shard))
            .filter(|(_, parent)| !parent.as_deref().is_some_and(blocked))
            .map(|(shard, _)| shard.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lineage(shards: &[(&str, Option<&str>)]) -> Lineage {
        let mut lineage = Lineage::default();
        let shard = |(id, parent): &(&str, Option<&str>)| {
            let shard = Shard::builder().shard_id(*id);
            shard.set_parent_shard_id(parent.map(str::to_owned)).build()
        };
        lineage.extend(shards.iter().map(shard).collect());
        lineage
    }

    #[test]
    fn children_wait_for_their_parent() {
        let lineage = lineage(&[
            ("a-child", Some("parent")),
            ("b-child", Some("parent")),
            ("orphan", Some("trimmed")),
            ("parent", None),
        ]);
        assert_eq!(lineage.ready(|_| false), ["orphan", "parent"]);
        let parent_is_finished = |shard: &str| shard == "parent";
        assert_eq!(lineage.ready(parent_is_finished), ["a-child", "b-child", "orphan"]);
    }
}
