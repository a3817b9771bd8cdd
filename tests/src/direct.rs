//! The direct path: what it costs, that nothing is lost or doubled when many write at once, and that whatever it cannot
//! do is done by the queue. What becomes of it when things fail, `crash::the_direct_path` and the simulation show.

use crate::app;
use futures::future::join_all;
use serde_json::json;
use shared::host::ReadHost;
use shared::limits::{Direct, Settings};

use crate::cost::cost;
use crate::ledger::{ledger, registry, write};
use crate::meter::DIRECT;
use crate::world::{World, entity};
use testing::faults::Fault;

fn settings() -> Settings {
    Settings { direct: Direct::On, ..Settings::default() }
}

async fn world() -> World {
    World::with(app::registry(), settings()).await
}

#[tokio::test]
async fn an_idle_event_costs_one_write_unit_and_half_a_read_unit() {
    let world = world().await;
    for expected in 1..40 {
        let (reply, total) = cost(&world, world.get("/webhook?user_id=alice&delta=1")).await;
        assert_eq!((reply.status, &reply.body["counter"]), (200, &json!(expected)));
        assert_eq!((total.writes, total.refused, total.reads), (1, 0, 1), "event {expected}");
        if expected > 1 {
            // The first one writes the directory too.
            assert_eq!((total.write, total.read), (DIRECT.write, DIRECT.read), "event {expected}");
        }
    }
    assert_eq!(world.idle(&entity("counter", "alice")).await.head, 39);
    assert!(world.records.is_empty(), "nothing is left for drain to look at");
}

#[tokio::test]
async fn an_array_is_one_write_in_its_order() {
    let world = world().await;
    let events = json!([{"type": "increment", "amount": 1}, {"type": "increment", "amount": 2}]);
    let path = "/entities/counter/alice/events";
    let (reply, total) = cost(&world, world.post(path, &events.to_string())).await;
    let values: Vec<_> = reply.body.as_array().unwrap().iter().map(|receipt| &receipt["reply"]["value"]).collect();
    assert_eq!((values, total.writes), (vec![&json!(1), &json!(3)], 1), "{reply:?}");
}

#[tokio::test]
async fn a_key_is_remembered_as_ever() {
    let world = world().await;
    let keyed = [("idempotency-key", "k")];
    let increment = async || world.http("POST", "/counter/c/increment", &keyed, "").await;
    let (first, total) = cost(&world, increment()).await;
    assert_eq!((first.status, total.writes, total.reads), (200, 1, 2));
    for _ in 0..3 {
        let again = increment().await;
        assert_eq!((again.status, &again.body), (200, &first.body));
        assert_eq!(again.headers["idempotency-replayed"], "true");
    }
    assert_eq!(world.get("/counter/c").await.body["value"], 1);
}

#[tokio::test]
async fn accounts_transfers_and_messages_go_the_same_way() {
    let world = world().await;
    for id in ["alice", "bob"] {
        let body = json!({"owner": id, "initial_balance": 100}).to_string();
        assert_eq!(world.post(&format!("/accounts/{id}/open"), &body).await.status, 200);
    }
    let refused = world.post("/accounts/alice/withdraw", r#"{"amount":101}"#).await;
    assert_eq!((refused.status, &refused.body["balance"]), (422, &json!(100)), "{refused:?}");
    let transfer = world.post("/transfers", r#"{"from":"alice","to":"bob","amount":30}"#).await;
    assert_eq!((transfer.status, &transfer.body["status"]), (200, &json!("completed")), "{transfer:?}");
    for (id, balance) in [("alice", 70), ("bob", 130)] {
        assert_eq!(world.get(&format!("/accounts/{id}")).await.body["balance"], balance);
        assert_eq!(world.get(&format!("/accounts/{id}/verify")).await.body["consistent"], true);
    }
    for n in 1..=3 {
        let sent = world.post("/users/alice/messages", r#"{"to":"bob","content":"hello"}"#).await;
        assert_eq!((sent.status, &sent.body["n"]), (200, &json!(n)), "{sent:?}");
    }
    assert_eq!(world.get("/users/bob/conversations").await.body["items"][0]["unread"], 3);
}

#[tokio::test]
async fn whoever_writes_at_once_is_applied_once() {
    let one = World::with(registry(), settings()).await;
    let processes = [one.other(), one.other(), one.other()];
    let hot = ledger("hot");
    let posts = (0..90).map(|number| {
        let (process, hot) = (&processes[number % 3], &hot);
        async move { process.event(hot, &write(&number.to_string())).await }
    });
    for reply in join_all(posts).await {
        assert!([200, 202].contains(&reply.status), "{reply:?}");
    }
    one.records.put_back(std::slice::from_ref(&hot));
    one.work_off().await;
    let mut entries: Vec<u32> = one.entries(&hot).await.iter().map(|entry| entry.parse().unwrap()).collect();
    entries.sort_unstable();
    assert_eq!(entries, (0..90).collect::<Vec<_>>());
    one.idle(&hot).await;
}

#[tokio::test]
async fn whoever_was_overtaken_posts_as_usual() {
    let world = World::with(registry(), settings()).await;
    let id = ledger("contended");
    world.event(&id, &write("first")).await;
    let slow = world.other();
    // It has read the item, and is about to write.
    slow.faults.arm(1, Fault::Frozen);
    let faster = async {
        slow.faults.strike().await;
        assert_eq!(world.event(&id, &write("second")).await.status, 200);
        slow.faults.thaw();
    };
    let third = write("third");
    let (reply, ()) = futures::join!(slow.event(&id, &third), faster);
    assert_eq!(reply.status, 200, "{reply:?}");
    let total = slow.host.store().take();
    assert_eq!((total.reads, total.writes, total.refused), (1, 3, 1));
    assert_eq!(world.entries(&id).await, ["first", "second", "third"]);
    world.idle(&id).await;
}

#[tokio::test]
async fn what_fails_is_queued_and_put_to_the_dead_letters() {
    let world = World::with(registry(), settings()).await;
    let id = ledger("poisoned");
    let reply = world.event(&id, &json!({"type": "panic"})).await;
    assert_eq!(reply.status, 500, "{reply:?}");
    assert_eq!(world.dead_letter(&id, 1).await.unwrap()["policy"], "park");
    let refused = world.event(&id, &json!({"type": "refuse"})).await;
    assert_eq!(refused.status / 100, 4, "{refused:?}");
    assert_eq!(world.event(&id, &write("after")).await.status, 200);
    assert_eq!(world.idle(&id).await.head, 3);
}
