//! The closed list of configurations: small ones that together cover everything that is modelled.

use crate::config::{Budget, Client, Config, DETACHED, INLINE, Poison};
use crate::fact::Fact;
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
const CALM: Budget = Budget { crashes: 0, timeouts: 0, takeovers: 0, duplicates: 0, interruptions: 0 };
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
    suspect_attempts: 2,
    strikes: 3,
    budget: ROUGH,
    deep: ROUGH,
    reaches: &[],
};

/// All of them.
pub const ALL: &[Config] = &[
    Config {
        name: "keyless",
        clients: &[INLINE, INLINE],
        budget: Budget { crashes: 0, timeouts: 1, takeovers: 1, duplicates: 0, interruptions: 0 },
        deep: Budget { crashes: 1, timeouts: 1, takeovers: 1, duplicates: 1, interruptions: 0 },
        reaches: &[],
        ..BASE
    },
    Config {
        name: "crashes",
        clients: &[INLINE, DETACHED],
        budget: Budget { crashes: 1, timeouts: 1, takeovers: 0, duplicates: 0, interruptions: 0 },
        deep: Budget { crashes: 2, timeouts: 1, takeovers: 1, duplicates: 0, interruptions: 0 },
        reaches: &[],
        ..BASE
    },
    Config {
        name: "three",
        clients: &[INLINE, INLINE, DETACHED],
        budget: Budget { crashes: 0, timeouts: 0, takeovers: 1, duplicates: 0, interruptions: 0 },
        deep: Budget { crashes: 0, timeouts: 1, takeovers: 1, duplicates: 0, interruptions: 0 },
        reaches: &[],
        ..BASE
    },
    Config {
        name: "batches",
        clients: &[PAIR, INLINE],
        batch: 2,
        rounds: 1,
        budget: Budget { crashes: 1, timeouts: 1, takeovers: 0, duplicates: 0, interruptions: 0 },
        deep: Budget { crashes: 1, timeouts: 1, takeovers: 1, duplicates: 0, interruptions: 1 },
        reaches: &[],
        ..BASE
    },
    Config {
        name: "full",
        clients: &[INLINE, INLINE, DETACHED],
        room: 1,
        budget: Budget { crashes: 0, timeouts: 1, takeovers: 0, duplicates: 0, interruptions: 0 },
        deep: Budget { crashes: 1, timeouts: 1, takeovers: 0, duplicates: 0, interruptions: 0 },
        reaches: &[],
        ..BASE
    },
    Config {
        name: "keyed",
        clients: &[KEYED, KEYED_DETACHED, INLINE],
        batch: 2,
        budget: Budget { crashes: 0, timeouts: 1, takeovers: 0, duplicates: 0, interruptions: 0 },
        deep: Budget { crashes: 1, timeouts: 1, takeovers: 0, duplicates: 0, interruptions: 0 },
        reaches: &[],
        ..BASE
    },
    Config {
        name: "effects",
        clients: &[INLINE, INLINE],
        effects: &[0],
        rounds: 4,
        budget: Budget { crashes: 0, timeouts: 1, takeovers: 0, duplicates: 0, interruptions: 0 },
        deep: Budget { crashes: 1, timeouts: 1, takeovers: 0, duplicates: 0, interruptions: 0 },
        reaches: &[],
        ..BASE
    },
    Config {
        name: "twice",
        clients: &[INLINE],
        effects: &[0],
        rounds: 4,
        budget: Budget { crashes: 1, timeouts: 1, takeovers: 0, duplicates: 0, interruptions: 0 },
        deep: Budget { crashes: 1, timeouts: 1, takeovers: 1, duplicates: 0, interruptions: 0 },
        reaches: &[],
        ..BASE
    },
    Config {
        name: "along",
        clients: &[INLINE, OTHER],
        effects: &[0],
        hops: true,
        rounds: 4,
        budget: Budget { crashes: 0, timeouts: 0, takeovers: 1, duplicates: 0, interruptions: 0 },
        deep: Budget { crashes: 0, timeouts: 1, takeovers: 0, duplicates: 0, interruptions: 0 },
        reaches: &[],
        ..BASE
    },
    Config {
        name: "poison",
        clients: &[INLINE, INLINE],
        deadly: &[0],
        suspect_attempts: 1,
        strikes: 2,
        budget: Budget { crashes: 0, timeouts: 0, takeovers: 0, duplicates: 0, interruptions: 0 },
        deep: Budget { crashes: 1, timeouts: 0, takeovers: 0, duplicates: 0, interruptions: 0 },
        reaches: &[],
        ..BASE
    },
    Config {
        name: "blocked",
        clients: &[INLINE, DETACHED, INLINE],
        faulty: &[2],
        poison: Poison::Block,
        budget: Budget { crashes: 1, timeouts: 0, takeovers: 0, duplicates: 0, interruptions: 0 },
        deep: Budget { crashes: 1, timeouts: 1, takeovers: 0, duplicates: 0, interruptions: 0 },
        reaches: &[],
        ..BASE
    },
];

/// A configuration by its name.
#[must_use]
pub fn find(name: &str) -> Option<Config> {
    ALL.iter().copied().find(|config| config.name == name)
}
