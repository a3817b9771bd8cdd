//! The whole journey with every handler rebuilt for each invocation: no state in memory is needed.

use serde_json::json;
use shared::limits::Settings;

use crate::ledger::{ledger, registry, tell, write};
use crate::world::World;

#[tokio::test]
async fn every_invocation_may_be_a_process_of_its_own() {
    let world = World::with(registry(), Settings::default()).await;
    for round in 1..=5 {
        for user in 0..8 {
            let reply = world.other().get(&format!("/webhook?user_id=u{user}&delta={user}")).await;
            assert_eq!((reply.status, &reply.body["counter"]), (200, &json!(user * round)));
            let path = format!("/entities/ledger/l{user}/events");
            let told = tell(&format!("{round}"), &[(&ledger("all"), write(&format!("{user}.{round}")))]);
            let key = format!("{user}.{round}");
            let headers = [("idempotency-key", key.as_str()), ("prefer", "respond-async")];
            for _ in 0..2 {
                let reply = world.other().http("POST", &path, &headers, &told.to_string()).await;
                assert_eq!(reply.status, 202, "{reply:?}");
            }
        }
        loop {
            let records = world.records.take();
            if records.is_empty() {
                break;
            }
            for record in &records {
                let process = world.other();
                process.stream(&[record]).await;
                let left = process.wakes.take();
                assert!(left.is_empty(), "{left:?}");
            }
        }
    }
    for user in 0..8 {
        let status = world.other().get(&format!("/status?user_id=u{user}")).await;
        assert_eq!((&status.body["counter"], &status.body["lock"]), (&json!(user * 5), &json!(null)));
        assert_eq!(world.entries(&ledger(&format!("l{user}"))).await, ["1", "2", "3", "4", "5"]);
    }
    let mut all = world.entries(&ledger("all")).await;
    assert_eq!(all.len(), 40);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 40, "told once each");
    world.idle(&ledger("all")).await;
}
