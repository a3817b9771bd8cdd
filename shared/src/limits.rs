//! Every limit of the protocol as a constant, and the assertions that relate them to one another.
//!
//! DynamoDB refuses an item over 400 KB with an error that carries no old image, so nothing here may
//! ever let an item come near it: the parts below sum to less, with a reserve for names and numbers.

use std::str::FromStr;

use crate::envelope::Malformed;

/// One KB as DynamoDB counts it, in bytes.
pub const KB: usize = 1024;
/// The size at which DynamoDB refuses an item, in bytes, attribute names included.
pub const ITEM_BYTES: usize = 400 * KB;

/// Length of an entity's id, in bytes.
pub const ID_BYTES: usize = 128;
/// Length of a kind's name, in bytes.
pub const KIND_BYTES: usize = 32;
/// Length of a client's idempotency key, in bytes.
pub const KEY_BYTES: usize = 255;

/// One event's command as compact JSON, in bytes.
pub const PAYLOAD_BYTES: usize = 16 * KB;
/// Events in one post.
pub const POST_EVENTS: usize = 25;
/// Events of concurrent posts that share one write: half a queue, so that the next write finds room while they run.
pub const SHARED_EVENTS: usize = QUEUE_LENGTH / 2;
/// A whole HTTP request body, in bytes.
pub const BODY_BYTES: usize = 64 * KB;

/// Envelopes pending in one mailbox before posts are refused, unless configured otherwise.
pub const QUEUE_LENGTH: usize = 100;
/// Stored size of the pending envelopes of one mailbox before posts are refused, in bytes.
pub const QUEUE_BYTES: usize = 128 * KB;
/// Envelopes that deliveries between entities may add above [`QUEUE_LENGTH`].
pub const DELIVERY_RESERVE_LENGTH: usize = 100;
/// Bytes that deliveries between entities may add above [`QUEUE_BYTES`].
pub const DELIVERY_RESERVE_BYTES: usize = 48 * KB;

/// An actor's state as stored, in bytes.
pub const STATE_BYTES: usize = 64 * KB;
/// Effects committed and not yet delivered, in bytes as stored.
pub const OUTBOX_BYTES: usize = 64 * KB;
/// Effects committed and not yet delivered, counted.
pub const OUTBOX_LENGTH: usize = 100;
/// One stored reply, in bytes. It leaves room for an answer that echoes a whole payload.
pub const REPLY_BYTES: usize = 20 * KB;
/// What is kept of the cause of a fault, in bytes.
pub const CAUSE_BYTES: usize = KB;
/// Replies kept for the last batch, in bytes; a batch with larger replies is committed in parts.
pub const RECENT_BYTES: usize = 32 * KB;
/// Replies kept on an idle entity, in bytes: what makes its item stay under 1 KB.
pub const RECENT_IDLE_BYTES: usize = 400;
/// What takeover and commit can always use: counters, lease and attribute names, in bytes.
pub const RESERVE_BYTES: usize = 24 * KB;

/// Envelopes in one commit.
pub const BATCH: usize = 100;
/// Actions in one DynamoDB transaction.
pub const TRANSACTION_ACTIONS: usize = 100;
/// Side records in one commit: a transaction holds the mailbox item and these.
pub const RECORDS: usize = TRANSACTION_ACTIONS - 1;
/// One side record, in bytes as stored.
pub const RECORD_BYTES: usize = 64 * KB;
/// Bytes that the side records of one commit may sum to; DynamoDB allows 4 MB a transaction.
pub const RECORDS_BYTES: usize = 3 * 1024 * KB;
/// How often an actor is asked which side records an event is decided with.
pub const LOOKUPS: usize = 3;
/// Events of one commit share a journal item up to this size, in bytes: a larger item would save next to nothing.
pub const JOURNAL_ITEM_BYTES: usize = 4 * KB;
/// Commits in one visit before the entity is handed over.
pub const ROUNDS: u32 = 16;
/// Other entities that one invocation visits after its own, to run what it delivered to them.
pub const HOPS: u32 = 4;

/// Replaced leases after which an entity is suspect and runs one envelope at a time.
pub const SUSPECT_ATTEMPTS: u64 = 2;
/// Deaths while one envelope was running, after which the poison policy applies to it.
pub const STRIKES: u64 = 3;
/// Failed deliveries after which an effect goes to the dead letters.
pub const DELIVERY_FAILURES: u32 = 20;

/// How long an idempotency key is remembered after its event was processed, in milliseconds.
pub const RECEIPT_MS: u64 = 24 * 60 * 60 * 1000;
/// How long a holder may keep an entity without renewing, in milliseconds, unless configured otherwise.
pub const LEASE_MS: u64 = 30_000;
/// How much later than the lease's end others may replace it, in milliseconds: what clocks may differ
/// without a needless takeover. A larger difference costs a takeover, never correctness.
pub const MARGIN_MS: u64 = 2_000;
/// What a visit leaves of its invocation's time, in milliseconds: it starts no round after that.
pub const FINISH_MS: u64 = 2_000;
/// The longest `Prefer: wait`, in seconds.
pub const WAIT_SECONDS: u64 = 20;
/// How long the dialects that answer with a value wait for it by default, in milliseconds.
pub const DIALECT_WAIT_MS: u64 = 5_000;
/// How long an answer waits for pushes that it causes, all of them together, in milliseconds: more than they take of
/// endpoints that are well, and what a hung one costs whoever writes to its users.
pub const PUSHES_MS: u64 = 500;
/// How long a post waits for room in a full mailbox before it is refused, in milliseconds.
pub const ROOM_WAIT_MS: u64 = 2_000;
/// The longest delay that SQS gives a message, in milliseconds.
pub const WAKE_MS: u64 = 900_000;
/// How long a request replays a journal, in milliseconds: within the timeout of the function that reads.
pub const REPLAY_MS: u64 = 20_000;
/// How long a ticket opens a socket, in seconds.
pub const TICKET_SECONDS: u64 = 60;
/// Length of the key that tickets are signed with, in bytes: at least that of its hash.
pub const TICKET_KEY_BYTES: usize = 32;
/// Timeout of the functions that take leases, in milliseconds, as template.yaml sets it.
pub const FUNCTION_TIMEOUT_MS: u64 = 25_000;

/// Items on one page of a list unless the caller asks for another number.
pub const PAGE: usize = 20;
/// Items on one page of a list at most.
pub const PAGE_MOST: usize = 100;
/// What Lambda takes of an answer, in bytes: 6 MB for request and answer each (its quotas, "Invocation payload",
/// synchronous). A larger one is a 500 to the client.
pub const ANSWER_BYTES: usize = 6 * 1024 * KB;
/// What the items of one page may sum to as JSON, in bytes: a page that would be larger ends earlier. Lambda gets it as a
/// text within JSON, in which each of its quotation marks and backslashes takes two bytes.
pub const PAGE_BYTES: usize = 2 * 1024 * KB;
/// Entities of one page that are read side by side.
pub const PAGE_READS: usize = 16;
/// Events on one page of a journal unless the caller asks for another number.
pub const EVENTS: usize = 100;
/// Events on one page of a journal at most.
pub const EVENTS_MOST: usize = 1_000;
/// Messages on one page of a conversation, or in one part of a log, unless the caller asks for another number.
pub const MESSAGES: usize = 50;
/// Messages on one page of a conversation, or in one part of a log, at most.
pub const MESSAGES_MOST: usize = 100;
/// A frame that a client sends on a socket, in bytes: what API Gateway takes in one.
pub const FRAME_BYTES: usize = 32 * KB;
/// What a client may have an answer on its socket repeat, in bytes.
pub const ECHO_BYTES: usize = 64;
/// How long a connection counts as open when nothing is heard of it, in milliseconds. API Gateway closes one that is idle
/// for 10 minutes; what is renewed in half of this time never expires by mistake.
pub const CONNECTION_MS: u64 = 15 * 60 * 1000;

const _: () = assert!(
    QUEUE_BYTES + DELIVERY_RESERVE_BYTES + STATE_BYTES + OUTBOX_BYTES + RECENT_BYTES + REPLY_BYTES + RESERVE_BYTES
        < ITEM_BYTES,
    "the parts of a mailbox item must sum to less than DynamoDB allows"
);
const _: () = assert!(LEASE_MS > FUNCTION_TIMEOUT_MS, "a lease must outlive the function that took it");
const _: () = assert!(
    WAIT_SECONDS * 1000 + FINISH_MS < FUNCTION_TIMEOUT_MS,
    "the longest wait must end before the function does"
);
const _: () = assert!(REPLAY_MS + FINISH_MS < FUNCTION_TIMEOUT_MS, "a replay must end before the function does");
const _: () = assert!(LEASE_MS + MARGIN_MS < WAKE_MS, "a wake must be able to outlast a lease");
const _: () = assert!(BATCH <= QUEUE_LENGTH + DELIVERY_RESERVE_LENGTH, "a batch is a part of a queue");
const _: () = assert!(PAYLOAD_BYTES < BODY_BYTES && BODY_BYTES < QUEUE_BYTES, "a post must fit an empty queue");
const _: () = assert!(2 * PAGE_BYTES + 1024 * KB < ANSWER_BYTES, "a page must fit an answer, however it is escaped");
// A control character is one byte as stored, and `\u0000` as JSON.
const _: () = assert!(6 * (STATE_BYTES + KB) < PAGE_BYTES, "an entity must fit a page");
const _: () = assert!(POST_EVENTS <= SHARED_EVENTS, "one post must fit a shared write");
const _: () = assert!(POST_EVENTS <= QUEUE_LENGTH, "a post must fit an empty queue");

/// What an operator or a test may choose; everything else is a constant above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a holder may keep an entity without renewing, in milliseconds.
    pub lease_ms: u64,
    /// How much later than the lease's end others may replace it, in milliseconds.
    pub margin_ms: u64,
    /// Envelopes pending in one mailbox before posts are refused.
    pub queue_length: usize,
    /// Events of concurrent posts that share one write; 1 lets each post go by itself, without waiting for another.
    pub shared_events: usize,
    /// Envelopes in one commit at most.
    pub batch: usize,
    /// Commits in one visit before the entity is handed over.
    pub rounds: u32,
    /// Other entities that one invocation visits after its own.
    pub hops: u32,
    /// Replies kept on an idle entity, in bytes.
    pub recent_bytes: usize,
    /// Whether events for an idle entity are applied by one write, without its queue.
    pub direct: Direct,
    /// Which answers tell what they consumed.
    pub consumption: Consumption,
}

/// Whether the direct path is taken: see [`crate::direct`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direct {
    /// Every event goes through its entity's queue.
    #[default]
    Off,
    /// Events for idle entities do not.
    On,
}

impl FromStr for Direct {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text {
            "off" => Ok(Self::Off),
            "on" => Ok(Self::On),
            _ => Err(Malformed(format!("`{text}` is neither `on` nor `off`"))),
        }
    }
}

/// Which answers tell what they consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consumption {
    /// Those to requests that ask for it.
    #[default]
    Asked,
    /// All answers, whether they ask for it or not.
    Always,
}

impl FromStr for Consumption {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text {
            "asked" => Ok(Self::Asked),
            "always" => Ok(Self::Always),
            _ => Err(Malformed("what is consumed is told when `asked` or `always`".to_owned())),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease_ms: LEASE_MS,
            margin_ms: MARGIN_MS,
            queue_length: QUEUE_LENGTH,
            shared_events: SHARED_EVENTS,
            batch: BATCH,
            rounds: ROUNDS,
            hops: HOPS,
            recent_bytes: RECENT_IDLE_BYTES,
            direct: Direct::Off,
            consumption: Consumption::default(),
        }
    }
}
