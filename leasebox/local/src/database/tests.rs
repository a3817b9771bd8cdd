//! The embedded database: what survives, what trimming leaves, what the index is used for.

use aws_sdk_dynamodbstreams::types::ShardIteratorType;

use super::*;
use crate::fixture::{clients, put, serve};
use crate::pump::Clients;
use crate::sequence::Sequence;
use crate::table;

const TABLE: &str = "leasebox";

async fn open(dir: &Path) -> (Serving, Clients) {
    answer(Database::open(dir).unwrap()).await
}

async fn answer(database: Database) -> (Serving, Clients) {
    let serving = serve(database).await;
    let clients = clients(&serving.endpoint());
    table::ensure(&clients.dynamodb, TABLE).await.unwrap();
    (serving, clients)
}

/// The number and the sequence number of each record of the stream, after one or from the horizon.
async fn records(clients: &Clients, after: Option<&Sequence>) -> Vec<(usize, Sequence)> {
    let described = clients.dynamodb.describe_table().table_name(TABLE).send().await.unwrap();
    let stream = described.table.unwrap().latest_stream_arn.unwrap();
    let shards = clients.streams.describe_stream().stream_arn(&stream).send().await.unwrap();
    let shard = shards.stream_description.unwrap().shards.unwrap().remove(0);
    let request = clients.streams.get_shard_iterator().stream_arn(stream);
    let request = request.set_shard_id(shard.shard_id);
    let request = match after {
        None => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
        Some(after) => {
            request.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).sequence_number(after.as_str())
        }
    };
    let iterator = request.send().await.unwrap().shard_iterator;
    let read = clients.streams.get_records().set_shard_iterator(iterator).send().await.unwrap();
    let changes = read.records.unwrap().into_iter().map(|record| record.dynamodb.unwrap());
    let both = changes.map(|change| {
        let number = change.new_image.unwrap()["number"].as_n().unwrap().parse().unwrap();
        (number, Sequence::new(change.sequence_number.unwrap()))
    });
    both.collect()
}

#[tokio::test]
async fn trimming_keeps_the_newest_record_and_the_numbers_rise() {
    let dir = tempfile::tempdir().unwrap();
    let (serving, clients) = open(dir.path()).await;
    for number in 0..40 {
        put(&clients, TABLE, "a", number, "p").await;
    }
    let all = records(&clients, None).await;
    let mut trimmer = serving.database().trimmer(TABLE).unwrap();
    assert_eq!(trimmer.trim(&all[19].1).unwrap(), 20);
    assert_eq!(records(&clients, None).await, all[20..]);
    assert_eq!(trimmer.trim(&all[39].1).unwrap(), 19);
    assert_eq!(records(&clients, None).await, all[39..]);
    assert_eq!(trimmer.trim(&all[39].1).unwrap(), 0);

    put(&clients, TABLE, "a", 40, "p").await;
    let after = records(&clients, Some(&all[39].1)).await;
    assert_eq!(after.len(), 1);
    assert!(after[0].1 > all[39].1);
}

#[tokio::test]
async fn numbers_rise_even_when_the_clock_was_ahead() {
    let database = Database::in_memory().unwrap();
    let history = connect(&database.location).unwrap();
    let mut trimmer = database.trimmer(TABLE).unwrap();
    let (_serving, clients) = answer(database).await;
    put(&clients, TABLE, "a", 0, "p").await;
    // A year ahead of the clock, as after a wrong clock was put right.
    let ahead = "UPDATE _stream_records SET sequence_number = sequence_number + 31536000000000";
    history.execute(ahead, []).unwrap();
    let before = records(&clients, None).await;
    assert_eq!(trimmer.trim(&before[0].1).unwrap(), 0);
    put(&clients, TABLE, "a", 1, "p").await;
    let after = records(&clients, Some(&before[0].1)).await;
    assert_eq!(after.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn trimming_beside_writers_loses_and_disturbs_nothing_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    trim_beside_a_writer(Database::open(dir.path()).unwrap()).await;
}

#[tokio::test]
async fn trimming_beside_writers_loses_and_disturbs_nothing_in_memory() {
    trim_beside_a_writer(Database::in_memory().unwrap()).await;
}

async fn trim_beside_a_writer(database: Database) {
    let (serving, clients) = answer(database).await;
    let mut trimmer = serving.database().trimmer(TABLE).unwrap();
    let writer = {
        let clients = clients.clone();
        tokio::spawn(async move {
            for number in 0..400 {
                put(&clients, TABLE, "a", number, "p").await;
            }
        })
    };
    let (mut seen, mut after) = (Vec::new(), None);
    while seen.len() < 400 {
        let read = records(&clients, after.as_ref()).await;
        let Some((_, last)) = read.last() else {
            continue;
        };
        let last = last.clone();
        seen.extend(read.into_iter().map(|(number, _)| number));
        let through = last.clone();
        trimmer = tokio::task::spawn_blocking(move || {
            trimmer.trim(&through).unwrap();
            trimmer
        })
        .await
        .unwrap();
        after = Some(last);
    }
    writer.await.unwrap();
    assert_eq!(seen, (0..400).collect::<Vec<_>>());
    assert!(records(&clients, None).await.len() < 400);
}

#[tokio::test]
async fn a_file_is_found_again_with_its_items_and_its_stream() {
    let dir = tempfile::tempdir().unwrap();
    let (serving, clients) = open(dir.path()).await;
    put(&clients, TABLE, "a", 1, "p").await;
    let before = records(&clients, None).await;
    serving.stop().await;
    let (_serving, clients) = open(dir.path()).await;
    assert_eq!(records(&clients, None).await, before);
    put(&clients, TABLE, "a", 2, "p").await;
    assert_eq!(records(&clients, Some(&before[0].1)).await.len(), 1);
}

#[test]
fn databases_in_memory_are_apart() {
    let (first, second) = (Database::in_memory().unwrap(), Database::in_memory().unwrap());
    assert_ne!(first.location, second.location);
}

#[test]
fn every_write_is_forced_to_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path()).unwrap();
    let connection = connect(&database.location).unwrap();
    let pragma = |name: &str| -> String {
        let value = connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0));
        let value: rusqlite::types::Value = value.unwrap();
        format!("{value:?}")
    };
    assert_eq!(pragma("journal_mode"), "Text(\"wal\")");
    // FULL, which is the default that dynoxide's own connection keeps.
    assert_eq!(pragma("synchronous"), "Integer(2)");
}

/// dynoxide's own statements; another version of it may word them differently and lose the index.
#[test]
fn the_index_serves_every_question_about_the_history() {
    let database = Database::in_memory().unwrap();
    let connection = connect(&database.location).unwrap();
    for statement in [
        "SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1 FROM _stream_records WHERE table_name = ?1",
        "SELECT new_image FROM _stream_records WHERE table_name = ?1 AND shard_id = ?2 AND CAST(sequence_number AS INTEGER) > ?3 ORDER BY CAST(sequence_number AS INTEGER) ASC LIMIT ?4",
        "SELECT MIN(CAST(sequence_number AS INTEGER)), MAX(CAST(sequence_number AS INTEGER)) FROM _stream_records WHERE table_name = ?1 AND shard_id = ?2",
    ] {
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
        let parameters = rusqlite::params_from_iter(vec![0; explain.parameter_count()]);
        let steps = explain.query_map(parameters, |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        assert_eq!(steps.len(), 1, "{steps:?}");
        assert!(steps[0].starts_with("SEARCH _stream_records USING"), "{steps:?}");
        assert!(steps[0].contains("INDEX leasebox_stream_records"), "{steps:?}");
    }
}
