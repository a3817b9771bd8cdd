//! What one check explores: who posts what, the limits of the actors, and how often what goes wrong.

use crate::fact::Fact;
use crate::mailbox::{KEYLESS, SENDER};

/// How often each thing may go wrong along one path. Finite budgets make every run end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Budget {
    /// Invocations that die, wherever they are.
    pub crashes: u8,
    /// Requests without an answer: lost, applied, or applied at any later time.
    pub timeouts: u8,
    /// Leases that are judged expired although their holder works under them.
    pub takeovers: u8,
    /// Stream records and wakes that are delivered once more.
    pub duplicates: u8,
    /// Visits that run out of time between two steps.
    pub interruptions: u8,
    /// Deliveries that are refused for a passing reason.
    pub failures: u8,
}

/// One client: it posts once, and says which of its posts are acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// To which mailbox.
    pub to: u8,
    /// How many events, one or two.
    pub events: u8,
    /// Under which key; clients with the same key are one client that posts again.
    pub key: u8,
    /// Whether the post takes a free lease.
    pub inline: bool,
}

/// A client that posts one keyless event and processes it itself.
pub const INLINE: Client = Client { to: SENDER, events: 1, key: KEYLESS, inline: true };
/// A client that posts one keyless event for `drain` to process.
pub const DETACHED: Client = Client { inline: false, ..INLINE };

/// What becomes of an envelope that cannot be processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poison {
    /// It goes to the dead letters.
    Park,
    /// The entity stops.
    Block,
}

/// One configuration.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Its name.
    pub name: &'static str,
    /// The clients.
    pub clients: &'static [Client],
    /// Events that cause an effect.
    pub effects: &'static [u8],
    /// Events that fail when they are run.
    pub faulty: &'static [u8],
    /// Events that kill whoever runs them.
    pub deadly: &'static [u8],
    /// What becomes of both.
    pub poison: Poison,
    /// Envelopes in one commit at most.
    pub batch: usize,
    /// Commits and deliveries of one visit.
    pub rounds: u8,
    /// Envelopes in a queue before posts are refused; effects may add two more.
    pub room: u8,
    /// Whether a delivery may take its receiver's lease along.
    pub hops: bool,
    /// Whether `drain` looks at anything. Where it does not, only what holds in every state is checked.
    pub looks: bool,
    /// Replaced leases after which an entity is suspect.
    pub suspect_attempts: u8,
    /// Strikes after which an envelope is poison.
    pub strikes: u8,
    /// Whether clients that process their events themselves take the direct path.
    pub direct: bool,
    /// What may go wrong.
    pub budget: Budget,
    /// What may go wrong in the long run.
    pub deep: Budget,
    /// What must be seen.
    pub reaches: &'static [Fact],
}

impl Config {
    /// The number of a client's event.
    #[must_use]
    pub fn event(client: usize, part: u8) -> u8 {
        u8::try_from(client).unwrap_or(u8::MAX) * 2 + part
    }

    /// The key of a client's event: the parts of one post have a receipt each.
    #[must_use]
    pub fn key(&self, event: u8) -> u8 {
        match self.clients.get(usize::from(event / 2)) {
            Some(client) if client.key != KEYLESS => client.key + event % 2,
            _ => KEYLESS,
        }
    }

    /// What must happen at most once: an event, or whatever shares its key.
    #[must_use]
    pub fn identity(&self, event: u8) -> u8 {
        match self.key(event) {
            KEYLESS => event,
            key => u8::MAX - key,
        }
    }

    /// The same with the budgets of the long run. Other things go wrong there, so it need not see the same.
    #[must_use]
    pub fn deep(self) -> Self {
        Self { budget: self.deep, reaches: &[], ..self }
    }
}
