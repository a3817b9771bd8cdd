//! The three steps of a transfer, and the records that tell where it stands.

use std::fmt;
use std::str::FromStr;

use leasebox::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

use crate::account::{Account, Command, Happened, KIND, State};
use leasebox::{Decision, EntityId, Event, EventId, Fault, Malformed, Millis, Rejection};

/// A transfer as it travels, and as the journals of both accounts show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Transfer {
    /// The id of the transfer.
    #[schemars(with = "String")]
    pub id: TransferId,
    /// The account that pays.
    pub from: String,
    /// The account that is to receive.
    pub to: String,
    /// How much, in the smallest unit.
    pub amount: u64,
}

impl Transfer {
    /// The transfer that an event at the paying account makes.
    #[must_use]
    pub fn new(from: &EntityId, event: EventId, to: &str, amount: u64) -> Self {
        let id = TransferId { from: from.clone(), event };
        Self { id, from: from.id().to_owned(), to: to.to_owned(), amount }
    }

    /// The transfer that a command in its stored form asks for; none when it is another command.
    #[must_use]
    pub fn asked(id: &TransferId, body: &str) -> Option<Self> {
        match serde_json::from_str(body).ok()? {
            Command::Transfer { to, amount } => Some(Self::new(&id.from, id.event, &to, amount.unsigned_abs())),
            _ => None,
        }
    }
}

/// The identity of a transfer: the paying account and its event, written `account~event_id`. It is known as soon as the
/// event is stored, and repeating an Idempotency-Key brings the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferId {
    /// The account that pays.
    pub from: EntityId,
    /// The event by which it was asked to.
    pub event: EventId,
}

impl TransferId {
    /// The name of the record of the transfer, at the payer and at the receiver.
    #[must_use]
    pub fn record(&self) -> String {
        format!("transfer#{self}")
    }
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}", self.from.id(), self.event)
    }
}

impl FromStr for TransferId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed("a transfer id is an account's id, ~, and an event id".to_owned());
        let (from, event) = text.rsplit_once('~').ok_or_else(malformed)?;
        Ok(Self { from: EntityId::new(KIND, from)?, event: event.parse()? })
    }
}

impl Serialize for TransferId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TransferId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The record at the account that pays: written with the withdrawal, and again with the refund.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The transfer that was sent.
    pub transfer: Transfer,
    /// Why the money came back, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Rejection>,
}

/// The record at the account that is to receive: written with the deposit, or with the refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credited {
    /// When, by the payer's delivery.
    pub at: Millis,
    /// Why the money was refused, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Rejection>,
}

/// The first step: the money leaves, or the payer does not have it.
pub(super) fn send(
    account: &State,
    command: &Event<'_, Command>,
    to: &str,
    amount: u64,
) -> Result<Decision<Account>, Fault> {
    let amount = match account.gives(command.entity, amount) {
        Ok(amount) => amount,
        Err(rejection) => return Ok(Decision::reject(rejection)),
    };
    let transfer = Transfer::new(command.entity, command.id, to, amount);
    let receiver = entity(to)?;
    let record = Sent { transfer: transfer.clone(), refunded: None };
    Decision::events([Happened::MoneyWithdrawn { amount, transfer: Some(transfer.clone()) }])
        .record(&transfer.id.record(), &record, None)?
        .post::<Account>(&receiver, &Command::Credit(transfer))
}

/// The second step: the money arrives, or is sent back.
pub(super) fn credit(
    account: &State,
    command: &Event<'_, Command>,
    transfer: &Transfer,
) -> Result<Decision<Account>, Fault> {
    let (name, at) = (transfer.id.record(), command.at);
    match account.takes(command.entity, transfer.amount) {
        Ok(amount) => Decision::events([Happened::MoneyDeposited { amount, transfer: Some(transfer.clone()) }]).record(
            &name,
            &Credited { at, refused: None },
            None,
        ),
        Err(rejection) => Decision::events([])
            .record(&name, &Credited { at, refused: Some(rejection.clone()) }, None)?
            .post::<Account>(&entity(&transfer.from)?, &Command::Refund { transfer: transfer.clone(), rejection }),
    }
}

/// The third step, when there is one: the money is back where it came from.
pub(super) fn refund(transfer: &Transfer, rejection: &Rejection) -> Result<Decision<Account>, Fault> {
    let record = Sent { transfer: transfer.clone(), refunded: Some(rejection.clone()) };
    Decision::events([Happened::MoneyDeposited { amount: transfer.amount, transfer: Some(transfer.clone()) }]).record(
        &transfer.id.record(),
        &record,
        None,
    )
}

fn entity(account: &str) -> Result<EntityId, Fault> {
    EntityId::new(KIND, account).map_err(|error| Fault::new(error.to_string()))
}
