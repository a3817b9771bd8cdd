//! The dialect of the bank: what its routes take and answer.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::actors::account::{Balance, TransferId};
use crate::http::problem::Problem;
use crate::journal::Entry;
use crate::moment::rfc3339;
use crate::registry::Unreadable;
use crate::replay::{ReplayError, Verdict};
use crate::transfers::{Progress, Tracked};

/// The body that opens an account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenBody {
    /// Whose it is to be: 1 to 128 bytes.
    #[schema(min_length = 1, max_length = 128)]
    pub owner: String,
    /// What is in it at first, in the smallest unit: zero or more.
    #[schema(minimum = 0)]
    pub initial_balance: i64,
}

/// The body of a deposit or a withdrawal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AmountBody {
    /// How much, in the smallest unit: above zero.
    #[schema(minimum = 1)]
    pub amount: i64,
}

/// The body of a transfer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferBody {
    /// The account that pays.
    pub from: String,
    /// The account that is to receive.
    pub to: String,
    /// How much, in the smallest unit: above zero.
    #[schema(minimum = 1)]
    pub amount: i64,
}

/// An account.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountAnswer {
    /// Which.
    pub account_id: String,
    /// Whose it is.
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

/// One event of an account's journal.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountEvent {
    /// Its place, from 1: the version of the account that it leads to.
    pub version: u64,
    /// What has happened: `AccountOpened`, `MoneyDeposited` or `MoneyWithdrawn`.
    pub r#type: String,
    /// The version of the form in which it is stored, and shown here.
    pub schema: u32,
    /// When it was committed. It is never before the event's before it.
    pub time: String,
    /// The event of the account's mailbox that caused it: its place there, and the envelope's id.
    pub event_id: String,
    /// The rest of it.
    #[schema(value_type = Object)]
    pub payload: Map<String, Value>,
}

impl From<Entry> for AccountEvent {
    fn from(Entry { version, r#type, schema, at, cause, payload }: Entry) -> Self {
        Self { version, r#type, schema, time: rfc3339(at), event_id: cause.to_string(), payload }
    }
}

/// One page of an account's journal.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountEvents {
    /// Which account.
    pub account_id: String,
    /// The events, oldest first.
    pub items: Vec<AccountEvent>,
    /// The `from` of the next page; null on the last one.
    #[schema(required)]
    pub next: Option<u64>,
}

impl AccountEvents {
    /// A page of a journal.
    #[must_use]
    pub fn new(id: &str, entries: Vec<Entry>, next: Option<u64>) -> Self {
        Self { account_id: id.to_owned(), items: entries.into_iter().map(AccountEvent::from).collect(), next }
    }
}

/// How an account compares with what its journal says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifyAnswer {
    /// Which account.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// A transfer.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransferAnswer {
    /// Which.
    pub transfer_id: String,
    /// The account that pays.
    pub from: String,
    /// The account that is to receive; left out when the transfer was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// How much; left out when the transfer was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// Where it stands.
    pub status: TransferStatus,
    /// Why it was refused, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub rejection: Option<Value>,
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
        // A rejection consists of what JSON can hold.
        let rejection = rejection.and_then(|rejection| serde_json::to_value(rejection).ok());
        let from = id.from.id().to_owned();
        Self { transfer_id: id.to_string(), from, to, amount, status, rejection, cause }
    }
}

impl Problem {
    /// There is no such transfer.
    #[must_use]
    pub fn unknown_transfer(id: &str) -> Self {
        let id: String = id.chars().take(200).collect();
        let detail = format!(
            "nothing has moved under the id {id}: there is no such transfer, or it was refused and nobody remembers why, or \
             it repeated an Idempotency-Key, and posting that once more answers with the transfer that it stands for"
        );
        Self::new("unknown-transfer", 404, "There is no such transfer", detail)
    }

    /// The journal has not reached this version.
    #[must_use]
    pub fn unknown_version(version: u64, reached: u64) -> Self {
        let detail = format!("the journal has {reached} events, so there is no version {version}");
        Self::new("unknown-version", 404, "There is no such version", detail).with("version", reached)
    }
}

impl From<ReplayError> for Problem {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Step(error) => error.into(),
            ReplayError::Unreadable { entity, unreadable: Unreadable::Damaged(damage) } => {
                let damage = crate::mailbox::image::Damaged(damage);
                crate::mailbox::StepError::Damaged { entity, damage }.into()
            }
            ReplayError::Unreadable { unreadable: Unreadable::Newer { .. }, .. } => {
                let detail = format!("{error}; a newer program can read it: try again while the deployment goes on");
                Self::new("newer-version", 503, "A newer program wrote this", detail)
            }
            ReplayError::TooLong { .. } => {
                let detail = format!("{error}; `leasebox journal` takes as long as it needs");
                Self::new("journal-too-long", 503, "The journal is too long for one request", detail)
            }
        }
    }
}
