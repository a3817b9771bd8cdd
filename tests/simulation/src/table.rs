//! The simulated table: DynamoDB's items, conditions, updates, transactions and client tokens, and what each item was
//! before, for readers that are late.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use serde_dynamo::{AttributeValue, Item};
use shared::limits::ITEM_BYTES;
use shared::store::{Consumed, Delete, Key, Order, Page, Put, Query, Transaction, Update};
use shared::table::{self, value_bytes};

use crate::expression::condition::read as read_condition;
use crate::expression::update::read as read_changes;
use crate::expression::{Attributes, Bound, Change, Condition, Invalid, apply, holds};

/// How long DynamoDB recognises a client token, in milliseconds.
const TOKEN_MS: u64 = 10 * 60 * 1000;
/// Former versions that are kept of an item.
const PAST: usize = 6;
/// Where a page ends although more was asked for, in bytes: far sooner than in DynamoDB, so that it is common.
const PAGE_BYTES: usize = 16 * 1024;

/// A version of an item.
pub type Version = Option<Arc<Attributes>>;

/// One item that was written.
#[derive(Clone, Debug)]
pub struct Wrote {
    /// Which.
    pub key: Key,
    /// What it was.
    pub old: Version,
    /// What it is.
    pub new: Version,
}

/// Why a write was not applied.
#[derive(Clone, Debug, PartialEq)]
pub enum Rejected {
    /// The condition of the update failed, and this is the item as it is; or that of a delete, and there is none.
    Condition(Option<Item>),
    /// The condition of a side record failed.
    Occupied,
    /// The token was used for another transaction.
    Other(String),
    /// ValidationException.
    Invalid(String),
}

impl From<Invalid> for Rejected {
    fn from(Invalid(reason): Invalid) -> Self {
        Self::Invalid(reason)
    }
}

/// The table.
#[derive(Debug, Default)]
pub struct Table {
    items: BTreeMap<Key, Versions>,
    tokens: HashMap<String, (u64, Arc<Transaction>)>,
    lenient: bool,
}

#[derive(Debug, Default)]
struct Versions {
    now: Version,
    past: VecDeque<(u64, Version)>,
}

impl Table {
    /// Whether values that no expression uses are let pass, which DynamoDB refuses: for planted bugs, which take
    /// conditions away and leave their values.
    pub fn be_lenient(&mut self, lenient: bool) {
        self.lenient = lenient;
    }

    /// An item as it is, or as it was at a time.
    #[must_use]
    pub fn version(&self, key: &Key, as_of: Option<u64>) -> Version {
        let versions = self.items.get(key)?;
        let Some(time) = as_of else {
            return versions.now.clone();
        };
        // Each entry says until when the item was so.
        let past = versions.past.iter().find(|(until, _)| *until > time);
        past.map_or_else(|| versions.now.clone(), |(_, version)| version.clone())
    }

    /// Reads one item.
    #[must_use]
    pub fn get(&self, key: &Key, as_of: Option<u64>) -> Option<Item> {
        self.version(key, as_of).as_ref().map(item)
    }

    /// Every key that starts with this prefix and has an item.
    pub fn keys<'a>(&'a self, pk: &'a str, prefix: &'a str) -> impl Iterator<Item = (&'a Key, &'a Arc<Attributes>)> {
        self.from(Key::new(pk, prefix)).take_while(move |(key, _)| key.pk == pk && key.sk.starts_with(prefix))
    }

    fn from(&self, first: Key) -> impl Iterator<Item = (&Key, &Arc<Attributes>)> {
        self.items.range(first..).filter_map(|(key, versions)| Some((key, versions.now.as_ref()?)))
    }

    /// Updates one item if its condition holds.
    ///
    /// # Errors
    /// When it does not, or DynamoDB would not take the request.
    pub fn update(&mut self, now: u64, request: &Update) -> Result<(Item, Consumed, Wrote), Rejected> {
        let (wrote, units) = self.prepare_update(request)?;
        let after = wrote.new.as_ref().map(item).unwrap_or_else(|| Attributes::new().into());
        self.store(now, &wrote);
        Ok((after, Consumed { write: units, read: 0.0 }, wrote))
    }

    /// Writes all or nothing; no items when the token says that it was done before.
    ///
    /// # Errors
    /// When a condition fails, or DynamoDB would not take the request.
    pub fn transact(&mut self, now: u64, request: &Arc<Transaction>) -> Result<(Consumed, Vec<Wrote>), Rejected> {
        if let Some((since, known)) = self.tokens.get(&request.token)
            && now.saturating_sub(*since) < TOKEN_MS
        {
            return match known == request {
                true => Ok((Consumed::default(), Vec::new())),
                false => Err(Rejected::Other("IdempotentParameterMismatch".to_owned())),
            };
        }
        let (update, mut units) = self.prepare_update(&request.update)?;
        let mut wrote = vec![update];
        for delete in &request.deletes {
            let (delete, more) = self.prepare_delete(delete)?;
            units += more;
            wrote.push(delete);
        }
        for put in &request.puts {
            let (put, more) = self.prepare_put(put)?;
            if wrote.iter().any(|other: &Wrote| other.key == put.key) {
                return Err(Rejected::Invalid("one item twice in a transaction".to_owned()));
            }
            units += more;
            wrote.push(put);
        }
        if wrote.len() > shared::limits::TRANSACTION_ACTIONS {
            return Err(Rejected::Invalid("too many actions".to_owned()));
        }
        wrote.iter().for_each(|wrote| self.store(now, wrote));
        self.tokens.insert(request.token.clone(), (now, Arc::clone(request)));
        Ok((Consumed { write: 2.0 * units, read: 0.0 }, wrote))
    }

    /// Deletes one item if its condition holds.
    ///
    /// # Errors
    /// When it does not, or DynamoDB would not take the request.
    pub fn delete(&mut self, now: u64, request: &Delete) -> Result<(Consumed, Wrote), Rejected> {
        let (wrote, units) = self.prepare_delete(request)?;
        self.store(now, &wrote);
        Ok((Consumed { write: units, read: 0.0 }, wrote))
    }

    /// Reads one page of the directory, the only index there is, or of one entity's items.
    ///
    /// # Errors
    /// When it is another query.
    pub fn query(&self, request: &Query) -> Result<Page, Invalid> {
        if request.index.is_none() {
            return self.query_items(request);
        }
        let Some((_, AttributeValue::S(kind))) = request.values.first() else {
            return Err(Invalid::new("the directory is asked for a kind"));
        };
        let after = request.after.as_ref().and_then(|key| key.get("pk").cloned());
        let of_kind = |(key, versions): (&Key, &Versions)| {
            let is_it = versions.now.as_ref()?.get("kind") == Some(&AttributeValue::S(kind.clone()));
            let behind = !matches!(&after, Some(AttributeValue::S(after)) if key.pk <= *after);
            (is_it && behind).then(|| keys_only(key, kind))
        };
        let items: Vec<Item> = self.items.iter().filter_map(of_kind).take(request.limit + 1).collect();
        Ok(page(items, request.limit))
    }

    fn query_items(&self, request: &Query) -> Result<Page, Invalid> {
        let text = |name: &str| match request.values.iter().find(|(other, _)| *other == name) {
            Some((_, AttributeValue::S(text))) => Ok(text.as_str()),
            _ => Err(Invalid::new(format!("an entity's items are asked for by texts, and {name} is none"))),
        };
        let pk = text(":pk")?;
        let (from, to) = match request.condition {
            table::LIST_ITEMS => (text(":prefix")?, None),
            table::LIST_BETWEEN => (text(":from")?, Some(text(":to")?)),
            condition => return Err(Invalid::new(format!("{condition} is no condition of the protocol's"))),
        };
        if to.is_some_and(|to| to < from) {
            return Err(Invalid::new("BETWEEN wants the greater bound last"));
        }
        let asked = |key: &Key| key.pk == pk && to.map_or_else(|| key.sk.starts_with(from), |to| *key.sk <= *to);
        let after = request.after.as_ref().and_then(|key| key.get("sk").cloned());
        let descending = request.order == Order::Descending;
        let behind = |key: &Key| match &after {
            Some(AttributeValue::S(after)) if descending => key.sk < *after,
            Some(AttributeValue::S(after)) => key.sk > *after,
            _ => true,
        };
        let mut there: Vec<_> = self.from(Key::new(pk, from)).take_while(|(key, _)| asked(key)).collect();
        if descending {
            there.reverse();
        }
        let there = there.into_iter().filter(|(key, _)| behind(key));
        let mut room = PAGE_BYTES;
        // The first item that goes over the page's end is still on it.
        let on_page = there.take_while(|(_, attributes)| {
            let fits = room > 0;
            room = room.saturating_sub(bytes(attributes));
            fits
        });
        let items: Vec<Item> = on_page.map(|(_, attributes)| item(attributes)).take(request.limit).collect();
        let key_of = |item: &Item| {
            let named = |name: &str| Some((name.to_owned(), item.get(name)?.clone()));
            ["pk", "sk"].into_iter().filter_map(named).collect::<Attributes>().into()
        };
        // Who stops at a limit does not look whether there is more behind it.
        let stopped = items.len() == request.limit || room == 0;
        let last = if stopped { items.last().map(key_of) } else { None };
        Ok(Page { items, last, consumed: Consumed { write: 0.0, read: 0.5 } })
    }

    fn prepare_delete(&mut self, request: &Delete) -> Result<(Wrote, f64), Rejected> {
        let condition = condition(request.condition)?;
        let old = self.version(&request.key, None);
        let none = Attributes::new();
        let before = old.as_deref().unwrap_or(&none);
        if !holds(&condition, before, &bound(&[])?) {
            return Err(Rejected::Condition(None));
        }
        let units = units(before);
        Ok((Wrote { key: request.key.clone(), old, new: None }, units))
    }

    fn prepare_update(&mut self, request: &Update) -> Result<(Wrote, f64), Rejected> {
        let changes = changes(&request.update)?;
        let condition = condition(&request.condition)?;
        let values = bound(&request.values)?;
        let mut used = |names: &mut dyn FnMut(&str)| {
            changes.iter().for_each(|change| change.placeholders(&mut |name| names(name)));
            condition.placeholders(&mut |name| names(name));
        };
        if !self.lenient {
            all_used(&values, &mut used)?;
        }
        let old = self.version(&request.key, None);
        let none = Attributes::new();
        let before = old.as_deref().unwrap_or(&none);
        if !holds(&condition, before, &values) {
            return Err(Rejected::Condition(old.as_ref().map(item)));
        }
        let mut after = apply(&changes, before, &values)?;
        name(&request.key, &mut after);
        let units = units(before).max(units(&after));
        Ok((Wrote { key: request.key.clone(), old, new: Some(Arc::new(small_enough(after)?)) }, units))
    }

    fn prepare_put(&mut self, put: &Put) -> Result<(Wrote, f64), Rejected> {
        let old = self.version(&put.key, None);
        let none = Attributes::new();
        let before = old.as_deref().unwrap_or(&none);
        if let Some((text, values)) = &put.condition {
            let condition = condition(text)?;
            let values = bound(values)?;
            if !self.lenient {
                all_used(&values, &mut |names| condition.placeholders(&mut |name| names(name)))?;
            }
            if !holds(&condition, before, &values) {
                return Err(Rejected::Occupied);
            }
        }
        let mut after: Attributes = put.item.clone().into();
        name(&put.key, &mut after);
        let units = units(before).max(units(&after));
        Ok((Wrote { key: put.key.clone(), old, new: Some(Arc::new(small_enough(after)?)) }, units))
    }

    fn store(&mut self, now: u64, wrote: &Wrote) {
        let versions = self.items.entry(wrote.key.clone()).or_default();
        let before = std::mem::replace(&mut versions.now, wrote.new.clone());
        versions.past.push_back((now, before));
        if versions.past.len() > PAST {
            versions.past.pop_front();
        }
    }
}

thread_local! {
    /// Expressions that were read before: there are a few dozen of them, and thousands of tables.
    static CONDITIONS: RefCell<HashMap<String, Arc<Condition>>> = RefCell::default();
    static UPDATES: RefCell<HashMap<String, Arc<Vec<Change>>>> = RefCell::default();
}

fn condition(text: &str) -> Result<Arc<Condition>, Invalid> {
    CONDITIONS.with_borrow_mut(|known| remembered(known, text, read_condition))
}

fn changes(text: &str) -> Result<Arc<Vec<Change>>, Invalid> {
    UPDATES.with_borrow_mut(|known| remembered(known, text, read_changes))
}

fn remembered<T>(
    known: &mut HashMap<String, Arc<T>>,
    text: &str,
    read: impl Fn(&str) -> Result<T, Invalid>,
) -> Result<Arc<T>, Invalid> {
    if let Some(known) = known.get(text) {
        return Ok(Arc::clone(known));
    }
    let fresh = Arc::new(read(text)?);
    known.insert(text.to_owned(), Arc::clone(&fresh));
    Ok(fresh)
}

/// The first `limit` of these items, and where the next page starts if there are more.
fn page(mut items: Vec<Item>, limit: usize) -> Page {
    let more = items.len() > limit;
    items.truncate(limit);
    let last = if more { items.last().cloned() } else { None };
    Page { items, last, consumed: Consumed { write: 0.0, read: 0.5 } }
}

/// An item as the SDK brings it.
#[must_use]
pub fn item(attributes: &Arc<Attributes>) -> Item {
    Attributes::clone(attributes).into()
}

fn keys_only(key: &Key, kind: &str) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let attributes = [("pk", text(&key.pk)), ("sk", text(&key.sk)), ("kind", text(kind))];
    Attributes::from(attributes.map(|(name, value)| (name.to_owned(), value))).into()
}

fn name(key: &Key, attributes: &mut Attributes) {
    attributes.insert("pk".to_owned(), AttributeValue::S(key.pk.clone()));
    attributes.insert("sk".to_owned(), AttributeValue::S(key.sk.clone()));
}

fn bound(values: &[(&'static str, AttributeValue)]) -> Result<Bound, Invalid> {
    let set =
        |value: &AttributeValue| matches!(value, AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_));
    match values.iter().find(|(_, value)| set(value)) {
        Some((name, _)) => Err(Invalid::new(format!("{name} is a set, and the protocol stores none"))),
        None => Ok(values.iter().cloned().collect()),
    }
}

/// Hands every placeholder of a request's expressions to a function.
type Placeholders<'a> = &'a mut dyn FnMut(&mut dyn FnMut(&str));

/// DynamoDB refuses a value that no expression uses, and one that is used and not there.
fn all_used(values: &Bound, placeholders: Placeholders<'_>) -> Result<(), Invalid> {
    let mut unused: Vec<&str> = values.keys().copied().collect();
    let mut missing = None;
    placeholders(&mut |name| {
        unused.retain(|other| *other != name);
        if !values.contains_key(name) {
            missing = Some(name.to_owned());
        }
    });
    match (unused.first(), missing) {
        (Some(name), _) => Err(Invalid::new(format!("{name} is not used"))),
        (None, Some(name)) => Err(Invalid::new(format!("{name} has no value"))),
        (None, None) => Ok(()),
    }
}

fn bytes(attributes: &Attributes) -> usize {
    attributes.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn units(attributes: &Attributes) -> f64 {
    (bytes(attributes) as f64 / 1024.0).ceil()
}

fn small_enough(attributes: Attributes) -> Result<Attributes, Invalid> {
    match bytes(&attributes) {
        size if size > ITEM_BYTES => Err(Invalid::new("Item size has exceeded the maximum allowed size")),
        _ => Ok(attributes),
    }
}
