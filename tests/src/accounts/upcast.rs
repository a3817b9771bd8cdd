//! A journal that three versions of one program have written: the last of them reads it all, and the first of them leaves
//! to it what it does not know.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::actor::{Event, Fault};
use shared::envelope::{EntityId, Millis};
use shared::host::ReadHost;
use shared::limits::Settings;
use shared::registry::{Kind, Registry, Unreadable};
use shared::replay::{self, ReplayError, Until, Verdict};
use shared::sourced::{Decision, EventSourced, Snapshot};

use crate::accounts::Attributes;
use crate::world::{World, entity};

const KIND: &str = "kettle";

/// Fills a kettle with so many of what its program counts in.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Command {
    Fill { much: u64 },
}

/// The first program counted in cups.
struct First;

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum FirstEvent {
    Poured { cups: u64 },
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Cups {
    cups: u64,
}

impl EventSourced for First {
    const KIND: &'static str = KIND;
    type State = Cups;
    type Command = Command;
    type Event = FirstEvent;
    type Reply = u64;

    fn decide(_: &Snapshot<Cups>, command: &Event<'_, Command>) -> Result<Decision<Self>, Fault> {
        let Command::Fill { much } = command.command;
        Ok(Decision::events([FirstEvent::Poured { cups: much }]))
    }

    fn apply(state: Cups, FirstEvent::Poured { cups }: &FirstEvent) -> Result<Cups, Fault> {
        Ok(Cups { cups: state.cups + cups })
    }

    fn reply(_: &Event<'_, Command>, after: &Snapshot<Cups>) -> u64 {
        after.state.cups
    }
}

/// The second one counts in millilitres, of which a cup has 250; its state is still what the first one stored.
struct Second;

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum SecondEvent {
    Poured { millilitres: u64 },
}

fn millilitres(mut event: Value) -> Result<Value, Fault> {
    let cups = event["cups"].as_u64().ok_or_else(|| Fault::new("there are no cups"))?;
    event["millilitres"] = json!(cups * 250);
    Ok(event)
}

impl EventSourced for Second {
    const KIND: &'static str = KIND;
    const EVENTS: u32 = 2;
    type State = Cups;
    type Command = Command;
    type Event = SecondEvent;
    type Reply = u64;

    fn decide(_: &Snapshot<Cups>, command: &Event<'_, Command>) -> Result<Decision<Self>, Fault> {
        let Command::Fill { much } = command.command;
        Ok(Decision::events([SecondEvent::Poured { millilitres: much }]))
    }

    fn apply(state: Cups, SecondEvent::Poured { millilitres }: &SecondEvent) -> Result<Cups, Fault> {
        Ok(Cups { cups: state.cups + millilitres / 250 })
    }

    fn reply(_: &Event<'_, Command>, after: &Snapshot<Cups>) -> u64 {
        after.state.cups
    }

    fn upcast(schema: u32, event: Value) -> Result<Value, Fault> {
        assert_eq!(schema, 1);
        millilitres(event)
    }
}

/// The third one has another name for what happens, and another state too.
struct Third;

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum ThirdEvent {
    Filled { millilitres: u64, by: String },
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Level {
    millilitres: u64,
    hands: u64,
}

impl EventSourced for Third {
    const KIND: &'static str = KIND;
    const SCHEMA: u32 = 2;
    const EVENTS: u32 = 3;
    type State = Level;
    type Command = Command;
    type Event = ThirdEvent;
    type Reply = u64;

    fn decide(_: &Snapshot<Level>, command: &Event<'_, Command>) -> Result<Decision<Self>, Fault> {
        let Command::Fill { much } = command.command;
        Ok(Decision::events([ThirdEvent::Filled { millilitres: much, by: "somebody".to_owned() }]))
    }

    fn apply(state: Level, ThirdEvent::Filled { millilitres, by }: &ThirdEvent) -> Result<Level, Fault> {
        let hands = state.hands + u64::from(by != "nobody");
        Ok(Level { millilitres: state.millilitres + millilitres, hands })
    }

    fn reply(_: &Event<'_, Command>, after: &Snapshot<Level>) -> u64 {
        after.state.millilitres
    }

    fn upcast(schema: u32, mut event: Value) -> Result<Value, Fault> {
        if schema == 1 {
            return millilitres(event);
        }
        event["type"] = json!("Filled");
        event["by"] = json!("nobody");
        Ok(event)
    }

    fn upgrade(_: u32, stored: Value) -> Result<Level, Fault> {
        let cups = stored["cups"].as_u64().ok_or_else(|| Fault::new("there are no cups"))?;
        Ok(Level { millilitres: cups * 250, hands: 0 })
    }
}

fn kettle() -> EntityId {
    entity(KIND, "k")
}

/// Three programs over one table.
async fn programs() -> [World; 3] {
    let first = World::with(Registry::new([Kind::of::<First>()]), Settings::default()).await;
    let second = first.again(Registry::new([Kind::of::<Second>()]));
    let third = first.again(Registry::new([Kind::of::<Third>()]));
    [first, second, third]
}

async fn fill(world: &World, much: u64) -> Value {
    let reply = world.event(&kettle(), &json!({"type": "fill", "much": much})).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body["reply"].clone()
}

/// What a program makes of the journal up to a version.
async fn replayed(world: &World, until: Until) -> Result<Value, ReplayError> {
    let kind = world.host.registry().kind(KIND).unwrap();
    let replayed = replay::replay(&world.host, (kind, &kettle()), until, world.deadline(), |_| {}).await?;
    Ok(replayed.stage.view().unwrap())
}

async fn verdict(world: &World, version: u64) -> Result<Verdict, ReplayError> {
    let (kind, image) = (world.host.registry().kind(KIND).unwrap(), world.mailbox(&kettle()).await);
    replay::verify(&world.host, kind, &image, version, world.deadline(), |_| {}).await
}

#[tokio::test]
async fn the_newest_program_reads_what_all_before_it_wrote() {
    let [first, second, third] = programs().await;
    assert_eq!(fill(&first, 1).await, 1);
    assert_eq!(fill(&first, 2).await, 3);
    assert_eq!(fill(&second, 500).await, 5);
    assert_eq!(verdict(&second, 3).await, Ok(Verdict::Consistent));
    // The third one takes up the state of the others where it is, and says what it is in its own way.
    assert_eq!(fill(&third, 40).await, 1290);
    assert_eq!(fill(&third, 5).await, 1295);
    let states: [(u64, Value); 6] = [
        (0, json!({"millilitres": 0, "hands": 0})),
        (1, json!({"millilitres": 250, "hands": 0})),
        (2, json!({"millilitres": 750, "hands": 0})),
        (3, json!({"millilitres": 1250, "hands": 0})),
        (4, json!({"millilitres": 1290, "hands": 1})),
        (5, json!({"millilitres": 1295, "hands": 2})),
    ];
    for (version, state) in states {
        let view = replayed(&third, Until::Version(version)).await.unwrap();
        assert_eq!((&view["version"], &view["state"]), (&json!(version), &state));
    }
    assert_eq!(verdict(&third, 5).await, Ok(Verdict::Consistent));
    let view = replayed(&third, Until::Time(Millis(u64::MAX))).await.unwrap();
    assert_eq!(view["state"]["millilitres"], 1295);
    // A journal is never rewritten: each event is as its program wrote it.
    let (entries, next) = replay::page(&third.host, &kettle(), 1, 10, third.deadline()).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.schema).collect::<Vec<_>>(), [1, 1, 2, 3, 3]);
    assert_eq!((&entries[0].payload, next), (json!({"cups": 1}).as_object().unwrap(), None));
    assert_eq!((entries[3].r#type.as_str(), entries[2].r#type.as_str()), ("Filled", "Poured"));
}

#[tokio::test]
async fn an_older_program_leaves_to_a_newer_one_what_it_does_not_know() {
    let [first, second, third] = programs().await;
    fill(&first, 4).await;
    fill(&second, 250).await;
    let newer = |stored, known| {
        Err(ReplayError::Unreadable { entity: kettle(), unreadable: Unreadable::Newer { stored, known } })
    };
    assert_eq!(replayed(&first, Until::Version(2)).await, newer(2, 1));
    assert_eq!(verdict(&first, 2).await.map(|_| Value::Null), newer(2, 1));
    // What was before it can be read.
    assert_eq!(replayed(&first, Until::Version(1)).await.unwrap()["state"], json!({"cups": 4}));
    fill(&third, 1).await;
    assert_eq!(replayed(&second, Until::Version(3)).await, newer(3, 2));
    assert_eq!(verdict(&third, 3).await, Ok(Verdict::Consistent));
}

#[tokio::test]
async fn what_cannot_be_brought_to_the_present_form_is_damage() {
    let [first, _, third] = programs().await;
    fill(&first, 1).await;
    let mut item: Attributes = first.stored(&kettle(), "event#").await.swap_remove(0);
    let broken = json!([{
        "version": 1, "type": "Poured", "schema": 1, "at": 1, "payload": {"pints": 1},
        "cause": "1-000102030405060708090a0b",
    }]);
    item.insert("events".to_owned(), serde_dynamo::to_attribute_value(broken).unwrap());
    first.put_item(item).await;
    let Ok(Verdict::Broken(what)) = verdict(&third, 1).await else { panic!("it was read") };
    assert!(what.contains("there are no cups") && what.contains("event 1"), "{what}");
}

#[tokio::test]
async fn a_replay_that_has_no_time_says_how_far_it_came() {
    let [first, ..] = programs().await;
    fill(&first, 1).await;
    let kind = first.host.registry().kind(KIND).unwrap();
    let over = replay::replay(&first.host, (kind, &kettle()), Until::Version(1), first.host.now(), |_| {}).await;
    assert_eq!(over.err(), Some(ReplayError::TooLong { entity: kettle(), events: 0 }));
    let problem = web::problem::Problem::from(ReplayError::TooLong { entity: kettle(), events: 7 }).answer();
    assert_eq!(problem.status, 503);
    assert!(problem.body.contains("urn:leasebox:journal-too-long") && problem.body.contains("7 events"), "{problem:?}");
}
