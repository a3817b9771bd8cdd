//! Interesting things that a check must have seen, so that it is known not to be vacuous.

use std::sync::atomic::{AtomicU64, Ordering};

/// Declares the facts with the sentences by which a report names them.
macro_rules! facts {
    ($($name:ident: $text:literal,)*) => {
        /// Something that happened on the way to some state.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fact {
            $(#[doc = $text] $name,)*
        }

        impl Fact {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The fact as a sentence.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The `sometimes` property that says it.
            #[must_use]
            pub fn property(self) -> stateright::Property<crate::system::System> {
                match self {
                    $(Self::$name => stateright::Property::sometimes($text, |system, _| system.facts.has(Self::$name)),)*
                }
            }
        }
    };
}

facts! {
    TakenOverDuringCommit: "a holder is taken over while its commit is under way",
    ReleaseReplyLost: "the reply of a releasing commit is lost, and the retry finds the lease gone",
    OwnKeepSeen: "the retry of a keeping commit finds its own effect",
    OwnSettleSeen: "the retry of a settling write finds its own effect",
    OwnTakeoverSeen: "the retry of a takeover finds the lease its own",
    OwnPostSeen: "the retry of a post finds its own envelope",
    TokenRecognised: "the retry of an applied transaction is recognised by its token",
    LatePostEvicted: "a late duplicate of a post arrives after its id was evicted",
    LatePostApplied: "a post is applied after its client gave up",
    LateAcquire: "a late acquisition is applied",
    HolderRevived: "a late acquisition gives its lease back to a holder that was taken over",
    AppliedDirectly: "an event is applied without the queue",
    DirectOvertaken: "a direct write finds that somebody has written",
    LateDirect: "a late direct write is applied",
    StaleIdReplaced: "a post is refused for its old id and gets a fresh one",
    OutcomeUnknown: "a keyless post ends with an unknown outcome",
    FullRefused: "a post is refused because the queue is full",
    Newcomers: "newcomers spoil a release",
    HandedOver: "a holder hands over with work left",
    GivenBack: "a holder gives back after an error of the store",
    KeyInBatch: "a key is repeated within one commit",
    KeyByReceipt: "a key is repeated after its receipt was written",
    EffectAbsorbed: "an effect is delivered twice and absorbed",
    EffectDelayed: "an effect waits for a later time and is delivered then",
    EffectInherited: "a holder delivers effects that another one left",
    TakenAlong: "a delivery takes its receiver's lease along",
    WakeReplaces: "a wake replaces a lease whose holder is dead",
    WakeStale: "a wake finds another lease than its own",
    Strike: "a holder dies while an envelope is marked as running",
    Parked: "an envelope goes to the dead letters",
    Blocked: "an entity is blocked",
}

/// The facts that were seen so far. They are kept outside of the states, which they would only multiply.
#[derive(Debug, Default)]
pub struct Facts(AtomicU64);

impl Facts {
    /// Takes a note.
    pub fn note(&self, fact: Fact) {
        if !self.has(fact) {
            self.0.fetch_or(1 << fact as u64, Ordering::Relaxed);
        }
    }

    /// Whether it was seen.
    #[must_use]
    pub fn has(&self, fact: Fact) -> bool {
        self.0.load(Ordering::Relaxed) >> fact as u64 & 1 == 1
    }
}
