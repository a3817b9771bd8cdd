//! What the README shows is what there is.

use std::time::Duration;

use crate::app;
use kinds::counter::{Counter, Increment};
use serde_json::json;

use crate::world::World;

const README: &str = include_str!("../../README.md");
const WAIT: Duration = Duration::from_secs(5);

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
    assert_eq!(app::registry().names().collect::<Vec<_>>(), ["account", "counter", "user"]);
}

#[tokio::test]
async fn the_world_of_the_front_door_is_the_one_of_these_tests() {
    let world = leasebox::test::World::new(kinds::app()).await;
    let event = json!({"type": "increment", "amount": 5}).to_string();
    let victim = world.again();
    victim.faults.arm(1, leasebox::test::Fault::DiesBefore);
    assert!(victim.until_death(victim.post("/entities/counter/a/events", &event)).await.is_none());
    assert_eq!(world.state::<Counter>("a").await.unwrap().value, 0, "it is stored, and nobody has run it");
    world.work_off().await;
    assert_eq!(world.state::<Counter>("a").await.unwrap().value, 5);
    let (reply, total) = world.cost(world.ask::<Counter>("a", Increment { amount: 2 })).await;
    assert_eq!((reply.unwrap().value, total.write, total.read), (7, 2.0, 0.0));
}
