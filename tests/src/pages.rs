//! A page of a list fits what Lambda answers with, however large its items are.

use std::sync::Arc;

use futures::future::join_all;
use serde_json::{Value, json};
use shared::limits::{self, Settings};
use web::guard::Guard;
use web::route::Function;

use crate::ledger::{ledger, registry};
use crate::payloads::payload_by;
use crate::world::{World, deployed};

/// Entities, and what the state of each takes when it is stored: as much as there may be of both.
const ENTITIES: usize = limits::PAGE_MOST;
const STATE: usize = limits::STATE_BYTES - 256;

/// The event of a request for a page of all ledgers.
fn event(query: &str) -> String {
    let mut event = payload_by("status-list", "GET /entities/{kind}", "/entities/ledger", query);
    event["pathParameters"] = json!({"kind": "ledger"});
    event.to_string()
}

/// How many bytes Lambda gets of an answer.
async fn answered(world: &World, guard: &Arc<Guard>, query: &str) -> (usize, Value) {
    let reply = world.invoke(Function::Status, guard, &event(query)).await;
    assert_eq!(reply.status, 200, "{query}");
    // As it is written there: a text within JSON.
    (serde_json::to_string(&reply.body.to_string()).unwrap().len(), reply.body)
}

#[tokio::test]
async fn a_hundred_large_entities_are_listed_each_once_and_no_page_is_too_large_for_lambda() {
    let world = World::with(registry(), Settings::default()).await;
    let ids: Vec<String> = (0..ENTITIES).map(|number| format!("{number:03}")).collect();
    for some in ids.chunks(10) {
        let swollen = some.iter().map(|id| async {
            world.event(&ledger(id), &json!({"type": "swell", "bytes": STATE})).await;
        });
        join_all(swollen).await;
    }
    let (mut seen, mut query, mut sizes) = (Vec::new(), format!("limit={ENTITIES}"), Vec::new());
    loop {
        let (bytes, page) = answered(&world, &deployed(), &query).await;
        assert!(bytes < limits::ANSWER_BYTES, "a page has {bytes} bytes");
        let items = page["items"].as_array().unwrap();
        let large = items.iter().filter(|item| item["state"]["ballast"].as_str().unwrap().len() > STATE / 2);
        assert_eq!(large.count(), items.len());
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        sizes.push(bytes);
        let Some(cursor) = page["cursor"].as_str() else { break };
        query = format!("limit={ENTITIES}&cursor={cursor}");
    }
    println!("{} entities on pages of {sizes:?} bytes", seen.len());
    assert_eq!(seen, ids, "each once, and in order");
    assert!(sizes.len() > 2, "{sizes:?}");
}
