//! Who waits is listed, the one that waits longest first, with what keeps it.

use serde_json::{Value, json};
use shared::client::Mode;

use crate::drive::LEASE_OVER;
use crate::ledger::{ledger, write};
use crate::operators::worlds;
use crate::problems::problem;
use crate::world::{World, entity};
use testing::faults::Fault;

/// All pages of a list.
async fn pages(world: &World, path: &str) -> Vec<Vec<Value>> {
    let (mut pages, mut next) = (Vec::new(), path.to_owned());
    let separator = if path.contains('?') { '&' } else { '?' };
    loop {
        let page = world.operate("GET", &next, "").await;
        assert_eq!(page.status, 200, "{page:?}");
        pages.push(page.body["items"].as_array().unwrap().clone());
        let Some(cursor) = page.body["cursor"].as_str() else { return pages };
        next = format!("{path}{separator}cursor={cursor}");
    }
}

fn entities(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["entity"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn each_is_listed_with_its_age_and_what_keeps_it() {
    let (world, broken) = worlds().await;
    world.event(&ledger("idle"), &write("1")).await;
    world.later(30_000).submit(&ledger("free"), Mode::Detached, &[write("1"), write("2")]).await;
    let holder = world.later(20_000);
    holder.faults.arm(1, Fault::DiesBefore);
    assert!(holder.until_death(holder.event(&ledger("held"), &write("1"))).await.is_none());
    world.die_holding(&ledger("gone"), &write("1")).await;
    let listed = world.later(15_000 + LEASE_OVER);
    let found = pages(&listed, "stuck?kind=ledger").await.concat();
    assert_eq!(entities(&found), ["ledger/gone", "ledger/held", "ledger/free"]);
    let column = |name: &str| found.iter().map(|item| item[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("lease"), ["expired", "held", "free"]);
    assert_eq!(column("pending"), [json!(1), json!(1), json!(2)]);
    assert!(found[0]["age_seconds"].as_u64().unwrap() >= 47, "{found:?}");
    assert_eq!((&found[2]["lock"], found[1]["lock"]["owner"].is_string()), (&Value::Null, true));

    broken.event(&entity("blocker", "a"), &write("1")).await;
    let blocked = pages(&listed, "stuck?kind=blocker").await.concat();
    assert_eq!((&blocked[0]["lease"], &blocked[0]["lock"]["owner"]), (&json!("blocked"), &json!("blocked")));
    assert!(blocked[0]["cause"].as_str().unwrap().contains("the program is broken"), "{blocked:?}");
}

#[tokio::test]
async fn pages_are_bounded_and_go_through_all_kinds() {
    let (world, _) = worlds().await;
    for kind in ["blocker", "ledger", "skipper"] {
        for id in ["a", "b", "c", "d", "e"] {
            world.submit(&entity(kind, id), Mode::Detached, &[write("1")]).await;
        }
    }
    let all = pages(&world, "stuck?limit=2").await;
    assert!(all.iter().all(|page| page.len() <= 2), "{all:?}");
    let all = all.concat();
    let mut found = entities(&all);
    found.sort_unstable();
    let ids = ["a", "b", "c", "d", "e"];
    let expected = ["blocker", "ledger", "skipper"].iter().flat_map(|kind| ids.map(|id| format!("{kind}/{id}")));
    assert_eq!(found, expected.collect::<Vec<_>>());
    assert_eq!(pages(&world, "stuck?kind=ledger&limit=2").await.concat().len(), 5);
}

#[tokio::test]
async fn what_it_does_not_understand_is_refused() {
    let (world, _) = worlds().await;
    let cursor = hex("skipper/a");
    for (query, status) in [
        ("kind=none".to_owned(), 404),
        ("limit=0".to_owned(), 400),
        ("cursor=zz".to_owned(), 400),
        (format!("cursor={}", hex("none/a")), 404),
        (format!("kind=ledger&cursor={cursor}"), 400),
        ("age=1".to_owned(), 400),
    ] {
        let reply = world.operate("GET", &format!("stuck?{query}"), "").await;
        assert_eq!((reply.status, problem(&reply).is_empty()), (status, false), "{query}");
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
