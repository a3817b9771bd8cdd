//! What the bank costs, in write and read units, summed over the calls.

use std::future::Future;

use serde_json::json;
use shared::host::ReadHost;

use crate::accounts::{account, events_of};
use crate::meter::{DEPOSIT, ONE_OF_MANY, READ, TRANSFER, Total};
use crate::world::{Reply, World};

/// Units of the same writes as they are reported: DynamoDB counts each item of a transaction, and so does the embedded
/// engine; DynamoDB Local says four of any transaction of small items, however many it has.
fn reported(units: f64, on_dynamodb_local: f64) -> f64 {
    if is_embedded() { units } else { on_dynamodb_local }
}

fn is_embedded() -> bool {
    std::env::var("DYNAMODB_ENDPOINT").is_err()
}

/// A world with two open accounts, neither of which has just been opened.
async fn bank() -> World {
    let world = World::new().await;
    for id in ["alice", "bob"] {
        world.open_account(id, 1_000).await;
        assert_eq!(world.deposit(id, 1).await.status, 200);
    }
    world
}

/// What something costs.
async fn cost(world: &World, of: impl Future<Output = Reply>) -> (Reply, Total) {
    world.host.store().take();
    let reply = of.await;
    (reply, world.host.store().take())
}

/// Write units, writes, read units and reads.
fn units(total: Total) -> (f64, u32, f64, u32) {
    assert_eq!(total.refused, 0, "{total:?}");
    (total.write, total.writes, total.read, total.reads)
}

#[tokio::test]
async fn a_deposit_costs_five_write_units_and_no_read() {
    let world = bank().await;
    for _ in 0..20 {
        let (reply, total) = cost(&world, world.deposit("alice", 1)).await;
        // The post, and a transaction of the mailbox and one journal item.
        assert_eq!((reply.status, units(total)), (200, (DEPOSIT.write, 2, DEPOSIT.read, 0)), "{reply:?}");
        let (reply, total) = cost(&world, world.withdraw("alice", 1)).await;
        assert_eq!((reply.status, units(total)), (200, (5.0, 2, 0.0, 0)), "{reply:?}");
    }
}

#[tokio::test]
async fn a_key_adds_two_write_units_and_one_read() {
    let world = bank().await;
    let body = json!({"amount": 1}).to_string();
    let (reply, total) = cost(&world, world.post_keyed("k", "/accounts/alice/deposit", &body)).await;
    assert_eq!((reply.status, units(total)), (200, (reported(7.0, 5.0), 2, 1.0, 1)), "{reply:?}");
    // A repetition changes nothing: two plain writes.
    let (reply, total) = cost(&world, world.post_keyed("k", "/accounts/alice/deposit", &body)).await;
    assert_eq!((reply.status, units(total)), (200, (2.0, 2, 1.0, 1)), "{reply:?}");
}

#[tokio::test]
async fn a_refusal_costs_two_write_units() {
    let world = bank().await;
    let (reply, total) = cost(&world, world.withdraw("alice", 5_000)).await;
    assert_eq!((reply.status, units(total)), (422, (2.0, 2, 0.0, 0)), "{reply:?}");
    let (reply, total) = cost(&world, world.deposit("alice", 0)).await;
    assert_eq!((reply.status, units(total)), (400, (0.0, 0, 0.0, 0)), "{reply:?}");
}

#[tokio::test]
async fn to_read_an_account_costs_one_read_and_its_past_one_more() {
    let world = bank().await;
    let (reply, total) = cost(&world, world.get("/accounts/alice")).await;
    assert_eq!((reply.status, units(total)), (200, (READ.write, 0, READ.read, 1)), "{reply:?}");
    let (reply, total) = cost(&world, world.get("/accounts/alice?version=1")).await;
    assert_eq!((reply.status, units(total)), (200, (0.0, 0, 2.0, 2)), "{reply:?}");
}

#[tokio::test]
async fn a_transfer_costs_what_its_six_writes_do() {
    let world = bank().await;
    for _ in 0..10 {
        let (reply, total) = cost(&world, world.transfer("alice", "bob", 5)).await;
        assert_eq!((reply.status, &reply.body["status"]), (200, &json!("completed")), "{reply:?}");
        println!("a transfer: {total:?}");
        // The payer's post, its transaction of mailbox, journal and record, the delivery, its settling, and the receiver's
        // transaction of mailbox, journal, record and receipt; and what is read on the way.
        assert_eq!(units(total), (reported(TRANSFER.write, 11.0), 5, TRANSFER.read, 2));
    }
}

#[tokio::test]
async fn commands_that_wait_share_their_journal_items() {
    let world = bank().await;
    let mut each = Vec::new();
    for queued in [1_u32, 2, 4, 8, 16, 24] {
        let before = world.journal_items("alice").await.len();
        let version = world.version("alice").await;
        world.host.store().take();
        let deposits = vec![json!({"type": "deposit", "amount": 1}); queued as usize];
        assert_eq!(world.post(&events_of("alice"), &json!(deposits).to_string()).await.status, 200);
        let total = world.host.store().take();
        let items = world.journal_items("alice").await.len() - before;
        println!("{queued} deposits: {total:?}, {items} journal items");
        assert_eq!((total.writes, total.reads, total.refused), (2, 0, 0));
        assert_eq!(world.version("alice").await, version + u64::from(queued));
        assert!(items <= queued.div_ceil(16) as usize, "{queued} deposits in {items} items");
        each.push(total.write / f64::from(queued));
    }
    assert_eq!(each[0], 5.0);
    // What the size of the mailbox adds to a transaction, only one of them counts as DynamoDB does.
    assert!(!is_embedded() || each.windows(2).all(|pair| pair[1] < pair[0]), "{each:?}");
    assert!(each[5] < ONE_OF_MANY, "{each:?}");
    world.idle(&account("alice")).await;
}

#[tokio::test]
async fn deposits_that_queue_one_by_one_cost_one_write_each_and_one_transaction() {
    let world = bank().await;
    world.host.store().take();
    for _ in 0..9 {
        let reply = world.post_async("/accounts/alice/deposit", &json!({"amount": 1}).to_string()).await;
        assert_eq!(reply.status, 202, "{reply:?}");
    }
    assert_eq!(world.deposit("alice", 1).await.status, 200);
    let total = world.host.store().take();
    println!("10 deposits that queue: {total:?}");
    assert_eq!((total.writes, total.reads), (11, 0));
    // Alone they would cost fifty.
    assert!(total.write < 30.0, "{total:?}");
    assert_eq!(world.version("alice").await, 12);
}
