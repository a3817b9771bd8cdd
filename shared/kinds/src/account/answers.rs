//! The dialect of the bank: what its routes take and answer.

use leasebox::schemars::{self, JsonSchema};
use leasebox::shared::journal::Entry;
use leasebox::shared::replay::Verdict;
use leasebox::web::answer::EventAnswer;
use leasebox::{Problem, Rejection};
use serde::{Deserialize, Serialize};

use crate::account::progress::{Progress, Tracked};
use crate::account::{Balance, TransferId};

/// The body that opens an account.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenBody {
    /// Whose it is to be: 1 to 128 bytes.
    #[schemars(length(min = 1, max = 128))]
    pub owner: String,
    /// What is in it at first, in the smallest unit: zero or more.
    #[schemars(range(min = 0))]
    pub initial_balance: i64,
}

/// The body of a deposit or a withdrawal.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AmountBody {
    /// How much, in the smallest unit: above zero.
    #[schemars(range(min = 1))]
    pub amount: i64,
}

/// The body of a transfer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferBody {
    /// The account that pays.
    pub from: String,
    /// The account that is to receive.
    pub to: String,
    /// How much, in the smallest unit: above zero.
    #[schemars(range(min = 1))]
    pub amount: i64,
}

/// An account as its owner sees it, with its id.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountAnswer {
    /// The id of the account.
    pub account_id: String,
    /// The name of its owner.
    pub owner: String,
    /// What is in it, in the smallest unit.
    pub balance: u64,
    /// How many events its journal has.
    pub version: u64,
}

impl AccountAnswer {
    /// An account with its id.
    #[must_use]
    pub fn new(id: &str, Balance { owner, balance, version }: Balance) -> Self {
        Self { account_id: id.to_owned(), owner, balance, version }
    }
}

/// One page of an account's journal.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountEvents {
    /// The id of the account.
    pub account_id: String,
    /// The events, oldest first.
    pub items: Vec<EventAnswer>,
    /// The `from` of the next page; null on the last one.
    pub next: Option<u64>,
}

impl AccountEvents {
    /// A page of a journal.
    #[must_use]
    pub fn new(id: &str, entries: Vec<Entry>, next: Option<u64>) -> Self {
        Self { account_id: id.to_owned(), items: entries.into_iter().map(EventAnswer::from).collect(), next }
    }
}

/// How an account compares with what its journal says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerifyAnswer {
    /// The id of the account.
    pub account_id: String,
    /// Up to which event.
    pub version: u64,
    /// Whether the account is what follows from the events.
    pub consistent: bool,
    /// What is wrong, if something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl VerifyAnswer {
    /// The verdict on an account.
    #[must_use]
    pub fn new(id: &str, version: u64, verdict: Verdict) -> Self {
        let detail = match verdict {
            Verdict::Consistent => None,
            Verdict::Differs => Some("the account is not what follows from its journal".to_owned()),
            Verdict::Broken(what) => Some(what),
        };
        Self { account_id: id.to_owned(), version, consistent: detail.is_none(), detail }
    }
}

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TransferStatus {
    /// The paying account has not looked at it yet.
    Queued,
    /// The paying account refused it; nothing has moved.
    Rejected,
    /// The paying account could not process it, and an operator must look at it; nothing has moved.
    Failed,
    /// The money has left the paying account and is on its way.
    Debited,
    /// The money has arrived.
    Completed,
    /// The receiving account refused the money, which is on its way back.
    Refunding,
    /// The receiving account refused the money, which is back where it came from.
    Refunded,
}

/// A transfer of money between two accounts, and where it stands.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransferAnswer {
    /// The id of the transfer.
    pub transfer_id: String,
    /// The account that pays.
    pub from: String,
    /// The account that is to receive; left out when the transfer was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// How much; left out when the transfer was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// How far the transfer has come.
    pub status: TransferStatus,
    /// Why it was refused, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejection: Option<Rejection>,
    /// Why it could not be processed, if it could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

impl TransferAnswer {
    /// A transfer as its payer sees it.
    #[must_use]
    pub fn new(id: &TransferId, Tracked { transfer, progress }: Tracked) -> Self {
        let (status, rejection, cause) = match progress {
            Progress::Queued => (TransferStatus::Queued, None, None),
            Progress::Rejected(rejection) => (TransferStatus::Rejected, Some(rejection), None),
            Progress::Failed(cause) => (TransferStatus::Failed, None, Some(cause)),
            Progress::Debited => (TransferStatus::Debited, None, None),
            Progress::Completed => (TransferStatus::Completed, None, None),
            Progress::Refunding(rejection) => (TransferStatus::Refunding, Some(rejection), None),
            Progress::Refunded(rejection) => (TransferStatus::Refunded, Some(rejection), None),
        };
        // Of posts that repeat one another's key one counts, and has given the transfer its id.
        let id = transfer.as_ref().map_or(id, |transfer| &transfer.id).clone();
        let (to, amount) = transfer.map(|transfer| (transfer.to, transfer.amount)).unzip();
        let from = id.from.id().to_owned();
        Self { transfer_id: id.to_string(), from, to, amount, status, rejection, cause }
    }
}

/// There is no such transfer.
pub(super) fn unknown_transfer(id: &str) -> Problem {
    let id: String = id.chars().take(200).collect();
    let detail = format!(
        "nothing has moved under the id {id}: there is no such transfer, or it was refused and nobody remembers why, or \
         it repeated an Idempotency-Key, and posting that once more answers with the transfer that it stands for"
    );
    Problem::new("unknown-transfer", 404, "There is no such transfer", detail)
}
