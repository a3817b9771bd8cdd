//! Transfers: money arrives once or comes back once, whoever repeats what and whatever dies; and at every point in time
//! all of it is somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::app;
use futures::future::join_all;
use serde_json::{Value, json};
use shared::client::{Mode, Submission};
use shared::envelope::EntityId;
use shared::host::ReadHost;

use crate::accounts::insistent::{Insistent, Town};
use crate::accounts::snapshot::snapshot;
use crate::accounts::{account, transferring, types};
use crate::chance::{Chance, seed};
use crate::drive::LEASE_OVER;
use crate::problems::{is_absent, problem};
use crate::stalled::Stalled;
use crate::world::{Reply, World};
use testing::faults::Fault;

/// The ring: so many open accounts, and one that never was opened.
const RING: usize = 8;
/// What each of them begins with.
const EACH: i64 = 1_000;
const CLIENTS: usize = 12;
/// Transfers of one client.
const TRANSFERS: usize = 30;

/// Where a transfer stands, over HTTP.
async fn tracked(world: &World, id: &Value) -> Reply {
    let tracked = world.get(&format!("/transfers/{}", id.as_str().unwrap())).await;
    assert_eq!((tracked.status, &tracked.body["transfer_id"]), (200, id), "{tracked:?}");
    tracked
}

async fn bank() -> World {
    let world = World::new().await;
    world.open_account("alice", 100).await;
    world.open_account("bob", 0).await;
    world
}

/// Sends money around the ring, and brings the ids of the transfers with their amounts.
async fn run(mut client: Insistent, name: usize) -> Vec<(String, u64)> {
    let mut sent = Vec::new();
    for number in 0..TRANSFERS {
        let from = client.chance.below(RING);
        let to = if client.chance.below(8) == 0 { RING } else { (from + 1) % RING };
        let amount = 1 + client.chance.below(200);
        let body = transferring(&format!("r{from}"), &format!("r{to}"), i64::try_from(amount).unwrap());
        let reply = client.post("/transfers", &format!("{name}-{number}"), &body).await;
        match reply.status {
            422 => assert_eq!(problem(&reply), "insufficient-funds"),
            _ => sent.push((reply.body["transfer_id"].as_str().unwrap().to_owned(), amount as u64)),
        }
    }
    sent
}

/// Takes snapshots until it is told that the test is done; brings how many showed money on its way.
async fn watch(world: Arc<World>, ring: Vec<EntityId>, done: Arc<AtomicBool>) -> (usize, usize, usize) {
    let (mut all, mut under_way, mut absorbed) = (0, 0, 0);
    while !done.load(Ordering::Relaxed) {
        let look = snapshot(&world, &ring).await;
        assert_eq!(look.sum(), RING as u128 * EACH as u128, "{look:?}");
        all += 1;
        under_way += usize::from(!look.under_way.is_empty());
        absorbed += usize::from(look.done > 0);
    }
    (all, under_way, absorbed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_every_snapshot_of_a_ring_all_the_money_is_there() {
    let seed = seed("LEASEBOX_SEED");
    println!("LEASEBOX_SEED={seed}");
    let mut chance = Chance::new(seed);
    let town = Town::new(&mut chance).await;
    let ring: Vec<EntityId> = (0..=RING).map(|index| account(&format!("r{index}"))).collect();
    for id in &ring[..RING] {
        town.worlds[0].open_account(id.id(), EACH).await;
    }
    let done = Arc::new(AtomicBool::new(false));
    let watcher = tokio::spawn(watch(Arc::clone(&town.worlds[1]), ring.clone(), Arc::clone(&done)));
    let clients: Vec<_> = (0..CLIENTS).map(|name| tokio::spawn(run(town.client(name, &mut chance), name))).collect();
    let sent: BTreeMap<String, u64> = join_all(clients).await.into_iter().flat_map(Result::unwrap).collect();
    let killed = town.killed.load(Ordering::Relaxed);
    let world = town.finish().await;
    done.store(true, Ordering::Relaxed);
    let (all, under_way, absorbed) = watcher.await.unwrap();

    let rest = snapshot(&world, &ring).await;
    assert_eq!((rest.held, rest.under_way.len(), rest.done), (RING as u128 * EACH as u128, 0, 0), "{rest:?}");
    let statuses = settle(&world, &sent).await;
    println!(
        "{} transfers, {statuses:?}, {killed} killed; {all} snapshots, {under_way} with money on its way, {absorbed} with \
         what had had its effect, LEASEBOX_SEED={seed}",
        sent.len()
    );
    assert!(killed > 5 && all > 50 && under_way > 10, "LEASEBOX_SEED={seed}");
}

/// Asserts that every transfer has ended, as the journals of both accounts say; brings how often each way.
async fn settle(world: &World, sent: &BTreeMap<String, u64>) -> BTreeMap<String, usize> {
    let (mut out, mut r#in) = (BTreeSet::new(), BTreeSet::new());
    for index in 0..RING {
        let id = format!("r{index}");
        world.verified(&id).await;
        world.idle(&account(&id)).await;
        for event in world.journal(&id).await {
            let Some(transfer) = event["payload"]["transfer"]["id"].as_str() else { continue };
            let seen = if event["type"] == "MoneyWithdrawn" { &mut out } else { &mut r#in };
            assert!(seen.insert(transfer.to_owned()), "{transfer} is in a journal twice");
            // Where the money came in tells how it ended.
            let own = event["type"] == "MoneyDeposited" && transfer.starts_with(&format!("{id}~"));
            let expected = if own || event["payload"]["transfer"]["to"] == json!(format!("r{RING}")) {
                "refunded"
            } else {
                "completed"
            };
            let status = tracked(world, &json!(transfer)).await;
            assert_eq!((&status.body["status"], &status.body["amount"]), (&json!(expected), &json!(sent[transfer])));
        }
    }
    let all: BTreeSet<String> = sent.keys().cloned().collect();
    assert_eq!((&out, &r#in), (&all, &all));
    let mut statuses = BTreeMap::new();
    for id in sent.keys() {
        let status = tracked(world, &json!(id)).await.body["status"].as_str().unwrap().to_owned();
        *statuses.entry(status).or_insert(0) += 1;
    }
    assert!(statuses.keys().eq(["completed", "refunded"]), "{statuses:?}");
    statuses
}

#[tokio::test]
async fn a_transfer_takes_and_brings_and_is_in_both_journals() {
    let world = bank().await;
    let reply = world.transfer("alice", "bob", 30).await;
    assert_eq!((reply.status, &reply.body["status"]), (200, &json!("completed")), "{reply:?}");
    assert_eq!(reply.headers["location"], format!("/transfers/{}", reply.body["transfer_id"].as_str().unwrap()));
    let transfer = json!({"id": reply.body["transfer_id"], "from": "alice", "to": "bob", "amount": 30});
    for (id, r#type) in [("alice", "MoneyWithdrawn"), ("bob", "MoneyDeposited")] {
        let journal = world.journal(id).await;
        assert_eq!(types(&journal), ["AccountOpened", r#type]);
        assert_eq!(journal[1]["payload"], json!({"amount": 30, "transfer": transfer}));
        world.verified(id).await;
    }
    assert_eq!((world.balance("alice").await, world.balance("bob").await), (json!(70), json!(30)));
    assert_eq!(tracked(&world, &reply.body["transfer_id"]).await.body, reply.body);
}

#[tokio::test]
async fn what_an_account_that_is_not_open_is_sent_comes_back() {
    let world = bank().await;
    let reply = world.transfer("alice", "nobody", 30).await;
    assert_eq!((reply.status, &reply.body["status"]), (200, &json!("refunded")), "{reply:?}");
    assert_eq!(reply.body["rejection"]["reason"], "account-not-open", "{reply:?}");
    assert_eq!(tracked(&world, &reply.body["transfer_id"]).await.body, reply.body);
    assert_eq!(world.balance("alice").await, json!(100));
    let journal = world.journal("alice").await;
    assert_eq!(types(&journal), ["AccountOpened", "MoneyWithdrawn", "MoneyDeposited"]);
    assert_eq!(journal[1]["payload"], journal[2]["payload"]);
    assert!(world.journal_items("nobody").await.is_empty());
    world.verified("alice").await;

    // It can be opened all the same, and then it takes what it is sent.
    world.open_account("nobody", 5).await;
    assert_eq!(world.transfer("alice", "nobody", 30).await.body["status"], "completed");
    assert_eq!((world.balance("nobody").await, world.version("nobody").await), (json!(35), 2));
    world.verified("nobody").await;
}

#[tokio::test]
async fn what_a_full_account_is_sent_comes_back() {
    let world = bank().await;
    world.open_account("full", i64::MAX - 10).await;
    assert_eq!(world.transfer("alice", "full", 10).await.body["status"], "completed");
    let reply = world.transfer("alice", "full", 1).await;
    assert_eq!((reply.status, &reply.body["status"]), (200, &json!("refunded")), "{reply:?}");
    assert_eq!(reply.body["rejection"]["reason"], "balance-overflow", "{reply:?}");
    assert_eq!((world.balance("alice").await, world.balance("full").await), (json!(90), json!(i64::MAX)));
    assert_eq!(world.version("full").await, 2);
    for id in ["alice", "full"] {
        world.verified(id).await;
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_sent() {
    let world = bank().await;
    let reply = world.transfer("alice", "bob", 101).await;
    assert_eq!((reply.status, problem(&reply)), (422, "insufficient-funds"), "{reply:?}");
    assert_eq!((&reply.body["balance"], &reply.body["requested"]), (&json!(100), &json!(101)));
    let itself = world.transfer("alice", "alice", 1).await;
    assert_eq!((itself.status, problem(&itself)), (400, "transfer-to-itself"), "{itself:?}");
    assert_eq!((world.version("alice").await, world.version("bob").await), (1, 1));
    // Who holds its id is told why, as long as somebody remembers.
    let id = json!(format!("alice~{}", reply.body["event_id"].as_str().unwrap()));
    let refused = tracked(&world, &id).await;
    assert_eq!((&refused.body["status"], &refused.body["from"]), (&json!("rejected"), &json!("alice")), "{refused:?}");
    assert_eq!(refused.body["rejection"]["reason"], "insufficient-funds", "{refused:?}");
}

#[tokio::test]
async fn one_key_is_one_transfer_however_often_and_however_concurrently_it_is_sent() {
    let world = bank().await;
    let other = world.again(app::registry());
    let body = transferring("alice", "bob", 30);
    let posts = (0..12).map(|index| [&world, &other][index % 2].post_keyed("k", "/transfers", &body));
    let replies = join_all(posts).await;
    world.work_off().await;
    for reply in &replies {
        assert_eq!((reply.status, &reply.body["transfer_id"]), (200, &replies[0].body["transfer_id"]), "{reply:?}");
    }
    let again = world.post_keyed("k", "/transfers", &body).await;
    assert_eq!((again.status, &again.body["status"]), (200, &json!("completed")), "{again:?}");
    assert_eq!(
        (&again.body["transfer_id"], &again.headers["idempotency-replayed"]),
        (&replies[0].body["transfer_id"], &"true".parse().unwrap())
    );
    assert_eq!((world.balance("alice").await, world.balance("bob").await), (json!(70), json!(30)));
    assert_eq!((world.version("alice").await, world.version("bob").await), (2, 2));
    let reused = world.post_keyed("k", "/transfers", &transferring("alice", "bob", 31)).await;
    assert_eq!((reused.status, problem(&reused)), (422, "idempotency-key-reused"), "{reused:?}");
}

#[tokio::test]
async fn every_id_that_a_repeated_key_was_given_leads_to_the_one_transfer() {
    let world = bank().await;
    let body = transferring("alice", "bob", 30);
    let headers = [("idempotency-key", "k"), ("prefer", "respond-async")];
    let mut ids = Vec::new();
    for _ in 0..3 {
        let reply = world.http("POST", "/transfers", &headers, &body).await;
        assert_eq!((reply.status, &reply.body["status"]), (202, &json!("queued")), "{reply:?}");
        assert_eq!(tracked(&world, &reply.body["transfer_id"]).await.body["status"], "queued");
        ids.push(reply.body["transfer_id"].clone());
    }
    world.work_off().await;
    assert_eq!((world.balance("alice").await, world.balance("bob").await), (json!(70), json!(30)));
    for id in &ids {
        let found = world.get(&format!("/transfers/{}", id.as_str().unwrap())).await;
        assert_eq!((found.status, &found.body["status"]), (200, &json!("completed")), "{found:?}");
        assert_eq!(found.body["transfer_id"], ids[0], "the one that had the effect");
    }
}

#[tokio::test]
async fn a_receiver_that_somebody_else_holds_gets_its_money_later() {
    let world = bank().await;
    let holder = Stalled::at(&world, &account("bob"), &json!({"type": "deposit", "amount": 1})).await;
    let headers = [("prefer", "wait=0")];
    let reply = world.http("POST", "/transfers", &headers, &transferring("alice", "bob", 30)).await;
    assert_eq!((reply.status, &reply.body["status"]), (202, &json!("debited")), "{reply:?}");
    let id = &reply.body["transfer_id"];
    assert_eq!(reply.headers["location"], format!("/transfers/{}", id.as_str().unwrap()));
    assert_eq!(tracked(&world, id).await.body["status"], "debited");
    assert_eq!((world.balance("alice").await, world.balance("bob").await), (json!(70), json!(0)));
    holder.go_on().await;
    assert_eq!(tracked(&world, id).await.body["status"], "completed");
    assert_eq!(world.balance("bob").await, json!(31));
    assert_eq!(world.version("bob").await, 3);
}

#[tokio::test]
async fn a_receiver_whose_holder_is_dead_gets_its_money_when_the_lease_is_over() {
    let world = bank().await;
    let victim = world.again(app::registry());
    victim.faults.arm(1, Fault::DiesBefore);
    assert!(victim.until_death(victim.deposit("bob", 1)).await.is_none());
    let headers = [("prefer", "wait=0")];
    let reply = world.http("POST", "/transfers", &headers, &transferring("alice", "bob", 30)).await;
    assert_eq!((reply.status, &reply.body["status"]), (202, &json!("debited")), "{reply:?}");
    assert!(world.work_off().await <= LEASE_OVER);
    assert_eq!(tracked(&world, &reply.body["transfer_id"]).await.body["status"], "completed");
    assert_eq!(world.balance("bob").await, json!(31));
}

#[tokio::test]
async fn a_receiver_that_cannot_be_read_makes_no_error_of_money_that_has_left() {
    let world = bank().await;
    let cut_off = world.again(app::registry());
    cut_off.faults.break_entity(&account("bob"));
    let reply = cut_off.transfer("alice", "bob", 30).await;
    assert_eq!((reply.status, &reply.body["status"]), (202, &json!("debited")), "{reply:?}");
    world.work_off().await;
    assert_eq!(tracked(&world, &reply.body["transfer_id"]).await.body["status"], "completed");
    assert_eq!((world.balance("alice").await, world.balance("bob").await), (json!(70), json!(30)));
}

#[tokio::test]
async fn a_credit_that_is_delivered_again_and_again_counts_once() {
    let world = bank().await;
    let (alice, bob) = (account("alice"), account("bob"));
    let victim = world.again(app::registry());
    // Post and commit; the delivery is never made.
    victim.faults.arm(2, Fault::DiesBefore);
    assert!(victim.until_death(victim.transfer("alice", "bob", 30)).await.is_none());
    let credit = [world.mailbox(&alice).await.outbox[0].draft(&alice)];
    for round in 0..4 {
        let (deadline, mode) = (world.deadline(), if round % 2 == 0 { Mode::Inline } else { Mode::Detached });
        let submission = Submission { entity: &bob, drafts: &credit, mode, wait_ms: 0, deadline };
        world.client.submit(submission).await.unwrap();
        let look = snapshot(&world, &[alice.clone(), bob.clone()]).await;
        assert_eq!((look.sum(), look.under_way.len()), (100, 0), "{look:?}");
    }
    world.work_off().await;
    assert_eq!((world.balance("alice").await, world.balance("bob").await), (json!(70), json!(30)));
    assert_eq!((world.version("alice").await, world.version("bob").await), (2, 2));
    world.settled(&["alice", "bob"]).await;
}

#[tokio::test]
async fn a_transfer_that_was_never_made_is_not_known() {
    let world = bank().await;
    let event = "9-000102030405060708090a0b";
    for id in ["x", "~", "alice", "alice~", &format!("nobody~{event}"), &format!("alice~{event}"), "alice~0-00"] {
        world.host.store().take();
        let reply = world.get(&format!("/transfers/{id}")).await;
        assert_eq!((reply.status, problem(&reply)), (404, "unknown-transfer"), "{id}: {reply:?}");
    }
    let blank = world.get("/transfers/%20").await;
    assert_eq!((blank.status, problem(&blank)), (400, "invalid-request"));
    // Neither is what was no transfer.
    let receipt = world.post_keyed("k", "/entities/account/alice/events", r#"{"type":"deposit","amount":1}"#).await;
    let id = format!("/transfers/alice~{}", receipt.body["event_id"].as_str().unwrap());
    assert_eq!(problem(&world.get(&id).await), "unknown-transfer");
    assert!(is_absent(&world, &account("nobody")).await);
}
