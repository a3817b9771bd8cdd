//! Journals that somebody has damaged: `verify` says so, nobody else is affected, and nothing is ever written over what
//! has happened.

use serde_dynamo::AttributeValue;
use serde_json::{Value, json};
use shared::envelope::EntityId;
use shared::mailbox::image::Lease;
use shared::table;

use crate::accounts::{Attributes, account, events_of};
use crate::problems::problem;
use crate::world::World;

/// Two accounts with five events each, in items of their own.
async fn bank() -> World {
    let world = World::new().await;
    for id in ["alice", "bob"] {
        world.open_account(id, 100).await;
        for amount in 1..=4 {
            world.deposit(id, amount).await;
        }
    }
    world
}

/// An item of alice's journal.
async fn item(world: &World, version: usize) -> Attributes {
    world.journal_items("alice").await.swap_remove(version - 1)
}

/// Sets what an event of an item has under a name, in its payload or beside it.
fn alter(item: &mut Attributes, payload: bool, name: &str, value: AttributeValue) {
    let Some(AttributeValue::L(events)) = item.get_mut("events") else { panic!("no events") };
    let AttributeValue::M(event) = &mut events[0] else { panic!("no event") };
    let event = match event.get_mut("payload") {
        Some(AttributeValue::M(inner)) if payload => inner,
        _ => event,
    };
    event.insert(name.to_owned(), value);
}

/// What each of the damages says.
async fn says(world: &World, detail: &str) {
    let verdict = world.verdict("alice").await;
    assert_eq!((&verdict.body["consistent"], &verdict.body["version"]), (&json!(false), &json!(5)), "{verdict:?}");
    assert!(verdict.body["detail"].as_str().unwrap().contains(detail), "{detail}: {verdict:?}");
    // What is there is shown as before, and others are not affected.
    assert_eq!((world.balance("alice").await, world.balance("bob").await), (json!(110), json!(110)));
    world.verified("bob").await;
    assert_eq!(world.journal("bob").await.len(), 5);
}

#[tokio::test]
async fn an_event_that_is_missing_is_missed() {
    for (version, detail) in [(1, "event 2"), (3, "event 4"), (5, "not what follows")] {
        let world = bank().await;
        world.take_item(&account("alice"), &format!("event#{version:020}")).await;
        says(&world, detail).await;
    }
    let world = bank().await;
    for version in 1..=5 {
        world.take_item(&account("alice"), &format!("event#{version:020}")).await;
    }
    says(&world, "not what follows").await;
}

#[tokio::test]
async fn an_event_that_was_altered_is_noticed() {
    let number = |value: u64| table::number(value);
    let cases: [(bool, &str, AttributeValue, &str); 9] = [
        (true, "amount", number(7), "not what follows"),
        (true, "amount", number(u64::MAX), "event 3"),
        (true, "amount", AttributeValue::N("-2".to_owned()), "event 3"),
        (true, "amount", AttributeValue::S("two".to_owned()), "event 3"),
        (false, "type", AttributeValue::S("MoneyWithdrawn".to_owned()), "not what follows"),
        (false, "type", AttributeValue::S("MoneyFound".to_owned()), "event 3"),
        (false, "at", number(1), "older"),
        (false, "version", number(4), "are not those that it names"),
        (false, "cause", number(1), "a journal item"),
    ];
    for (payload, name, value, detail) in cases {
        let world = bank().await;
        let mut item = item(&world, 3).await;
        alter(&mut item, payload, name, value);
        world.put_item(item).await;
        says(&world, detail).await;
    }
}

#[tokio::test]
async fn an_item_that_cannot_be_read_is_said_to_whoever_reads_it() {
    for events in [AttributeValue::S("rubbish".to_owned()), AttributeValue::L(Vec::new()), AttributeValue::Null(true)] {
        let world = bank().await;
        let mut item = item(&world, 3).await;
        item.insert("events".to_owned(), events);
        world.put_item(item).await;
        says(&world, "").await;
        for path in ["/accounts/alice/events", "/accounts/alice?version=4", "/accounts/alice?at=2999-01-01T00:00:00Z"] {
            let reply = world.get(path).await;
            assert_eq!((reply.status, problem(&reply)), (500, "damaged"), "{path}: {reply:?}");
        }
        // What lies behind it can be read all the same, and the account goes on.
        assert_eq!(world.pages("alice", 4, 10).await.len(), 2);
        assert_eq!(world.deposit("alice", 1).await.body["balance"], 111);
    }
}

#[tokio::test]
async fn an_event_of_a_newer_program_is_for_a_newer_program() {
    let world = bank().await;
    let mut item = item(&world, 3).await;
    alter(&mut item, false, "schema", table::number(2));
    world.put_item(item).await;
    for path in ["/accounts/alice?version=3", "/accounts/alice?version=5", "/accounts/alice/verify"] {
        let reply = world.get(path).await;
        assert_eq!((reply.status, problem(&reply)), (503, "newer-version"), "{path}: {reply:?}");
    }
    assert_eq!(world.get("/accounts/alice?version=2").await.body["balance"], 101);
    assert_eq!(world.journal("alice").await[2]["schema"], 2);
    world.verified("bob").await;
}

/// Asserts that a command stops the account instead of writing over its journal, and that the command is not lost.
async fn blocks(world: &World, id: &str, path: &str, body: &Value) {
    let before = world.journal_items(id).await;
    let reply = world.post(path, &body.to_string()).await;
    assert_eq!((reply.status, &reply.body["status"]), (202, &json!("queued")), "{reply:?}");
    assert_eq!(world.journal_items(id).await, before);
    let mailbox = world.mailbox(&account(id)).await;
    let Some(Lease::Blocked { cause }) = &mailbox.lease else { panic!("{mailbox:?}") };
    assert!(cause.contains("in the way"), "{cause}");
    assert_eq!((mailbox.queue.len(), mailbox.strikes), (1, 0));
    let shown = world.get(&format!("/entities/account/{id}")).await;
    assert_eq!((&shown.body["lock"]["owner"], &shown.body["pending"]), (&json!("blocked"), &json!(1)), "{shown:?}");
    // It stays so, whoever comes.
    world.work_off().await;
    assert_eq!(world.deposit(id, 1).await.status, 202);
    assert_eq!(world.journal_items(id).await, before);
}

async fn mailbox(world: &World, id: &EntityId) -> Attributes {
    world.item(table::mailbox_key(id)).await.unwrap().into()
}

#[tokio::test]
async fn a_mailbox_that_was_taken_away_does_not_begin_its_journal_anew() {
    let world = bank().await;
    let open = json!({"owner": "somebody else", "initial_balance": 1_000_000});
    let kept = mailbox(&world, &account("alice")).await;
    world.take_item(&account("alice"), "mailbox").await;
    blocks(&world, "alice", "/accounts/alice/open", &open).await;

    // Also when the first events were committed together.
    let first = json!([{"type": "open", "owner": "c", "initial_balance": 5}, {"type": "deposit", "amount": 1}]);
    assert_eq!(world.post(&events_of("carol"), &first.to_string()).await.status, 200);
    world.take_item(&account("carol"), "mailbox").await;
    blocks(&world, "carol", "/accounts/carol/open", &open).await;

    // Whoever still has the mailbox puts it back, and nothing is lost.
    world.put_item(kept).await;
    world.verified("alice").await;
    assert_eq!(world.deposit("alice", 1).await.body["balance"], 111);
    assert_eq!(world.journal("alice").await.len(), 6);
    world.verified("bob").await;
}

#[tokio::test]
async fn an_old_mailbox_does_not_write_over_what_came_after_it() {
    let world = bank().await;
    let alice = account("alice");
    let old = mailbox(&world, &alice).await;
    for amount in [5, 6, 7] {
        world.deposit("alice", amount).await;
    }
    let kept = mailbox(&world, &alice).await;
    world.put_item(old).await;
    blocks(&world, "alice", "/accounts/alice/withdraw", &json!({"amount": 100})).await;
    world.put_item(kept).await;
    world.verified("alice").await;
    assert_eq!((world.balance("alice").await, world.version("alice").await), (json!(128), 8));
}
