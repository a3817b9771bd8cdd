//! What is pushed to whom, in which order, and what an entity is told of connections that are gone.

use serde_json::json;

use super::{ANSWER_MS, Pushes, tell};
use crate::actor::{Actor, Event, Fault, Turn};
use crate::envelope::{EntityId, Envelope, Millis};
use crate::limits;
use crate::registry::Kind;
use crate::scripted::{BEGINNING, Reply, Scripted, run, value_of};
use crate::store::StoreError;
use crate::table;
use crate::text::Text;

/// Remembers nothing, and wants to know or not which connections are gone.
struct Told<const CARES: bool>;

impl<const CARES: bool> Actor for Told<CARES> {
    const KIND: &'static str = "told";
    type State = u64;
    type Command = String;
    type Reply = u64;

    fn handle(state: &u64, _: &Event<'_, String>) -> Result<Turn<Self>, Fault> {
        Ok(Turn::reply(*state, *state))
    }

    fn gone(connection: &str) -> Option<String> {
        CARES.then(|| connection.to_owned())
    }
}

fn entity() -> EntityId {
    EntityId::new("told", "a").unwrap()
}

/// Pushes these and returns what went out to the connections, and the host.
fn told<const CARES: bool>(pushes: &[(&str, &str)], deadline: Millis, replies: Vec<Reply>) -> (Vec<String>, Scripted) {
    let (host, asked) = (Scripted::new(replies.clone()).knowing([Kind::of::<Told<CARES>>()]), replies.len());
    let messages = pushes.iter().map(|(connection, message)| ((*connection).to_owned(), (*message).to_owned()));
    let pushes = Pushes { entity: entity(), messages: messages.collect() };
    run(tell(&host, vec![Pushes::none(entity()), pushes], deadline));
    assert_eq!(host.asked().len(), asked);
    let mut pushed: Vec<_> =
        host.pushed().iter().map(|(connection, message)| format!("{connection} {message}")).collect();
    // Stable: the order to each connection is what counts.
    pushed.sort_by_key(|pushed| pushed.split(' ').next().map(str::to_owned));
    (pushed, host)
}

#[test]
fn messages_go_out_in_order_to_each_connection_until_the_time_is_over() {
    let pushes = [("c", "2"), ("d", "1"), ("c", "1")];
    assert_eq!(told::<true>(&pushes, BEGINNING.plus(ANSWER_MS + 1), vec![]).0, ["c 2", "c 1", "d 1"]);
    assert!(told::<true>(&pushes, BEGINNING.plus(ANSWER_MS), vec![]).0.is_empty(), "the answer is still to be given");
}

#[test]
fn one_that_is_silent_holds_nobody_up_for_long() {
    let pushes = [("silent", "1"), ("silent", "2"), ("c", "1"), ("c", "2")];
    for (left, waited) in [(20_000, limits::PUSHES_MS), (70, 70)] {
        let (pushed, host) = told::<true>(&pushes, BEGINNING.plus(ANSWER_MS + left), vec![]);
        assert_eq!(pushed, ["c 1", "c 2", "silent 1"]);
        assert_eq!(host.slept(), [waited]);
    }
}

#[test]
fn after_one_that_did_not_arrive_a_connection_gets_no_more() {
    let pushes = [("unknown", "1"), ("unknown", "2"), ("c", "1"), ("c", "2")];
    assert_eq!(told::<true>(&pushes, BEGINNING.plus(1_000), vec![]).0, ["c 1", "c 2", "unknown 1"]);
}

#[test]
fn an_entity_that_wants_to_know_is_told_of_what_is_gone() {
    let pushes = [("gone", "1"), ("gone", "2")];
    let (pushed, host) = told::<true>(&pushes, BEGINNING.plus(1_000), vec![Reply::error(StoreError::Invalid)]);
    assert_eq!(pushed, ["gone 1"]);
    let (update, _) = host.writes().remove(0);
    assert_eq!((&update.key, update.update.as_ref()), (&table::mailbox_key(&entity()), table::POST_DETACHED));
    let posted: Vec<Text<Envelope>> =
        serde_dynamo::from_attribute_value(value_of(&update, ":envelopes").unwrap()).unwrap();
    assert_eq!(posted.iter().map(|Text(envelope)| &envelope.body).collect::<Vec<_>>(), [&json!("gone").to_string()]);
    assert_eq!(told::<false>(&pushes, BEGINNING.plus(1_000), vec![]).0, ["gone 1"]);
}
