//! What is pure, by itself: no network and no disk. `cargo bench -p bench`, or `--workspace`.

#![allow(missing_docs, reason = "criterion's macros make functions that have none")]
#![allow(clippy::unwrap_used, reason = "a benchmark that does not work is to end")]

#[path = "pure/memory.rs"]
mod memory;

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use shared::batch::{self, Input};
use shared::client::Mode;
use shared::envelope::{EntityId, Millis, Owner};
use shared::mailbox::commit::{Commit, Ending, commit};
use shared::mailbox::image::Mailbox;
use shared::records::NONE;
use shared::{receipt::Receipts, table};

use crate::memory::World;

const INCREMENT: &str = r#"{"type":"increment","amount":1}"#;
const DEPOSIT: &str = r#"{"type":"deposit","amount":1}"#;
const OPEN: &str = r#"{"type":"open","owner":"Alice","initial_balance":100}"#;
const SIZES: [usize; 3] = [1, 25, 100];

/// An entity of a kind that so many events wait for.
fn waiting(world: &World, kind: &str, count: usize) -> EntityId {
    let entity = EntityId::new(kind, &format!("waits-{count}")).unwrap();
    let event = match kind {
        "account" => {
            world.post(&entity, &[OPEN], Mode::Inline);
            DEPOSIT
        }
        _ => INCREMENT,
    };
    for part in vec![event; count].chunks(25) {
        world.post(&entity, part, Mode::Detached);
    }
    entity
}

fn batches(criterion: &mut Criterion) {
    let (world, receipts) = (World::new(), Receipts::new());
    for kind in ["counter", "account"] {
        let mut group = criterion.benchmark_group(format!("batch/{kind}"));
        for size in SIZES {
            let image = world.image(&waiting(&world, kind, size));
            let kind = world.kind(kind);
            let input = Input { image: &image, kind, receipts: &receipts, records: &NONE, now: Millis(1) };
            group.throughput(Throughput::Elements(size as u64));
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| batch::run(black_box(input), size).unwrap());
            });
        }
    }
}

fn images(criterion: &mut Criterion) {
    let world = World::new();
    let mut group = criterion.benchmark_group("mailbox");
    for size in SIZES {
        let entity = waiting(&world, "counter", size);
        let item = world.item(&entity);
        group.bench_function(BenchmarkId::new("read an item", size), |bencher| {
            bencher.iter_batched(|| item.clone(), |item| Mailbox::read(&entity, item).unwrap(), BatchSize::SmallInput);
        });
        let value = serde_dynamo::AttributeValue::M(item.clone().into());
        group.bench_function(BenchmarkId::new("size of an item", size), |bencher| {
            bencher.iter(|| table::value_bytes(black_box(&value)));
        });
    }
    group.finish();
}

/// A post and a commit through the shipped code, on a store that answers at once: their updates are made and executed.
fn writes(criterion: &mut Criterion) {
    let world = World::new();
    let mut group = criterion.benchmark_group("on a store in memory");
    let idle = EntityId::new("counter", "idle").unwrap();
    group.bench_function("an idle event: post, visit, commit", |bencher| {
        bencher.iter(|| world.post(&idle, &[INCREMENT], Mode::Inline));
    });
    let account = EntityId::new("account", "idle").unwrap();
    world.post(&account, &[OPEN], Mode::Inline);
    group.bench_function("a deposit: post, visit, commit", |bencher| {
        bencher.iter(|| world.post(&account, &[DEPOSIT], Mode::Inline));
    });
    let (receipts, me) = (Receipts::new(), Owner::new(Millis(1), 1));
    for size in SIZES {
        let image = world.image(&waiting(&world, "counter", size));
        let input =
            Input { image: &image, kind: world.kind("counter"), receipts: &receipts, records: &NONE, now: Millis(1) };
        let batch = batch::run(input, size).unwrap();
        // Nobody holds this lease, so the commit is made, sent and refused, and leaves the item as it is.
        let write = Commit { image: &image, batch: &batch, me, ending: Ending::Release };
        group.bench_function(BenchmarkId::new("a commit, refused", size), |bencher| {
            bencher.iter(|| world.run(commit(&world.host, write, world.deadline())).unwrap());
        });
    }
    group.finish();
}

fn records(criterion: &mut Criterion) {
    let recorded: Value = serde_json::from_str(include_str!("../../../events/drain-stream.json")).unwrap();
    let record = recorded["Records"][0].clone();
    let mut group = criterion.benchmark_group("stream records");
    for size in SIZES {
        let records: Vec<Value> = (0..size)
            .map(|number| {
                let mut record = record.clone();
                record["dynamodb"]["Keys"]["pk"]["S"] = json!(format!("counter/{}", number % 10));
                record
            })
            .collect();
        let event = json!({ "Records": records });
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter_batched(|| event.clone(), |event| drain::event::read(event).unwrap(), BatchSize::SmallInput);
        });
    }
    group.finish();
}

fn routing(criterion: &mut Criterion) {
    let service = kinds::app().service().unwrap();
    let mut group = criterion.benchmark_group("routing");
    for (name, path) in [("found", "/counter/my-counter/increment"), ("not found", "/nothing/like/this")] {
        group.bench_function(name, |bencher| bencher.iter(|| service.routes.find(black_box("POST"), black_box(path))));
    }
    group.finish();
}

criterion_group!(pure, batches, images, writes, records, routing);
criterion_main!(pure);
