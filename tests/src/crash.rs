//! The crash sweep: at every store call of every step the process dies before the call, dies after it took effect, dies
//! after its answer, or loses the answer and asks again; or the network delivers the call twice, soon or late. A fresh
//! process that gets nothing but the stream's records and its own wakes then finishes the work, and every invariant is
//! asserted.

use std::panic::AssertUnwindSafe;

use futures::{FutureExt, StreamExt, stream};
use serde_json::{Value, json};
use shared::client::Mode;
use shared::envelope::EntityId;
use shared::host::ReadHost;
use shared::limits::{Direct, Settings};
use shared::mailbox::view;
use shared::store::Consistency;

use crate::drive::LEASE_OVER;
use crate::ledger::{ledger, registry, tell, write};
use crate::world::{Reply, World};
use testing::faults::Fault;

/// What the process that dies was about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// One event to an idle entity.
    Inline,
    /// One event that `drain` is to run.
    Detached,
    /// One event with an idempotency key.
    Keyed,
    /// An array with a key, of which an event fails.
    Poison,
    /// One event behind others that wait.
    Queued,
    /// An event with effects on two others and on itself.
    Effects,
    /// An event with side records.
    Records,
    /// A look that finds the lease of a dead holder.
    Takeover,
    /// A look that finds committed effects of a dead holder.
    Delivery,
    /// A look at an entity whose holders have died twice.
    Suspect,
    /// A look at an entity on whose first envelope three holders have died.
    Struck,
}

/// Every scene, with the number of its store calls: were it smaller, something would not be swept.
const SCENES: [(Scene, u32); 11] = [
    (Scene::Inline, 2),
    (Scene::Detached, 1),
    (Scene::Keyed, 3),
    (Scene::Poison, 13),
    (Scene::Queued, 2),
    (Scene::Effects, 18),
    (Scene::Records, 2),
    (Scene::Takeover, 3),
    (Scene::Delivery, 18),
    (Scene::Suspect, 7),
    (Scene::Struck, 6),
];

/// What happens at each of them.
pub const FAULTS: [Fault; 6] =
    [Fault::DiesBefore, Fault::DiesAfter, Fault::DiesAfterReply, Fault::AnswerLost, Fault::Twice, Fault::TwiceLate];

/// Those that the direct path changes.
const DIRECT_SCENES: [(Scene, u32); 6] = [
    (Scene::Inline, 2),
    (Scene::Keyed, 3),
    (Scene::Poison, 17),
    (Scene::Queued, 3),
    (Scene::Effects, 18),
    (Scene::Records, 2),
];

/// Crash points that are played at once.
const AT_ONCE: usize = 12;

/// Crash points in all.
const POINTS: usize = 720;

/// The receivers of effects.
struct Cast {
    main: EntityId,
    left: EntityId,
    right: EntityId,
}

impl Cast {
    fn new(id: &str) -> Self {
        Self { main: ledger(id), left: ledger(&format!("{id}-left")), right: ledger(&format!("{id}-right")) }
    }

    fn telling(&self) -> Value {
        let told = [
            (&self.left, write("one")),
            (&self.right, write("two")),
            (&self.left, write("three")),
            (&self.main, write("echo")),
        ];
        tell("told", &told)
    }
}

impl Scene {
    /// Whether it begins with a post, rather than with a look of `drain`.
    fn posts(self) -> bool {
        !matches!(self, Self::Takeover | Self::Delivery | Self::Suspect | Self::Struck)
    }

    /// The idempotency key that it posts with.
    fn key(self) -> Option<&'static str> {
        matches!(self, Self::Keyed | Self::Poison).then_some("the-key")
    }

    /// What it posts.
    fn body(self, cast: &Cast) -> Value {
        match self {
            Self::Poison => json!([write("before"), {"type": "fail"}, write("after")]),
            Self::Effects => cast.telling(),
            Self::Records => json!({"type": "write", "text": "filed", "file": ["a", "b"]}),
            _ => write("own"),
        }
    }

    /// What happens before, in processes of their own. It brings the events that were acknowledged.
    async fn prepare(self, world: &World, cast: &Cast) -> Vec<String> {
        match self {
            Self::Queued => {
                let waiting = [write("first"), json!({"type": "refuse"}), write("second")];
                let receipts = world.submit(&cast.main, Mode::Detached, &waiting).await;
                receipts.iter().map(|receipt| receipt.event.to_string()).collect()
            }
            Self::Takeover => {
                world.die_holding(&cast.main, &write("first")).await;
                let receipts = world.submit(&cast.main, Mode::Detached, &[write("second")]).await;
                receipts.iter().map(|receipt| receipt.event.to_string()).collect()
            }
            Self::Delivery => {
                let victim = world.other();
                victim.faults.arm(2, Fault::DiesBefore);
                assert!(victim.until_death(victim.event(&cast.main, &cast.telling())).await.is_none());
                assert_eq!(world.mailbox(&cast.main).await.outbox.len(), 4);
                Vec::new()
            }
            Self::Suspect => deaths(world, &cast.main, &[2, 3], 0).await,
            Self::Struck => deaths(world, &cast.main, &[2, 4, 4, 4, 3], 3).await,
            Self::Inline | Self::Detached | Self::Keyed | Self::Poison | Self::Effects | Self::Records => Vec::new(),
        }
    }

    async fn act(self, process: &World, cast: &Cast) -> Option<Reply> {
        if !self.posts() {
            process.stream(&[&cast.main]).await;
            return None;
        }
        let mut headers = Vec::from_iter(self.key().map(|key| ("idempotency-key", key)));
        if self == Self::Detached {
            headers.push(("prefer", "respond-async"));
        }
        let path = format!("/entities/{}/events", cast.main);
        Some(process.http("POST", &path, &headers, &self.body(cast).to_string()).await)
    }

    /// What the entity holds in the end.
    fn entries(self) -> &'static [&'static str] {
        match self {
            Self::Inline | Self::Detached | Self::Keyed => &["own"],
            Self::Poison => &["before", "after"],
            Self::Queued => &["first", "second", "own"],
            Self::Effects | Self::Delivery => &["told", "echo"],
            Self::Records => &["filed"],
            Self::Takeover | Self::Suspect => &["first", "second"],
            Self::Struck => &["second"],
        }
    }
}

/// Has holders die on an entity, each by a takeover of the one before, before the call of that number: it reads, reads
/// once more alone when a holder has died before, takes over, marks what it is about to run when the entity is suspect,
/// and commits.
async fn deaths(world: &World, entity: &EntityId, calls: &[u32], strikes: u64) -> Vec<String> {
    world.die_holding(entity, &write("first")).await;
    let receipts = world.submit(entity, Mode::Detached, &[write("second")]).await;
    for (death, call) in (1..).zip(calls) {
        let holder = world.later(death * LEASE_OVER);
        holder.faults.arm(*call, Fault::DiesBefore);
        assert!(holder.until_death(holder.stream(&[entity])).await.is_none(), "death {death}");
    }
    let mailbox = world.mailbox(entity).await;
    assert_eq!((mailbox.attempts, mailbox.strikes), (calls.len() as u64, strikes));
    receipts.iter().map(|receipt| receipt.event.to_string()).collect()
}

/// How long after the beginning of time the scene plays.
fn hour(scene: Scene) -> u64 {
    if scene.posts() { 0 } else { 10 * LEASE_OVER }
}

/// Whether the process lives on: the answer to its last call may be the end of its work.
pub fn lives(fault: Fault, last: bool) -> bool {
    match fault {
        Fault::DiesBefore | Fault::DiesAfter => false,
        Fault::DiesAfterReply => last,
        Fault::AnswerLost | Fault::Twice | Fault::TwiceLate | Fault::Frozen => true,
    }
}

async fn play(world: &World, scene: Scene, call: u32, calls: u32, fault: Fault) {
    let cast = Cast::new(&format!("{call}-{fault:?}"));
    let acknowledged = scene.prepare(&world.other(), &cast).await;
    // What the scene leaves in the stream must do, without what was there before.
    let before = world.records.take();
    assert!(scene.posts() || !before.is_empty());

    let victim = world.later(hour(scene));
    victim.faults.arm(call, fault);
    let ended = victim.until_death(scene.act(&victim, &cast)).await;
    assert!(victim.faults.have_struck());
    assert_eq!(ended.is_some(), lives(fault, call + 1 == calls));
    assert_eq!(ended.is_some(), !victim.faults.have_died());
    if fault == Fault::Twice {
        // What is to come after the last call.
        victim.host.store().inner().repeat().await;
    }
    if ended.is_none() && !scene.posts() {
        world.records.put_back(std::slice::from_ref(&cast.main));
    }

    let rescuer = world.other();
    let nothing_is_stored = scene.posts() && is_without(&rescuer, scene, &cast).await;
    if world.host.settings().direct == Direct::Off {
        assert_eq!(nothing_is_stored, scene.posts() && call == 0 && fault == Fault::DiesBefore);
    }
    if nothing_is_stored {
        assert_eq!(rescuer.get(&format!("/entities/{}", cast.main)).await.status, expected_status(scene));
        // Its poster was told nothing, so it posts again.
        scene.act(&rescuer, &cast).await;
    } else if scene.key().is_some() {
        // So does this one, although the first post was stored.
        let again = scene.act(&rescuer, &cast).await.unwrap();
        assert!([200, 202].contains(&again.status), "{again:?}");
    }
    let passed = rescuer.work_off().await;
    assert!(passed <= LEASE_OVER * 2, "it took {passed} ms");
    if fault == Fault::TwiceLate {
        assert!(victim.host.store().inner().repeat().await);
        rescuer.work_off().await;
    }

    check(&rescuer, scene, &cast, ended.flatten()).await;
    for event_id in &acknowledged {
        let receipt = rescuer.standing(&cast.main, event_id).await;
        assert_eq!((receipt.status, &receipt.body["status"]), (200, &json!("processed")), "{receipt:?}");
    }
}

/// Whether nothing of the scene itself is stored.
async fn is_without(world: &World, scene: Scene, cast: &Cast) -> bool {
    let mailbox = view::mailbox(&world.host, &cast.main, Consistency::Strong).await.unwrap();
    let before = if scene == Scene::Queued { 3 } else { 0 };
    mailbox.is_none_or(|mailbox| mailbox.head + mailbox.queue.len() as u64 == before)
}

/// What a reader finds when nothing of the scene itself is stored.
fn expected_status(scene: Scene) -> u16 {
    if scene == Scene::Queued { 200 } else { 404 }
}

async fn check(world: &World, scene: Scene, cast: &Cast, answered: Option<Reply>) {
    assert_eq!(world.entries(&cast.main).await, scene.entries());
    world.idle(&cast.main).await;
    if matches!(scene, Scene::Effects | Scene::Delivery) {
        assert_eq!(world.entries(&cast.left).await, ["one", "three"]);
        assert_eq!(world.entries(&cast.right).await, ["two"]);
        world.idle(&cast.left).await;
        world.idle(&cast.right).await;
    }
    if scene == Scene::Records {
        for name in ["a", "b"] {
            assert_eq!(world.record(&cast.main, name).await, Some(json!({"text": "filed"})));
        }
    }
    let dead = match scene {
        Scene::Poison => Some((2, json!({"type": "fail"}))),
        Scene::Struck => Some((1, write("first"))),
        _ => None,
    };
    if let Some((sequence, body)) = dead {
        let letter = world.dead_letter(&cast.main, sequence).await.unwrap();
        assert_eq!((&letter["body"], &letter["policy"]), (&body, &json!("park")), "{letter}");
        assert!(world.dead_letter(&cast.main, sequence + 1).await.is_none());
    }
    if let Some(reply) = answered {
        // Nobody else was there, so whoever lost an answer and asked again gets the result all the same.
        let expected = if scene == Scene::Detached { 202 } else { 200 };
        assert_eq!(reply.status, expected, "{reply:?}");
    }
    if scene.key().is_some() {
        let again = scene.act(world, cast).await.unwrap();
        assert_eq!(again.status, 200, "{again:?}");
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(world.entries(&cast.main).await, scene.entries());
    }
}

/// Plays every call with every fault, some at once: most of their time they wait, for leases to end. It brings their
/// number.
pub async fn everywhere(world: &World, calls: u32, play: impl AsyncFn(World, u32, Fault)) -> usize {
    let points = (0..calls).flat_map(|call| FAULTS.map(|fault| (call, fault)));
    let plays = points.map(|(call, fault)| {
        let played = AssertUnwindSafe(play(world.apart(), call, fault)).catch_unwind();
        played.map(move |played| played.unwrap_or_else(|_| panic!("see above: call {call} of {calls}, {fault:?}")))
    });
    stream::iter(plays.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).count().await
}

/// Every call of the scene, with every fault.
async fn sweep(scene: Scene) {
    sweep_on(Direct::Off, SCENES.iter().find(|(known, _)| *known == scene).unwrap()).await;
}

async fn sweep_on(direct: Direct, (scene, calls): &(Scene, u32)) {
    let (scene, calls) = (*scene, *calls);
    let world = World::with(registry(), Settings { direct, ..Settings::default() }).await;
    let cast = Cast::new("undisturbed");
    scene.prepare(&world.other(), &cast).await;
    let undisturbed = world.later(hour(scene));
    scene.act(&undisturbed, &cast).await;
    assert_eq!(undisturbed.faults.calls(), calls, "{scene:?}");
    let covered =
        everywhere(&world, calls, async |world, call, fault| play(&world, scene, call, calls, fault).await).await;
    assert_eq!(covered, calls as usize * FAULTS.len());
    println!("{scene:?}: {covered} of {POINTS} crash points");
}

#[test]
fn the_crash_points_are_all_there() {
    let calls: u32 = SCENES.iter().chain(&DIRECT_SCENES).map(|(_, calls)| calls).sum();
    assert_eq!(calls as usize * FAULTS.len(), POINTS);
    // A kind of fault that is added has to be swept, or to be told apart here.
    let swept = |fault: Fault| match fault {
        Fault::DiesBefore | Fault::DiesAfter | Fault::DiesAfterReply => true,
        Fault::AnswerLost | Fault::Twice | Fault::TwiceLate => true,
        Fault::Frozen => false,
    };
    assert!(FAULTS.into_iter().all(swept));
}

#[tokio::test]
async fn the_direct_path() {
    for scene in &DIRECT_SCENES {
        sweep_on(Direct::On, scene).await;
    }
}

#[tokio::test]
async fn an_event() {
    sweep(Scene::Inline).await;
}

#[tokio::test]
async fn a_detached_event() {
    sweep(Scene::Detached).await;
}

#[tokio::test]
async fn a_keyed_event() {
    sweep(Scene::Keyed).await;
}

#[tokio::test]
async fn an_array_with_a_poisonous_event() {
    sweep(Scene::Poison).await;
}

#[tokio::test]
async fn an_event_behind_others() {
    sweep(Scene::Queued).await;
}

#[tokio::test]
async fn an_event_with_effects() {
    sweep(Scene::Effects).await;
}

#[tokio::test]
async fn an_event_with_side_records() {
    sweep(Scene::Records).await;
}

#[tokio::test]
async fn a_takeover() {
    sweep(Scene::Takeover).await;
}

#[tokio::test]
async fn a_takeover_with_effects_to_deliver() {
    sweep(Scene::Delivery).await;
}

#[tokio::test]
async fn a_takeover_of_a_suspect_entity() {
    sweep(Scene::Suspect).await;
}

#[tokio::test]
async fn a_takeover_that_parks_an_envelope() {
    sweep(Scene::Struck).await;
}
