//! `docs/cost.md` multiplies what the tests of costs hold with the prices that stand on it, and multiplies right.

use std::collections::BTreeMap;

use crate::meter::{DEPOSIT, DIRECT, EVENT, FIVE, KEYED, LOOK, MESSAGE, ONE_OF_MANY, READ, TRANSFER, Units};

const PAGE: &str = include_str!("../../docs/cost.md");
const TOTAL: &str = "dollars per million";

/// A table: its heads, and its lines with what stands below each head.
struct Table {
    heads: Vec<String>,
    lines: Vec<Vec<String>>,
}

impl Table {
    fn of(lines: &[&str]) -> Self {
        let cells = |line: &&str| -> Vec<String> {
            let inside = line.trim().trim_start_matches('|').trim_end_matches('|');
            inside.split('|').map(|cell| cell.trim().to_owned()).collect()
        };
        // Below the heads is the line that aligns them.
        Self { heads: cells(&lines[0]), lines: lines[2..].iter().map(cells).collect() }
    }

    fn is_of_costs(&self) -> bool {
        self.heads[0] != "unit" && self.heads.last().is_some_and(|head| head == TOTAL)
    }

    /// What a line says below a head.
    fn number(&self, line: &str, head: &str) -> f64 {
        let place = self.heads.iter().position(|there| there == head).unwrap();
        self.lines.iter().find(|cells| cells[0] == line).unwrap()[place].parse().unwrap()
    }
}

fn tables(page: &str) -> Vec<Table> {
    let mut tables = Vec::new();
    let mut lines: Vec<&str> = Vec::new();
    for line in page.lines().chain([""]) {
        if line.starts_with('|') {
            lines.push(line);
        } else if !lines.is_empty() {
            tables.push(Table::of(&std::mem::take(&mut lines)));
        }
    }
    tables
}

/// The table whose first head is this.
fn table(first: &str) -> Table {
    let found = tables(PAGE).into_iter().find(|table| table.heads[0] == first);
    found.unwrap_or_else(|| panic!("there is no table of {first}"))
}

/// What each unit costs, for a million.
fn prices(page: &str) -> BTreeMap<String, f64> {
    let [prices] =
        tables(page).into_iter().filter(|table| table.heads[0] == "unit").collect::<Vec<_>>().try_into().ok().unwrap();
    assert_eq!(prices.heads[1], TOTAL);
    let price = |cells: Vec<String>| (cells[0].clone(), cells[1].parse().unwrap());
    prices.lines.into_iter().map(price).collect()
}

/// The lines of a page whose total is not the sum of their quantities times the prices.
fn faults(page: &str) -> Vec<String> {
    let prices = prices(page);
    let mut faults = Vec::new();
    for table in tables(page).iter().filter(|table| table.is_of_costs()) {
        let last = table.heads.len() - 1;
        for cells in &table.lines {
            let cost = |n: usize| -> f64 { cells[n].parse::<f64>().unwrap() * prices[&table.heads[n]] };
            let total: f64 = (1..last).map(cost).sum();
            if (total - cells[last].parse::<f64>().unwrap()).abs() > 0.0051 {
                faults.push(format!("{}: {total:.2}, not {}", cells[0], cells[last]));
            }
        }
    }
    faults
}

#[test]
fn every_total_is_what_the_prices_come_to() {
    let costs = tables(PAGE).into_iter().filter(Table::is_of_costs);
    assert!(costs.map(|table| table.lines.len()).sum::<usize>() > 15);
    let faults = faults(PAGE);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_wrong_total_is_found() {
    let page = |total: &str| {
        format!(
            "| unit | {TOTAL} |\n|---|---|\n| apple | 2.50 |\n\n| what | apple | {TOTAL} |\n|---|---|---|\n| a pie | 3 | {total} |\n"
        )
    };
    assert!(faults(&page("7.50")).is_empty());
    assert_eq!(faults(&page("7.60")), ["a pie: 7.50, not 7.60"]);
}

#[test]
fn what_is_multiplied_is_what_the_tests_hold() {
    // With the looks of drain: one for each entity whose lease was taken.
    let with_looks = |units: Units, entities: f64| (units.write, units.read + entities * LOOK.read);
    let (quiet, busy, socket) = (table("an event, quiet"), table("an event, busy"), table("over a socket, busy"));
    let units = |table: &Table, line: &str| (table.number(line, "write unit"), table.number(line, "read unit"));
    for table in [&quiet, &busy] {
        assert_eq!(units(table, "an increment"), with_looks(EVENT, 1.0));
        assert_eq!(units(table, "a deposit"), with_looks(DEPOSIT, 1.0));
        assert_eq!(units(table, "a transfer"), with_looks(TRANSFER, 2.0));
        assert_eq!(units(table, "a chat message"), with_looks(MESSAGE, 2.0));
    }
    assert_eq!(units(&quiet, "an increment with an Idempotency-Key"), with_looks(KEYED, 1.0));
    assert_eq!(units(&quiet, "an increment on the direct path"), (DIRECT.write, DIRECT.read));
    assert_eq!(units(&quiet, "a read of a counter"), (READ.write, READ.read));
    let (write, read) = with_looks(FIVE, 1.0);
    assert_eq!(units(&busy, "one of five increments that share a commit"), (write / 5.0, read / 5.0));
    assert_eq!(units(&busy, "one of 24 deposits in one request").0, ONE_OF_MANY);
    assert_eq!(units(&socket, &socket.lines[0][0]), with_looks(MESSAGE, 2.0));
}
