//! Planted bugs: each leaves out one sentence of the protocol, and each must be found.

use crate::property::Name;

// Not among them, because nothing is violated without it: that an acquisition compares the head (`ACQUIRE_IF`). An
// acquisition that comes late after its own visit has ended then leaves a lease that nobody works under. The fence, the
// head and `sent` keep every write of that visit from changing anything, and the record of the late acquisition brings
// the look that replaces the lease. The condition saves a lease's time and an attempt, not more.

/// Declares the planted bugs: what is left out, where it must be found, and by which property.
macro_rules! mutants {
    ($($name:ident: $text:literal, $config:literal, $property:ident;)*) => {
        /// A bug planted in the model.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant {
            $(#[doc = $text] $name,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name by which the command line knows it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// What is planted, as a sentence.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The configuration in which it must be found.
            #[must_use]
            pub fn config(self) -> &'static str {
                match self {
                    $(Self::$name => $config,)*
                }
            }

            /// The property that it must violate.
            #[must_use]
            pub fn violates(self) -> Name {
                match self {
                    $(Self::$name => Name::$property,)*
                }
            }
        }
    };
}

mutants! {
    NoFence: "The holder's writes do not compare the lease's owner.", "keyless", Fenced;
    NoHead: "The holder's writes do not compare the head.", "keyless", NeverDropped;
    NoSeen: "A post does not look for its id among those that wait or are recent.", "keyless", AtMostOnce;
    NoEvicted: "Nothing keeps the greatest id that was forgotten.", "keyless", AtMostOnce;
    UnknownTakenForStale: "A keyless post of unknown outcome gets a fresh id.", "keyless", AtMostOnce;
    FullReseals: "A post that found no room goes out again with fresh ids.", "full", AtMostOnce;
    ReleaseWithoutSize: "A releasing commit does not compare the queue's length.", "keyless", NeverDropped;
    SettleWithoutQueue: "A releasing settlement does not look whether the queue is empty.", "effects", NeverDropped;
    ReleaseWithEffects: "A commit releases although it leaves effects.", "effects", Marked;
    HandOverUnmarked: "A hand-over takes the pending marker away.", "keyless", Marked;
    OwnerPerProcess: "The lease's owner is the process, not the acquisition.", "keyless", Fenced;
    WakeNotSent: "A look that finds the lease held sends no wake.", "keyless", Quiescent;
    StaleLook: "A look reads an older image.", "keyless", Quiescent;
    SettleBeforeDelivery: "Effects leave the outbox before they are delivered.", "effects", NeverDropped;
    UnderivedKey: "An effect's key is not derived from where it came from.", "effects", AtMostOnce;
    BatchKeysApart: "The keys of one commit are not compared with one another.", "keyed", AtMostOnce;
    NoReceipts: "No receipts are written and none looked up.", "keyed", AtMostOnce;
    DirectBlindly: "A direct write does not compare the version.", "direct", NeverDropped;
    DirectForgotten: "The post after a direct write of unknown outcome gets fresh ids.", "direct", AtMostOnce;
    DirectUnmarked: "A direct write with effects does not mark the entity as pending.", "direct-effects", Marked;
    SuspicionKept: "A commit does not take attempts and strikes back.", "poison", Innocent;
    SettleWithoutSent: "A settlement does not compare how many effects were sent.", "partial", Marked;
    ReplaceUnobserved: "A replacement takes whatever lease it finds.", "strikes", Innocent;
}
