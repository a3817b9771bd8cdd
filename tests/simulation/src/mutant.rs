//! Planted bugs: the protocol with one of its rules taken away. A simulation that does not notice proves nothing.
//!
//! Most rules are conditions of writes, so a bug is planted between the shipped code and the database, in the text of
//! the expressions. Not among them are the conditions of a receipt and of a journal's item, which no run can tell from
//! their absence: the fence of the commit that they are written with already keeps a second one away. Those that lie in
//! the code itself are patches, in `mutants/`, which `.ci/mutants` applies.

use std::borrow::Cow;
use std::sync::Arc;

use serde_dynamo::{AttributeValue, Item};
use serde_json::Value;
use shared::store::{Transaction, Update, Written};
use shared::table;

use crate::expression::Attributes;
use crate::timeline::ProcessId;
use crate::world::World;

/// Declares the planted bugs.
macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident = $words:literal,)*) => {
        /// One planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant {
            $($(#[$doc])* $name,)*
        }

        impl Mutant {
            /// Every planted bug.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What it is called on the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                }
            }
        }
    };
}

mutants! {
    /// A commit asks whether its envelopes are still the first, but not whether it still holds the lease.
    NoFence = "no-fence",
    /// A commit asks whether it holds the lease, but not whether it was applied before.
    NoHead = "no-head",
    /// A post does not ask whether it waits already.
    WaitingUnasked = "waiting-unasked",
    /// A post does not ask whether it was processed already.
    RecentUnasked = "recent-unasked",
    /// A post does not ask whether its id is older than what is remembered.
    NoEvicted = "no-evicted",
    /// What leaves `recent` is not remembered as evicted.
    EvictedNotKept = "evicted-not-kept",
    /// A commit releases the lease whoever has posted meanwhile.
    ReleaseBlindly = "release-blindly",
    /// A delivery releases the lease whoever has posted meanwhile.
    SettleBlindly = "settle-blindly",
    /// A settling write does not ask which outbox it ticks off.
    SettleUncounted = "settle-uncounted",
    /// The owner of a lease is its process, not its acquisition.
    OwnerPerProcess = "owner-per-process",
    /// A lease is replaced whoever holds it by now.
    ReplaceBlindly = "replace-blindly",
    /// A wake is not sent.
    WakeNotSent = "wake-not-sent",
    /// `drain` looks by an eventually consistent read.
    EventualLook = "eventual-look",
    /// The key of an effect is made anew for each delivery.
    UnderivedKey = "underived-key",
    /// What counts the deaths of holders is not reset by a commit.
    AttemptsNotReset = "attempts-not-reset",
    /// A post does not mark the entity as pending.
    PendingNotMarked = "pending-not-marked",
    /// Effects take the place of those that wait.
    OutboxOverwritten = "outbox-overwritten",
    /// A direct write does not ask whether anybody has written since.
    DirectBlindly = "direct-blindly",
    /// A direct write with effects does not mark the entity as pending.
    DirectUnmarked = "direct-unmarked",
    /// A direct write does not enter its ids.
    DirectUnseen = "direct-unseen",
}

impl Mutant {
    /// The bug of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|mutant| mutant.name() == name)
    }

    /// Plants the world's bug in a write.
    pub fn spoil(world: &World, process: ProcessId, update: &mut Update) {
        let Some(mutant) = world.scene().mutant else {
            return;
        };
        match mutant {
            Self::OwnerPerProcess => own_by_process(process, update),
            Self::UnderivedKey => rename_keys(world, update),
            mutant => mutant.rewrite(update),
        }
    }

    /// Plants the world's bug in a transaction.
    pub fn spoil_transaction(world: &World, process: ProcessId, transaction: &mut Arc<Transaction>) {
        if world.scene().mutant.is_none() {
            return;
        }
        Self::spoil(world, process, &mut Arc::make_mut(transaction).update);
    }

    fn rewrite(self, update: &mut Update) {
        let strip = |text: &mut Cow<'static, str>, part: &str, by: &str| {
            if text.contains(part) {
                *text = text.replacen(part, by, 1).into();
            }
        };
        let (changes, condition) = (&mut update.update, &mut update.condition);
        match self {
            Self::NoFence => strip(condition, "#lease.#owner = :me AND ", ""),
            Self::NoHead => strip(condition, "#lease.#owner = :me AND #head = :head", "#lease.#owner = :me"),
            Self::WaitingUnasked => strip(condition, "NOT contains(#queue, :first) AND ", ""),
            Self::RecentUnasked => strip(condition, "NOT contains(#recent, :hex) AND ", ""),
            Self::NoEvicted => strip(condition, "AND (attribute_not_exists(#evicted) OR #evicted < :id)", ""),
            Self::EvictedNotKept => strip(changes, table::COMMIT_EVICTED, ""),
            Self::DirectBlindly => {
                strip(condition, table::DIRECT_IF, "attribute_exists(#version)");
                strip(condition, table::DIRECT_IF_NEW, "attribute_not_exists(#deleted)");
            }
            Self::DirectUnmarked => strip(changes, table::DIRECT_LEASE, ", #lease = :mine"),
            Self::DirectUnseen => strip(changes, " #recent = :recent, #kind", " #kind"),
            Self::ReleaseBlindly => strip(condition, table::IF_NO_NEWCOMER, ""),
            Self::SettleBlindly => strip(condition, table::IF_QUEUE_EMPTY, ""),
            Self::SettleUncounted => strip(condition, table::SETTLE_IF_SENT, ""),
            Self::ReplaceBlindly => strip(condition, "#lease.#owner = :observed AND #lease.#until = :until AND ", ""),
            Self::AttemptsNotReset => {
                strip(changes, ", #attempts, #running, #strikes", "");
                strip(changes, ", #running, #strikes", "");
            }
            Self::PendingNotMarked => strip(changes, "#pending = :p, #kind", "#kind"),
            Self::OutboxOverwritten => {
                strip(changes, "list_append(if_not_exists(#outbox, :none), :effects)", ":effects");
            }
            Self::OwnerPerProcess | Self::WakeNotSent | Self::EventualLook | Self::UnderivedKey => {}
        }
    }

    /// Whether reads that should be consistent are not.
    #[must_use]
    pub fn weakens_reads(world: &World, process: ProcessId) -> bool {
        world.scene().mutant == Some(Self::EventualLook) && process != crate::timeline::OUTSIDE
    }

    /// Shows an acquisition that its process's lease is its own, when that is the bug.
    pub fn disguise(world: &World, process: ProcessId, request: &Update, written: &mut Written) {
        if world.scene().mutant != Some(Self::OwnerPerProcess) {
            return;
        }
        let Some(me) = request.values.iter().find_map(|(name, value)| mine(name, value)) else {
            return;
        };
        let item = match written {
            Written::Applied { item, .. } => Some(item),
            Written::Refused { old, .. } => old.as_mut(),
        };
        if let Some(item) = item {
            show(item, &owner_of(process), me);
        }
    }
}

/// The owner that every acquisition of a process has.
fn owner_of(process: ProcessId) -> Vec<u8> {
    let mut owner = vec![7; 4];
    owner.extend((process.0 as u64).to_be_bytes());
    owner
}

/// The acquisition that a request is made for.
fn mine(name: &str, value: &AttributeValue) -> Option<Vec<u8>> {
    match (name, value) {
        (":me", AttributeValue::B(owner)) => Some(owner.clone()),
        (":mine", AttributeValue::M(lease)) => match lease.get("owner") {
            Some(AttributeValue::B(owner)) => Some(owner.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn own_by_process(process: ProcessId, update: &mut Update) {
    for (name, value) in &mut update.values {
        match (*name, value) {
            (":me", AttributeValue::B(owner)) => *owner = owner_of(process),
            (":mine", AttributeValue::M(lease)) => {
                lease.insert("owner".to_owned(), AttributeValue::B(owner_of(process)));
            }
            _ => {}
        }
    }
}

fn show(item: &mut Item, owner: &[u8], me: Vec<u8>) {
    let mut attributes: Attributes = std::mem::replace(item, Attributes::new().into()).into();
    if let Some(AttributeValue::M(lease)) = attributes.get_mut("lease")
        && lease.get("owner") == Some(&AttributeValue::B(owner.to_vec()))
    {
        lease.insert("owner".to_owned(), AttributeValue::B(me));
    }
    *item = attributes.into();
}

/// Gives every envelope that comes from an outbox a key that nobody has seen.
fn rename_keys(world: &World, update: &mut Update) {
    for (name, value) in &mut update.values {
        let (":envelopes", AttributeValue::L(envelopes)) = (*name, value) else {
            continue;
        };
        for envelope in envelopes {
            let AttributeValue::S(text) = envelope else {
                continue;
            };
            let read: Option<Value> = serde_json::from_str(text).ok();
            if let Some(mut read) = read.filter(|read| read.get("f").is_some()) {
                read["k"]["n"] = format!("o/{}", world.random()).into();
                *text = read.to_string();
            }
        }
    }
}
