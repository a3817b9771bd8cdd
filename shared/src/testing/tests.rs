//! What a test of an actor is told, and that it is what production would have made of the same commands.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{BEGINNING, TestActor};
use crate::actor::{Actor, Effect, Event, Fault, Rejection, Turn};
use crate::envelope::{EntityId, Millis};
use crate::limits;
use crate::records::{List, Lookup, Record};
use crate::toys::{self, Counter};

/// Does what it is told, also what an actor must not do.
struct Servant;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Diary {
    lines: Vec<String>,
    /// Never stored.
    #[serde(skip)]
    secret: String,
    /// Stored in a form that does not read back.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "unreadable")]
    code: String,
}

fn unreadable<'de, D: serde::Deserializer<'de>>(_: D) -> Result<String, D::Error> {
    Err(serde::de::Error::custom("nobody reads this"))
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Command {
    Write {
        line: String,
        #[serde(skip)]
        aside: String,
    },
    Fill {
        bytes: usize,
    },
    Say {
        bytes: usize,
    },
    Send {
        bytes: usize,
    },
    Everything,
    Keep {
        name: String,
        line: String,
    },
    Recall,
    Encode,
    Guess,
    Order,
    Fail,
    Panic,
    Forbidden,
    Refused,
}

/// How often anybody was told to guess.
static GUESSES: AtomicU64 = AtomicU64::new(0);

impl Servant {
    fn wrote(diary: &Diary, line: impl Into<String>) -> Diary {
        let mut lines = diary.lines.clone();
        lines.push(line.into());
        Diary { lines, secret: "known".to_owned(), code: String::new() }
    }
}

impl Actor for Servant {
    const KIND: &'static str = "servant";
    type State = Diary;
    type Command = Command;
    type Reply = Value;

    fn handle(diary: &Diary, event: &Event<'_, Command>) -> Result<Turn<Self>, Fault> {
        let done = |line: &str| Turn::reply(Self::wrote(diary, line), json!(diary.lines.len() + 1));
        let counter = EntityId::new("counter", "all").map_err(|error| Fault::new(error.to_string()))?;
        let add = |amount: u64| toys::Command::Increment { amount: i64::try_from(amount).unwrap_or(0) };
        match &event.command {
            Command::Write { line, aside } => Ok(done(&format!("{line}{aside}{}", diary.secret))),
            Command::Fill { bytes } => Ok(done(&"x".repeat(*bytes))),
            Command::Say { bytes } => Ok(Turn::reply(Self::wrote(diary, ""), json!("x".repeat(*bytes)))),
            Command::Send { bytes } => {
                let line = "x".repeat(*bytes);
                done("sent").post::<Self>(event.entity, &Command::Write { line, aside: String::new() })
            }
            Command::Everything => done("all")
                .push("socket-1", &json!({"n": 1}))
                .post::<Counter>(&counter, &add(1))?
                .record("last", &json!({"from": event.from, "at": event.at}), Some(event.at.plus(1)))?
                .post::<Self>(event.entity, &Command::Write { line: "later".to_owned(), aside: "lost".to_owned() })?
                .post::<Counter>(&counter, &add(2)),
            Command::Keep { name, line } => done("kept").record(name, &json!({"line": line}), None),
            Command::Recall => {
                let named: Option<Value> = event.records.named("page-1")?;
                let last: Option<Value> = event.records.last("page-", "page-~")?;
                let next: Option<Value> = match &last {
                    Some(last) => event.records.named(&format!("after-{}", last["line"].as_str().unwrap_or("")))?,
                    None => None,
                };
                Ok(Turn::reply(Self::wrote(diary, "recalled"), json!([named, last, next])))
            }
            Command::Encode => {
                Ok(Turn::reply(Diary { code: "code".to_owned(), ..Self::wrote(diary, "") }, Value::Null))
            }
            Command::Guess => done("guess").post::<Counter>(&counter, &add(GUESSES.fetch_add(1, Ordering::Relaxed))),
            Command::Order => Ok(Turn::reply(Self::wrote(diary, ""), json!(event.id.to_string()))),
            Command::Fail => Err(Fault::new("no way")),
            Command::Panic => panic!("out of its mind"),
            Command::Forbidden => Ok(done("inside")),
            Command::Refused => Err(Fault::new("it was to be refused before")),
        }
    }

    fn lookups(event: &Event<'_, Command>) -> Vec<Lookup> {
        let Command::Recall = event.command else { return Vec::new() };
        let pages = Lookup::Last { from: "page-".to_owned(), to: "page-~".to_owned() };
        // What comes after the last page is known once the last page is.
        let last: Option<Value> = event.records.last("page-", "page-~").unwrap_or_default();
        let after = last.map(|last| Lookup::Named(format!("after-{}", last["line"].as_str().unwrap_or(""))));
        [Lookup::Named("page-1".to_owned()), pages].into_iter().chain(after).collect()
    }

    fn admits(command: &Command) -> bool {
        !matches!(command, Command::Forbidden)
    }

    fn check(_entity: &EntityId, command: &Command) -> Result<(), Rejection> {
        match command {
            Command::Refused => Err(Rejection::new("never", 403, "this is never done")),
            _ => Ok(()),
        }
    }
}

fn servant() -> TestActor<Servant> {
    TestActor::new("james")
}

fn write(line: &str) -> Command {
    Command::Write { line: line.to_owned(), aside: "aside".to_owned() }
}

fn keep(name: &str, line: &str) -> Command {
    Command::Keep { name: name.to_owned(), line: line.to_owned() }
}

/// The panic of a test that was told something else than it expected.
fn said<T>(test: impl FnOnce() -> T) -> String {
    let panic = catch_unwind(AssertUnwindSafe(test)).map(|_| ()).unwrap_err();
    *panic.downcast::<String>().unwrap()
}

#[test]
fn the_state_stays_from_one_command_to_the_next_in_its_stored_form() {
    let mut servant = servant();
    assert_eq!(servant.state(), Diary::default());
    for (number, line) in (1..).zip(["a", "b", "c"]) {
        let tested = servant.run(write(line)).unwrap();
        assert_eq!((tested.event.sequence, tested.reply()), (number, &json!(number)));
    }
    // Neither what is no part of a stored command nor what is no part of a stored state is there.
    let after = Diary { lines: ["a", "b", "c"].map(str::to_owned).to_vec(), ..Diary::default() };
    assert_eq!(servant.state(), after);
    assert_eq!(servant.run(Command::Refused).unwrap().state, after);
}

#[test]
fn effects_are_told_in_their_order_and_by_their_types() {
    let tested = servant().run_from::<Counter>("c", Command::Everything).unwrap();
    let kinds: Vec<&str> = tested
        .effects
        .iter()
        .map(|effect| match effect {
            Effect::Post { to, .. } => to.kind(),
            Effect::Record(_) => "record",
            Effect::Push { .. } => "push",
        })
        .collect();
    assert_eq!(kinds, ["push", "counter", "record", "servant", "counter"]);
    let add = |amount| ("all".to_owned(), toys::Command::Increment { amount });
    assert_eq!(tested.posts_to::<Counter>(), [add(1), add(2)]);
    let [(to, Command::Write { line, aside })] = &tested.posts_to::<Servant>()[..] else { panic!("{tested:?}") };
    assert_eq!((to.as_str(), line.as_str(), aside.as_str()), ("james", "later", ""));
    assert_eq!(tested.pushes(), [("socket-1".to_owned(), json!({"n": 1}))]);
    let last = json!({"from": "counter/c", "at": BEGINNING});
    assert_eq!(tested.record::<Value>("last"), Some(last.clone()));
    assert_eq!(tested.record::<Value>("first"), None);
    let record = Record::new("last", &last).unwrap().expires(BEGINNING.plus(1));
    assert!(tested.effects.contains(&Effect::Record(record.clone())));
    assert!(!tested.effects.contains(&Effect::Record(record.listed(List::Own("all"), "1"))));
}

#[test]
fn side_records_are_looked_up_as_they_were_written_before() {
    let mut servant = servant().with_record("page-1", &json!({"line": "one"}));
    assert_eq!(servant.run(Command::Recall).unwrap().reply(), &json!([{"line": "one"}, {"line": "one"}, null]));
    servant.run(keep("page-2", "two")).unwrap();
    servant.run(keep("after-two", "three")).unwrap();
    servant.run(keep("pages", "beyond")).unwrap();
    let recalled = json!([{"line": "one"}, {"line": "two"}, {"line": "three"}]);
    assert_eq!(servant.run(Command::Recall).unwrap().reply(), &recalled);
    servant.run(keep("page-2", "another")).unwrap();
    let recalled = json!([{"line": "one"}, {"line": "another"}, null]);
    assert_eq!(servant.run(Command::Recall).unwrap().reply(), &recalled);
    assert_eq!(servant.record::<Value>("page-2"), Some(json!({"line": "another"})));
    assert_eq!(servant.record::<Value>("page-3"), None);
}

#[test]
fn a_fault_leaves_everything_as_it_was_but_takes_its_place() {
    let mut servant = servant();
    servant.run(write("a")).unwrap();
    let before = servant.state();
    let faults = [
        (Command::Fail, "no way"),
        (Command::Panic, "the actor panicked: out of its mind"),
        (write(&"x".repeat(limits::PAYLOAD_BYTES)), "the command has 16"),
        (Command::Say { bytes: limits::REPLY_BYTES }, "the reply has 20"),
        (Command::Send { bytes: limits::PAYLOAD_BYTES }, "an effect has 16"),
        (Command::Fill { bytes: limits::STATE_BYTES }, "the state would have 65"),
        (keep("", "x"), "a record's name has 0 bytes"),
        (Command::Encode, "the state does not read back from its stored form"),
        (Command::Guess, "the actor is not pure"),
        (Command::Forbidden, "outsiders may not post this to a servant"),
    ];
    let count = faults.len() as u64;
    for (command, cause) in faults {
        let fault = servant.run(command).unwrap_err().to_string();
        assert!(fault.contains(cause), "{cause}: {fault}");
        assert_eq!(servant.state(), before, "{cause}");
    }
    assert_eq!(servant.record::<Value>(""), None);
    assert_eq!(servant.run(write("b")).unwrap().event.sequence, count + 2);
    assert_eq!(servant.state().lines, ["a", "b"]);
}

#[test]
fn who_posts_is_known_and_may_more_than_an_outsider() {
    let mut servant = servant();
    assert_eq!(servant.run_from::<Servant>("jane", Command::Forbidden).unwrap().state.lines, ["inside"]);
    let refused = servant.run_from::<Servant>("jane", Command::Refused).unwrap();
    assert_eq!((refused.rejection().reason.as_str(), refused.rejection().status), ("never", 403));
    let from = |tested: super::Tested<Servant>| tested.record::<Value>("last").unwrap()["from"].clone();
    assert_eq!(from(servant.run(Command::Everything).unwrap()), Value::Null);
    assert_eq!(from(servant.run_from::<Counter>("c", Command::Everything).unwrap()), json!("counter/c"));
}

#[test]
fn ids_and_times_are_those_of_the_test() {
    let orders = || {
        let mut servant = servant().at(Millis(1_000));
        let mut order = |ms| {
            servant.later(ms);
            servant.run(Command::Order).unwrap()
        };
        [order(0), order(0), order(5)].map(|tested| (tested.event, tested.reply().clone()))
    };
    let [first, second, third] = orders();
    assert_eq!(orders(), [first.clone(), second.clone(), third.clone()], "they are the same in every run");
    assert!(first.0 < second.0 && second.0 < third.0);
    assert_eq!((first.0.id.time(), third.0.id.time()), (Millis(1_000), Millis(1_005)));
    assert_eq!(first.1, json!(first.0.to_string()), "the actor sees the id that the test sees");
    assert_eq!(servant().entity().as_str(), "servant/james");
}

#[test]
fn a_given_state_is_gone_on_from() {
    let diary = Diary { lines: vec!["before".to_owned()], secret: "not stored".to_owned(), code: String::new() };
    let mut servant = servant().with_state(&diary);
    assert_eq!(servant.run(write("a")).unwrap().state.lines, ["before", "a"]);
    let unusable = super::tests::servant().with_state(&Diary { code: "code".to_owned(), ..Diary::default() });
    assert!(said(|| unusable.state()).contains("does not read back"));
}

#[test]
fn what_was_expected_and_what_was_there_is_said() {
    let mut servant = servant();
    let done = servant.run(write("a")).unwrap();
    assert_eq!(said(|| done.rejection().clone()), "expected a rejection, and there was the reply 1");
    let refused = servant.run(Command::Refused).unwrap();
    let expected = "expected a reply, and there was the rejection never (403): this is never done";
    assert_eq!(said(|| refused.reply().clone()), expected);
    assert!(format!("{refused:?}").contains("this is never done"), "{refused:?}");
    let kept = servant.run(keep("page-1", "one")).unwrap();
    let wrong = said(|| kept.record::<Vec<u8>>("page-1"));
    assert!(wrong.starts_with("expected the side record page-1 in another form, and there was"), "{wrong}");
    assert!(said(|| servant.record::<Vec<u8>>("page-1")).contains("page-1"));
    let id = said(|| TestActor::<Servant>::new("a/b"));
    assert!(id.starts_with("expected the id of a servant, and there was `a/b` is not an id"), "{id}");
    assert!(said(|| servant.run_from::<Counter>("", write("a"))).contains("the id of a counter"));
    assert!(said(|| super::tests::servant().with_record("x", &7)).contains("a side record that is a map"));
    assert!(format!("{servant:?}").contains("servant/james"));
}
