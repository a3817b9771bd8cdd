//! The crash sweep of what keeps a journal: deposits and transfers, with every fault at every store call of theirs, until
//! a fresh process has finished the work from the stream's records and its own wakes.

use crate::app;
use kinds::account::KIND;
use serde_json::{Value, json};
use shared::host::ReadHost;

use crate::crash::{FAULTS, everywhere, lives};
use crate::drive::LEASE_OVER;
use crate::world::{Reply, World, entity};
use testing::faults::Fault;

/// What the process that dies was about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// A deposit without a key.
    Deposit,
    /// A deposit with one.
    Keyed,
    /// A transfer that arrives.
    Transfer,
    /// A transfer to an account that is not open.
    Refund,
}

/// Every scene, with the number of its store calls: were it smaller, something would not be swept.
const SCENES: [(Scene, u32); 4] = [(Scene::Deposit, 2), (Scene::Keyed, 3), (Scene::Transfer, 8), (Scene::Refund, 13)];

/// Crash points in all.
const POINTS: usize = 156;

/// The two accounts of one crash point.
struct Cast {
    payer: String,
    payee: String,
}

impl Cast {
    fn new(id: &str) -> Self {
        Self { payer: format!("payer-{id}"), payee: format!("payee-{id}") }
    }
}

impl Scene {
    fn is_transfer(self) -> bool {
        matches!(self, Self::Transfer | Self::Refund)
    }

    async fn prepare(self, world: &World, cast: &Cast) {
        let open = |id: &str| format!("/accounts/{id}/open");
        assert_eq!(world.post(&open(&cast.payer), r#"{"owner":"P","initial_balance":100}"#).await.status, 200);
        if self != Self::Refund {
            assert_eq!(world.post(&open(&cast.payee), r#"{"owner":"Q","initial_balance":0}"#).await.status, 200);
        }
    }

    async fn act(self, process: &World, cast: &Cast) -> Reply {
        let key = [("idempotency-key", "the-key")];
        let headers: &[(&str, &str)] = if self == Self::Deposit { &[] } else { &key };
        if self.is_transfer() {
            let body = json!({"from": cast.payer, "to": cast.payee, "amount": 30});
            return process.http("POST", "/transfers", headers, &body.to_string()).await;
        }
        process.http("POST", &format!("/accounts/{}/deposit", cast.payer), headers, r#"{"amount":30}"#).await
    }

    /// What the journals of payer and payee come to: the change of the balance by each event.
    fn journals(self) -> (&'static [i64], &'static [i64]) {
        match self {
            Self::Deposit | Self::Keyed => (&[100, 30], &[0]),
            Self::Transfer => (&[100, -30], &[0, 30]),
            Self::Refund => (&[100, -30, 30], &[]),
        }
    }
}

fn process(world: &World) -> World {
    world.again(app::registry())
}

/// The changes that an account's journal tells of.
async fn changes(world: &World, account: &str) -> Vec<i64> {
    let reply = world.get(&format!("/accounts/{account}/events")).await;
    let change = |event: &Value| {
        let amount = |name: &str| event["payload"][name].as_i64().unwrap();
        match event["type"].as_str() {
            Some("AccountOpened") => amount("initial_balance"),
            Some("MoneyDeposited") => amount("amount"),
            Some("MoneyWithdrawn") => -amount("amount"),
            other => panic!("{other:?}"),
        }
    };
    reply.body["items"].as_array().map(|items| items.iter().map(change).collect()).unwrap_or_default()
}

async fn check(world: &World, scene: Scene, cast: &Cast) {
    let (paid, received) = scene.journals();
    for (account, expected) in [(&cast.payer, paid), (&cast.payee, received)] {
        assert_eq!(changes(world, account).await, expected, "{account}");
        if expected.is_empty() {
            continue;
        }
        let reply = world.get(&format!("/accounts/{account}")).await;
        assert_eq!(reply.body["balance"], json!(expected.iter().sum::<i64>()), "{account}");
        assert_eq!(reply.body["version"], json!(expected.len()), "{account}");
        assert_eq!(world.get(&format!("/accounts/{account}/verify")).await.body["consistent"], true, "{account}");
        world.idle(&entity(KIND, account)).await;
    }
    if scene == Scene::Deposit {
        return;
    }
    let again = scene.act(world, cast).await;
    assert_eq!((again.status, &again.headers["idempotency-replayed"]), (200, &"true".parse().unwrap()));
    assert_eq!(changes(world, &cast.payer).await, paid);
    if scene.is_transfer() {
        let status = if scene == Scene::Transfer { "completed" } else { "refunded" };
        assert_eq!(again.body["status"], status);
        let stands = world.get(&format!("/transfers/{}", again.body["transfer_id"].as_str().unwrap())).await;
        assert_eq!((stands.status, &stands.body["status"]), (200, &json!(status)));
    }
}

async fn play(world: &World, scene: Scene, call: u32, calls: u32, fault: Fault) {
    let cast = Cast::new(&format!("{call}-{fault:?}"));
    scene.prepare(&process(world), &cast).await;
    // What the scene leaves in the stream must do, without what was there before.
    world.records.take();

    let victim = process(world);
    victim.faults.arm(call, fault);
    let ended = victim.until_death(scene.act(&victim, &cast)).await;
    assert!(victim.faults.have_struck());
    assert_eq!(ended.is_some(), lives(fault, call + 1 == calls));
    if fault == Fault::Twice {
        victim.host.store().inner().repeat().await;
    }

    let rescuer = process(world);
    if scene != Scene::Deposit || (call == 0 && fault == Fault::DiesBefore) {
        // Its poster was told nothing, so it posts again.
        let again = scene.act(&rescuer, &cast).await;
        assert!([200, 202].contains(&again.status), "{again:?}");
    }
    let passed = rescuer.work_off().await;
    assert!(passed <= LEASE_OVER * 2, "it took {passed} ms");
    if fault == Fault::TwiceLate {
        assert!(victim.host.store().inner().repeat().await);
        rescuer.work_off().await;
    }
    check(&rescuer, scene, &cast).await;
    if let Some(reply) = ended {
        assert!([200, 202].contains(&reply.status), "{reply:?}");
    }
}

/// Every call of the scene, with every fault.
async fn sweep(scene: Scene) {
    let calls = SCENES.iter().find(|(known, _)| *known == scene).map(|(_, calls)| *calls).unwrap();
    let world = World::new().await;
    let cast = Cast::new("undisturbed");
    scene.prepare(&process(&world), &cast).await;
    let undisturbed = process(&world);
    assert_eq!(scene.act(&undisturbed, &cast).await.status, 200);
    assert_eq!(undisturbed.faults.calls(), calls, "{scene:?}");
    everywhere(&world, calls, async |world, call, fault| play(&world, scene, call, calls, fault).await).await;
}

#[test]
fn the_crash_points_are_all_there() {
    let calls: u32 = SCENES.iter().map(|(_, calls)| calls).sum();
    assert_eq!(calls as usize * FAULTS.len(), POINTS);
}

#[tokio::test]
async fn a_deposit() {
    sweep(Scene::Deposit).await;
}

#[tokio::test]
async fn a_keyed_deposit() {
    sweep(Scene::Keyed).await;
}

#[tokio::test]
async fn a_transfer() {
    sweep(Scene::Transfer).await;
}

#[tokio::test]
async fn a_transfer_that_comes_back() {
    sweep(Scene::Refund).await;
}
