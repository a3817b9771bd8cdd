//! Redriving effects: to their receivers, once, for as long as these would recognise them.

use kinds::counter::Counter;
use shared::limits::{self, Settings};
use shared::mailbox::post::{Posted, Posting, Room, Tries, post};
use shared::operator::dead_letters::{Content, LetterId, read};
use shared::registry::{Kind, Registry};

use crate::ledger::{Ledger, Parks, ledger, registry, tell, write};
use crate::problems::problem;
use crate::world::{World, entity};

/// A world in which two effects of `ledger/from` were given up, because the program that was to deliver them did not know
/// their receiver's kind; and how long that took.
async fn given_up() -> (World, u64) {
    let world = World::with(registry(), Settings::default()).await;
    let older = world.again(Registry::new([Kind::of::<Counter>(), Kind::of::<Ledger<Parks>>()]));
    let to = entity("skipper", "to");
    older.event(&ledger("from"), &tell("x", &[(&to, write("1")), (&to, write("2"))])).await;
    let passed = older.work_off().await;
    (world, passed)
}

#[tokio::test]
async fn they_are_redriven_to_their_receiver_in_order_and_once() {
    let (world, passed) = given_up().await;
    let (from, to) = (ledger("from"), entity("skipper", "to"));
    assert_eq!(world.letters(&from).await, ["effect-1-0", "effect-1-1"]);
    let later = world.later(passed);
    let redriven = later.redrive(&from).await;
    assert_eq!((redriven.status, &redriven.body["redriven"][0]["to"]), (200, &to.as_str().into()), "{redriven:?}");
    later.redrive(&from).await;
    later.work_off().await;
    assert_eq!(world.entries(&to).await, ["1", "2"]);
    assert_eq!(world.letters(&from).await, Vec::<String>::new());
    world.idle(&from).await;
    world.idle(&to).await;
}

#[tokio::test]
async fn one_that_had_arrived_unknown_to_its_sender_is_recognised() {
    let (world, passed) = given_up().await;
    let (from, to) = (ledger("from"), entity("skipper", "to"));
    let later = world.later(passed);
    let letter = read(&later.host, &from, LetterId::Effect(1, 0), later.deadline()).await.unwrap();
    let Content::Effect(outgoing) = letter.content else { panic!("{letter:?}") };
    let drafts = [outgoing.draft(&from)];
    let posting =
        Posting { entity: &to, drafts: &drafts, owner: None, room: Room::Reserve, deadline: later.deadline() };
    assert!(matches!(post(&later.host, posting, &mut Tries::default()).await.unwrap(), Posted::Stored(_)));
    later.work_off().await;
    later.redrive(&from).await;
    later.work_off().await;
    assert_eq!(world.entries(&to).await, ["1", "2"]);
}

#[tokio::test]
async fn one_that_its_receiver_may_have_forgotten_is_refused() {
    let (world, _) = given_up().await;
    let from = ledger("from");
    let late = world.later(limits::RECEIPT_MS + 1_000);
    let refused = late.redrive_one(&from, "effect-1-0").await;
    assert_eq!((refused.status, problem(&refused)), (409, "doubtful-dead-letter"), "{refused:?}");
    assert_eq!(late.redrive(&from).await.body["stopped"]["name"], "effect-1-0");
    assert_eq!(world.letters(&from).await, ["effect-1-0", "effect-1-1"]);
}
