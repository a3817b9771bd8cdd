//! What travels: ids, checked names, and the envelope around one event. Pure; every limit is checked here.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, json_schema};
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};

use crate::limits;
use crate::text;
use crate::trace::Trace;

mod derived;

pub use derived::DERIVED_BYTES;

pub use crate::key::{IdempotencyKey, Keyed, body_hash};

/// A point in time in milliseconds since the Unix epoch, on whichever machine's clock wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Millis(pub u64);

impl Millis {
    /// This point in time, later by `ms` milliseconds.
    #[must_use]
    pub fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this point in time, 0 if it lies before.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Why a name, id or key was refused, as a sentence for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// The identity of an entity: its kind and its id, written `kind/id`.
///
/// A kind is 1 to 32 bytes of `a-z`, `0-9` and `-`, starting with a letter. An id is 1 to 128 bytes of
/// letters, digits and `. _ ~ : @ + = , -`; it is neither `.` nor `..`, which HTTP clients remove from paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId {
    text: String,
    kind_length: usize,
}

impl EntityId {
    /// Makes an id of a kind's name, 1 to 32 bytes, and the entity's own id, 1 to 128 bytes.
    ///
    /// # Errors
    /// When a part is empty, too long or has a character outside its alphabet.
    pub fn new(kind: &str, id: &str) -> Result<Self, Malformed> {
        check_kind(kind)?;
        check_id(id)?;
        Ok(Self { text: format!("{kind}/{id}"), kind_length: kind.len() })
    }

    /// The kind: which actor runs this entity.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.text.get(..self.kind_length).unwrap_or_default()
    }

    /// The id within the kind.
    #[must_use]
    pub fn id(&self) -> &str {
        self.text.get(self.kind_length + 1..).unwrap_or_default()
    }

    /// `kind/id`, which is also the partition key of everything stored for the entity.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for EntityId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (kind, id) =
            text.split_once('/').ok_or_else(|| Malformed(format!("`{}` is not of the form kind/id", short(text))))?;
        Self::new(kind, id)
    }
}

impl Serialize for EntityId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for EntityId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Whether a text may be the name of a kind.
///
/// # Errors
/// When it may not: what a name is.
pub fn check_kind(kind: &str) -> Result<(), Malformed> {
    let starts = kind.starts_with(|c: char| c.is_ascii_lowercase());
    let alphabet = kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if starts && alphabet && kind.len() <= limits::KIND_BYTES {
        return Ok(());
    }
    Err(Malformed(format!(
        "`{}` is not a kind: 1 to {} characters of a-z, 0-9 and -, starting with a letter",
        short(kind),
        limits::KIND_BYTES
    )))
}

/// Whether a text may be the id of an entity.
///
/// # Errors
/// When it may not: what an id is.
pub fn check_id(id: &str) -> Result<(), Malformed> {
    if id.len() > limits::ID_BYTES {
        return Err(no_id(id));
    }
    check_part(id)
}

/// Whether a text could be an id by its characters, or be made of ids, as the name of a transfer is.
///
/// # Errors
/// When it could not: what an id is.
pub fn check_part(text: &str) -> Result<(), Malformed> {
    let alphabet = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~:@+=,-".contains(&b));
    if alphabet && !matches!(text, "" | "." | "..") { Ok(()) } else { Err(no_id(text)) }
}

fn no_id(text: &str) -> Malformed {
    Malformed(format!(
        "`{}` is not an id: 1 to {} characters of letters, digits and . _ ~ : @ + = , - (and neither `.` nor `..`)",
        short(text),
        limits::ID_BYTES
    ))
}

/// The beginning of a text of unknown length, to quote in an error.
fn short(text: &str) -> String {
    let mut quoted: String = text.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if quoted.len() < text.len() && text.chars().nth(40).is_some() {
        quoted.push('…');
    }
    quoted
}

/// Declares that a type is a text in JSON.
macro_rules! text_schema {
    ($($name:ident),*) => {
        $(impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                json_schema!({"type": "string"})
            }
        })*
    };
}

text_schema!(EntityId, EventId, EnvelopeId, Owner);

/// Declares an id of twelve bytes, shown, and written in texts, as 24 hexadecimal digits: they order as the bytes do.
macro_rules! binary_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 12]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                let mut bytes = [0; 12];
                let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
                match hex::decode_to_slice(text, &mut bytes) {
                    Ok(()) if lower => Ok(Self(bytes)),
                    _ => Err(Malformed(format!("`{}` is not 24 lower-case hexadecimal digits", short(text)))),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

binary_id! {
    /// The id of one envelope: six bytes of the time it was made and six random ones, so that ids order by time.
    EnvelopeId
}

binary_id! {
    /// The fence: who holds a lease. Made anew for every acquisition, never for a process.
    Owner
}

impl EnvelopeId {
    /// An id made at `now`, and in any case above `floor`, the greatest id that the entity ever forgot.
    #[must_use]
    pub fn new(now: Millis, random: u64, floor: Option<Self>) -> Self {
        let time = floor.map_or(now.0, |floor| now.0.max(floor.time().0 + 1));
        let mut bytes = [0; 12];
        bytes[..6].copy_from_slice(&time.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random.to_be_bytes()[2..]);
        Self(bytes)
    }

    /// When the id was made, by its maker's clock.
    #[must_use]
    pub fn time(&self) -> Millis {
        let mut bytes = [0; 8];
        bytes[2..].copy_from_slice(&self.0[..6]);
        Millis(u64::from_be_bytes(bytes))
    }
}

impl Owner {
    /// A fence for one acquisition.
    #[must_use]
    pub fn new(now: Millis, random: u64) -> Self {
        Self(EnvelopeId::new(now, random, None).0)
    }
}

/// What a client holds of its event: the place in the entity's order, given once and for ever, and the
/// envelope's id. Written `sequence-id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The place in the entity's order, from 1.
    pub sequence: u64,
    /// The id of the envelope that carries the event.
    pub id: EnvelopeId,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.sequence, self.id)
    }
}

impl FromStr for EventId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let parse = || {
            let (sequence, id) = text.split_once('-')?;
            let canonical = !sequence.starts_with(['0', '+']);
            let sequence = sequence.parse().ok().filter(|_| canonical)?;
            Some(Self { sequence, id: id.parse().ok()? })
        };
        parse().ok_or_else(|| {
            Malformed(format!("`{}` is not an event id: a sequence number, -, and 24 hexadecimal digits", short(text)))
        })
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// One event on its way through a mailbox. The field names are short because every write pays for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The envelope's own id, fresh for every post.
    #[serde(rename = "i")]
    pub id: EnvelopeId,
    /// When it was posted, by the poster's clock.
    #[serde(rename = "t")]
    pub at: Millis,
    /// The command as compact JSON.
    #[serde(rename = "b", with = "text::json")]
    pub body: String,
    /// The receipt, when the post carried a key or came from an outbox.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub keyed: Option<Keyed>,
    /// The entity whose outbox it came from, when it did.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub from: Option<EntityId>,
    /// The trace and the hop that sent it, when somebody records that: nobody else pays for it.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
}

/// What a poster hands in: an envelope that has no id yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The command as compact JSON.
    pub body: String,
    /// The receipt, when there is a key.
    pub keyed: Option<Keyed>,
    /// The entity whose outbox it comes from, when it does.
    pub from: Option<EntityId>,
    /// The trace and the hop that sends it, when somebody records that.
    pub trace: Option<Trace>,
}

impl Draft {
    /// The envelope, once the draft has an id.
    #[must_use]
    pub fn seal(&self, id: EnvelopeId, at: Millis) -> Envelope {
        let Self { body, keyed, from, trace } = self.clone();
        Envelope { id, at, body, keyed, from, trace }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_order_by_time_and_stay_above_the_floor() {
        let early = EnvelopeId::new(Millis(1_000), u64::MAX, None);
        let late = EnvelopeId::new(Millis(1_001), 0, None);
        assert!(early < late);
        assert!(EnvelopeId::new(Millis(5), 0, Some(late)) > late);
        assert_eq!(late.time(), Millis(1_001));
    }

    #[test]
    fn ids_and_event_ids_read_back_what_they_write() {
        let id = EnvelopeId::new(Millis(1_790_000_000_000), 42, None);
        let event = EventId { sequence: 7, id };
        assert_eq!(event.to_string().parse(), Ok(event));
        for wrong in ["", "7", "07-000000000000000000000000", "+7-000000000000000000000000", "7-zz", "-1-00"] {
            assert!(wrong.parse::<EventId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_checked() {
        assert!(EntityId::new("counter", "alice@example.com").is_ok());
        for (kind, id) in [("", "a"), ("Counter", "a"), ("1x", "a"), ("counter", ""), ("counter", ".."), ("c", "a/b")] {
            assert!(EntityId::new(kind, id).is_err(), "{kind}/{id}");
        }
        assert!(EntityId::new("counter", &"x".repeat(limits::ID_BYTES)).is_ok());
        assert!(EntityId::new("counter", &"x".repeat(limits::ID_BYTES + 1)).is_err());
        let parsed: EntityId = "counter/bob".parse().unwrap();
        assert_eq!((parsed.kind(), parsed.id()), ("counter", "bob"));
    }
}
