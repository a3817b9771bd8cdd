//! At every store call of what an operator does, the process dies before the call, dies after it took effect, or loses
//! the answer and asks again. The operator then repeats it, and everything has happened once.

use serde_json::Value;
use shared::envelope::EntityId;

use crate::ledger::{ledger, write};
use crate::operators::worlds;
use crate::world::{Reply, World, entity};
use testing::faults::Fault;

/// What the operator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Redrive,
    RedriveKeyed,
    RedriveAll,
    Delete,
    Resume,
    Park,
}

impl Act {
    fn entity(self, id: &str) -> EntityId {
        match self {
            Self::Resume | Self::Park => entity("blocker", id),
            _ => ledger(id),
        }
    }

    /// What the broken program is given.
    async fn prepare(self, broken: &World, entity: &EntityId) {
        let headers: &[(&str, &str)] = if self == Self::RedriveKeyed { &[("idempotency-key", "k")] } else { &[] };
        for text in ["1", "2"] {
            let headers = if text == "1" { headers } else { &[] };
            broken.http("POST", &format!("/entities/{entity}/events"), headers, &write(text).to_string()).await;
        }
    }

    async fn act(self, world: &World, entity: &EntityId) -> Reply {
        match self {
            Self::Redrive | Self::RedriveKeyed => world.redrive_one(entity, "event-1").await,
            Self::RedriveAll => world.redrive(entity).await,
            Self::Delete => world.operate("DELETE", &format!("dead-letters/{entity}/event-1"), "").await,
            Self::Resume => world.operate("POST", &format!("resume/{entity}"), "").await,
            Self::Park => world.operate("POST", &format!("resume/{entity}"), r#"{"head":"park"}"#).await,
        }
    }

    /// What is there in the end: the entries, and the letters.
    fn end(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Redrive | Self::RedriveKeyed => (&["1"], &["event-2"]),
            Self::RedriveAll | Self::Resume => (&["1", "2"], &[]),
            Self::Delete => (&[], &["event-2"]),
            Self::Park => (&["2"], &["event-1"]),
        }
    }

    /// What the repetition is answered with, when the first try was done already.
    fn again(self) -> u16 {
        match self {
            Self::RedriveAll => 200,
            Self::Redrive | Self::RedriveKeyed | Self::Delete => 404,
            Self::Resume | Self::Park => 409,
        }
    }
}

async fn play(world: &World, broken: &World, act: Act, call: u32, fault: Fault) {
    let entity = act.entity(&format!("{call}-{fault:?}"));
    act.prepare(broken, &entity).await;
    world.records.take();
    let victim = world.other();
    victim.faults.arm(call, fault);
    let ended = victim.until_death(act.act(&victim, &entity)).await;
    assert!(victim.faults.have_struck());
    assert_eq!(ended.is_some(), fault == Fault::AnswerLost);
    if let Some(reply) = &ended {
        assert_eq!(reply.status, 200, "{reply:?}");
        if matches!(act, Act::Redrive | Act::RedriveKeyed) {
            assert!(reply.body["event_id"].is_string(), "{reply:?}");
        }
    }
    let again = act.act(world, &entity).await;
    let expected: &[u16] = if ended.is_some() { &[act.again()] } else { &[200, act.again()] };
    assert!(expected.contains(&again.status), "{again:?}");
    world.work_off().await;
    let (entries, letters) = act.end();
    assert_eq!(world.entries(&entity).await, entries);
    assert_eq!(world.letters(&entity).await, letters);
    world.idle(&entity).await;
}

async fn sweep(act: Act, calls: u32) {
    let (world, broken) = worlds().await;
    let entity = act.entity("undisturbed");
    act.prepare(&broken, &entity).await;
    let undisturbed = world.other();
    let reply = act.act(&undisturbed, &entity).await;
    assert_eq!((reply.status, reply.body.get("stopped").unwrap_or(&Value::Null)), (200, &Value::Null), "{reply:?}");
    // A number that must be known: were it smaller, something would not be swept.
    assert_eq!(undisturbed.faults.calls(), calls, "{act:?}");
    world.work_off().await;
    for call in 0..calls {
        for fault in [Fault::DiesBefore, Fault::DiesAfter, Fault::AnswerLost] {
            println!("{act:?}, call {call} of {calls}, {fault:?}");
            play(&world, &broken, act, call, fault).await;
        }
    }
}

#[tokio::test]
async fn a_letter_is_redriven() {
    sweep(Act::Redrive, 3).await;
}

#[tokio::test]
async fn a_keyed_letter_is_redriven() {
    sweep(Act::RedriveKeyed, 4).await;
}

#[tokio::test]
async fn all_letters_are_redriven() {
    sweep(Act::RedriveAll, 8).await;
}

#[tokio::test]
async fn a_letter_is_deleted() {
    sweep(Act::Delete, 1).await;
}

#[tokio::test]
async fn an_entity_is_released() {
    sweep(Act::Resume, 2).await;
}

#[tokio::test]
async fn an_entity_is_released_without_its_first_event() {
    sweep(Act::Park, 2).await;
}
