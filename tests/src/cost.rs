//! Invariant 7: what an event costs, summed over the calls, with failed conditions counted as DynamoDB counts them.

use serde_json::{Value, json};
use shared::client::Mode;
use shared::envelope::EntityId;
use shared::host::ReadHost;
use shared::limits::Settings;
use shared::table;

use crate::app;
use crate::ledger::{ledger, registry, tell, write};
use crate::meter::{self, Total};
use crate::world::{World, entity, guard};
use testing::faults::Fault;

fn increment() -> Value {
    json!({"type": "increment", "amount": 1})
}

async fn world() -> World {
    World::with(registry(), Settings::default()).await
}

/// What something costs.
pub async fn cost<T>(world: &World, of: impl Future<Output = T>) -> (T, Total) {
    world.host.store().take();
    let done = of.await;
    (done, world.host.store().take())
}

/// It is moved with its request, and allocated whole by whoever spawns it.
#[tokio::test]
async fn the_future_of_a_request_has_no_room_for_all_that_any_could_ask_for() {
    let world = World::new().await;
    let request = || app::service().routes.incoming(lambda_http::http::Request::new(Vec::new()));
    let (deadline, guard) = (world.deadline(), guard());
    let posts = size_of_val(&ingest::handle(&world.client, &guard, request(), deadline));
    let reads = size_of_val(&status::handle(app::service(), &world.host, &guard, request()));
    assert!(posts < 4 * 1024, "{posts} bytes");
    assert!(reads < 16 * 1024, "{reads} bytes");
}

#[tokio::test]
async fn an_idle_event_costs_two_write_units_and_no_read() {
    let world = World::new().await;
    world.get("/webhook?user_id=alice&delta=1").await;
    for expected in 2..40 {
        let (reply, total) = cost(&world, world.get("/webhook?user_id=alice&delta=1")).await;
        assert_eq!((reply.status, &reply.body["counter"]), (200, &json!(expected)));
        assert_eq!((total.write, total.writes, total.reads), (meter::EVENT.write, 2, 0), "event {expected}");
    }
}

#[tokio::test]
async fn an_idle_item_stays_below_a_kilobyte_for_a_hundred_events() {
    let world = World::new().await;
    let user = "a.rather.long.name@mail.example.com";
    for expected in 1..=100 {
        let reply = world.get(&format!("/webhook?user_id={user}&delta=1000000000000")).await;
        assert_eq!((reply.status, &reply.body["counter"]), (200, &json!(expected * 1_000_000_000_000_i64)));
        let item = world.item(table::mailbox_key(&entity("counter", user))).await.unwrap();
        assert!(table::item_bytes(&item) < 1024, "{} bytes after event {expected}", table::item_bytes(&item));
    }
}

/// Posts `queued - 1` events that wait, and one that runs them all; both parts' cost.
async fn queued(world: &World, alice: &EntityId, queued: usize) -> (Total, Total) {
    let waiting = cost(world, async {
        for _ in 1..queued {
            world.submit(alice, Mode::Detached, &[increment()]).await;
        }
    });
    let ((), posts) = waiting.await;
    let (reply, last) = cost(world, world.event(alice, &increment())).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    (posts, last)
}

#[tokio::test]
async fn events_that_are_queued_cost_one_write_each_and_one_for_all() {
    let world = World::new().await;
    let alice = entity("counter", "alice");
    world.event(&alice, &increment()).await;
    let (posts, last) = queued(&world, &alice, 5).await;
    assert_eq!((posts.write + last.write, posts.reads + last.reads), (meter::FIVE.write, 0));

    // With more of them the item outgrows a unit; the number of writes stays.
    let (posts, last) = queued(&world, &alice, 50).await;
    assert_eq!((posts.writes + last.writes, posts.reads + last.reads), (51, 0));
    assert_eq!(world.idle(&alice).await.head, 56);
}

#[tokio::test]
async fn a_look_of_the_stream_costs_one_read_and_no_write_when_nothing_is_left() {
    let world = World::new().await;
    let alice = entity("counter", "alice");
    world.event(&alice, &increment()).await;
    let (_, look) = cost(&world, world.stream(&[&alice, &alice, &alice])).await;
    assert_eq!(look, Total { read: meter::LOOK.read, reads: 1, ..Total::default() });
}

#[tokio::test]
async fn effects_add_one_write_and_their_deliveries() {
    let world = world().await;
    let (alice, bob) = (ledger("alice"), ledger("bob"));
    for ledger in [&alice, &bob] {
        world.event(ledger, &write("first")).await;
    }
    let (_, total) = cost(&world, world.event(&alice, &tell("x", &[(&bob, write("y"))]))).await;
    // The sender's post, commit and settling, and the receiver's post; and the receiver's commit, which is a
    // transaction of mailbox and receipt, after a look for the receipt.
    assert_eq!((total.writes, total.write), (5, 3.0 + 1.0 + 4.0));
    assert_eq!((total.reads, total.read), (1, 1.0));
    assert_eq!(world.entries(&bob).await, ["first", "y"]);
}

#[tokio::test]
async fn a_keyed_event_costs_five_write_units_and_one_read() {
    let world = World::new().await;
    world.get("/webhook?user_id=alice&delta=1").await;
    let keyed = || world.http("POST", "/webhook?user_id=alice&delta=1", &[("idempotency-key", "k")], "");
    let (reply, total) = cost(&world, keyed()).await;
    assert_eq!((reply.status, &reply.body["counter"]), (200, &json!(2)));
    let units = meter::KEYED;
    assert_eq!((total.write, total.writes, total.read, total.reads), (units.write, 2, units.read, 1));

    // Once more it changes nothing: two plain writes.
    let (reply, total) = cost(&world, keyed()).await;
    assert_eq!((reply.status, &reply.body["counter"]), (200, &json!(2)));
    assert_eq!((total.write, total.writes, total.reads), (2.0, 2, 1));
}

#[tokio::test]
async fn a_newcomer_costs_its_own_write_a_failed_condition_and_a_commit() {
    let world = world().await;
    let alice = ledger("alice");
    world.event(&alice, &write("1")).await;
    let (holder, newcomer) = (world.other(), world.other());
    holder.faults.arm(1, Fault::Frozen);
    let second = write("2");
    let (reply, ()) = tokio::join!(holder.event(&alice, &second), async {
        holder.faults.strike().await;
        assert_eq!(newcomer.event(&alice, &write("3")).await.status, 202);
        holder.faults.thaw();
    });
    assert_eq!(reply.status, 200, "{reply:?}");
    let (holder, newcomer) = (holder.host.store().take(), newcomer.host.store().take());
    assert_eq!((newcomer.writes, newcomer.write, newcomer.refused), (1, 1.0, 0));
    // Its post, the commit that the newcomer spoils, the one that keeps the lease, and the release.
    assert_eq!((holder.writes, holder.write, holder.refused), (4, 4.0, 1));
    assert_eq!(world.entries(&alice).await, ["1", "2", "3"]);
}
