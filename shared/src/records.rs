//! Side records: what an actor keeps beside its state, and what an event is decided with.
//!
//! A state is small and whole; what grows with an entity's history, such as its conversations, lies in side records. An
//! actor names those that an event is about, and they are read before it runs: by consistent reads, under the lease. Only
//! the holder writes them, with its commit and under the fence, so what was read is what there is, or the commit fails.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_dynamo::{AttributeValue, Item};

use crate::actor::Fault;
use crate::envelope::{EntityId, Millis};

/// A side record to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub(crate) name: String,
    pub(crate) item: Item,
    pub(crate) expires: Option<Millis>,
    pub(crate) listed: Option<Listed>,
}

/// Where a side record stands in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The list in which the record stands.
    pub list: List,
    /// Its place in it: the list is in the order of these, byte by byte. 1 to 512 bytes.
    pub rank: String,
}

/// A list of side records, through an index that follows the table some milliseconds later.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum List {
    /// A list of one entity, by its name.
    Own(&'static str),
    /// Of all entities of its kind. A list takes about 1,000 writes a second: spread a busier one over several.
    Shared(String),
}

impl List {
    /// What the index knows it by: no list of another entity or kind has this name.
    #[must_use]
    pub fn name(&self, entity: &EntityId) -> String {
        match self {
            Self::Own(list) => format!("{entity}#{list}"),
            // No id is empty, so this is no entity's own.
            Self::Shared(list) => format!("{}/#{list}", entity.kind()),
        }
    }
}

impl Record {
    /// A record of this name, which is 1 to 512 bytes; one of the same name is replaced.
    ///
    /// # Errors
    /// A [`Fault`] when it is no map.
    pub fn new<T: Serialize>(name: impl Into<String>, record: &T) -> Result<Self, Fault> {
        let item = serde_dynamo::to_item(record).map_err(|error| Fault::new(error.to_string()))?;
        Ok(Self { name: name.into(), item, expires: None, listed: None })
    }

    /// Lets DynamoDB delete the record some time after `at`; until then it can be read.
    #[must_use]
    pub fn expires(self, at: Millis) -> Self {
        Self { expires: Some(at), ..self }
    }

    /// Puts the record into a list, at a place that `rank` says: 1 to 512 bytes, compared byte by byte. It leaves that
    /// when it is written again without this.
    #[must_use]
    pub fn listed(self, list: List, rank: impl Into<String>) -> Self {
        Self { listed: Some(Listed { list, rank: rank.into() }), ..self }
    }
}

/// A side record that an event is decided with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Lookup {
    /// The side record of this name.
    Named(String),
    /// The last, in the order of names, of those from one name to another, both included.
    Last {
        /// The first name of the range.
        from: String,
        /// The last name of the range.
        to: String,
    },
}

/// A side record as it is stored: its name, and what the actor gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The name of the record.
    pub name: String,
    /// Its content, a map; anything else is damage.
    pub record: AttributeValue,
}

impl Stored {
    /// Reads the content as a `T`.
    ///
    /// # Errors
    /// When it is not of the form that is asked for.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Unusable> {
        let read = serde_dynamo::from_attribute_value(self.record.clone());
        read.map_err(|error| Unusable::Damaged { name: self.name.clone(), cause: error.to_string() })
    }
}

/// Why a side record cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is not of the form that is asked for.
    #[error("the side record {name} cannot be read: {cause}")]
    Damaged {
        /// The name of the record.
        name: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The actor did not name it before.
    #[error("the side record {0:?} was not looked up before the event ran")]
    NotLookedUp(Lookup),
}

impl From<Unusable> for Fault {
    fn from(unusable: Unusable) -> Self {
        Self::new(unusable.to_string())
    }
}

/// What was looked up, and what the events before this one have written since.
#[derive(Clone, Debug, Default)]
pub struct Records {
    found: BTreeMap<Lookup, Option<Stored>>,
    written: BTreeMap<String, Stored>,
}

/// None at all: what is judged without running an actor needs none.
pub static NONE: Records = Records { found: BTreeMap::new(), written: BTreeMap::new() };

impl Records {
    /// Records as they were looked up, none where there was none.
    #[must_use]
    pub fn new(found: impl IntoIterator<Item = (Lookup, Option<Stored>)>) -> Self {
        Self { found: found.into_iter().collect(), written: BTreeMap::new() }
    }

    /// Whether this was looked up, found or not.
    #[must_use]
    pub fn has(&self, lookup: &Lookup) -> bool {
        self.found.contains_key(lookup)
    }

    /// Takes what else was looked up.
    pub(crate) fn extend(&mut self, found: impl IntoIterator<Item = (Lookup, Option<Stored>)>) {
        self.found.extend(found);
    }

    /// Takes note of what an event writes, for those that run after it.
    pub(crate) fn write(&mut self, record: &Record) {
        let content = AttributeValue::M(record.item.clone().into());
        self.written.insert(record.name.clone(), Stored { name: record.name.clone(), record: content });
    }

    /// The record of a name; none when there is none.
    ///
    /// # Errors
    /// When it is damaged, or was not looked up.
    pub fn named<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Unusable> {
        let found = match self.written.get(name) {
            Some(written) => Some(written),
            None => self.looked_up(&Lookup::Named(name.to_owned()))?,
        };
        found.map(Stored::read).transpose()
    }

    /// The last record from one name to another; none when there is none.
    ///
    /// # Errors
    /// When it is damaged, or was not looked up.
    pub fn last<T: DeserializeOwned>(&self, from: &str, to: &str) -> Result<Option<T>, Unusable> {
        let found = self.looked_up(&Lookup::Last { from: from.to_owned(), to: to.to_owned() })?;
        // A range that ends before it begins is empty, and would be a panic.
        let written = (from <= to)
            .then(|| self.written.range::<str, _>((Bound::Included(from), Bound::Included(to))).next_back())
            .flatten();
        let last = match (found, written) {
            (Some(found), Some((name, _))) if found.name > *name => Some(found),
            (_, Some((_, written))) => Some(written),
            (found, None) => found,
        };
        last.map(Stored::read).transpose()
    }

    fn looked_up(&self, lookup: &Lookup) -> Result<Option<&Stored>, Unusable> {
        self.found.get(lookup).map(Option::as_ref).ok_or_else(|| Unusable::NotLookedUp(lookup.clone()))
    }
}

#[cfg(test)]
mod tests;
