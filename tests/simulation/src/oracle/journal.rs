//! The journal: every write of it, judged by the envelopes that left the queue in the same write, and the whole of it
//! when all has come to rest.

use serde::Deserialize;
use serde_dynamo::{AttributeValue, from_attribute_value};
use serde_json::{Map, Value};

use crate::actor::Add;
use crate::expression::Attributes;
use crate::journaled::{self, Happened, State};
use crate::oracle::image::{Image, Letter};
use crate::oracle::{Finding, Truth};
use crate::table::{Table, Wrote};

/// What the sort keys of a journal begin with; the version of the item's last event follows, in twenty digits.
const EVENT: &str = "event#";

/// One event, read without the protocol's own code.
#[derive(Clone, Debug, Deserialize)]
struct Entry {
    version: u64,
    r#type: String,
    schema: u32,
    at: u64,
    cause: String,
    payload: Map<String, Value>,
}

/// A state with what it follows from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct Snapshot {
    version: u64,
    at: u64,
    state: State,
}

/// A command that was applied, and the event of the mailbox by which it is known.
#[derive(Debug)]
pub(super) struct Cause {
    event: String,
    add: Add,
}

impl Cause {
    /// The command of a letter that left the queue.
    pub(super) fn of(sequence: u64, letter: &Letter) -> Self {
        Self { event: format!("{sequence}-{}", letter.id), add: letter.add.clone() }
    }
}

/// What has happened is written once, together with the mailbox that it happened to.
pub(super) fn written_once(record: &Wrote, mailbox: Option<&Wrote>) -> Finding {
    let Wrote { key, old, new } = record;
    match (old, new, mailbox) {
        _ if !key.sk.starts_with(EVENT) => Ok(()),
        (Some(_), _, _) => Err(format!("{} was written over", key.sk)),
        (_, None, _) => Err(format!("{} was deleted", key.sk)),
        (_, _, Some(mailbox)) if mailbox.key.pk == key.pk => Ok(()),
        _ => Err(format!("{} was written without its mailbox", key.sk)),
    }
}

/// Judges what a write adds to a journal: it has what the commands that were applied by it make, and nothing else.
pub(super) fn added(truth: &mut Truth, pk: &str, (old, new): (Image, Image), records: &[&Wrote]) -> Finding {
    let causes = std::mem::take(&mut truth.causes);
    let mut items: Vec<_> = records.iter().filter(|record| record.key.sk.starts_with(EVENT)).collect();
    if !is_journaled(pk) {
        return if items.is_empty() { Ok(()) } else { Err("what keeps no journal has one".to_owned()) };
    }
    if items.is_empty() && causes.is_empty() && old.get("state") == new.get("state") {
        return Ok(());
    }
    items.sort_by_key(|record| &record.key.sk);
    let mut entries = Vec::new();
    for record in items {
        let item = record.new.as_deref().ok_or("an event was deleted")?;
        entries.extend(read(&record.key.sk, item)?);
    }
    let follows = Snapshot::of(old)?.then(&entries)?;
    let kept = Snapshot::of(new)?;
    if follows != kept {
        return Err(format!("{kept:?} is stored, and {follows:?} follows from the journal"));
    }
    let made: Vec<_> =
        entries.iter().map(|entry| Ok((entry.cause.clone(), entry.happened()?))).collect::<Result<_, String>>()?;
    let due =
        causes.iter().flat_map(|Cause { event, add }| add.events().into_iter().map(move |it| (event.clone(), it)));
    if !due.eq(made) {
        let tokens: Vec<u64> = causes.iter().map(|cause| cause.add.token).collect();
        return Err(format!("the {} events of this write are not those that {tokens:?} make", entries.len()));
    }
    Ok(())
}

/// Judges the whole journal of an entity: its snapshot follows from it.
pub(super) fn whole(pk: &str, image: Image, table: &Table) -> Finding {
    let mut follows = Snapshot::default();
    for (key, item) in table.keys(pk, EVENT) {
        follows = follows.then(&read(&key.sk, item)?).map_err(|what| format!("{pk}: {what}"))?;
    }
    let kept = if is_journaled(pk) { Snapshot::of(image)? } else { Snapshot::default() };
    if follows == kept { Ok(()) } else { Err(format!("{pk} keeps {kept:?}, and {follows:?} follows from its journal")) }
}

fn is_journaled(pk: &str) -> bool {
    pk.split_once('/').is_some_and(|(kind, _)| kind == journaled::KIND)
}

/// The events of one item, which names the last of them.
fn read(sk: &str, item: &Attributes) -> Result<Vec<Entry>, String> {
    let events = item.get("events").cloned().unwrap_or(AttributeValue::Null(true));
    let events: Vec<Entry> = from_attribute_value(events).map_err(|error| format!("{sk} cannot be read: {error}"))?;
    let last = events.last().map(|entry| format!("{EVENT}{:020}", entry.version));
    if last.as_deref() == Some(sk) { Ok(events) } else { Err(format!("the last event of {sk} is {last:?}")) }
}

impl Entry {
    fn happened(&self) -> Result<Happened, String> {
        if self.schema != 1 {
            return Err(format!("event {} has schema {}", self.version, self.schema));
        }
        let mut event = self.payload.clone();
        event.insert("type".to_owned(), Value::from(self.r#type.as_str()));
        Happened::deserialize(Value::Object(event)).map_err(|error| format!("event {}: {error}", self.version))
    }
}

impl Snapshot {
    fn of(image: Image) -> Result<Self, String> {
        match image.get("state") {
            None => Ok(Self::default()),
            Some(state) => from_attribute_value(state.clone()).map_err(|error| format!("an unreadable state: {error}")),
        }
    }

    /// What follows from more events: they are numbered without a gap, and time does not run backwards.
    fn then(mut self, entries: &[Entry]) -> Result<Self, String> {
        for entry in entries {
            if entry.version != self.version + 1 {
                return Err(format!("event {} of the journal follows event {}", entry.version, self.version));
            }
            if entry.at < self.at {
                return Err(format!("event {} happened at {}, after what was at {}", entry.version, entry.at, self.at));
            }
            (self.version, self.at) = (entry.version, entry.at);
            match entry.happened()? {
                Happened::Added { token } => self.state.entries.push(token),
                Happened::Noted { text } => {
                    self.state.notes += 1;
                    self.state.bytes += text.len() as u64;
                }
                Happened::Impossible => return Err(format!("event {} cannot have happened", entry.version)),
            }
        }
        Ok(self)
    }
}
