//! The bank account: event-sourced, and able to send money to another account exactly once.
//!
//! A transfer is three commands. The payer withdraws and sends a credit; the receiver deposits, or refuses and sends a
//! refund; the payer takes the refund back. Each step is one commit with its effect in the outbox, so money that has left
//! one account is on its way, and nowhere else, until it has reached another or come back.

pub mod answers;
mod demo;
pub mod progress;
mod rejections;
mod routes;
mod transfer;
mod views;

use serde::{Deserialize, Serialize};

use leasebox::schemars::{self, JsonSchema};
use leasebox::{App, Decision, EntityId, Event, EventSourced, Fault, Rejection, Role, Snapshot};

pub use rejections::not_open;
pub use transfer::{Credited, Sent, Transfer, TransferId};

/// Adds the account, its routes and its demonstration.
pub(crate) fn add<R: Role>(app: App<R>) -> App<R> {
    views::add(routes::add(app.kind::<Account>())).demo(demo::ACCOUNTS)
}

/// The name of the kind.
pub const KIND: &str = "account";
/// What a deposit or a credit may bring a balance to, in the smallest unit. Refunds may bring it above: money that comes
/// back is not refused.
pub const BALANCE_MOST: u64 = i64::MAX as u64;
/// The length of an owner's name, in bytes.
pub const OWNER_BYTES: usize = 128;

/// A bank account, which can be opened, filled, emptied, and send money to others. Amounts are integers of the smallest
/// unit, such as cents.
#[derive(Debug)]
pub struct Account;

/// What an account is. The default is one that is not open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct State {
    /// Whose it is; none until it is opened.
    pub owner: Option<String>,
    /// What is in it.
    pub balance: u64,
}

/// What an account is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Opens the account, once.
    Open {
        /// Whose it is to be.
        owner: String,
        /// What is in it at first: zero or more.
        initial_balance: i64,
    },
    /// Pays money into the account.
    Deposit {
        /// How much, in the smallest unit: above zero.
        amount: i64,
    },
    /// Pays money out of the account.
    Withdraw {
        /// How much, in the smallest unit: above zero.
        amount: i64,
    },
    /// Send money to another account.
    Transfer {
        /// The id of the other account.
        to: String,
        /// How much, in the smallest unit: above zero.
        amount: i64,
    },
    /// Take money that another account has sent. From accounts only.
    Credit(Transfer),
    /// Take money back that another account has refused. From accounts only.
    Refund {
        /// The transfer that was refused.
        transfer: Transfer,
        /// Why it was refused.
        rejection: Rejection,
    },
}

/// What has happened to an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum Happened {
    /// The account was opened.
    AccountOpened {
        /// The name of its owner.
        owner: String,
        /// What was in it.
        initial_balance: u64,
    },
    /// Money came into the account.
    MoneyDeposited {
        /// How much, in the smallest unit.
        amount: u64,
        /// The transfer that brought it; one that this account sent itself was refused and came back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        transfer: Option<Transfer>,
    },
    /// Money went out of the account.
    MoneyWithdrawn {
        /// How much, in the smallest unit.
        amount: u64,
        /// The transfer that took it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        transfer: Option<Transfer>,
    },
}

/// What an account answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Reply {
    /// To open, deposit and withdraw.
    Account(Balance),
    /// To what moves money between accounts.
    Transfer(Transfer),
}

/// An account as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Balance {
    /// The name of its owner.
    pub owner: String,
    /// What is in it.
    pub balance: u64,
    /// How many events its journal has.
    pub version: u64,
}

impl Balance {
    /// An account as its owner sees it; none while it is not open.
    #[must_use]
    pub fn of(snapshot: &Snapshot<State>) -> Option<Self> {
        let owner = snapshot.state.owner.clone()?;
        Some(Self { owner, balance: snapshot.state.balance, version: snapshot.version })
    }
}

impl EventSourced for Account {
    const KIND: &'static str = KIND;
    type State = State;
    type Command = Command;
    type Event = Happened;
    type Reply = Reply;

    fn decide(now: &Snapshot<State>, command: &Event<'_, Command>) -> Result<Decision<Self>, Fault> {
        let account = &now.state;
        match &command.command {
            Command::Open { owner, initial_balance } => Ok(match account.owner {
                Some(_) => Decision::reject(rejections::already_open(command.entity.id())),
                None => Decision::events([Happened::AccountOpened {
                    owner: owner.clone(),
                    initial_balance: initial_balance.unsigned_abs(),
                }]),
            }),
            Command::Deposit { amount } => Ok(match account.takes(command.entity, amount.unsigned_abs()) {
                Ok(amount) => Decision::events([Happened::MoneyDeposited { amount, transfer: None }]),
                Err(rejection) => Decision::reject(rejection),
            }),
            Command::Withdraw { amount } => Ok(match account.gives(command.entity, amount.unsigned_abs()) {
                Ok(amount) => Decision::events([Happened::MoneyWithdrawn { amount, transfer: None }]),
                Err(rejection) => Decision::reject(rejection),
            }),
            Command::Transfer { to, amount } => transfer::send(account, command, to, amount.unsigned_abs()),
            Command::Credit(transfer) => transfer::credit(account, command, transfer),
            Command::Refund { transfer, rejection } => transfer::refund(transfer, rejection),
        }
    }

    fn apply(account: State, event: &Happened) -> Result<State, Fault> {
        let balance = match event {
            Happened::AccountOpened { initial_balance, .. } => Some(*initial_balance),
            Happened::MoneyDeposited { amount, .. } => account.balance.checked_add(*amount),
            Happened::MoneyWithdrawn { amount, .. } => account.balance.checked_sub(*amount),
        };
        let balance = balance.ok_or_else(|| Fault::new("the balance leaves its range"))?;
        let owner = match event {
            Happened::AccountOpened { owner, .. } => Some(owner.clone()),
            Happened::MoneyDeposited { .. } | Happened::MoneyWithdrawn { .. } => account.owner,
        };
        Ok(State { owner, balance })
    }

    fn reply(command: &Event<'_, Command>, after: &Snapshot<State>) -> Reply {
        match &command.command {
            Command::Open { .. } | Command::Deposit { .. } | Command::Withdraw { .. } => {
                // Only an open account accepts them.
                let owner = after.state.owner.clone().unwrap_or_default();
                Reply::Account(Balance { owner, balance: after.state.balance, version: after.version })
            }
            Command::Transfer { to, amount } => {
                Reply::Transfer(Transfer::new(command.entity, command.id, to, amount.unsigned_abs()))
            }
            Command::Credit(transfer) | Command::Refund { transfer, .. } => Reply::Transfer(transfer.clone()),
        }
    }

    fn admits(command: &Command) -> bool {
        match command {
            Command::Open { .. } | Command::Deposit { .. } | Command::Withdraw { .. } | Command::Transfer { .. } => {
                true
            }
            Command::Credit(_) | Command::Refund { .. } => false,
        }
    }

    fn check(entity: &EntityId, command: &Command) -> Result<(), Rejection> {
        match command {
            Command::Open { owner, initial_balance } => {
                rejections::owner(owner).and_then(|()| rejections::not_negative(*initial_balance))
            }
            Command::Deposit { amount } | Command::Withdraw { amount } => rejections::positive(*amount),
            Command::Transfer { to, amount } => {
                rejections::positive(*amount).and_then(|()| rejections::receiver(entity, to))
            }
            Command::Credit(_) | Command::Refund { .. } => Ok(()),
        }
    }
}

impl State {
    /// Whether so much may come in.
    fn takes(&self, account: &EntityId, amount: u64) -> Result<u64, Rejection> {
        if self.owner.is_none() {
            return Err(not_open(account.id()));
        }
        match self.balance.checked_add(amount) {
            Some(balance) if balance <= BALANCE_MOST => Ok(amount),
            _ => Err(rejections::overflow(self.balance, amount)),
        }
    }

    /// Whether so much may go out.
    fn gives(&self, account: &EntityId, amount: u64) -> Result<u64, Rejection> {
        match self.owner {
            None => Err(not_open(account.id())),
            Some(_) if self.balance < amount => Err(rejections::insufficient(self.balance, amount)),
            Some(_) => Ok(amount),
        }
    }
}
