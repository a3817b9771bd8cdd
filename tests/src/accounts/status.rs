//! Where a transfer stands when the process that makes it dies, at every store call from its post to its end; and that
//! another process brings it to its end, once.

use crate::app;
use kinds::account::{Command, TransferId};
use serde_json::{Value, json};
use shared::actor::{Actor, Event, Fault as Failure, Turn};
use shared::envelope::EventId;
use shared::host::ReadHost;
use shared::registry::{Kind, Registry};

use crate::accounts::snapshot::snapshot;
use crate::accounts::{account, transferring};
use crate::drive::LEASE_OVER;
use crate::world::World;
use testing::faults::Fault;

/// What happens at a call.
const FAULTS: [Fault; 6] =
    [Fault::DiesBefore, Fault::DiesAfter, Fault::DiesAfterReply, Fault::AnswerLost, Fault::Twice, Fault::TwiceLate];

/// Where a transfer stands before each of its calls: the payer's post and commit, the delivery and its settling, the
/// receiver's look for a receipt and its commit, and the look at where the transfer stands.
const COMPLETED: [&str; 7] = ["", "queued", "debited", "debited", "debited", "debited", "completed"];
/// The same when the receiver refuses: it delivers and settles too, the payer looks for a receipt and commits, and both
/// records are looked at.
const REFUNDED: [&str; 12] = [
    "",
    "queued",
    "debited",
    "debited",
    "debited",
    "debited",
    "refunding",
    "refunding",
    "refunding",
    "refunding",
    "refunded",
    "refunded",
];

/// The transfer of an account that has made one, from its mailbox alone.
async fn made(world: &World, payer: &str) -> Option<String> {
    let mailbox = world.mailbox(&account(payer)).await;
    // The opening was the first event, so the transfer is the second.
    let recent = mailbox.recents().find(|(sequence, _)| *sequence == 2).map(|(_, recent)| recent.id);
    let id = recent.or_else(|| mailbox.queue.first().map(|envelope| envelope.id))?;
    Some(TransferId { from: account(payer), event: EventId { sequence: 2, id } }.to_string())
}

async fn status(world: &World, transfer: &str) -> Value {
    let tracked = world.get(&format!("/transfers/{transfer}")).await;
    assert_eq!(tracked.status, 200, "{transfer}: {tracked:?}");
    let rejected = ["refunding", "refunded"].contains(&tracked.body["status"].as_str().unwrap());
    assert_eq!(tracked.body.get("rejection").is_some(), rejected, "{tracked:?}");
    assert_eq!((&tracked.body["amount"], &tracked.body["from"]), (&json!(30), &json!(transfer.split('~').next())));
    tracked.body["status"].clone()
}

/// Plays a transfer whose process has a fault at one call, before which it stands as `before`.
async fn play(world: &World, open: bool, call: usize, fault: Fault, stands: &[&str]) {
    let name = format!("{call}-{fault:?}").to_lowercase();
    let (payer, receiver) = (format!("payer-{name}"), format!("receiver-{name}"));
    world.open_account(&payer, 100).await;
    if open {
        world.open_account(&receiver, 0).await;
    }
    world.records.take();
    let both = [account(&payer), account(&receiver)];
    let victim = world.again(app::registry());
    victim.faults.arm(u32::try_from(call).unwrap(), fault);
    let reply = victim.until_death(victim.transfer(&payer, &receiver, 30)).await;
    assert!(victim.faults.have_struck(), "{name}");
    let last = stands.len() - 1;
    let expected = match fault {
        Fault::DiesBefore => stands[call],
        Fault::DiesAfter | Fault::DiesAfterReply => stands[(call + 1).min(last)],
        _ => stands[last],
    };
    assert_eq!(snapshot(world, &both).await.sum(), 100, "{name}");
    match made(world, &payer).await {
        Some(transfer) => assert_eq!(status(world, &transfer).await, expected, "{name}"),
        None => assert_eq!(expected, "", "{name}"),
    }
    if let Some(reply) = reply {
        assert_eq!((reply.status, &reply.body["status"]), (200, &json!(stands[last])), "{name}: {reply:?}");
    }

    let rescuer = world.again(app::registry());
    assert!(rescuer.work_off().await <= 2 * LEASE_OVER);
    if fault == Fault::TwiceLate {
        assert!(victim.host.store().inner().repeat().await);
        rescuer.work_off().await;
    }
    let (paid, events) = match (expected, open) {
        // It was never made.
        ("", _) => (0, [1, usize::from(open)]),
        (_, true) => (30, [2, 2]),
        (_, false) => (0, [3, 0]),
    };
    if let Some(transfer) = made(world, &payer).await {
        assert_eq!(status(world, &transfer).await, stands[last], "{name}");
    }
    assert_eq!(world.balance(&payer).await, json!(100 - paid), "{name}");
    world.verified(&payer).await;
    assert_eq!(world.journal(&payer).await.len(), events[0], "{name}");
    if open {
        assert_eq!(world.balance(&receiver).await, json!(paid), "{name}");
        world.verified(&receiver).await;
        assert_eq!(world.journal(&receiver).await.len(), events[1], "{name}");
    }
    world.settled(&[&payer, &receiver]).await;
    assert_eq!(snapshot(world, &both).await.under_way.len(), 0, "{name}");
}

async fn sweep(open: bool, stands: &[&str]) {
    let world = World::new().await;
    let undisturbed = world.again(app::registry());
    undisturbed.open_account("payer", 100).await;
    if open {
        undisturbed.open_account("receiver", 0).await;
    }
    undisturbed.faults.arm(u32::MAX, Fault::DiesBefore);
    assert_eq!(undisturbed.transfer("payer", "receiver", 30).await.body["status"], stands[stands.len() - 1]);
    assert_eq!(undisturbed.faults.calls() as usize, stands.len());
    for call in 0..stands.len() {
        for fault in FAULTS {
            println!("call {call} of {}, {fault:?}", stands.len());
            play(&world, open, call, fault, stands).await;
        }
    }
}

#[tokio::test]
async fn a_transfer_that_arrives() {
    sweep(true, &COMPLETED).await;
}

#[tokio::test]
async fn a_transfer_that_comes_back() {
    sweep(false, &REFUNDED).await;
}

/// An account of a program with a bug: it can process nothing.
struct Broken;

impl Actor for Broken {
    const KIND: &'static str = "account";
    type State = Value;
    type Command = Command;
    type Reply = Value;

    fn handle(_: &Value, _: &Event<'_, Command>) -> Result<Turn<Self>, Failure> {
        Err(Failure::new("the program is broken"))
    }
}

#[tokio::test]
async fn a_transfer_that_the_payer_cannot_process_has_failed() {
    let world = World::new().await;
    world.open_account("alice", 100).await;
    let broken = world.again(Registry::new([Kind::of::<Broken>()]));
    let reply = broken.transfer("alice", "bob", 30).await;
    assert_eq!(reply.status, 500, "{reply:?}");
    let transfer = format!("/transfers/alice~{}", reply.body["event_id"].as_str().unwrap());
    let failed = world.get(&transfer).await;
    assert_eq!((failed.status, &failed.body["status"]), (200, &json!("failed")), "{failed:?}");
    assert!(failed.body["cause"].as_str().unwrap().contains("the program is broken"), "{failed:?}");
    assert_eq!((world.balance("alice").await, world.version("alice").await), (json!(100), 1));
    // Once the program is mended, an operator redrives it; then another event stands for it.
    let path = "/operator/dead-letters/account/alice/redrive";
    assert_eq!(world.http("POST", path, &crate::world::OPERATOR, "").await.status, 200);
    world.work_off().await;
    assert_eq!(world.balance("alice").await, json!(100), "bob is not open, so it came back");
    assert_eq!(world.journal("alice").await.len(), 3);
    world.verified("alice").await;
}

#[tokio::test]
async fn a_transfer_that_waits_is_queued_and_one_that_is_refused_says_why() {
    let world = World::new().await;
    world.open_account("alice", 100).await;
    let queued = world.post_async("/transfers", &transferring("alice", "bob", 101)).await;
    assert_eq!((queued.status, &queued.body["status"]), (202, &json!("queued")), "{queued:?}");
    let location = queued.headers["location"].to_str().unwrap();
    let early = world.get(location).await;
    assert_eq!((early.status, &early.body), (200, &queued.body));
    assert_eq!((&early.body["to"], &early.body["amount"]), (&json!("bob"), &json!(101)));
    world.work_off().await;
    let refused = world.get(location).await;
    assert_eq!((refused.status, &refused.body["status"]), (200, &json!("rejected")), "{refused:?}");
    assert_eq!(refused.body["rejection"]["values"], json!({"balance": 100, "requested": 101}), "{refused:?}");
    // Without a key a refusal is remembered for a while only; nothing has moved, and the answer says so.
    for _ in 0..30 {
        world.deposit("alice", 1).await;
    }
    let forgotten = world.get(location).await;
    assert_eq!((forgotten.status, crate::problems::problem(&forgotten)), (404, "unknown-transfer"), "{forgotten:?}");
}
