//! What the store makes of an attempt that failed before another one was answered: the last answer says nothing of the
//! attempts before it. Through the real SDK, on a network that follows a script.

use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, select};
use serde_json::json;
use shared::client::Mode;
use shared::host::ReadHost;
use shared::limits::{Direct, Settings};
use shared::store::{Put, Returns, Store, StoreError, Transaction, Update, Written};
use shared::table;

use crate::connector::Fate::{self, Applied, Conflict, Failed, Fine, ReplyLate, RequestLate, Reset, Throttled};
use crate::connector::{Gate, Step, Wire};
use crate::ledger::{ledger, registry, write};
use crate::problems::problem;
use crate::wire::{MISHAPS, Mishap};
use crate::world::World;

/// The request takes effect, and there is no reply.
const DROPPED: Fate = Applied(Mishap::Nothing);

/// Long enough for whatever a test does while an attempt waits.
const PATIENT: Duration = Duration::from_secs(20);
/// Short, where an attempt's time is to be up.
const HASTY: Duration = Duration::from_millis(400);

/// A write that succeeds once.
fn once(id: &str) -> Update {
    Update {
        key: table::mailbox_key(&ledger(id)),
        update: "SET #kind = :kind".into(),
        condition: "attribute_not_exists(#kind)".into(),
        values: vec![(":kind", serde_dynamo::AttributeValue::S("ledger".to_owned()))],
        returns: Returns::Item,
    }
}

/// A token is for one content: on another table it is another.
fn fresh_token() -> String {
    format!("{:032x}", rand::random::<u128>())
}

fn once_with_a_record(id: &str) -> Transaction {
    let item: std::collections::HashMap<String, serde_dynamo::AttributeValue> = std::collections::HashMap::new();
    let put = Put { key: table::record_key(&ledger(id), "x"), item: item.into(), condition: None };
    Transaction { update: once(id), puts: vec![put], deletes: Vec::new(), token: fresh_token() }
}

/// What a write and a transaction bring on a network with this script.
async fn both<const N: usize>(attempt: Duration, fates: [Fate; N], id: &str) -> [Result<Written, StoreError>; 2] {
    let wire = Wire::new(attempt);
    let world = World::wired(&wire, registry(), Settings::default()).await;
    let store = world.host.store();
    wire.script(fates.map(Step::from));
    let updated = store.update(once(id)).await;
    wire.calm().await;
    wire.script(fates.map(Step::from));
    let transacted = store.transact(once_with_a_record(&format!("{id}-transacted"))).await;
    wire.calm().await;
    [updated, transacted]
}

/// The request takes effect, and something becomes of its answer.
fn mishaps() -> [Fate; MISHAPS.len()] {
    MISHAPS.map(|(mishap, _)| Applied(mishap))
}

fn is_unknown(result: &Result<Written, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unknown(_)))
}

#[tokio::test]
async fn a_refusal_for_now_after_a_lost_reply_leaves_the_outcome_unknown() {
    for lost in mishaps().into_iter().chain([Failed]) {
        for [updated, transacted] in [
            both(PATIENT, [lost, Conflict], "a").await,
            both(PATIENT, [lost, Throttled, Throttled, Throttled], "a").await,
        ] {
            assert!(is_unknown(&updated), "{lost:?}: {updated:?}");
            assert!(is_unknown(&transacted), "{lost:?}: {transacted:?}");
        }
    }
    for late in [ReplyLate, RequestLate] {
        let [updated, transacted] = both(HASTY, [late, Conflict], "a").await;
        assert!(is_unknown(&updated), "{late:?}: {updated:?}");
        assert!(is_unknown(&transacted), "{late:?}: {transacted:?}");
    }
}

#[tokio::test]
async fn refusals_for_now_alone_say_that_nothing_was_applied() {
    let [updated, transacted] = both(PATIENT, [Throttled; 4], "a").await;
    assert!(matches!(updated, Err(StoreError::Throttled(_))), "{updated:?}");
    assert!(matches!(transacted, Err(StoreError::Throttled(_))), "{transacted:?}");
    let [updated, transacted] = both(PATIENT, [Throttled, Conflict], "a").await;
    assert!(matches!(updated, Err(StoreError::Conflict(_))), "{updated:?}");
    assert!(matches!(transacted, Err(StoreError::Conflict(_))), "{transacted:?}");
}

#[tokio::test]
async fn a_failed_condition_is_clean_unless_an_attempt_was_lost() {
    let wire = Wire::new(PATIENT);
    let world = World::wired(&wire, registry(), Settings::default()).await;
    world.host.store().update(once("a")).await.unwrap();
    for (fates, expected) in [
        (vec![Fine], true),
        (vec![Throttled, Fine], true),
        (vec![Throttled, Throttled, Fine], true),
        (vec![DROPPED, Fine], false),
        (vec![Failed, Throttled, Fine], false),
        (vec![Throttled, DROPPED, Fine], false),
        // Nothing was sent, but who is to know?
        (vec![Reset, Fine], false),
    ] {
        for (index, fate) in fates.iter().enumerate() {
            assert_eq!(*fate == Fine, index == fates.len() - 1, "only the last attempt is answered");
        }
        let steps: [Step; 3] = std::array::from_fn(|index| fates.get(index).copied().unwrap_or(Fine).into());
        wire.script(steps);
        let Written::Refused { old, clean } = world.host.store().update(once("a")).await.unwrap() else {
            panic!("{fates:?}: it was applied");
        };
        assert_eq!((old.is_some(), clean), (true, expected), "{fates:?}");
    }
}

#[tokio::test]
async fn a_failed_condition_is_not_clean_after_an_answer_that_was_not_read_whole() {
    for applied in [true, false] {
        let wire = Wire::new(PATIENT);
        let world = World::wired(&wire, registry(), Settings::default()).await;
        for (index, lost) in mishaps().into_iter().enumerate() {
            let id = if applied { format!("a{index}") } else { "b".to_owned() };
            if !applied {
                let _ = world.host.store().update(once(&id)).await.unwrap();
            }
            wire.script([lost.into(), Fine.into()]);
            // The SDK does not repeat what it could read, if only as an error of somebody else.
            match world.host.store().update(once(&id)).await {
                Ok(Written::Refused { old, clean }) => assert_eq!((old.is_some(), clean), (true, false), "{lost:?}"),
                unknown => assert!(is_unknown(&unknown), "{lost:?}: {unknown:?}"),
            }
            wire.calm().await;
        }
    }
}

#[tokio::test]
async fn what_is_read_is_there_or_cannot_be_told_whatever_becomes_of_the_answer() {
    let wire = Wire::new(PATIENT);
    let world = World::wired(&wire, registry(), Settings::default()).await;
    for (id, amount) in [("alice", 17), ("bob", 71)] {
        let reply = world.post(&format!("/counter/{id}/increment"), &json!({"amount": amount}).to_string()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    for (lost, also) in mishaps().into_iter().zip(mishaps().into_iter().rev()) {
        wire.script([lost.into(), also.into()]);
        let reply = world.get("/counter/bob").await;
        match reply.status {
            200 => assert_eq!(reply.body["value"], 71, "{lost:?}"),
            other => assert_eq!((other, problem(&reply)), (503, "database-unavailable"), "{lost:?}: {reply:?}"),
        }
        wire.script([lost.into(), also.into()]);
        let reply = world.get("/entities/counter?limit=10").await;
        match reply.status {
            200 => assert_eq!(reply.body["items"].as_array().map(Vec::len), Some(2), "{lost:?}: {reply:?}"),
            other => assert_eq!((other, problem(&reply)), (503, "database-unavailable"), "{lost:?}: {reply:?}"),
        }
        wire.calm().await;
    }
}

#[tokio::test]
async fn an_increment_counts_once_on_either_path_whatever_becomes_of_the_answer() {
    for direct in [Direct::Off, Direct::On] {
        let wire = Wire::new(PATIENT);
        let settings = Settings { direct, ..Settings::default() };
        let world = World::wired(&wire, registry(), settings).await;
        for key in [None, Some(("idempotency-key", "k"))] {
            for (index, lost) in mishaps().into_iter().chain([Failed]).enumerate() {
                // Which of its requests meets it: the post or the read, and then what is written after it.
                for place in 0..3 {
                    let path = format!("/counter/{place}-{index}-{}/increment", key.is_some());
                    let mut fates = [Fine; 3];
                    fates[place] = lost;
                    wire.script(fates.map(Step::from));
                    let headers = Vec::from_iter(key);
                    let reply = world.http("POST", &path, &headers, r#"{"amount": 5}"#).await;
                    assert!([200, 202, 503].contains(&reply.status), "{direct:?} {lost:?} {place}: {reply:?}");
                    wire.calm().await;
                    world.work_off().await;
                    let value = world.get(path.trim_end_matches("/increment")).await.body["value"].clone();
                    assert_eq!(value, 5, "{direct:?} {lost:?} {place}: {reply:?}");
                }
            }
        }
    }
}

/// The answer to the first attempt of a post, which is stored, is `lost`; others have it processed and forgotten before the
/// second attempt meets this fate. It brings how often it is stored in the end, and what its client was told.
async fn forgotten_meanwhile(lost: Fate, fate: Fate, headers: &[(&str, &str)]) -> (usize, u16, String) {
    let wire = Wire::new(PATIENT);
    let world = World::wired(&wire, registry(), Settings::default()).await;
    let alice = ledger("alice");
    // Another network: the script is for the post alone.
    let other = Wire::new(PATIENT);
    let others = world.elsewhere(&other).await;
    let gate = Gate::default();
    wire.script([lost.into(), gate.before(fate)]);
    let headers: Vec<_> = headers.iter().copied().chain([("prefer", "respond-async")]).collect();
    let body = write("once").to_string();
    let post = world.http("POST", "/entities/ledger/alice/events", &headers, &body).boxed();
    let meanwhile = async {
        gate.reached().await;
        for index in 0..30 {
            assert_eq!(others.submit(&alice, Mode::Inline, &[write(&format!("other-{index}"))]).await.len(), 1);
        }
        let mailbox = others.idle(&alice).await;
        assert!(mailbox.evicted.is_some() && mailbox.recent.len() < 30, "{mailbox:?}");
        gate.open();
    };
    let reply = match select(post, meanwhile.boxed()).await {
        // It was told something before it was repeated.
        Either::Left((reply, _)) => reply,
        Either::Right(((), post)) => post.await,
    };
    wire.calm().await;
    others.work_off().await;
    world.work_off().await;
    let stored = others.entries(&alice).await.iter().filter(|entry| *entry == "once").count();
    let name = if reply.status < 400 { String::new() } else { problem(&reply).to_owned() };
    (stored, reply.status, name)
}

#[tokio::test]
async fn a_keyless_post_is_not_stored_twice_after_a_lost_reply_and_a_refusal_for_now() {
    let dropped = [Conflict, Throttled, DROPPED, Failed, Reset, Fine].map(|fate| (DROPPED, fate));
    for (lost, fate) in dropped.into_iter().chain(mishaps().map(|lost| (lost, Fine))) {
        let (stored, status, name) = forgotten_meanwhile(lost, fate, &[]).await;
        // It cannot be told any more, and that is what its client is told.
        assert_eq!((stored, status, name.as_str()), (1, 503, "outcome-unknown"), "{lost:?}, {fate:?}");
    }
}

#[tokio::test]
async fn a_keyed_post_is_acknowledged_and_has_one_effect_all_the_same() {
    for fate in [Conflict, Throttled, DROPPED] {
        let (stored, status, _) = forgotten_meanwhile(DROPPED, fate, &[("idempotency-key", "k")]).await;
        assert_eq!((stored, status), (1, 202), "{fate:?}");
    }
}

#[tokio::test]
async fn a_throttled_post_is_simply_repeated() {
    let wire = Wire::new(PATIENT);
    let world = World::wired(&wire, registry(), Settings::default()).await;
    for fates in [[Throttled, Throttled], [Conflict, Conflict], [Throttled, Conflict], [DROPPED, Conflict]] {
        wire.script(fates.map(Step::from));
        let reply = world.event(&ledger("bob"), &write("x")).await;
        assert_eq!((reply.status, &reply.body["status"]), (200, &json!("processed")), "{fates:?}: {reply:?}");
    }
    assert_eq!(world.entries(&ledger("bob")).await, ["x"; 4]);
}
