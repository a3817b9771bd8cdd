//! The pump against a database over HTTP: embedded, or the one of `DYNAMODB_ENDPOINT`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tokio::task::JoinHandle;

use super::*;
use crate::consumer::{BatchResponse, DeliveryError};
use crate::fixture::{RETRY, Script, World, eventually, numbers, put};
use crate::shutdown::{Trigger, channel};
use crate::table;
use crate::wakes::Wakes;

/// A running pump.
struct Running {
    trigger: Trigger,
    task: JoinHandle<()>,
    stored: watch::Receiver<Positions>,
}

impl Running {
    fn start<C: Consumer>(pump: Pump<C>) -> Self {
        let (trigger, shutdown) = channel();
        let stored = pump.stored.subscribe();
        Self { trigger, task: tokio::spawn(pump.run(shutdown)), stored }
    }

    /// As Ctrl-C does.
    async fn stop(self) {
        self.trigger.fire();
        self.task.await.unwrap();
    }

    /// As `kill -9` does: nothing more is stored.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

/// A pump with a progress of its own, as after a start of the process.
fn start(world: &World, consumer: &Arc<Script>) -> Running {
    Running::start(world.pump(consumer, &Progress::new()))
}

fn sequence(event: &Value, index: usize) -> String {
    event["Records"][index]["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_record_is_delivered_and_those_of_an_entity_in_order() {
    let (world, consumer) = (World::new().await, Script::new());
    world.post("a", 0).await;
    let pump = start(&world, &consumer);
    for number in 1..60 {
        for entity in ["a", "b", "c", "d"] {
            world.post(entity, number).await;
        }
    }
    eventually("all are delivered", async || consumer.numbers().len() >= 237).await;
    pump.stop().await;
    let mut entities: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (entity, number) in consumer.batches().into_iter().flatten() {
        entities.entry(entity).or_default().push(number);
    }
    assert_eq!(entities["counter/a"], (0..60).collect::<Vec<_>>());
    for entity in ["b", "c", "d"] {
        assert_eq!(entities[&format!("counter/{entity}")], (1..60).collect::<Vec<_>>());
    }
    assert!(consumer.batches().iter().all(|batch| batch.len() <= 100));
}

#[tokio::test]
async fn what_the_filter_holds_back_is_passed_over() {
    let (world, consumer) = (World::new().await, Script::new());
    world.post("a", 1).await;
    put(&world.clients(), &world.table, "a", 2, "no").await;
    world.post("a", 3).await;
    put(&world.clients(), &world.table, "a", 4, "no").await;
    let pump = start(&world, &consumer);
    eventually("the wanted are delivered", async || consumer.numbers() == [1, 3]).await;
    pump.stop().await;
    let consumer = Script::new();
    world.post("a", 5).await;
    let pump = start(&world, &consumer);
    eventually("the rest is delivered", async || consumer.numbers() == [5]).await;
    pump.stop().await;
}

#[tokio::test]
async fn a_failed_record_is_retried_from_the_lowest() {
    let (world, consumer) = (World::new().await, Script::new());
    for number in 0..6 {
        world.post("a", number).await;
    }
    consumer.then(|event| Ok(BatchResponse::Partial(vec![sequence(event, 4), sequence(event, 2)])));
    let pump = start(&world, &consumer);
    eventually("the rest comes again", async || consumer.numbers().len() == 10).await;
    pump.stop().await;
    assert_eq!(consumer.numbers(), [0, 1, 2, 3, 4, 5, 2, 3, 4, 5]);
    assert!(world.dead_letters().is_empty());
}

#[tokio::test]
async fn an_unknown_identifier_an_error_and_a_panic_each_fail_the_whole_batch() {
    let (world, consumer) = (World::new().await, Script::new());
    for number in 0..4 {
        world.post("a", number).await;
    }
    consumer.then(|_| Ok(BatchResponse::Partial(vec!["12345".to_owned()])));
    consumer.then(|_| Err(DeliveryError::Failed("an error".to_owned())));
    consumer.then(|_| panic!("a panic"));
    let pump = start(&world, &consumer);
    // Each whole failure is retried from the first record, in halves from the second attempt on.
    eventually("all are accepted", async || consumer.batches().len() == 7).await;
    pump.stop().await;
    let sizes: Vec<_> = consumer.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [4, 4, 2, 1, 1, 1, 1]);
    assert_eq!(consumer.numbers()[10..], [0, 1, 2, 3]);
    assert!(world.dead_letters().is_empty());
}

/// Refuses one number: by name, or as a whole batch.
struct Picky {
    inner: Arc<Script>,
    refused: usize,
    names_it: bool,
}

impl Consumer for Picky {
    async fn deliver(&self, event: Value) -> Result<BatchResponse, DeliveryError> {
        self.inner.deliver(event.clone()).await?;
        let index = numbers(&event).iter().position(|(_, number)| *number == self.refused);
        match index {
            None => Ok(BatchResponse::Accepted),
            Some(index) if self.names_it => Ok(BatchResponse::Partial(vec![sequence(&event, index)])),
            Some(_) => Err(DeliveryError::Failed("poison".to_owned())),
        }
    }
}

#[tokio::test]
async fn a_record_that_nobody_accepts_goes_alone_to_the_dead_letters() {
    for names_it in [true, false] {
        let (world, inner) = (World::new().await, Script::new());
        for number in 0..7 {
            world.post("a", number).await;
        }
        let picky = Arc::new(Picky { inner: inner.clone(), refused: 3, names_it });
        let plain = world.pump(&inner, &Progress::new());
        let pump = Pump {
            consumer: picky,
            clients: plain.clients,
            table: plain.table,
            progress: plain.progress,
            directory: plain.directory,
            dead_letters: plain.dead_letters,
            settings: plain.settings,
            nudge: plain.nudge,
            stored: plain.stored,
        };
        let pump = Running::start(pump);
        eventually("the last is delivered", async || {
            inner.numbers().ends_with(&[6]) && world.dead_letters().len() == 1
        })
        .await;
        pump.stop().await;
        let letter = &world.dead_letters()[0];
        assert_eq!(letter["record"]["dynamodb"]["NewImage"]["number"]["N"], "3");
        assert!(letter["attempts"].as_u64().unwrap() >= RETRY.attempts.into());
        for number in [0, 1, 2, 4, 5, 6] {
            assert!(inner.numbers().contains(&number), "{number} of {:?}", inner.numbers());
        }
    }
}

#[tokio::test]
async fn a_restart_goes_on_where_the_stop_was() {
    let (world, consumer) = (World::new().await, Script::new());
    for number in 0..3 {
        world.post("a", number).await;
    }
    let pump = start(&world, &consumer);
    eventually("the first are delivered", async || consumer.numbers() == [0, 1, 2]).await;
    pump.stop().await;
    for number in 3..5 {
        world.post("a", number).await;
    }
    let consumer = Script::new();
    let pump = start(&world, &consumer);
    eventually("the others are delivered", async || consumer.numbers() == [3, 4]).await;
    pump.stop().await;
}

#[tokio::test]
async fn an_absent_consumer_costs_no_attempt() {
    let (world, consumer) = (World::new().await, Script::new());
    world.post("a", 0).await;
    consumer.then(|_| Err(DeliveryError::Unreachable("nobody".to_owned())));
    let progress = Progress::new();
    let mut pump = world.pump(&consumer, &progress);
    pump.settings.retry.attempts = 1;
    let pump = Running::start(pump);
    eventually("it is offered again", async || consumer.numbers() == [0, 0]).await;
    pump.stop().await;
    assert!(world.dead_letters().is_empty());
}

#[tokio::test]
async fn a_killed_process_looks_again_at_records_whose_wakes_were_outstanding() {
    let (world, consumer) = (World::new().await, Script::new());
    let progress = Progress::new();
    let wakes = Wakes::new(Arc::clone(&progress), || 0);
    let sender = wakes.clone();
    world.post("settled", 0).await;
    let pump = Running::start(world.pump(&consumer, &progress));
    let settled = pump.stored.clone();
    eventually("the first is stored", async || {
        !settled.borrow().is_empty() && settled.borrow().values().any(|position| position.after.is_some())
    })
    .await;
    let before = settled.borrow().clone();

    // The next delivery finds a lease held and sends a wake; later ones are done at once.
    consumer.then(move |_| {
        sender.send("look at it", Duration::from_secs(60));
        Ok(BatchResponse::Accepted)
    });
    world.post("leased", 1).await;
    eventually("its wake waits", async || wakes.waiting() == 1).await;
    for number in 2..5 {
        world.post("other", number).await;
    }
    eventually("the others are delivered", async || consumer.numbers().ends_with(&[4])).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(*settled.borrow(), before);
    pump.kill().await;

    let consumer = Script::new();
    let pump = start(&world, &consumer);
    eventually("all of them come again", async || consumer.numbers() == [1, 2, 3, 4]).await;
    pump.stop().await;
}

#[tokio::test]
async fn the_checkpoint_moves_on_when_the_wake_is_accepted() {
    let (world, consumer) = (World::new().await, Script::new());
    let progress = Progress::new();
    let wakes = Wakes::new(Arc::clone(&progress), || 0);
    let sender = wakes.clone();
    consumer.then(move |_| {
        sender.send("look at it", Duration::from_millis(200));
        Ok(BatchResponse::Accepted)
    });
    world.post("leased", 1).await;
    let pump = world.pump(&consumer, &progress);
    let (dead_letters, (_trigger, shutdown)) = (pump.dead_letters.clone(), channel());
    let pump = Running::start(pump);
    eventually("the wake waits", async || wakes.waiting() == 1).await;
    assert!(pump.stored.borrow().values().all(|position| position.after.is_none()));
    let receiver = Script::new();
    let (queue, consumer) = (wakes.clone(), receiver.clone());
    tokio::spawn(async move { queue.run(consumer, dead_letters, RETRY, shutdown).await });
    let stored = pump.stored.clone();
    eventually("the checkpoint moves", async || stored.borrow().values().any(|position| position.after.is_some()))
        .await;
    assert_eq!(receiver.events().len(), 1);
    pump.stop().await;
}

#[tokio::test]
async fn a_table_made_anew_is_followed_from_its_beginning() {
    let (world, consumer) = (World::new().await, Script::new());
    world.post("a", 0).await;
    let progress = Progress::new();
    let mut pump = world.pump(&consumer, &progress);
    pump.settings.discovery = Duration::from_millis(100);
    let pump = Running::start(pump);
    eventually("the first is delivered", async || consumer.numbers() == [0]).await;
    let client = world.clients().dynamodb;
    client.delete_table().table_name(&world.table).send().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    table::ensure(&client, &world.table).await.unwrap();
    world.post("b", 1).await;
    eventually("the second is delivered", async || consumer.numbers().ends_with(&[1])).await;
    pump.stop().await;
}

#[tokio::test]
async fn a_nudge_ends_a_pause() {
    let (world, consumer) = (World::new().await, Script::new());
    let mut pump = world.pump(&consumer, &Progress::new());
    pump.settings.idle = Duration::from_secs(60);
    pump.settings.pause = Duration::from_millis(10);
    let nudge = pump.nudge.clone();
    let pump = Running::start(pump);
    // By now it would sleep for a second and more.
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.post("a", 0).await;
    let begun = std::time::Instant::now();
    let nudges = AtomicUsize::new(0);
    eventually("it is delivered", async || {
        nudge.nudge();
        nudges.fetch_add(1, Ordering::Relaxed);
        consumer.numbers() == [0]
    })
    .await;
    assert!(begun.elapsed() < Duration::from_millis(500), "{nudges:?} nudges");
    pump.stop().await;
}
