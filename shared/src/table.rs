//! The whole persisted schema on one screen: keys, attributes, and every expression as a named constant.
//!
//! | item | `sk` | written by | lives |
//! |---|---|---|---|
//! | mailbox | `mailbox` | every write of [`crate::mailbox`] | for ever |
//! | receipt | `receipt#<name>` | the commit of a keyed envelope | 24 h from processing, and 24 h more for what was posted in them |
//! | dead letter | `dead#<sequence>` | the commit that parks or skips an envelope | until an operator redrives or deletes it |
//! | undelivered effect | `undelivered#<sequence>#<index>` | the write that gives it up | until an operator redrives or deletes it |
//! | journal | `event#<version of its last event>` | the commit of the turns that decided on the events | for ever |
//! | side record | `data#<name>` | the commit of the turn that asked for it | as the actor says |
//!
//! Envelopes, effects and replies are each one [text](crate::text); receipts, records and the journal have an attribute for each
//! thing that they say.
//!
//! All items of an entity share `pk = "<kind>/<id>"`. Aliases in expressions are `#` and the attribute's
//! name: many of the names are reserved words, so all of them are aliased.

use std::collections::HashMap;

use serde_dynamo::{AttributeValue, Item};

use crate::envelope::{EntityId, Millis};
use crate::store::Key;

/// Sort key of the mailbox item.
pub const MAILBOX: &str = "mailbox";
/// Name of the KEYS_ONLY index that lists entities by kind. `kind` never changes, so it costs one write an entity.
pub const DIRECTORY: &str = "directory";
/// Name of the index that keeps the lists of side records. Only records that stand in a list have its attributes, and
/// it has all that they have: to read a list is one query.
pub const LISTS: &str = "lists";
/// Name of the attribute that says in which list a side record stands.
pub const LIST: &str = "list";
/// Name of the attribute that says where in its list a side record stands.
pub const RANK: &str = "rank";
/// Name of the attribute from which DynamoDB's time to live works, in seconds.
pub const TTL: &str = "ttl";
/// The value of `pending`: the stream's filter can only compare leaf values, and this is one.
pub const PENDING: &str = "p";
/// The owner of a lease that only an operator may release. It is shorter than any owner that is made.
pub const BLOCKED: &[u8] = b"blocked";

/// Appends envelopes and takes the lease if it is free. True before: anything. True after: the envelopes are the
/// last of the queue, and somebody holds the lease. A crash right after it leaves a lease that expires.
pub const POST: &str = "SET #queue = list_append(if_not_exists(#queue, :none), :envelopes), \
    #bytes = if_not_exists(#bytes, :zero) + :size, #head = if_not_exists(#head, :zero), \
    #lease = if_not_exists(#lease, :mine), #version = if_not_exists(#version, :zero) + :one, \
    #pending = :p, #kind = :kind";
/// Appends envelopes without taking the lease: the stream wakes `drain`, which takes it.
pub const POST_DETACHED: &str = "SET #queue = list_append(if_not_exists(#queue, :none), :envelopes), \
    #bytes = if_not_exists(#bytes, :zero) + :size, #head = if_not_exists(#head, :zero), \
    #version = if_not_exists(#version, :zero) + :one, \
    #pending = :p, #kind = :kind";
/// The first envelope was certainly never applied, and there is room: it neither waits nor is its id in the text of what
/// was processed lately, nor could it have been forgotten. Nobody knows the id before it is posted, so it stands in no
/// reply by chance or by malice; and if it did, a post would be refused, and none applied twice.
pub const POST_IF: &str = "NOT contains(#queue, :first) AND NOT contains(#recent, :hex) \
    AND (attribute_not_exists(#evicted) OR #evicted < :id) \
    AND (attribute_not_exists(#queue) OR (size(#queue) <= :room AND #bytes <= :room_bytes))";

/// Takes a lease that is free. True after: this acquisition alone may change what only a holder changes.
pub const ACQUIRE: &str = "SET #lease = :mine, #version = #version + :one";
/// Nobody holds it, there is something to do, and nothing was done since I looked: a try that arrives late, after the
/// same acquisition has done anything, takes nothing. The model shows the corner that is left: a holder that was replaced
/// by one who did nothing and let go may get its own lease again by a late try, and works on as if it had never lost it.
pub const ACQUIRE_IF: &str = "attribute_not_exists(#lease) AND #pending = :p AND #head = :head";
/// Takes a lease from a holder that is taken for dead, and counts it.
pub const REPLACE: &str = "SET #lease = :mine, #version = #version + :one REMOVE #running ADD #attempts :one";
/// Takes a lease as [`REPLACE`] does when an envelope was marked as running: that is a strike against the envelope.
pub const REPLACE_STRIKE: &str =
    "SET #lease = :mine, #version = #version + :one REMOVE #running ADD #attempts :one, #strikes :one";
/// The very lease that was seen, not renewed since: neither by a clock that steps nor by a wrong one is another replaced.
pub const REPLACE_IF: &str = "#lease.#owner = :observed AND #lease.#until = :until AND #pending = :p";

/// Takes the results of the first `n` envelopes into the item.
pub const COMMIT: &str = "SET #head = :next, #bytes = #bytes - :freed, #version = #version + :one, #recent = :recent";
/// Part of a commit: the state changed.
pub const COMMIT_STATE: &str = ", #state = :state, #schema = :schema";
/// Part of a commit: ids leave `recent`, and `evicted` says up to which.
pub const COMMIT_EVICTED: &str = ", #evicted = :evicted";
/// Part of a commit: effects to deliver. They are appended, never overwritten.
pub const COMMIT_EFFECTS: &str =
    ", #outbox = list_append(if_not_exists(#outbox, :none), :effects), #sent = if_not_exists(#sent, :zero)";
/// Part of every write that keeps the lease: it is good for another term.
pub const RENEW: &str = ", #lease.#until = :until";
/// I still hold the lease, and the envelopes that I ran are still the first: also a commit that arrives twice.
pub const COMMIT_IF: &str = "#lease.#owner = :me AND #head = :head";
/// Nobody has posted since I looked.
pub const IF_NO_NEWCOMER: &str = " AND size(#queue) = :n";

/// Applies events to an entity that has nothing to do and that nobody works on, without its queue. True before: the item is
/// as it was read. True after: the head is past the events, and their ids are recent. A crash right after it leaves
/// nothing to do.
pub const DIRECT: &str = "SET #head = :next, #bytes = :zero, #version = :next_version, #recent = :recent, \
    #kind = :kind";
/// Part of a direct write whose events have effects: its writer holds the lease, and delivers them. A crash right after it
/// leaves a lease that expires.
pub const DIRECT_LEASE: &str = ", #lease = :mine, #pending = :p";
/// Nothing was written since I read the item: every write counts its version up. That covers side records, receipts and
/// the journal too, for whatever writes them writes the item with them.
pub const DIRECT_IF: &str = "#version = :version";
/// Nothing was written since I looked and found no item.
pub const DIRECT_IF_NEW: &str = "attribute_not_exists(#version)";

/// What a commit forgets: the head moved, so nothing that is left is suspect.
pub const UNSUSPECT: &str = "#attempts, #running, #strikes";
/// What a commit of a suspect entity forgets while envelopes are left: the one that ran is innocent, and the one that
/// kills may be among those behind it. Without this every few envelopes before it would cost two more deaths.
pub const ACQUIT: &str = "#running, #strikes";
/// Part of a write that ends with nothing left to do.
pub const RELEASE: &str = "#queue, #lease, #pending";
/// Part of a write that ends with effects left for a later time.
pub const LEAVE: &str = "#queue, #lease";
/// Part of a write that ends with work left: `pending` stays, and the stream wakes `drain`.
pub const HAND_OVER: &str = "#lease";
/// Part of every settling write that does not end the suspicion: nothing is running while effects are delivered.
pub const NOT_RUNNING: &str = "#running";

/// Ends a delivery: what is delivered leaves the outbox, what failed stays with its next time.
pub const SETTLE: &str = "SET #version = #version + :one";
/// Part of a settling write: what is left of the outbox, and how many effects ever left it.
pub const SETTLE_REST: &str = ", #outbox = :rest, #sent = :sent_next";
/// Part of a settling write when nothing is left.
pub const SETTLE_SENT: &str = ", #sent = :sent_next";
/// The outbox is the one that I delivered from: `head` and `sent` never return, so a settling write that arrives
/// late, after others of mine, changes nothing.
pub const SETTLE_IF_SENT: &str = " AND #sent = :sent";
/// There is nothing in the queue.
pub const IF_QUEUE_EMPTY: &str = " AND (attribute_not_exists(#queue) OR size(#queue) = :zero)";

/// Says which envelope is about to run: a death from here on is a strike against it.
pub const MARK: &str = "SET #running = :sequence, #version = #version + :one, #lease.#until = :until";
/// Stops the entity until an operator releases it.
pub const BLOCK: &str = "SET #lease = :blocked, #version = #version + :one";

/// No receipt of that name was in force when the envelope was posted.
pub const RECEIPT_IF: &str = "attribute_not_exists(#pk) OR #until <= :at";

/// No other receipt than that of the envelope's own failure was in force: the condition for what an operator redrives.
pub const RECEIPT_AGAIN_IF: &str = "attribute_not_exists(#pk) OR #until <= :at OR #event = :event";

/// What has happened is written once. Only when a mailbox is not the one that its journal was written with, because
/// somebody took it away or put an old one in its place, can this fail.
pub const JOURNAL_IF: &str = "attribute_not_exists(#pk)";

/// The item is there: who deletes it a second time, alone or with what takes its place, changes nothing.
pub const DELETE_IF: &str = "attribute_exists(#pk)";
/// Releases an entity that an operator has looked at: nothing is held against its first envelope any more.
pub const RESUME: &str = "SET #version = #version + :one REMOVE #lease, #attempts, #running, #strikes";

/// Lists the entities of one kind, in order of their ids.
pub const LIST_KIND: &str = "#kind = :kind";
/// Lists the items of one entity whose sort keys begin alike, in order.
pub const LIST_ITEMS: &str = "#pk = :pk AND begins_with(#sk, :prefix)";

/// Lists the items of one entity between two sort keys, both included, in order.
pub const LIST_BETWEEN: &str = "#pk = :pk AND #sk BETWEEN :from AND :to";

/// Lists the side records of one list between two ranks, both included, in order.
pub const LIST_RANKS: &str = "#list = :list AND #rank BETWEEN :from AND :to";

/// The attribute names that an expression uses, by their aliases.
#[must_use]
pub fn aliases(expressions: &[&str]) -> HashMap<String, String> {
    let mut aliases = HashMap::new();
    for expression in expressions {
        for piece in expression.split('#').skip(1) {
            let end = piece.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(piece.len());
            let name = piece.get(..end).unwrap_or_default();
            aliases.insert(format!("#{name}"), name.to_owned());
        }
    }
    aliases
}

/// The first `count` elements of a list attribute, as a REMOVE clause names them.
#[must_use]
pub fn elements(attribute: &str, count: usize) -> String {
    (0..count).map(|index| format!("{attribute}[{index}]")).collect::<Vec<_>>().join(", ")
}

/// Where an entity's mailbox lies.
#[must_use]
pub fn mailbox_key(entity: &EntityId) -> Key {
    Key::new(entity.as_str(), MAILBOX)
}

/// Where a receipt lies.
#[must_use]
pub fn receipt_key(entity: &EntityId, name: &str) -> Key {
    Key::new(entity.as_str(), &format!("receipt#{name}"))
}

/// What the sort keys of all dead letters of envelopes begin with.
pub const DEAD: &str = "dead#";
/// What the sort keys of all effects begin with that could not be delivered.
pub const UNDELIVERED: &str = "undelivered#";

/// Where the dead letter of an envelope lies.
#[must_use]
pub fn dead_key(entity: &EntityId, sequence: u64) -> Key {
    Key::new(entity.as_str(), &format!("{DEAD}{sequence:020}"))
}

/// Where an effect lies that could not be delivered.
#[must_use]
pub fn undelivered_key(entity: &EntityId, sequence: u64, index: u32) -> Key {
    Key::new(entity.as_str(), &format!("{UNDELIVERED}{sequence:020}#{index:04}"))
}

/// What the sort keys of all items of a journal begin with.
pub const EVENT: &str = "event#";

/// Where the events of a journal lie that were committed together and the last of which has this version: so that the
/// first item at or after a version is the one that has it.
#[must_use]
pub fn journal_key(entity: &EntityId, last: u64) -> Key {
    Key::new(entity.as_str(), &format!("{EVENT}{last:020}"))
}

/// What the sort keys of all side records begin with.
pub const RECORD: &str = "data#";

/// Where a side record lies.
#[must_use]
pub fn record_key(entity: &EntityId, name: &str) -> Key {
    Key::new(entity.as_str(), &format!("{RECORD}{name}"))
}

/// A number as DynamoDB takes it.
#[must_use]
pub fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

/// A point in time as the time to live wants it, rounded up to the second.
#[must_use]
pub fn ttl(at: Millis) -> AttributeValue {
    number(at.0.div_ceil(1000))
}

/// The size of an item as DynamoDB counts it, in bytes: names and values.
#[must_use]
pub fn item_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

/// The size of a value as DynamoDB counts it, in bytes; a number counts as its longest form.
#[must_use]
pub fn value_bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.len(),
        AttributeValue::Bool(_) | AttributeValue::Null(_) => 1,
        AttributeValue::M(map) => {
            3 + map.iter().map(|(name, value)| 1 + name.len() + value_bytes(value)).sum::<usize>()
        }
        AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + value_bytes(value)).sum::<usize>(),
        AttributeValue::Ss(set) => set.iter().map(String::len).sum(),
        AttributeValue::Ns(set) => set.iter().map(|digits| digits.len().div_ceil(2) + 1).sum(),
        AttributeValue::Bs(set) => set.iter().map(Vec::len).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_those_that_an_expression_uses() {
        let aliases = aliases(&["SET #lease.#until = :until", "#queue[0], #queue[1]"]);
        let mut names: Vec<_> = aliases.values().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["lease", "queue", "until"]);
        assert_eq!(aliases["#queue"], "queue");
    }

    #[test]
    fn the_longest_commit_stays_within_what_dynamodb_reads() {
        let longest = [COMMIT, COMMIT_STATE, COMMIT_EVICTED, COMMIT_EFFECTS, RENEW, UNSUSPECT].concat()
            + &elements("#queue", crate::limits::BATCH);
        assert!(longest.len() < 4096, "an expression may have 4,096 bytes");
        const { assert!(crate::limits::BATCH + 40 < 300, "an expression may have 300 operators") }
    }
}
