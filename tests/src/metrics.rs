//! What an operator sees: every metric is recorded where it should be, by kind and outcome and never by id.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use serde_json::json;
use shared::client::Mode;
use shared::metrics::{self, ALL, Metric, Shape};

use crate::drive::LEASE_OVER;
use crate::ledger::{ledger, registry, tell, write};
use crate::world::World;
use shared::limits::{self, Direct, Settings};
use testing::faults::Fault;

/// What is recorded on this thread.
struct Scrape {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl Scrape {
    fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        Self { handle: recorder.handle(), recorder }
    }

    fn text(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }

    /// The sum of the series of a metric whose labels hold all of these; of a histogram, how many values there are.
    fn value(&self, metric: Metric, labels: &[(&str, &str)]) -> f64 {
        let name = match metric.shape {
            Shape::Counter => metric.name.to_owned(),
            Shape::Histogram => format!("{}_count", metric.name),
        };
        let holds = |line: &str| labels.iter().all(|(label, value)| line.contains(&format!("{label}=\"{value}\"")));
        let text = self.text();
        let of_it = |line: &&str| line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} "));
        let lines = text.lines().filter(of_it).filter(|line| holds(line));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }
}

#[tokio::test]
async fn posts_and_turns_are_counted_by_how_they_end() {
    let scrape = Scrape::new();
    let _recording = ::metrics::set_default_local_recorder(&scrape.recorder);
    let world = World::with(registry(), Settings { queue_length: 2, ..Settings::default() }).await;
    let alice = ledger("alice");
    let post = async |key: &str, body: serde_json::Value| {
        world.http("POST", &format!("/entities/{alice}/events"), &[("idempotency-key", key)], &body.to_string()).await
    };
    assert_eq!(post("a", write("one")).await.status, 200);
    assert_eq!(post("a", write("one")).await.status, 200);
    assert_eq!(post("b", json!({"type": "refuse"})).await.status, 409);
    assert_eq!(post("c", json!({"type": "fail"})).await.status, 500);
    world.submit(&alice, Mode::Detached, &[write("two"), write("three")]).await;
    let kind = ("kind", "ledger");
    let posts = |outcome| scrape.value(metrics::POSTS, &[kind, ("outcome", outcome)]);
    assert_eq!((posts("ran"), posts("duplicate"), posts("queued")), (3.0, 1.0, 2.0), "{}", scrape.text());
    world.look(&alice).await;
    let turns = |outcome| scrape.value(metrics::TURNS, &[kind, ("outcome", outcome)]);
    let ended = (turns("replied"), turns("rejected"), turns("dead"), turns("repeated"));
    assert_eq!(ended, (3.0, 1.0, 1.0, 1.0), "{}", scrape.text());
    assert_eq!(scrape.value(metrics::DEAD_LETTERS, &[kind, ("what", "event")]), 1.0);
    assert_eq!(scrape.value(metrics::TAKEOVERS, &[kind, ("how", "acquire")]), 1.0);
    // One batch each for the four posts, and one for the two that waited.
    assert_eq!(scrape.value(metrics::BATCH, &[kind]), 5.0);
    assert_eq!(scrape.value(metrics::QUEUE_DEPTH, &[kind]), 5.0);
    assert!(scrape.value(metrics::HANDLER, &[kind]) > 0.0 && scrape.value(metrics::LEASE_WAIT, &[kind]) > 0.0);
    assert!(!scrape.text().contains("alice"), "{}", scrape.text());
}

#[tokio::test]
async fn what_the_database_reports_is_added_up() {
    let scrape = Scrape::new();
    let _recording = ::metrics::set_default_local_recorder(&scrape.recorder);
    let world = World::new().await;
    for _ in 0..3 {
        assert_eq!(world.get("/webhook?user_id=alice&delta=1").await.status, 200);
    }
    world.get("/counter/alice").await;
    world.open_account("bob", 5).await;
    let units = |metric, labels: &[(&str, &str)]| scrape.value(metric, labels);
    // Two each, and one for the entry of a new entity in the directory.
    assert_eq!(units(metrics::WRITE_UNITS, &[("kind", "counter"), ("operation", "update")]), 7.0, "{}", scrape.text());
    assert_eq!(units(metrics::WRITE_UNITS, &[("kind", "counter"), ("operation", "transact")]), 0.0);
    assert_eq!(units(metrics::READ_UNITS, &[("kind", "counter"), ("operation", "get")]), 1.0);
    // An account's journal is written with it.
    assert_eq!(units(metrics::WRITE_UNITS, &[("kind", "account"), ("operation", "transact")]), 4.0);
}

#[tokio::test]
async fn every_metric_is_recorded_somewhere() {
    let scrape = Scrape::new();
    let _recording = ::metrics::set_default_local_recorder(&scrape.recorder);
    let world = World::with(registry(), Settings::default()).await;
    let (alice, bob) = (ledger("alice"), ledger("bob"));
    // A holder that dies, a look that finds its lease, a wake, and a takeover when that is over.
    world.die_holding(&alice, &tell("told", &[(&bob, write("heard"))])).await;
    world.look(&alice).await;
    let rescuer = world.later(LEASE_OVER);
    rescuer.look(&alice).await;
    assert_eq!(scrape.value(metrics::TAKEOVERS, &[("how", "replace")]), 1.0, "{}", scrape.text());
    assert_eq!(scrape.value(metrics::WAKES, &[("outcome", "sent")]), 1.0);
    assert_eq!(scrape.value(metrics::EFFECTS, &[("outcome", "delivered")]), 1.0);
    // A holder whose lease is taken over while it is frozen.
    let frozen = world.other();
    frozen.faults.arm(1, Fault::Frozen);
    let thief = world.later(limits::LEASE_MS * 3);
    let second = write("second");
    tokio::join!(frozen.event(&alice, &second), async {
        frozen.faults.strike().await;
        thief.look(&alice).await;
        frozen.faults.thaw();
    });
    assert_eq!(scrape.value(metrics::LEASES_LOST, &[]), 1.0, "{}", scrape.text());
    post_something_that_dies(&world).await;
    world.get(&format!("/entities/{bob}")).await;
    try_the_direct_path().await;
    for outcome in ["applied", "unfit"] {
        assert_eq!(
            scrape.value(metrics::DIRECT, &[("kind", "ledger"), ("outcome", outcome)]),
            1.0,
            "{}",
            scrape.text()
        );
    }
    let text = scrape.text();
    for Metric { name, .. } in ALL {
        assert!(text.contains(&format!("\n{name}")), "{name} was not recorded:\n{text}");
    }
}

async fn try_the_direct_path() {
    let world = World::with(registry(), Settings { direct: Direct::On, ..Settings::default() }).await;
    assert_eq!(world.event(&ledger("dave"), &write("applied")).await.status, 200);
    post_something_that_dies(&world).await;
}

#[tokio::test]
async fn a_wake_that_has_something_to_do_is_counted_as_that() {
    let scrape = Scrape::new();
    let _recording = ::metrics::set_default_local_recorder(&scrape.recorder);
    let world = World::with(registry(), Settings::default()).await;
    let alice = ledger("alice");
    world.die_holding(&alice, &write("one")).await;
    world.look(&alice).await;
    let (wake, delay) = world.wakes.take().remove(0);
    let wakes = |outcome| scrape.value(metrics::WAKES, &[("kind", "ledger"), ("outcome", outcome)]);
    assert_eq!((wakes("sent"), wakes("acted")), (1.0, 0.0), "{}", scrape.text());
    let later = world.later(delay);
    later.wake(&wake).await;
    assert_eq!((wakes("acted"), world.entries(&alice).await.len()), (1.0, 1), "{}", scrape.text());
    // Delivered once more it has nothing to do, and a look without a wake is none.
    later.wake(&wake).await;
    world.submit(&alice, Mode::Detached, &[write("two")]).await;
    later.look(&alice).await;
    assert_eq!((wakes("acted"), world.entries(&alice).await.len()), (1.0, 2), "{}", scrape.text());
}

#[tokio::test]
async fn an_envelope_that_an_operator_parks_is_a_dead_letter() {
    let scrape = Scrape::new();
    let _recording = ::metrics::set_default_local_recorder(&scrape.recorder);
    let (world, broken) = crate::operators::worlds().await;
    let blocked = crate::world::entity("blocker", "a");
    broken.event(&blocked, &json!({"type": "fail"})).await;
    let dead = || scrape.value(metrics::DEAD_LETTERS, &[("kind", "blocker"), ("what", "event")]);
    assert_eq!(dead(), 0.0);
    let resumed = world.operate("POST", "resume/blocker/a", r#"{"head":"park"}"#).await;
    assert_eq!((resumed.status, &resumed.body["parked"], dead()), (200, &json!("event-1"), 1.0), "{resumed:?}");
}

async fn post_something_that_dies(world: &World) {
    let reply = world.event(&ledger("carol"), &json!({"type": "fail"})).await;
    assert_eq!(reply.status, 500, "{reply:?}");
}

#[test]
fn the_readme_names_every_metric_with_its_labels() {
    let readme = include_str!("../../README.md");
    let shown: Vec<&str> = readme.lines().filter(|line| line.starts_with("| `leasebox_")).collect();
    for Metric { name, labels, .. } in ALL {
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        assert!(shown.iter().any(|line| line.starts_with(&format!("| `{name}` | {labels} |"))), "{name} {labels}");
    }
    assert_eq!(shown.len(), ALL.len());
}
