//! A sweep finds whatever is pending, also when every hint of it was lost.

use serde_json::json;
use shared::client::Mode;
use shared::host::ReadHost;
use shared::limits;
use shared::operator::place::Place;
use shared::operator::sweep::sweep;

use crate::drive::LEASE_OVER;
use crate::ledger::{ledger, tell, write};
use crate::operators::worlds;
use crate::problems::problem;
use crate::world::entity;
use testing::faults::Fault;

#[tokio::test]
async fn after_an_outage_everything_pending_is_processed() {
    let (world, broken) = worlds().await;
    let users: Vec<_> = (0..40).map(|user| ledger(&format!("user-{user:02}"))).collect();
    for user in &users {
        world.submit(user, Mode::Detached, &[tell("1", &[(&entity("skipper", user.id()), write("told"))])]).await;
    }
    world.die_holding(&ledger("dead-holder"), &write("1")).await;
    broken.event(&entity("blocker", "a"), &write("1")).await;
    world.event(&ledger("idle"), &write("1")).await;
    // The stream and the wakes are lost.
    world.records.take();

    let later = world.later(LEASE_OVER);
    let swept = later.operate("POST", "sweep", "").await;
    assert_eq!(swept.status, 200, "{swept:?}");
    assert_eq!((&swept.body["cursor"], &swept.body["failed"]), (&json!(null), &json!([])), "{swept:?}");
    assert_eq!(swept.body["blocked"], json!(["blocker/a"]));
    assert!(swept.body["ran"].as_u64().unwrap() >= 41, "{swept:?}");
    // What the visited ones told others may have been posted behind the sweep: another one finds that.
    world.records.take();
    later.operate("POST", "sweep", "").await;
    for user in &users {
        assert_eq!(world.entries(user).await, ["1"]);
        assert_eq!(world.entries(&entity("skipper", user.id())).await, ["told"]);
        world.idle(user).await;
    }
    assert_eq!(world.entries(&ledger("dead-holder")).await, ["1"]);
    let again = later.operate("POST", "sweep?kind=ledger", "").await;
    assert_eq!((&again.body["looked"], &again.body["ran"]), (&json!(42), &json!(0)), "{again:?}");
}

#[tokio::test]
async fn what_somebody_holds_is_told_and_left_alone() {
    let (world, _) = worlds().await;
    world.die_holding(&ledger("a"), &write("1")).await;
    let before = world.mailbox(&ledger("a")).await;
    let swept = world.operate("POST", "sweep", "").await;
    assert_eq!((&swept.body["held"], &swept.body["ran"]), (&json!(1), &json!(0)), "{swept:?}");
    assert_eq!(world.mailbox(&ledger("a")).await, before);
}

#[tokio::test]
async fn it_goes_on_where_its_time_was_over() {
    let (world, _) = worlds().await;
    let ids: Vec<_> = (0..20).map(|id| ledger(&format!("{id:02}"))).collect();
    for id in &ids {
        world.submit(id, Mode::Detached, &[write("1")]).await;
    }
    let start = Place::read(world.host.registry(), Some("ledger"), None).unwrap().unwrap();
    let over = world.host.now().plus(limits::FINISH_MS);
    let swept = sweep(&world.host, start.clone(), over).await.unwrap();
    assert_eq!((swept.looked, swept.next), (0, Some(start)));

    // From a cursor it looks at those behind it only.
    let cursor: String = "ledger/09".bytes().map(|byte| format!("{byte:02x}")).collect();
    let swept = world.operate("POST", &format!("sweep?kind=ledger&cursor={cursor}"), "").await;
    assert_eq!((&swept.body["looked"], &swept.body["ran"]), (&json!(10), &json!(10)), "{swept:?}");
    assert!(world.mailbox(&ids[9]).await.pending && !world.mailbox(&ids[10]).await.pending);
}

#[tokio::test]
async fn its_time_may_be_over_in_the_middle_and_nobody_is_passed_over() {
    let (world, _) = worlds().await;
    let ids: Vec<_> = (0..20).map(|id| ledger(&format!("{id:02}"))).collect();
    for id in &ids {
        world.submit(id, Mode::Detached, &[write("1")]).await;
    }
    let sweeper = world.other();
    // The list, and for each of the first sixteen a read, a takeover and a commit: the last of these takes long.
    sweeper.faults.arm(48, Fault::Frozen);
    let (swept, ()) = tokio::join!(sweeper.operate("POST", "sweep?kind=ledger", ""), async {
        sweeper.faults.strike().await;
        sweeper.advance(limits::FUNCTION_TIMEOUT_MS - limits::FINISH_MS);
        sweeper.faults.thaw();
    });
    assert_eq!((&swept.body["looked"], &swept.body["ran"]), (&json!(16), &json!(16)), "{swept:?}");
    let cursor = swept.body["cursor"].as_str().unwrap();
    let rest = world.operate("POST", &format!("sweep?cursor={cursor}"), "").await;
    assert_eq!((&rest.body["ran"], &rest.body["cursor"]), (&json!(4), &json!(null)), "{rest:?}");
    for id in &ids {
        assert_eq!(world.entries(id).await, ["1"]);
    }
}

#[tokio::test]
async fn an_entity_that_fails_does_not_keep_it_from_the_others() {
    let (world, _) = worlds().await;
    for id in ["a", "b", "c"] {
        world.submit(&ledger(id), Mode::Detached, &[write("1")]).await;
    }
    let sweeper = world.other();
    sweeper.faults.break_entity(&ledger("b"));
    let swept = sweeper.operate("POST", "sweep", "").await;
    assert_eq!((&swept.body["ran"], &swept.body["failed"]), (&json!(2), &json!(["ledger/b"])), "{swept:?}");
    assert_eq!(world.entries(&ledger("c")).await, ["1"]);
    let unknown = world.operate("POST", "sweep?kind=none", "").await;
    assert_eq!((unknown.status, problem(&unknown)), (404, "unknown-kind"));
}
