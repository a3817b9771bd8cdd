//! Journals as a person reads them, or as JSON, an object a line.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};
use shared::envelope::{EntityId, Millis};
use shared::journal::Entry;
use shared::moment::rfc3339;
use shared::replay::{Verdict, Verified};
use shared::sourced::Snapshot;
use web::answer::EventAnswer;

/// Prints one event on one line. Versions are as wide as `last`, the greatest of them, so that columns stay in line.
pub fn entry(out: &mut impl Write, entry: Entry, last: u64, json: bool) -> io::Result<()> {
    if json {
        return line(out, &EventAnswer::from(entry));
    }
    let Entry { version, r#type, at, payload, .. } = entry;
    let width = last.to_string().len();
    writeln!(out, "{version:>width$}  {}  {:<16}{}", rfc3339(at), r#type, Value::Object(payload))
}

/// How an entity compares with its journal.
pub fn verified(out: &mut impl Write, entity: &EntityId, verified: &Verified, json: bool) -> io::Result<()> {
    let Verified { snapshot: Snapshot { version, .. }, verdict } = verified;
    let detail = match verdict {
        Verdict::Consistent => None,
        Verdict::Differs => Some("what follows from the journal is something else"),
        Verdict::Broken(what) => Some(what.as_str()),
    };
    if json {
        let consistent = detail.is_none();
        return line(out, &json!({"entity": entity, "version": version, "consistent": consistent, "detail": detail}));
    }
    match detail {
        None => writeln!(out, "{entity} is what follows from its {version} events."),
        Some(detail) => writeln!(out, "{entity} is not what follows from its {version} events: {detail}."),
    }
}

/// A state, with the event that led to it.
pub fn state(out: &mut impl Write, entity: &EntityId, snapshot: &Snapshot<Value>, json: bool) -> io::Result<()> {
    let Snapshot { version, at, state } = snapshot;
    let time = (*at > Millis(0)).then(|| rfc3339(*at));
    if json {
        return line(out, &json!({"entity": entity, "version": version, "time": time, "state": state}));
    }
    match time {
        None => writeln!(out, "{entity} before its first event")?,
        Some(time) => writeln!(out, "{entity} after event {version}, of {time}")?,
    }
    writeln!(out, "{state:#}")
}

fn line<T: Serialize>(out: &mut impl Write, value: &T) -> io::Result<()> {
    // Every answer consists of what JSON can hold.
    writeln!(out, "{}", serde_json::to_string(value).unwrap_or_default())
}
