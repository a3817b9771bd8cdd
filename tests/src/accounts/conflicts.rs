//! A hot account on a table where a third of all requests meets another transaction: DynamoDB refuses posts and commits
//! alike, and nobody who uses the account hears of it.

use std::sync::Arc;
use std::time::Duration;

use crate::app;
use futures::future::join_all;
use serde_json::json;
use shared::limits::Settings;

use crate::accounts::{account, events_of};
use crate::chance::{Chance, seed};
use crate::connector::{Fate, Wire};
use crate::world::World;

const CLIENTS: usize = 12;
/// Deposits of each client.
const DEPOSITS: usize = 20;
/// Transfers of each of two accounts to the other: so many that they meet conflicts however few of their steps it takes.
const TRANSFERS: u64 = 60;

/// Pays in so often, every other time with a key; brings what was paid in. Only 200 and 202 are answers.
async fn pay_in(world: Arc<World>, client: usize) -> u64 {
    let mut paid = 0;
    for number in 0..DEPOSITS {
        let amount = 1 + (client + number) as u64;
        let key = format!("{client}-{number}");
        let mut headers = Vec::from_iter((number % 2 == 0).then_some(("idempotency-key", key.as_str())));
        if number % 5 == 0 {
            headers.push(("prefer", "respond-async"));
        }
        let body = json!({"amount": amount}).to_string();
        let reply = world.http("POST", "/accounts/hot/deposit", &headers, &body).await;
        assert!([200, 202].contains(&reply.status), "{reply:?}");
        paid += amount;
        if number % 4 == 0 {
            // With a key once more is once, even at once.
            let (one, two) = tokio::join!(
                world.http("POST", "/accounts/hot/deposit", &headers, &body),
                world.http("POST", "/accounts/hot/deposit", &headers, &body)
            );
            assert!([one.status, two.status].iter().all(|status| [200, 202].contains(status)), "{one:?} {two:?}");
        }
    }
    paid
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hot_account_moves_on_however_often_transactions_are_in_its_way() {
    let seed = seed("LEASEBOX_SEED");
    println!("LEASEBOX_SEED={seed}");
    let wire = Wire::new(Duration::from_secs(5));
    let one = Arc::new(World::wired(&wire, app::registry(), Settings::default()).await);
    let two = Arc::new(one.again(app::registry()));
    one.open_account("hot", 0).await;
    wire.roll_one(Chance::new(seed), Fate::Conflict, 3);
    let clients = (0..CLIENTS).map(|client| tokio::spawn(pay_in(Arc::clone([&one, &two][client % 2]), client)));
    let clients: Vec<_> = clients.collect();
    let paid: u64 = join_all(clients).await.into_iter().map(Result::unwrap).sum();
    wire.calm().await;
    one.work_off().await;
    let (met, requests) = (wire.met(Fate::Conflict), wire.requests());
    println!("{met} of {requests} requests met a conflict, LEASEBOX_SEED={seed}");
    assert!(met * 4 > requests && met > 100, "LEASEBOX_SEED={seed}: {met} of {requests}");
    assert_eq!(one.balance("hot").await, json!(paid), "LEASEBOX_SEED={seed}");
    assert_eq!(one.version("hot").await as usize, 1 + CLIENTS * DEPOSITS, "LEASEBOX_SEED={seed}");
    let journal = one.journal("hot").await;
    let amounts = journal.iter().skip(1).map(|event| event["payload"]["amount"].as_u64().unwrap());
    assert_eq!(amounts.sum::<u64>(), paid, "LEASEBOX_SEED={seed}");
    one.verified("hot").await;
    let mailbox = one.idle(&account("hot")).await;
    assert_eq!((mailbox.attempts, mailbox.strikes), (0, 0), "a conflict is nobody's death");
    assert!(one.stored(&account("hot"), "dead#").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_arrive_however_often_transactions_are_in_their_way() {
    let seed = seed("LEASEBOX_SEED");
    println!("LEASEBOX_SEED={seed}");
    let wire = Wire::new(Duration::from_secs(5));
    let world = Arc::new(World::wired(&wire, app::registry(), Settings::default()).await);
    for id in ["left", "right"] {
        world.open_account(id, 1_000).await;
    }
    wire.roll_one(Chance::new(seed), Fate::Conflict, 3);
    let sends = (0..2 * TRANSFERS).map(|index| {
        let world = Arc::clone(&world);
        let (from, to) = if index % 2 == 0 { ("right", "left") } else { ("left", "right") };
        tokio::spawn(async move {
            let command = json!({"type": "transfer", "to": to, "amount": 1 + index % 2});
            let reply = world.post(&events_of(from), &command.to_string()).await;
            assert!([200, 202].contains(&reply.status), "{reply:?}");
        })
    });
    let sends: Vec<_> = sends.collect();
    join_all(sends).await.into_iter().for_each(Result::unwrap);
    wire.calm().await;
    world.work_off().await;
    assert!(wire.met(Fate::Conflict) > 20, "LEASEBOX_SEED={seed}: {}", wire.met(Fate::Conflict));
    let balances = [world.balance("left").await, world.balance("right").await].map(|balance| balance.as_u64());
    // Each pays one to the left or two to the right.
    let left = 1_000 + TRANSFERS - 2 * TRANSFERS;
    assert_eq!(balances, [Some(left), Some(2_000 - left)], "LEASEBOX_SEED={seed}");
    for id in ["left", "right"] {
        world.verified(id).await;
        let journal = world.journal(id).await;
        let ids: std::collections::HashSet<&str> = journal
            .iter()
            .filter_map(|event| event["payload"].get("transfer"))
            .map(|transfer| transfer["id"].as_str().unwrap())
            .collect();
        assert_eq!([journal.len() - 1, ids.len()], [2 * TRANSFERS as usize; 2]);
    }
    world.settled(&["left", "right"]).await;
}
