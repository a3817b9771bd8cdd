//! An account as its plain unit test sees it: a journal, event by event.
#![cfg(test)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use kinds::account::{Account, Command, Happened};
use leasebox::shared::testing::{BEGINNING, TestActor};
use leasebox::{Snapshot, json};

/// The panic of a test that was told something else than it expected.
fn said<T>(test: impl FnOnce() -> T) -> String {
    let panic = catch_unwind(AssertUnwindSafe(test)).map(|_| ()).unwrap_err();
    *panic.downcast::<String>().unwrap()
}

fn opened() -> Happened {
    serde_json::from_value(json!({"type": "AccountOpened", "owner": "Alice", "initial_balance": 100})).unwrap()
}

fn deposit(amount: i64) -> Command {
    serde_json::from_value(json!({"type": "deposit", "amount": amount})).unwrap()
}

fn withdraw(amount: i64) -> Command {
    serde_json::from_value(json!({"type": "withdraw", "amount": amount})).unwrap()
}

#[test]
fn a_journal_is_told_event_by_event() {
    let mut alice = TestActor::<Account>::new("alice").with_events([opened()]);
    assert_eq!(alice.state().version, 1);
    alice.later(7);
    let tested = alice.run(deposit(5)).unwrap();
    let [entry] = &tested.journal[..] else { panic!("{tested:?}") };
    assert_eq!((entry.version, entry.at, entry.cause), (2, BEGINNING.plus(7), tested.event));
    assert_eq!((entry.r#type.as_str(), json!(entry.payload)), ("MoneyDeposited", json!({"amount": 5})));
    assert_eq!(json!(tested.events()), json!([{"type": "MoneyDeposited", "amount": 5}]));
    assert_eq!((tested.event.sequence, &json!(tested.reply())["balance"]), (2, &json!(105)));
    let refused = alice.run(withdraw(500)).unwrap();
    assert_eq!((refused.rejection().reason.as_str(), refused.journal.len()), ("insufficient-funds", 0));
    let Snapshot { version, at, state } = alice.state();
    assert_eq!((version, at), (2, BEGINNING.plus(7)));
    assert_eq!(json!(state)["balance"], 105);
}

#[test]
fn events_that_cannot_follow_are_said() {
    let withdrawn: Happened = serde_json::from_value(json!({"type": "MoneyWithdrawn", "amount": 500})).unwrap();
    let wrong = said(|| TestActor::<Account>::new("alice").with_events([opened(), withdrawn]));
    assert!(wrong.starts_with("expected events that follow one another, and there was"), "{wrong}");
    assert!(wrong.contains("event 2"), "{wrong}");
}
