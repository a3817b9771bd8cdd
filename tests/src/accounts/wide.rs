//! Journals with more events, or larger ones, than one item or one transaction takes; and one of 100,000 events, which
//! is verified page by page.

use kinds::account::{Happened, State};
use serde::{Deserialize, Serialize};
use serde_dynamo::AttributeValue;
use serde_json::{Value, json};
use shared::actor::{Event, Fault};
use shared::envelope::{EntityId, EnvelopeId, EventId, Millis};
use shared::host::ReadHost;
use shared::journal::{Entry, take_apart};
use shared::limits::{self, Settings};
use shared::registry::{Kind, Registry};
use shared::replay::{self, Until, Verdict};
use shared::sourced::{Decision, EventSourced, Snapshot};
use shared::table;

use crate::accounts::{Attribute, Attributes, account};
use crate::world::{World, entity};

const KIND: &str = "annals";

/// Remembers how much was ever written to it, in as many events as it is told to.
struct Annals;

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Command {
    Write { events: u64, bytes: usize },
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Written {
    Line { number: u64, text: String },
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Length {
    lines: u64,
    bytes: usize,
}

impl EventSourced for Annals {
    const KIND: &'static str = KIND;
    type State = Length;
    type Command = Command;
    type Event = Written;
    type Reply = u64;

    fn decide(now: &Snapshot<Length>, command: &Event<'_, Command>) -> Result<Decision<Self>, Fault> {
        let Command::Write { events, bytes } = command.command;
        let lines = now.state.lines;
        Ok(Decision::events((1..=events).map(|line| Written::Line { number: lines + line, text: "x".repeat(bytes) })))
    }

    fn apply(state: Length, Written::Line { number, text }: &Written) -> Result<Length, Fault> {
        if *number != state.lines + 1 {
            return Err(Fault::new(format!("line {number} follows line {}", state.lines)));
        }
        Ok(Length { lines: *number, bytes: state.bytes + text.len() })
    }

    fn reply(_: &Event<'_, Command>, after: &Snapshot<Length>) -> u64 {
        after.version
    }
}

fn annals(id: &str) -> EntityId {
    entity(KIND, id)
}

async fn world() -> World {
    World::with(Registry::new([Kind::of::<Annals>()]), Settings::default()).await
}

fn written(events: u64, bytes: usize) -> Value {
    json!({"type": "write", "events": events, "bytes": bytes})
}

/// Asserts that the journal of annals is whole, and brings the number of its items.
async fn whole(world: &World, id: &EntityId, events: u64) -> usize {
    let (kind, image) = (world.host.registry().kind(KIND).unwrap(), world.idle(id).await);
    let verdict = replay::verify(&world.host, kind, &image, events, world.deadline(), |_| {}).await;
    assert_eq!(verdict, Ok(Verdict::Consistent));
    let (mut numbers, mut next) = (Vec::new(), Some(1));
    while let Some(from) = next {
        let (entries, after) = replay::page(&world.host, id, from, 40, world.deadline()).await.unwrap();
        numbers.extend(entries.iter().map(|entry| (entry.version, entry.payload["number"].as_u64().unwrap())));
        next = after;
    }
    assert_eq!(numbers, (1..=events).map(|number| (number, number)).collect::<Vec<_>>());
    world.stored(id, "event#").await.len()
}

#[tokio::test]
async fn small_events_of_one_command_spill_over_several_items() {
    let (world, long) = (world().await, annals("long"));
    assert_eq!(world.event(&long, &written(300, 50)).await.body["reply"], 300);
    let items = whole(&world, &long, 300).await;
    assert!((10..50).contains(&items), "{items}");
    for item in world.stored(&long, "event#").await {
        let bytes = table::value_bytes(&item["events"]);
        assert!(bytes <= limits::JOURNAL_ITEM_BYTES + 3, "{bytes}");
    }
}

#[tokio::test]
async fn large_events_of_many_commands_are_committed_in_parts() {
    let (world, long) = (world().await, annals("long"));
    world.event(&long, &written(1, 1)).await;
    // Each in an item of its own: 125 items, of which a transaction takes 99.
    let commands = vec![written(5, 5_000); 25];
    let path = format!("/entities/{long}/events");
    for key in [None, Some(("idempotency-key", "k"))] {
        world.host.store().take();
        let headers = Vec::from_iter(key);
        let reply = world.http("POST", &path, &headers, &json!(commands).to_string()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let versions: Vec<u64> =
            reply.body.as_array().unwrap().iter().map(|receipt| receipt["reply"].as_u64().unwrap()).collect();
        assert!(versions.windows(2).all(|pair| pair[1] == pair[0] + 5), "{versions:?}");
        assert!(world.host.store().take().writes >= 3, "a post, and more than one transaction");
    }
    assert_eq!(whole(&world, &long, 251).await, 251);
    // With the key once more nothing happens.
    let again = world.http("POST", &path, &[("idempotency-key", "k")], &json!(commands).to_string()).await;
    assert_eq!((again.status, &again.headers["idempotency-replayed"]), (200, &"true".parse().unwrap()));
    assert_eq!(whole(&world, &long, 251).await, 251);
}

#[tokio::test]
async fn what_no_transaction_takes_is_parked_and_leaves_nothing_in_the_journal() {
    let (world, long) = (world().await, annals("long"));
    assert_eq!(world.event(&long, &written(99, 5_000)).await.body["reply"], 99);
    assert_eq!(whole(&world, &long, 99).await, 99);
    for (event, why) in [
        (written(100, 5_000), "events and side records"),
        (written(55, 60_000), "events and side records"),
        (written(1, limits::RECORD_BYTES), "an event has"),
    ] {
        let reply = world.event(&long, &event).await;
        assert_eq!(reply.status, 500, "{event}: {reply:?}");
        assert!(reply.body["detail"].as_str().unwrap().contains(why), "{event}: {reply:?}");
    }
    assert_eq!(whole(&world, &long, 99).await, 99);
    // It goes on, also beside one that has no room.
    let beside = json!([written(1, 1), written(100, 5_000), written(2, 1)]);
    let reply = world.post(&format!("/entities/{long}/events"), &beside.to_string()).await;
    assert_eq!((&reply.body[0]["reply"], &reply.body[1]["status"]), (&json!(100), &json!("dead")), "{reply:?}");
    assert_eq!(whole(&world, &long, 102).await, 101);
}

#[tokio::test]
async fn a_command_without_events_leaves_the_journal_as_it_is() {
    let (world, long) = (world().await, annals("long"));
    assert_eq!(world.event(&long, &written(0, 0)).await.body["reply"], 0);
    assert_eq!(world.event(&long, &written(2, 1)).await.body["reply"], 2);
    assert_eq!(world.event(&long, &written(0, 0)).await.body["reply"], 2);
    assert_eq!(whole(&world, &long, 2).await, 2);
}

/// Events of the long journal, and how many share an item.
const EVENTS: u64 = 100_000;
const SHARED: u64 = 25;

/// Deposits of one, as many commands that were committed together wrote them.
fn shared_item(id: &EntityId, versions: std::ops::RangeInclusive<u64>) -> Attributes {
    let (r#type, payload) = take_apart(&Happened::MoneyDeposited { amount: 1, transfer: None }).unwrap();
    let entry = |version| Entry {
        version,
        r#type: r#type.clone(),
        schema: 1,
        at: Millis(1_790_000_000_000 + version),
        cause: EventId { sequence: version, id: EnvelopeId([7; 12]) },
        payload: payload.clone(),
    };
    let key = table::journal_key(id, *versions.end());
    let events = versions.map(|version| serde_dynamo::to_attribute_value(entry(version)).unwrap()).collect();
    Attributes::from([
        ("pk".to_owned(), AttributeValue::S(key.pk)),
        ("sk".to_owned(), AttributeValue::S(key.sk)),
        ("events".to_owned(), AttributeValue::L(events)),
    ])
}

/// Writes items as they are.
async fn put_all(world: &World, items: Vec<Attributes>) {
    use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
    let sdk = world.sdk();
    let request = |item: &Attributes| {
        let item: std::collections::HashMap<String, Attribute> = serde_dynamo::Item::from(item.clone()).into();
        WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(item)).build().unwrap()).build()
    };
    for batch in items.chunks(25) {
        let batch: Vec<_> = batch.iter().map(request).collect();
        let write = || sdk.batch_write_item().request_items(&world.table, batch.clone()).send();
        // To write the same items again changes nothing, and a busy database may not answer at once.
        let mut written = write().await;
        for _ in 0..5 {
            if written.is_err() {
                written = write().await;
            }
        }
        assert!(written.unwrap().unprocessed_items.is_none_or(|items| items.is_empty()));
    }
}

#[tokio::test]
async fn a_journal_of_a_hundred_thousand_events_is_verified_page_by_page() {
    let (world, long) = (World::new().await, account("long"));
    world.open_account("long", 0).await;
    let mut items: Vec<_> = (2..=EVENTS)
        .step_by(SHARED as usize)
        .map(|first| shared_item(&long, first..=EVENTS.min(first + SHARED - 1)))
        .collect();
    let count = items.len();
    let mut mailbox: Attributes = world.item(table::mailbox_key(&long)).await.unwrap().into();
    let state = State { owner: Some("the owner of long".to_owned()), balance: EVENTS - 1 };
    let snapshot = Snapshot { version: EVENTS, at: Millis(1_790_000_000_000 + EVENTS), state };
    mailbox.insert("state".to_owned(), serde_dynamo::to_attribute_value(snapshot).unwrap());
    items.push(mailbox);
    let mut opened: Attributes = world.journal_items("long").await.swap_remove(0);
    let Some(AttributeValue::L(events)) = opened.get_mut("events") else { panic!("no events") };
    let AttributeValue::M(event) = &mut events[0] else { panic!("no event") };
    event.insert("at".to_owned(), table::number(1_u64));
    items.push(opened);
    put_all(&world, items).await;

    let (kind, image) = (world.host.registry().kind("account").unwrap(), world.mailbox(&long).await);
    let late = Millis(u64::MAX);
    let mut told = Vec::new();
    world.host.store().take();
    let verdict = replay::verify(&world.host, kind, &image, EVENTS, late, |version| told.push(version)).await;
    assert_eq!(verdict, Ok(Verdict::Consistent));
    let total = world.host.store().take();
    println!("{count} items, {total:?}, {} pages", told.len());
    // Every page is read once and is small, and nothing is read besides.
    assert_eq!((total.writes, told.len()), (0, total.reads as usize));
    assert!(told.is_sorted() && told.last() == Some(&EVENTS), "{told:?}");
    assert!(told.windows(2).all(|pair| pair[1] - pair[0] <= 250 * SHARED), "{told:?}");
    assert!(told.len() >= count / 250 && told.len() < 2 * count / 250 + 2, "{}", told.len());
    assert!(total.page <= 1024 * 1024 + limits::ITEM_BYTES, "{total:?}");

    // A page of it, and its state in the middle, are found without reading what is before or after.
    let middle = replay::replay(&world.host, (kind, &long), Until::Version(1_000), late, |_| {}).await.unwrap();
    assert_eq!((middle.version, world.host.store().take().reads), (1_000, 1));
    assert_eq!(world.pages("long", EVENTS - 30, 20).await.len(), 31);
    assert!(world.host.store().take().read < 20.0);
}
