//! What the README shows is what there is.

use std::time::Duration;

use serde_json::json;
use shared::actor::Fault;
use shared::actors;
use shared::actors::counter::{Counter, Increment};
use shared::client::AskError;
use shared::limits::Settings;
use shared::registry::{Kind, Registry};
use shared::testing::TestActor;

use crate::example::{Command, Left, Stock};
use crate::world::{World, entity};

const README: &str = include_str!("../../README.md");
const WAIT: Duration = Duration::from_secs(5);

#[test]
fn the_example_in_the_readme_is_the_one_that_is_tested() {
    let shown = README.split("<!-- example -->\n```rust\n").nth(1).unwrap().split("```\n<!-- /example -->").next();
    assert_eq!(shown, Some(include_str!("example.rs")));
}

#[test]
fn the_example_is_tested_without_a_database() -> Result<(), Fault> {
    let mut stock = TestActor::<Stock>::new("shoes");
    stock.run(Command::Deliver { pieces: 5 })?;
    let reserved = stock.run(Command::Reserve { pieces: 3 })?;
    assert_eq!(reserved.reply(), &Left { available: 2 });
    assert_eq!(reserved.posts_to::<Counter>(), [("reservations".to_owned(), Increment { amount: 3 }.into())]);
    assert_eq!(stock.run(Command::Reserve { pieces: 3 })?.rejection().reason, "out-of-stock");
    Ok(())
}

#[tokio::test]
async fn the_example_is_asked_and_answers() {
    let registry = Registry::new([Kind::of::<Counter>(), Kind::of::<Stock>()]);
    let world = World::with(registry, Settings::default()).await;
    let delivered = world.client.ask::<Stock>("shoes", Command::Deliver { pieces: 5 }, WAIT).await;
    assert_eq!(delivered, Ok(Left { available: 5 }));
    let reserved = world.client.ask::<Stock>("shoes", Command::Reserve { pieces: 3 }, WAIT).await;
    assert_eq!(reserved, Ok(Left { available: 2 }));
    let refused = world.client.ask::<Stock>("shoes", Command::Reserve { pieces: 3 }, WAIT).await;
    let Err(AskError::Rejected(rejection)) = refused else { panic!("{refused:?}") };
    assert_eq!((rejection.reason.as_str(), rejection.status), ("out-of-stock", 409));

    let reply = world.post("/entities/stock/shoes/events", r#"{"type":"reserve","pieces":9}"#).await;
    assert_eq!((reply.status, &reply.body["type"]), (409, &json!("urn:leasebox:out-of-stock")));
    assert_eq!(world.get("/counter/reservations").await.body["value"], json!(3));
    assert!(world.mailbox(&entity("stock", "shoes")).await.outbox.is_empty());
}

#[tokio::test]
async fn the_typed_client_takes_a_command_or_a_part_of_it() {
    let world = World::new().await;
    let increment = Increment { amount: 7 };
    assert_eq!(world.client.ask::<Counter>("a", increment, WAIT).await.unwrap().value, 7);
}

#[test]
fn the_tree_in_the_readme_is_what_is_there() {
    let tree = README.split("## Where things are\n\n```\n").nth(1).unwrap().split("```").next().unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let named: Vec<&str> = tree.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    for name in &named {
        assert!(root.join(name).exists(), "{name} is in the README's tree only");
    }
    let beside = ["Cargo.lock", "LICENSE", "README.md", "clippy.toml", "rustfmt.toml", "target"];
    for there in std::fs::read_dir(root).unwrap() {
        let there = there.unwrap().file_name().into_string().unwrap();
        let told = named.iter().any(|name| name.split('/').next() == Some(&there));
        let hidden = there.starts_with('.') && there != ".ci";
        assert!(told || hidden || beside.contains(&there.as_str()), "{there} is not in the README's tree");
    }
}

#[test]
fn the_kinds_are_told_by_the_registry() {
    assert_eq!(actors::registry().names().collect::<Vec<_>>(), ["account", "counter", "user"]);
}
