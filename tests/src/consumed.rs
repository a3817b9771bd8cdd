//! An answer tells what it consumed, when it is asked: what the database reported to this request, and to no other.

use crate::app;
use futures::future::join_all;
use shared::host::ReadHost;
use shared::limits::{Consumption, Settings};

use crate::world::{Reply, World};

const ASKED: (&str, &str) = ("leasebox-consumed", "?1");

fn consumed(reply: &Reply) -> Option<&str> {
    reply.headers.get("leasebox-consumed").map(|value| value.to_str().unwrap())
}

async fn asked(world: &World, method: &str, path: &str, body: &str) -> (u16, String) {
    let reply = world.http(method, path, &[ASKED], body).await;
    (reply.status, consumed(&reply).unwrap_or_else(|| panic!("{reply:?}")).to_owned())
}

#[tokio::test]
async fn a_post_a_read_and_an_error_tell_what_they_consumed() {
    let world = World::new().await;
    let increment = "/counter/alice/increment";
    world.post(increment, "").await;
    let told = |status, text: &str| (status, text.to_owned());
    assert_eq!(asked(&world, "POST", increment, "").await, told(200, "write=2, read=0"));
    assert_eq!(asked(&world, "GET", "/counter/alice", "").await, told(200, "write=0, read=1"));
    assert_eq!(asked(&world, "GET", "/health", "").await, told(200, "write=0, read=0.5"));
    // Nothing was asked of the database; the rules of the bank refuse; there is no such event.
    assert_eq!(asked(&world, "POST", increment, "[1]").await, told(400, "write=0, read=0"));
    world.open_account("bob", 5).await;
    assert_eq!(asked(&world, "POST", "/accounts/bob/withdraw", r#"{"amount":6}"#).await, told(422, "write=2, read=0"));
    assert_eq!(asked(&world, "GET", "/nowhere", "").await, told(404, "write=0, read=0"));
}

#[tokio::test]
async fn only_who_asks_is_told_unless_everybody_is() {
    let world = World::new().await;
    for other in ["?0", "1", "true", "", "?1, ?1", "\"?1\""] {
        let reply = world.http("GET", "/counter/a", &[("leasebox-consumed", other)], "").await;
        assert_eq!((reply.status, consumed(&reply)), (200, None), "{other}");
    }
    let reply = world.http("GET", "/counter/a", &[("leasebox-consumed", " ?1;why=costs ")], "").await;
    assert!(consumed(&reply).is_some());
    let always = Settings { consumption: Consumption::Always, ..Settings::default() };
    let world = World::with(app::registry(), always).await;
    assert!(consumed(&world.get("/counter/a").await).is_some());
    assert!(consumed(&world.get("/counter/..").await).is_some());
}

/// Both numbers of a header.
fn numbers(text: &str) -> (f64, f64) {
    let (write, read) = text.split_once(", ").unwrap();
    let number = |text: &str, name: &str| text.strip_prefix(name).unwrap().parse::<f64>().unwrap();
    (number(write, "write="), number(read, "read="))
}

#[tokio::test]
async fn a_transfer_tells_all_that_its_own_request_did_at_both_accounts() {
    let world = World::new().await;
    world.open_account("alice", 100).await;
    world.open_account("bob", 0).await;
    world.host.store().take();
    let body = r#"{"from":"alice","to":"bob","amount":30}"#;
    let (status, text) = asked(&world, "POST", "/transfers", body).await;
    let total = world.host.store().take();
    assert_eq!((status, total.refused), (200, 0), "{total:?}");
    assert_eq!(numbers(&text), (total.write, total.read));
    assert!(total.write > 8.0, "both accounts' posts and commits are in it: {text}");
}

#[tokio::test]
async fn posts_that_share_a_write_tell_together_what_it_consumed() {
    let world = World::new().await;
    world.post("/counter/alice/increment", "").await;
    world.host.store().take();
    let posts = (0..8).map(|_| asked(&world, "POST", "/counter/alice/increment", ""));
    let told: Vec<(f64, f64)> = join_all(posts).await.iter().map(|(_, text)| numbers(text)).collect();
    let total = world.host.store().take();
    let unreported = f64::from(total.refused);
    let sum = told.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!(sum, (total.write - unreported, total.read), "{told:?} {total:?}");
    assert!(told.contains(&(0.0, 0.0)), "who was carried consumed nothing: {told:?}");
}
