//! What CloudWatch reads from a function's log: lines of the embedded metric format.
#![cfg(test)]

use serde_json::{Value, json};
use shared::emf::{Emitter, FUNCTION};
use shared::metrics::{self, Woken};

/// What was collected, line by line.
fn flushed(emitter: Emitter) -> Vec<Value> {
    let mut written = Vec::new();
    emitter.flush_to(&mut written);
    let text = String::from_utf8(written).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_invocation_leaves_its_metrics_in_the_log() {
    let emitter = Emitter::install("Leasebox/shop".to_owned(), "drain").unwrap();
    metrics::woken("counter", Woken::Sent);
    metrics::woken("counter", Woken::Sent);
    metrics::woken("account", Woken::Failed);
    metrics::stream_age(1_500);
    let lines = flushed(emitter);
    let line = |has: &str, kind: Option<&str>| {
        let fits = |line: &&Value| line.get(has).is_some() && line.get("kind").and_then(Value::as_str) == kind;
        lines.iter().find(fits).unwrap_or_else(|| panic!("no {has} of {kind:?} in {lines:?}"))
    };
    let wakes = metrics::WAKES.name;
    assert_eq!(
        (&line(wakes, Some("counter"))[wakes], &line(wakes, Some("counter"))["outcome"]),
        (&json!(2), &json!("sent"))
    );
    assert_eq!(
        (&line(wakes, Some("account"))[wakes], &line(wakes, Some("account"))["outcome"]),
        (&json!(1), &json!("failed"))
    );
    let age = line(metrics::STREAM_AGE.name, None);
    assert_eq!(age[metrics::STREAM_AGE.name], json!([1.5]));
    let directive = &age["_aws"]["CloudWatchMetrics"][0];
    assert_eq!((&directive["Namespace"], &age[FUNCTION]), (&json!("Leasebox/shop"), &json!("drain")));
    assert_eq!(directive["Metrics"], json!([{"Name": metrics::STREAM_AGE.name, "Unit": "Seconds"}]));
    assert!(age["_aws"]["Timestamp"].as_u64().is_some());

    // The next invocation begins anew.
    metrics::woken("counter", Woken::Sent);
    let [next] = flushed(emitter).try_into().unwrap();
    assert_eq!(next[wakes], json!(1));
}
