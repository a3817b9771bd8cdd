//! Invariant 4: a holder whose lease was taken over can change nothing, whatever it was about to write, and its caller
//! is told the truth all the same. The holder is frozen before a write, as a Lambda function or a laptop is.

use serde_json::{Value, json};
use shared::client::Mode;
use shared::envelope::EntityId;
use shared::limits::Settings;
use shared::mailbox::image::Lease;
use shared::wake::{SeenLease, Wake};

use crate::drive::LEASE_OVER;
use crate::ledger::{ledger, registry, tell, write};
use crate::world::no_failures;
use crate::world::{Reply, World, entity};
use testing::faults::Fault;

async fn world() -> World {
    World::with(registry(), Settings::default()).await
}

/// Freezes a holder before its call of that number, has another process take over and finish, and thaws the holder.
/// It brings what the holder's caller gets; that the holder changed nothing is asserted.
async fn overtaken(world: &World, entity: &EntityId, event: &Value, call: u32) -> Reply {
    let holder = world.other();
    holder.faults.arm(call, Fault::Frozen);
    let other = world.later(LEASE_OVER);
    let (reply, finished) = tokio::join!(holder.event(entity, event), async {
        holder.faults.strike().await;
        other.work_off().await;
        let finished = other.idle(entity).await;
        holder.faults.thaw();
        finished
    });
    assert_eq!(world.mailbox(entity).await, finished);
    reply
}

#[tokio::test]
async fn its_commit_changes_nothing_and_its_caller_gets_the_result() {
    let world = world().await;
    let alice = ledger("alice");
    let reply = overtaken(&world, &alice, &write("once"), 1).await;
    assert_eq!((reply.status, &reply.body["reply"]["count"]), (200, &json!(1)), "{reply:?}");
    assert_eq!(world.entries(&alice).await, ["once"]);
}

#[tokio::test]
async fn its_transaction_writes_no_record_and_no_receipt() {
    let world = world().await;
    let alice = ledger("alice");
    let filed = |text: &str| json!({"type": "write", "text": text, "file": ["last"]});
    let holder = world.other();
    holder.faults.arm(1, Fault::Frozen);
    let other = world.later(LEASE_OVER);
    let first = filed("first");
    let (reply, ()) = tokio::join!(holder.event(&alice, &first), async {
        holder.faults.strike().await;
        other.work_off().await;
        assert_eq!(other.event(&alice, &filed("second")).await.status, 200);
        holder.faults.thaw();
    });
    assert_eq!((reply.status, &reply.body["reply"]["count"]), (200, &json!(1)), "{reply:?}");
    // Had the holder's transaction been applied, the record would be the first one again.
    assert_eq!(world.record(&alice, "last").await, Some(json!({"text": "second"})));
    assert_eq!(world.entries(&alice).await, ["first", "second"]);
}

#[tokio::test]
async fn its_settling_of_a_delivery_changes_nothing() {
    let world = world().await;
    let (alice, bob) = (ledger("alice"), ledger("bob"));
    // Call 3 settles what calls 0 to 2 posted, committed and delivered.
    let reply = overtaken(&world, &alice, &tell("x", &[(&bob, write("y"))]), 3).await;
    assert_eq!((reply.status, &reply.body["reply"]["count"]), (200, &json!(1)), "{reply:?}");
    world.work_off().await;
    assert_eq!((world.entries(&alice).await, world.entries(&bob).await), (vec!["x".to_owned()], vec!["y".to_owned()]));
    world.idle(&bob).await;
}

#[tokio::test]
async fn its_mark_of_a_running_envelope_changes_nothing() {
    let world = world().await;
    let alice = ledger("alice");
    world.die_holding(&alice, &write("once")).await;
    let second = world.later(LEASE_OVER);
    second.faults.arm(2, Fault::DiesBefore);
    assert!(second.until_death(second.stream(&[&alice])).await.is_none());

    // The third holder finds the entity suspect, and is frozen before it marks what it is about to run.
    let holder = world.later(2 * LEASE_OVER);
    holder.faults.arm(2, Fault::Frozen);
    let other = world.later(3 * LEASE_OVER);
    let (answer, finished) = tokio::join!(holder.look(&alice), async {
        holder.faults.strike().await;
        other.work_off().await;
        let finished = other.idle(&alice).await;
        holder.faults.thaw();
        finished
    });
    assert_eq!(answer, no_failures());
    assert_eq!(world.mailbox(&alice).await, finished);
    assert_eq!(world.entries(&alice).await, ["once"]);
}

#[tokio::test]
async fn its_block_changes_nothing() {
    let world = world().await;
    let stuck = entity("blocker", "stuck");
    let holder = world.other();
    holder.faults.arm(1, Fault::Frozen);
    let other = world.later(LEASE_OVER);
    let fail = json!({"type": "fail"});
    let (reply, blocked) = tokio::join!(holder.event(&stuck, &fail), async {
        holder.faults.strike().await;
        other.work_off().await;
        let blocked = other.mailbox(&stuck).await;
        holder.faults.thaw();
        blocked
    });
    assert!(matches!(blocked.lease, Some(Lease::Blocked { .. })), "{blocked:?}");
    assert_eq!(world.mailbox(&stuck).await, blocked);
    assert_eq!(reply.status, 202, "{reply:?}");
}

#[tokio::test]
async fn its_caller_waits_for_the_one_who_took_over() {
    let world = world().await;
    let alice = ledger("alice");
    let (holder, other) = (world.other(), world.later(LEASE_OVER));
    holder.faults.arm(1, Fault::Frozen);
    other.faults.arm(2, Fault::Frozen);
    let once = write("once");
    let (reply, _, ()) = tokio::join!(holder.event(&alice, &once), other_takes_over(&holder, &other, &alice), async {
        // The holder finds its lease lost while the other has not committed either.
        other.faults.strike().await;
        holder.faults.thaw();
        while holder.faults.calls() < 4 {
            tokio::task::yield_now().await;
        }
        other.faults.thaw();
    });
    assert_eq!((reply.status, &reply.body["reply"]["count"]), (200, &json!(1)), "{reply:?}");
    assert_eq!(world.entries(&alice).await, ["once"]);
}

async fn other_takes_over(holder: &World, other: &World, entity: &EntityId) -> Value {
    holder.faults.strike().await;
    other.look(entity).await
}

#[tokio::test]
async fn a_post_finds_the_holder_gone_and_takes_over_itself() {
    let world = world().await;
    let alice = ledger("alice");
    world.die_holding(&alice, &write("first")).await;
    assert_eq!(world.event(&alice, &write("second")).await.status, 202);
    let late = world.later(LEASE_OVER);
    let reply = late.event(&alice, &write("third")).await;
    assert_eq!((reply.status, &reply.body["reply"]["count"]), (200, &json!(3)), "{reply:?}");
    assert_eq!(late.entries(&alice).await, ["first", "second", "third"]);
    late.idle(&alice).await;
}

#[tokio::test]
async fn of_two_that_take_over_at_once_one_does() {
    let world = world().await;
    let alice = ledger("alice");
    world.die_holding(&alice, &write("once")).await;
    let (one, two) = (world.later(LEASE_OVER), world.later(LEASE_OVER));
    // Both have read the same lease before either takes it.
    one.faults.arm(1, Fault::Frozen);
    two.faults.arm(1, Fault::Frozen);
    let (first, second, ()) = tokio::join!(one.look(&alice), two.look(&alice), async {
        one.faults.strike().await;
        two.faults.strike().await;
        one.faults.thaw();
        two.faults.thaw();
    });
    assert_eq!((first, second), (no_failures(), no_failures()));
    assert_eq!(one.faults.calls() + two.faults.calls(), 5, "one of them has nothing to commit");
    assert_eq!(world.entries(&alice).await, ["once"]);
    world.idle(&alice).await;
}

#[tokio::test]
async fn a_lease_that_was_renewed_after_the_look_is_not_taken() {
    let world = world().await;
    let alice = ledger("alice");
    world.submit(&alice, Mode::Detached, &[write("first")]).await;
    let (holder, hasty, newcomer) = (world.other(), world.later(LEASE_OVER), world.other());
    holder.faults.arm(2, Fault::Frozen);
    hasty.faults.arm(1, Fault::Frozen);
    let (_, answer, ()) = tokio::join!(
        holder.look(&alice),
        async {
            // It judges by the lease as it is before the holder's first commit.
            holder.faults.strike().await;
            let answer = hasty.wake(&seen(&world, &alice).await).await;
            holder.faults.thaw();
            answer
        },
        async {
            // The holder commits, keeps the lease because somebody has posted, and is frozen before it releases.
            hasty.faults.strike().await;
            newcomer.event(&alice, &write("second")).await;
            holder.faults.arm(1, Fault::Frozen);
            holder.faults.thaw();
            holder.faults.strike().await;
            assert_eq!(world.mailbox(&alice).await.head, 2);
            hasty.faults.thaw();
        }
    );
    assert_eq!(answer, no_failures());
    assert_eq!(hasty.faults.calls(), 2, "it looked, and its takeover was refused");
    assert_eq!(world.idle(&alice).await.head, 2);
    assert_eq!(world.entries(&alice).await, ["first", "second"]);
}

/// The wake that a look at a held entity sends.
pub async fn seen(world: &World, entity: &EntityId) -> Wake {
    let Some(Lease::Held { owner, until }) = world.mailbox(entity).await.lease else { panic!("{entity} is not held") };
    Wake { entity: entity.clone(), lease: Some(SeenLease { owner, until }), due: None }
}

/// Found by the simulation: when one commit was enough to acquit everything, an envelope that kills its holders cost two
/// more of them for every few that waited before it.
#[tokio::test]
async fn suspicion_outlives_a_hand_over_and_ends_with_the_queue() {
    let world = World::with(registry(), Settings { rounds: 1, ..Settings::default() }).await;
    let suspect = ledger("suspect");
    world.die_holding(&suspect, &write("first")).await;
    world.submit(&suspect, Mode::Detached, &[write("second"), write("third")]).await;
    for (death, call) in [(1, 2), (2, 3)] {
        let holder = world.later(death * LEASE_OVER);
        holder.faults.arm(call, Fault::DiesBefore);
        assert!(holder.until_death(holder.stream(&[&suspect])).await.is_none());
    }
    for (holder, entries) in [(3, vec!["first"]), (4, vec!["first", "second"])] {
        let holder = world.later(holder * LEASE_OVER);
        holder.stream(&[&suspect]).await;
        let mailbox = world.mailbox(&suspect).await;
        assert_eq!(world.entries(&suspect).await, entries, "one at a time");
        assert_eq!((mailbox.attempts, mailbox.running, mailbox.strikes), (3, None, 0), "the others are still suspect");
        assert_eq!((mailbox.lease, mailbox.pending), (None, true), "handed over");
    }
    world.later(5 * LEASE_OVER).stream(&[&suspect]).await;
    assert_eq!(world.entries(&suspect).await, ["first", "second", "third"]);
    world.idle(&suspect).await;
}
