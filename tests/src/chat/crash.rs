//! The crash sweep of messages: with every fault at every store call of theirs, until a fresh process has finished the
//! work from the stream's records and its own wakes, each is in both logs once, and counted once.

use crate::app;
use serde_json::{Value, json};
use shared::host::ReadHost;

use crate::chat::user;
use crate::crash::{FAULTS, everywhere, lives};
use crate::drive::LEASE_OVER;
use crate::world::{Reply, World};
use testing::faults::Fault;

/// What the process that dies was about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// The first message that two users write one another, by HTTP.
    First,
    /// A further one, in a frame.
    Further,
    /// To read it.
    Read,
}

/// Every scene, with the number of its store calls: were it smaller, something would not be swept.
const SCENES: [(Scene, u32); 3] = [(Scene::First, 13), (Scene::Further, 9), (Scene::Read, 4)];

/// Crash points in all.
const POINTS: usize = 156;

/// The two users of one crash point.
struct Cast {
    sender: String,
    receiver: String,
}

impl Cast {
    fn new(id: &str) -> Self {
        Self { sender: format!("sender-{id}"), receiver: format!("receiver-{id}") }
    }
}

impl Scene {
    async fn prepare(self, world: &World, cast: &Cast) {
        if self != Self::First {
            world.say(&cast.sender, &cast.receiver, "before").await;
        }
    }

    async fn act(self, process: &World, cast: &Cast) -> Reply {
        match self {
            Self::First => {
                let body = json!({"to": cast.receiver, "content": "once", "client_id": "m-1"});
                process.post(&format!("/users/{}/messages", cast.sender), &body.to_string()).await
            }
            Self::Further => {
                let frame = json!({"type": "send", "id": "m-1", "to": cast.receiver, "content": "once"});
                process.socket("MESSAGE", &cast.sender, "c-1", &frame.to_string()).await
            }
            Self::Read => {
                let path = format!("/users/{}/conversations/{}/read", cast.receiver, cast.sender);
                process.post(&path, r#"{"upto": 1}"#).await
            }
        }
    }

    /// What both logs have in the end, and how many of it the receiver has not read.
    fn end(self) -> (&'static [&'static str], u64) {
        match self {
            Self::First => (&["once"], 1),
            Self::Further => (&["before", "once"], 2),
            Self::Read => (&["before"], 0),
        }
    }
}

fn process(world: &World) -> World {
    world.again(app::registry())
}

async fn check(world: &World, scene: Scene, cast: &Cast) {
    let (contents, unread) = scene.end();
    let last = contents.len() as u64;
    let mut ids: Vec<Vec<Value>> = Vec::new();
    for (of, with, unread) in [(&cast.sender, &cast.receiver, 0), (&cast.receiver, &cast.sender, unread)] {
        let log = world.log(of, 100).await;
        assert_eq!(log.iter().map(|message| &message["content"]).collect::<Vec<_>>(), contents, "{of}");
        assert_eq!(
            log.iter().map(|message| message["n"].as_u64().unwrap()).collect::<Vec<_>>(),
            Vec::from_iter(1..=last)
        );
        assert_eq!(world.conversations(of, 100).await, [(with.clone(), unread, last)], "{of}");
        ids.push(log.iter().map(|message| message["id"].clone()).collect());
        world.idle(&user(of)).await;
    }
    assert_eq!(ids[0], ids[1], "it is one message");
    if scene == Scene::Read {
        return;
    }
    let again = scene.act(world, cast).await;
    let message = if scene == Scene::First { &again.body } else { &again.body["message"] };
    assert_eq!(
        (again.status, &message["id"], &message["n"]),
        (200, &ids[0][contents.len() - 1], &json!(last)),
        "{again:?}"
    );
    assert_eq!(world.log(&cast.receiver, 100).await.len(), contents.len());
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
    // Whoever heard nothing says it again.
    let again = scene.act(&rescuer, &cast).await;
    assert!([200, 202].contains(&again.status), "{again:?}");
    let passed = rescuer.work_off().await;
    assert!(passed <= LEASE_OVER * 2, "it took {passed} ms");
    if fault == Fault::TwiceLate {
        assert!(victim.host.store().inner().repeat().await);
        rescuer.work_off().await;
    }
    check(&rescuer, scene, &cast).await;
    if let Some(reply) = ended {
        assert!([200, 202].contains(&reply.status) && reply.body["type"] != "error", "{reply:?}");
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
async fn a_first_message() {
    sweep(Scene::First).await;
}

#[tokio::test]
async fn a_further_message() {
    sweep(Scene::Further).await;
}

#[tokio::test]
async fn a_message_that_is_read() {
    sweep(Scene::Read).await;
}
