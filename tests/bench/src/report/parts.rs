//! The parts of the page.

use crate::compare::{Both, Compared, ratio, sum};
use crate::drive::Measured;
use crate::growth::{Curve, Growing, Point};
use crate::report::table::{Table, digits};
use crate::report::{Line, Page, Plot, ReportError, Scale};
use crate::seed::Served;

/// What `hey` measured of a server, compared with what others did.
fn to(number: f64, scale: f64) -> String {
    digits(number / scale.max(1e-9))
}

/// The ratios of the first system to all others.
#[must_use]
pub fn key_ratios(compared: &[Compared]) -> Table {
    let mut table = Table::new(&["workload", "Leasebox to", "write units", "read units", "throughput", "p50", "p99"]);
    for Compared { workload, systems, .. } in compared {
        let Some((ours, others)) = systems.split_first() else {
            continue;
        };
        for other in others {
            let closed = |of: fn(&Measured) -> f64| digits(ratio(&ours.closed, &other.closed, of));
            let open = |of: fn(&Measured) -> f64| digits(ratio(&ours.open, &other.open, of));
            let reads = match sum(&other.closed).reads() {
                reads if reads < 0.005 => "–".to_owned(),
                _ => closed(Measured::reads),
            };
            table.row(vec![
                workload.key.to_owned(),
                other.system.title.to_owned(),
                closed(Measured::writes),
                reads,
                closed(Measured::throughput),
                open(|measured| measured.percentile(50.0)),
                open(|measured| measured.percentile(99.0)),
            ]);
        }
    }
    table
}

/// Writes the comparison at a distance: its ratios, and one table of all workloads.
///
/// # Errors
/// When something cannot be written.
pub fn distant(page: &mut Page, compared: &[Compared], stamp: &str) -> Result<(), ReportError> {
    page.write("distant-ratios", &format!("{}\n{stamp}\n", key_ratios(compared)))?;
    page.copy("distant-ratios")?;
    let mut table =
        Table::new(&["workload and system", "events/s, closed", "events/s, open", "p50 ms", "p99 ms", "failed"]);
    for Compared { workload, systems, .. } in compared {
        for both in systems {
            let (closed, open) = (closed(both), open(both));
            table.row(vec![
                format!("{}: {}", workload.key, both.system.title),
                digits(closed.throughput()),
                digits(open.throughput()),
                digits(open.percentile(50.0)),
                digits(open.percentile(99.0)),
                (closed.failed + open.failed).to_string(),
            ]);
        }
    }
    page.write("distant", &format!("{table}\n{stamp}"))
}

/// Writes the comparison: its ratios, a table for each workload, and their plots.
///
/// # Errors
/// When something cannot be written.
pub fn comparison(page: &mut Page, compared: &[Compared], stamp: &str) -> Result<(), ReportError> {
    let ratios = format!("{}\n{stamp}\n", key_ratios(compared));
    page.write("ratios", &ratios)?;
    page.copy("ratios")?;
    let mut text = String::new();
    for Compared { workload, rate, systems } in compared {
        let mut table =
            Table::new(&["system", "events/s", "p50 ms", "p99 ms", "p99.9 ms", "write units", "read units", "failed"]);
        for (name, of) in [("closed", closed as fn(&Both) -> Measured), ("open", open)] {
            for both in systems {
                table.row(row(&format!("{}, {name}", both.system.title), &of(both)));
            }
        }
        let plot = format!("{}.svg", workload.key);
        page.plot(&plot, &latencies(workload.title, systems))?;
        text += &format!(
            "### {}\n\n{} clients in the closed loop, {} events a second in the open loop; units are per event.\n\n\
             {table}\n![{}]({plot})\n\n",
            capital(workload.title),
            workload.clients,
            digits(*rate),
            workload.title
        );
    }
    page.write("comparison", &format!("{text}{stamp}"))
}

fn closed(both: &Both) -> Measured {
    sum(&both.closed)
}

fn open(both: &Both) -> Measured {
    sum(&both.open)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn row(name: &str, measured: &Measured) -> Vec<String> {
    vec![
        name.to_owned(),
        digits(measured.throughput()),
        digits(measured.percentile(50.0)),
        digits(measured.percentile(99.0)),
        digits(measured.percentile(99.9)),
        digits(measured.writes()),
        digits(measured.reads()),
        measured.failed.to_string(),
    ]
}

/// Latency in the open loop by percentile; an axis that stretches what is rare: 1 in 10, in 100, in 1,000.
fn latencies<'a>(title: &'a str, systems: &[Both]) -> Plot<'a> {
    let rarities = [1.0_f64, 2.0, 4.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0];
    let lines = systems.iter().map(|both| {
        let measured = open(both);
        let points = rarities.iter().map(|rarity| (*rarity, measured.percentile(100.0 - 100.0 / rarity)));
        Line { name: both.system.title.to_owned(), points: points.collect() }
    });
    let (x, y) = ("one event in so many takes longer (open loop)", "latency, ms");
    Plot { title, x, y, scale: Scale::Log, lines: lines.collect() }
}

/// Writes a curve: a table, a plot, and what its reader does about it.
///
/// # Errors
/// When something cannot be written.
pub fn curve(page: &mut Page, curve: &Curve, points: &[Point], stamp: &str) -> Result<(), ReportError> {
    let mut table = Table::new(&[curve.axis, "p50 ms", "p99 ms", "write units", "read units"]);
    for Point { size, measured } in points {
        table.row(vec![
            size.to_string(),
            digits(measured.percentile(50.0)),
            digits(measured.percentile(99.0)),
            digits(measured.writes()),
            digits(measured.reads()),
        ]);
    }
    let line = |name: &str, percent: f64| Line {
        name: name.to_owned(),
        points: points.iter().map(|point| (point.size as f64, point.measured.percentile(percent))).collect(),
    };
    let scale = match curve.growing {
        Growing::State | Growing::Queue => Scale::Linear,
        Growing::Entities | Growing::Stream | Growing::Journal => Scale::LogX,
    };
    let lines = vec![line("p50", 50.0), line("p99", 99.0)];
    let file = format!("{}.svg", curve.key);
    page.plot(&file, &Plot { title: curve.title, x: curve.axis, y: "latency, ms", scale, lines })?;
    let grown = growth_of(points);
    let text =
        format!("### {}\n\n{grown} {}\n\n{table}\n![{}]({file})\n\n{stamp}", curve.title, curve.advice, curve.title);
    page.write(curve.key, &text)
}

/// A sentence on how the last point compares with the first.
fn growth_of(points: &[Point]) -> String {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return String::new();
    };
    let (from, to) = (&first.measured, &last.measured);
    format!(
        "From {} to {}, an event's write units go from {} to {}, and its median latency to {} times what it was.",
        first.size,
        last.size,
        digits(from.writes()),
        digits(to.writes()),
        digits(to.percentile(50.0) / from.percentile(50.0).max(1e-9))
    )
}

/// Writes the seeds' table.
///
/// # Errors
/// When it cannot be written.
pub fn seed_table(page: &mut Page, served: &[Served], stamp: &str) -> Result<(), ReportError> {
    let Some(bare) = served.first().map(|bare| bare.load.throughput) else {
        return Ok(());
    };
    let mut table = Table::new(&[
        "server",
        "requests/s",
        "of the bare one's",
        "p50 ms",
        "p99 ms",
        "answered 200",
        "write units/event",
        "handler µs",
    ]);
    for Served { title, load, scraped, .. } in served {
        let scraped_cell = |of: &dyn Fn(&crate::seed::Scraped) -> f64| {
            scraped.as_ref().map_or_else(|| "–".to_owned(), |scraped| digits(of(scraped)))
        };
        table.row(vec![
            (*title).to_owned(),
            digits(load.throughput),
            to(load.throughput, bare),
            digits(load.p50),
            digits(load.p99),
            format!("{} of {}", load.answered, load.sent),
            scraped_cell(&|scraped| scraped.writes),
            scraped_cell(&|scraped| scraped.handler_us()),
        ]);
    }
    let mut text = format!("{table}\n");
    for Served { title, memory, .. } in served {
        if let Some(memory) = memory {
            text += &format!(
                "Memory of {title} after {} requests, its database included: {} MB resident, {} MB at most.\n\n",
                memory.requests,
                digits(memory.resident),
                digits(memory.most)
            );
        }
    }
    if let [_, shared, .., alone] = served {
        let units = |served: &Served| served.scraped.map_or(f64::NAN, |scraped| scraped.writes);
        text += &format!(
            "Sharing writes multiplies the throughput of one hot entity by {}, and divides its write units by {}.\n\n",
            digits(shared.load.throughput / alone.load.throughput.max(1e-9)),
            digits(units(alone) / units(shared).max(1e-9))
        );
    }
    page.write("seeds", &format!("{text}{stamp}"))
}
