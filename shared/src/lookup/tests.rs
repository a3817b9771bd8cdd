//! Which side records are read for a batch, how often an actor is asked for more, and what is found.

use std::collections::HashMap;

use serde_dynamo::{AttributeValue, Item};

use super::{between, look_up, one, stored};
use crate::actor::{Actor, Event, Fault, Turn};
use crate::envelope::{EntityId, Envelope, EnvelopeId};
use crate::limits;
use crate::mailbox::image::Mailbox;
use crate::records::{Lookup, Records, Stored};
use crate::registry::Kind;
use crate::scripted::{BEGINNING, Reply, Scripted, run};
use crate::store::{Consistency, Consumed, Order, Page};
use crate::table;

/// Is decided with the record that it names, and with the one that this record names, and so on.
struct Asking;

impl Actor for Asking {
    const KIND: &'static str = "asking";
    type State = u64;
    type Command = String;
    type Reply = u64;

    fn handle(state: &u64, _: &Event<'_, String>) -> Result<Turn<Self>, Fault> {
        Ok(Turn::reply(*state, *state))
    }

    fn lookups(event: &Event<'_, String>) -> Vec<Lookup> {
        let mut names = vec![event.command.clone()];
        while let Some(Ok(Some(next))) = names.last().map(|name| event.records.named::<String>(name)) {
            names.push(next);
        }
        names.into_iter().map(Lookup::Named).collect()
    }
}

fn entity() -> EntityId {
    EntityId::new("asking", "a").unwrap()
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn item(attributes: &[(&str, AttributeValue)]) -> Item {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<HashMap<_, _>>().into()
}

/// A read that finds a record which names another.
fn names(name: &str) -> Reply {
    Reply::Item(Some(item(&[("record", text(name))])))
}

fn looked_up(commands: &[&str], most: usize, replies: Vec<Reply>) -> (Records, Vec<String>) {
    let host = Scripted::new(replies);
    let queue = (1..).zip(commands).map(|(number, command)| Envelope {
        id: EnvelopeId::new(BEGINNING, number, None),
        at: BEGINNING,
        body: serde_json::to_string(command).unwrap(),
        keyed: None,
        from: None,
        trace: None,
    });
    let image = Mailbox { queue: queue.collect(), ..Mailbox::blank("asking/a") };
    let records = run(look_up(&host, &Kind::of::<Asking>(), &image, most, BEGINNING.plus(1_000))).unwrap();
    (records, host.asked())
}

#[test]
fn an_actor_is_asked_again_with_what_was_found_a_few_times() {
    let (records, asked) = looked_up(&["a"], 1, vec![names("b"), Reply::Item(None)]);
    assert_eq!(asked, ["Strong data#a", "Strong data#b"]);
    assert_eq!(records.named::<String>("a"), Ok(Some("b".to_owned())));
    assert_eq!(records.named::<String>("b"), Ok(None));

    let (records, asked) = looked_up(&["1"], 1, vec![names("2"), names("3"), names("4")]);
    assert_eq!(asked.len(), limits::LOOKUPS);
    assert!(records.has(&Lookup::Named("3".to_owned())) && !records.has(&Lookup::Named("4".to_owned())));
}

#[test]
fn a_record_is_read_once_and_only_for_those_that_run() {
    let (_, asked) = looked_up(&["a", "a", "b", "c"], 3, vec![Reply::Item(None), Reply::Item(None)]);
    assert_eq!(asked, ["Strong data#a", "Strong data#b"]);
    assert_eq!(looked_up(&[], 1, vec![]).1, [""; 0]);
}

#[test]
fn a_range_is_read_from_its_end_and_an_empty_one_not_at_all() {
    let page = || {
        let record = item(&[("sk", text("data#m#7")), ("record", text("seven"))]);
        let other = item(&[("sk", text("mailbox"))]);
        Reply::Page(Page { items: vec![other, record], last: None, consumed: Consumed::default() })
    };
    let found = || Stored { name: "m#7".to_owned(), record: text("seven") };
    let last = |from: &str, to: &str| Lookup::Last { from: from.to_owned(), to: to.to_owned() };
    let deadline = BEGINNING.plus(1_000);
    for (from, to) in [("m#", "m#~"), ("m#7", "m#7")] {
        let host = Scripted::new([page()]);
        assert_eq!(run(one(&host, &entity(), &last(from, to), deadline)), Ok(Some(found())));
        let query = host.queries().remove(0);
        assert_eq!((query.condition, query.consistency), (table::LIST_BETWEEN, Consistency::Strong));
        assert_eq!((query.order, query.limit), (Order::Descending, 1));
        let values = [(":pk", "asking/a".to_owned()), (":from", format!("data#{from}")), (":to", format!("data#{to}"))];
        assert_eq!(query.values, values.map(|(name, value)| (name, AttributeValue::S(value))));
    }
    let host = Scripted::new([]);
    assert_eq!(run(one(&host, &entity(), &last("m#8", "m#7"), deadline)), Ok(None));
    let host = Scripted::new([page()]);
    let all = run(between(&host, &entity(), ("m#", "m#~"), (Order::Ascending, 9), deadline));
    assert_eq!((all, host.queries()[0].limit), (Ok(vec![found()]), 9));
}

#[test]
fn what_is_no_record_is_damage_that_shows_when_it_is_read() {
    let torn = stored(item(&[("sk", text("data#x"))])).unwrap();
    assert_eq!(torn, Stored { name: "x".to_owned(), record: AttributeValue::Null(true) });
    assert!(torn.read::<String>().is_err());
    assert_eq!(stored(item(&[("sk", text("event#1"))])), None);
    assert_eq!(stored(item(&[("sk", AttributeValue::Bool(true))])), None);
}
