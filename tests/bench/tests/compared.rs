//! The systems that are compared do the same, what they cost is what the page says, and the page is whole. Nothing here is
//! timed: units are counted.
#![cfg(test)]
#![recursion_limit = "256"]

use std::collections::BTreeSet;
use std::path::Path;

use bench::bill::Total;
use bench::connection::{Connection, Source};
use bench::growth::CURVES;
use bench::report::{TEMPLATE, Table, part, parts_of};
use bench::systems::{Running, SYSTEMS, System, Work};
use futures::future::join_all;

const PAGE: &str = include_str!("../../../docs/performance/README.md");
const README: &str = include_str!("../../../README.md");

fn system(key: &str) -> &'static System {
    SYSTEMS.iter().find(|system| system.key == key).unwrap()
}

/// So many events of one entity at once, and what they came to and cost.
async fn together(connection: &Connection, key: &str, work: Work, events: usize) -> (u64, Total) {
    let (running, bill) = Running::start(system(key), connection, work);
    let id = format!("{key}-{work:?}");
    running.prepare(&id).await.unwrap();
    let before = running.value(&id).await.unwrap();
    bill.take();
    for done in join_all((0..events).map(|client| running.event(client, &id))).await {
        done.unwrap();
    }
    let total = bill.take();
    (running.value(&id).await.unwrap() - before, total)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_system_counts_every_event_once_however_many_come_together() {
    let connection = Connection::open(&Source::Here).await.unwrap();
    for system in SYSTEMS {
        for work in [Work::Count, Work::Deposit] {
            let (value, _) = together(&connection, system.key, work, 24).await;
            assert_eq!(value, 24, "{} {work:?}", system.title);
        }
    }
}

/// What one event costs an entity that nobody else uses: write units, read units, requests.
async fn idle(connection: &Connection, key: &str, work: Work) -> (f64, f64, u64) {
    let (running, bill) = Running::start(system(key), connection, work);
    // Those of Leasebox are the same entities.
    let id = format!("idle-{key}");
    running.prepare(&id).await.unwrap();
    bill.take();
    running.event(0, &id).await.unwrap();
    let Total { write, read, calls, refused } = bill.take();
    assert_eq!(refused, 0);
    (write, read, calls)
}

#[tokio::test]
async fn an_idle_event_costs_leasebox_two_write_units_and_the_others_three() {
    let connection = Connection::open(&Source::Here).await.unwrap();
    for ours in ["leasebox", "alone"] {
        assert_eq!(idle(&connection, ours, Work::Count).await, (2.0, 0.0, 2), "{ours}");
    }
    assert_eq!(idle(&connection, "direct", Work::Count).await, (1.0, 0.5, 2));
    assert_eq!(idle(&connection, "lock", Work::Count).await, (3.0, 1.0, 4));
    assert_eq!(idle(&connection, "three", Work::Count).await, (3.0, 0.0, 3));
}

#[tokio::test]
async fn a_kept_event_costs_leasebox_five_write_units_and_the_others_six() {
    let connection = Connection::open(&Source::Here).await.unwrap();
    for ours in ["leasebox", "alone"] {
        assert_eq!(idle(&connection, ours, Work::Deposit).await, (5.0, 0.0, 2), "{ours}");
    }
    assert_eq!(idle(&connection, "direct", Work::Deposit).await, (4.0, 0.5, 2));
    assert_eq!(idle(&connection, "lock", Work::Deposit).await, (6.0, 1.0, 4));
    assert_eq!(idle(&connection, "three", Work::Deposit).await, (6.0, 0.0, 3));
}

#[tokio::test]
async fn posts_share_writes_unless_each_is_to_go_alone() {
    let connection = Connection::open(&Source::Here).await.unwrap();
    let (_, shared) = together(&connection, "leasebox", Work::Count, 20).await;
    let (_, alone) = together(&connection, "alone", Work::Count, 20).await;
    assert!(shared.write < 20.0, "{shared:?}");
    assert!(alone.write > 20.0, "{alone:?}");
}

#[test]
fn the_page_has_the_parts_of_its_template_each_with_its_numbers() {
    let parts = parts_of(TEMPLATE);
    assert_eq!(parts_of(PAGE), parts, "run the benchmarks: the page is not the template's");
    let curves = CURVES.iter().map(|curve| curve.key);
    let written: BTreeSet<&str> =
        ["distant-ratios", "distant", "ratios", "comparison", "seeds"].into_iter().chain(curves).collect();
    assert_eq!(parts.iter().copied().collect::<BTreeSet<_>>(), written);
    for name in parts {
        let part = part(PAGE, name).unwrap();
        let rows = Table::read(part);
        assert!(rows.len() > 2, "{name} has no table");
        assert!(part.contains("Made by `cargo run --release -p bench -- --only "), "{name} does not say who made it");
        for row in rows {
            assert!(row.len() > 4 && row.iter().all(|cell| !cell.is_empty()), "{name}: {row:?}");
        }
    }
}

#[test]
fn the_text_around_the_numbers_is_the_templates() {
    let text = |page: &str| {
        let parts = parts_of(page).into_iter().map(str::to_owned).collect::<Vec<_>>();
        parts.iter().fold(page.to_owned(), |text, name| text.replace(part(page, name).unwrap_or_default(), "\n"))
    };
    assert_eq!(text(PAGE), text(TEMPLATE));
}

#[test]
fn every_plot_of_the_page_is_there_and_no_other() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/performance");
    let shown: BTreeSet<String> =
        PAGE.split("](").filter_map(|rest| rest.split(')').next()?.strip_suffix(".svg").map(str::to_owned)).collect();
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let there: BTreeSet<String> = files.filter_map(|name| name.strip_suffix(".svg").map(str::to_owned)).collect();
    assert_eq!(shown, there);
}

#[test]
fn the_page_says_the_ratios_that_the_counts_above_give() {
    for name in ["ratios", "distant-ratios"] {
        counted(&Table::read(part(PAGE, name).unwrap()));
    }
}

/// What no machine changes.
#[track_caller]
fn counted(rows: &[Vec<String>]) {
    let writes = |workload: &str, other: &str| -> f64 {
        let row = rows.iter().find(|row| row[0] == workload && row[1] == other);
        row.unwrap_or_else(|| panic!("no row for {workload} and {other}"))[2].parse().unwrap()
    };
    for other in ["lock client", "three-write mailbox"] {
        assert_eq!(writes("idle", other), 0.67, "{other}");
        assert_eq!(writes("sourced", other), 0.83, "{other}");
        assert!(writes("hot", other) < 1.0, "{other}");
    }
}

#[test]
fn the_readme_shows_the_pages_ratios() {
    assert_eq!(part(README, "distant-ratios"), part(PAGE, "distant-ratios"));
}
