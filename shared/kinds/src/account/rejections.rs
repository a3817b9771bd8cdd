//! What the rules of a bank refuse, each with a name that never changes.

use crate::account::{BALANCE_MOST, KIND, OWNER_BYTES};
use leasebox::{EntityId, Rejection};

/// The account was never opened.
#[must_use]
pub fn not_open(account: &str) -> Rejection {
    let detail = format!("account {account} is not open; POST /accounts/{account}/open opens it");
    Rejection::new("account-not-open", 404, detail)
}

pub(super) fn already_open(account: &str) -> Rejection {
    Rejection::new("account-already-open", 409, format!("account {account} is open already, and stays as it is"))
}

pub(super) fn insufficient(balance: u64, requested: u64) -> Rejection {
    let detail = format!("{requested} were asked for, {balance} are there; ask for no more than that");
    Rejection::new("insufficient-funds", 422, detail).with("balance", balance).with("requested", requested)
}

pub(super) fn overflow(balance: u64, amount: u64) -> Rejection {
    let detail = format!("{balance} and {amount} are more than {BALANCE_MOST}, the most that an account holds");
    Rejection::new("balance-overflow", 422, detail).with("balance", balance).with("amount", amount)
}

pub(super) fn positive(amount: i64) -> Result<(), Rejection> {
    if amount > 0 {
        return Ok(());
    }
    let detail = format!("the amount is {amount}; it takes an integer above zero, in the smallest unit");
    Err(Rejection::new("amount-not-positive", 400, detail).with("amount", amount))
}

pub(super) fn not_negative(initial_balance: i64) -> Result<(), Rejection> {
    if initial_balance >= 0 {
        return Ok(());
    }
    let detail = format!("the initial balance is {initial_balance}; it takes an integer of zero or more");
    Err(Rejection::new("amount-not-positive", 400, detail).with("amount", initial_balance))
}

pub(super) fn owner(owner: &str) -> Result<(), Rejection> {
    let blank = owner.trim().is_empty() || owner.chars().any(char::is_control);
    if !blank && owner.len() <= OWNER_BYTES {
        return Ok(());
    }
    let detail = format!("the owner takes 1 to {OWNER_BYTES} bytes of text without control characters");
    Err(Rejection::new("owner-malformed", 400, detail))
}

/// Whether money can be sent from one account to the account of this id.
pub(super) fn receiver(from: &EntityId, to: &str) -> Result<(), Rejection> {
    if from.id() == to {
        let detail = "an account cannot send money to itself; name another account in `to`";
        return Err(Rejection::new("transfer-to-itself", 400, detail));
    }
    let malformed = |error: leasebox::Malformed| Rejection::new("receiver-malformed", 400, error.to_string());
    EntityId::new(KIND, to).map(drop).map_err(malformed)
}
