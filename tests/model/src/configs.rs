//! The closed list of configurations: small ones that together cover everything that is modelled.

use crate::config::{Budget, Client, Config, DETACHED, INLINE, Poison};
// The facts are a vocabulary of their own, and the table is easier to read without their type's name.
use crate::fact::Fact::*;
use crate::mailbox::RECEIVER;

/// A client that posts under a key.
const KEYED: Client = Client { key: 1, ..INLINE };
/// The same, for `drain` to process.
const KEYED_DETACHED: Client = Client { inline: false, ..KEYED };
/// A client that posts two events at once.
const PAIR: Client = Client { events: 2, ..INLINE };
/// A client that posts to the receiver of the effects.
const OTHER: Client = Client { to: RECEIVER, ..INLINE };

/// Nothing goes wrong.
const CALM: Budget = Budget { crashes: 0, timeouts: 0, takeovers: 0, duplicates: 0, interruptions: 0, failures: 0 };
/// One of each that matters most.
const ROUGH: Budget = Budget { crashes: 1, timeouts: 1, takeovers: 1, ..CALM };

/// What all configurations start from.
const BASE: Config = Config {
    name: "base",
    clients: &[INLINE],
    effects: &[],
    faulty: &[],
    deadly: &[],
    poison: Poison::Park,
    batch: 1,
    rounds: 3,
    room: 6,
    hops: false,
    looks: true,
    suspect_attempts: 2,
    strikes: 3,
    direct: false,
    budget: ROUGH,
    deep: ROUGH,
    reaches: &[],
};

/// All of them.
pub const ALL: &[Config] = &[
    // Two posts without keys race for the lease, are repeated and come late.
    Config {
        name: "keyless",
        clients: &[INLINE, INLINE],
        budget: Budget { timeouts: 1, takeovers: 1, ..CALM },
        deep: Budget { timeouts: 1, takeovers: 1, duplicates: 1, ..CALM },
        reaches: &[
            TakenOverDuringCommit,
            ReleaseReplyLost,
            OwnKeepSeen,
            OwnTakeoverSeen,
            OwnPostSeen,
            LatePostEvicted,
            LatePostApplied,
            LateAcquire,
            OutcomeUnknown,
            Newcomers,
            HandedOver,
            GivenBack,
            WakeReplaces,
            WakeStale,
        ],
        ..BASE
    },
    // Two posts without keys take the direct path, are repeated and come late.
    Config {
        name: "direct",
        clients: &[INLINE, INLINE],
        direct: true,
        budget: Budget { timeouts: 1, takeovers: 1, ..CALM },
        deep: Budget { timeouts: 2, takeovers: 1, ..CALM },
        reaches: &[AppliedDirectly, DirectOvertaken, OwnPostSeen, LateDirect, OutcomeUnknown, Newcomers],
        ..BASE
    },
    // The same with one key, and beside them a post that waits for `drain`.
    Config {
        name: "direct-keyed",
        clients: &[KEYED, KEYED, DETACHED],
        direct: true,
        budget: Budget { timeouts: 1, ..CALM },
        deep: Budget { timeouts: 1, crashes: 1, ..CALM },
        reaches: &[AppliedDirectly, DirectOvertaken, KeyByReceipt, OwnPostSeen, LateDirect],
        ..BASE
    },
    // The same with an effect, and holders that die while they deliver it.
    Config {
        name: "direct-effects",
        clients: &[INLINE],
        effects: &[0],
        rounds: 4,
        direct: true,
        budget: Budget { crashes: 1, ..CALM },
        deep: Budget { crashes: 1, timeouts: 1, ..CALM },
        reaches: &[AppliedDirectly, EffectInherited, EffectAbsorbed],
        ..BASE
    },
    // Holders die anywhere, and `drain` finds what they left.
    Config {
        name: "crashes",
        clients: &[INLINE, DETACHED],
        budget: Budget { crashes: 1, timeouts: 1, ..CALM },
        deep: Budget { crashes: 2, takeovers: 1, ..CALM },
        reaches: &[
            ReleaseReplyLost,
            OwnKeepSeen,
            OwnTakeoverSeen,
            OwnPostSeen,
            LatePostEvicted,
            LatePostApplied,
            LateAcquire,
            OutcomeUnknown,
            Newcomers,
            HandedOver,
            GivenBack,
            WakeReplaces,
            WakeStale,
        ],
        ..BASE
    },
    // Three posts, of which one waits for `drain`.
    Config {
        name: "three",
        clients: &[INLINE, INLINE, DETACHED],
        budget: Budget { takeovers: 1, ..CALM },
        deep: Budget { timeouts: 1, ..CALM },
        reaches: &[TakenOverDuringCommit, StaleIdReplaced, Newcomers, HandedOver, WakeReplaces, WakeStale],
        ..BASE
    },
    // Posts of two events, batches of two, and a visit that hands over after one round.
    Config {
        name: "batches",
        clients: &[PAIR, INLINE],
        batch: 2,
        rounds: 1,
        budget: Budget { timeouts: 1, ..CALM },
        deep: Budget { crashes: 1, timeouts: 1, ..CALM },
        reaches: &[
            ReleaseReplyLost,
            OwnTakeoverSeen,
            OwnPostSeen,
            LatePostEvicted,
            LatePostApplied,
            LateAcquire,
            Newcomers,
            HandedOver,
            GivenBack,
            WakeReplaces,
            WakeStale,
        ],
        ..BASE
    },
    // Posts that find no room.
    Config {
        name: "full",
        clients: &[INLINE, INLINE, DETACHED],
        room: 1,
        budget: Budget { timeouts: 1, ..CALM },
        deep: Budget { timeouts: 1, takeovers: 1, ..CALM },
        reaches: &[
            ReleaseReplyLost,
            OwnTakeoverSeen,
            OwnPostSeen,
            LatePostEvicted,
            LatePostApplied,
            LateAcquire,
            StaleIdReplaced,
            OutcomeUnknown,
            FullRefused,
            GivenBack,
            WakeReplaces,
            WakeStale,
        ],
        ..BASE
    },
    // One key posted twice, within one commit and across commits.
    Config {
        name: "keyed",
        clients: &[KEYED, KEYED_DETACHED, INLINE],
        batch: 2,
        budget: Budget { timeouts: 1, ..CALM },
        deep: Budget { crashes: 1, duplicates: 1, interruptions: 1, ..CALM },
        reaches: &[
            ReleaseReplyLost,
            OwnKeepSeen,
            OwnTakeoverSeen,
            OwnPostSeen,
            TokenRecognised,
            LatePostEvicted,
            LatePostApplied,
            LateAcquire,
            StaleIdReplaced,
            OutcomeUnknown,
            Newcomers,
            HandedOver,
            GivenBack,
            KeyInBatch,
            KeyByReceipt,
            WakeReplaces,
            WakeStale,
        ],
        ..BASE
    },
    // Effects under early takeovers.
    Config {
        name: "effects",
        clients: &[INLINE, INLINE],
        effects: &[0],
        rounds: 4,
        budget: Budget { takeovers: 1, ..CALM },
        deep: Budget { timeouts: 1, ..CALM },
        reaches: &[TakenOverDuringCommit, Newcomers, EffectAbsorbed, EffectInherited, WakeReplaces, WakeStale],
        ..BASE
    },
    // Effects whose deliveries have no answer.
    Config {
        name: "twice",
        clients: &[INLINE],
        effects: &[0],
        rounds: 4,
        budget: Budget { timeouts: 1, ..CALM },
        deep: Budget { timeouts: 1, failures: 1, ..CALM },
        reaches: &[
            OwnKeepSeen,
            OwnTakeoverSeen,
            OwnPostSeen,
            TokenRecognised,
            LatePostApplied,
            LateAcquire,
            Newcomers,
            GivenBack,
            EffectAbsorbed,
            EffectDelayed,
            EffectInherited,
            WakeReplaces,
            WakeStale,
        ],
        ..BASE
    },
    // A delivery of which only a part succeeds, without `drain`: the state space of all else would hide it.
    Config {
        name: "partial",
        clients: &[PAIR, DETACHED],
        effects: &[0, 1],
        batch: 2,
        rounds: 6,
        looks: false,
        budget: Budget { timeouts: 1, failures: 1, ..CALM },
        deep: Budget { timeouts: 2, failures: 2, ..CALM },
        reaches: &[
            ReleaseReplyLost,
            OwnKeepSeen,
            OwnSettleSeen,
            OwnPostSeen,
            LatePostEvicted,
            LatePostApplied,
            OutcomeUnknown,
            GivenBack,
            EffectDelayed,
        ],
        ..BASE
    },
    // A delivery takes its receiver's lease along, while another client posts there.
    Config {
        name: "along",
        clients: &[INLINE, OTHER],
        effects: &[0],
        hops: true,
        rounds: 4,
        budget: Budget { takeovers: 1, ..CALM },
        deep: Budget { crashes: 1, ..CALM },
        reaches: &[
            TakenOverDuringCommit,
            StaleIdReplaced,
            Newcomers,
            HandedOver,
            EffectAbsorbed,
            EffectInherited,
            TakenAlong,
            WakeReplaces,
            WakeStale,
        ],
        ..BASE
    },
    // An envelope kills whoever runs it, and another waits behind it.
    Config {
        name: "poison",
        clients: &[INLINE, INLINE],
        deadly: &[0],
        suspect_attempts: 1,
        strikes: 2,
        budget: CALM,
        deep: Budget { crashes: 1, ..CALM },
        reaches: &[Newcomers, HandedOver, WakeReplaces, WakeStale, Strike, Parked],
        ..BASE
    },
    // The same alone, with requests that come late.
    Config {
        name: "strikes",
        clients: &[INLINE],
        deadly: &[0],
        suspect_attempts: 1,
        strikes: 2,
        budget: Budget { timeouts: 1, ..CALM },
        deep: Budget { timeouts: 1, takeovers: 1, ..CALM },
        reaches: &[
            OwnTakeoverSeen,
            OwnPostSeen,
            TokenRecognised,
            LatePostApplied,
            GivenBack,
            WakeReplaces,
            WakeStale,
            Strike,
            Parked,
        ],
        ..BASE
    },
    // An envelope that fails stops the entity.
    Config {
        name: "blocked",
        clients: &[INLINE, DETACHED, INLINE],
        faulty: &[2],
        poison: Poison::Block,
        budget: Budget { crashes: 1, ..CALM },
        deep: Budget { timeouts: 1, ..CALM },
        reaches: &[StaleIdReplaced, Newcomers, HandedOver, WakeReplaces, WakeStale, Blocked],
        ..BASE
    },
    // Records and wakes come twice.
    Config {
        name: "again",
        clients: &[INLINE, DETACHED],
        budget: Budget { crashes: 1, duplicates: 1, ..CALM },
        deep: Budget { crashes: 1, takeovers: 1, duplicates: 2, ..CALM },
        reaches: &[Newcomers, WakeReplaces, WakeStale],
        ..BASE
    },
    // A late acquisition gives a holder that was taken over its lease back.
    Config {
        name: "revived",
        clients: &[DETACHED],
        budget: Budget { timeouts: 2, takeovers: 1, ..CALM },
        deep: Budget { crashes: 1, timeouts: 2, takeovers: 1, ..CALM },
        reaches: &[HolderRevived, LateAcquire, OwnTakeoverSeen, GivenBack],
        ..BASE
    },
];

/// A configuration by its name.
#[must_use]
pub fn find(name: &str) -> Option<Config> {
    ALL.iter().copied().find(|config| config.name == name)
}
