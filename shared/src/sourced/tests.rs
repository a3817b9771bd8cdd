//! Decisions become journal entries and a snapshot; a replay of the entries gives the same snapshot, or says why not.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Decision, EventSourced, Snapshot};
use crate::actor::{Actor, Effect, Event, Fault, Rejection};
use crate::envelope::{EntityId, Envelope, EnvelopeId, Millis};
use crate::journal::Entry;
use crate::outcome::Outcome;
use crate::records::Records;
use crate::registry::{Kind, Stage, Stored, Unreadable};

const NOW: Millis = Millis(1_790_000_000_000);

/// Collects words; a sentence of several words is as many events.
struct Words;

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Command {
    Say { text: String },
    Forbidden,
}

/// The third form of the event: the first had `w`, the second `word`.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Said {
    Word { spelling: String },
}

impl EventSourced for Words {
    const KIND: &'static str = "words";
    const EVENTS: u32 = 3;
    const SCHEMA: u32 = 2;
    type State = Vec<String>;
    type Command = Command;
    type Event = Said;
    type Reply = u64;

    fn decide(now: &Snapshot<Vec<String>>, command: &Event<'_, Command>) -> Result<Decision<Self>, Fault> {
        let Command::Say { text } = &command.command else { return Err(Fault::new("it was to be refused before")) };
        if now.state.iter().any(|word| text.contains(word)) {
            return Ok(Decision::reject(Rejection::new("said-before", 409, "it was said before")));
        }
        let words = text.split_whitespace().map(|word| Said::Word { spelling: word.to_owned() });
        Decision::events(words).record("last", &json!({"text": text}), None)?.post::<Self>(
            &EntityId::new("words", "listener").map_err(|error| Fault::new(error.to_string()))?,
            &Command::Say { text: "heard".to_owned() },
        )
    }

    fn apply(mut words: Vec<String>, Said::Word { spelling }: &Said) -> Result<Vec<String>, Fault> {
        if spelling == "impossible" {
            return Err(Fault::new("nobody says that"));
        }
        words.push(spelling.clone());
        Ok(words)
    }

    fn reply(_command: &Event<'_, Command>, after: &Snapshot<Vec<String>>) -> u64 {
        after.version
    }

    fn admits(command: &Command) -> bool {
        matches!(command, Command::Say { .. })
    }

    fn check(entity: &EntityId, command: &Command) -> Result<(), Rejection> {
        match command {
            Command::Say { .. } => Ok(()),
            Command::Forbidden => Err(Rejection::new("forbidden", 400, format!("not by {}", entity.id()))),
        }
    }

    fn upcast(schema: u32, mut event: Value) -> Result<Value, Fault> {
        let (old, new) = if schema == 1 { ("w", "word") } else { ("word", "spelling") };
        event[new] = event[old].take();
        Ok(event)
    }

    fn upgrade(schema: u32, stored: Value) -> Result<Vec<String>, Fault> {
        assert_eq!(schema, 1);
        Ok(stored.as_str().unwrap_or_default().split(' ').map(str::to_owned).collect())
    }
}

fn entity() -> EntityId {
    "words/a".parse().unwrap()
}

fn stage() -> Box<dyn Stage> {
    Kind::of::<Words>().stage(None).unwrap()
}

fn envelope(command: &Command) -> Envelope {
    let body = serde_json::to_string(command).unwrap();
    Envelope { id: EnvelopeId::new(NOW, 1, None), at: Millis(5), body, keyed: None, from: None, trace: None }
}

/// Says something as the envelope of this number, at this time, and brings what was written to the journal.
fn say(stage: &mut dyn Stage, text: &str, sequence: u64, now: Millis) -> (Outcome, Vec<Effect>, Vec<Entry>) {
    let ran = stage
        .run(&entity(), sequence, &envelope(&Command::Say { text: text.to_owned() }), (now, &Records::default()))
        .unwrap();
    (ran.outcome, ran.effects, ran.journal)
}

fn snapshot(stage: &dyn Stage) -> Value {
    stage.view().unwrap()
}

#[test]
fn a_command_becomes_as_many_entries_as_it_has_events() {
    let mut stage = stage();
    let (outcome, effects, journal) = say(&mut *stage, "good morning", 4, NOW);
    assert_eq!((outcome, effects.len()), (Outcome::Reply(json!(2)), 2));
    let [good, morning] = journal.as_slice() else { panic!("{journal:?}") };
    assert_eq!((good.version, morning.version), (1, 2));
    assert_eq!((good.r#type.as_str(), good.schema, good.at, good.cause.sequence), ("Word", 3, NOW, 4));
    assert_eq!(morning.event(), json!({"type": "Word", "spelling": "morning"}));
    assert_eq!(snapshot(&*stage), json!({"version": 2, "at": NOW.0, "state": ["good", "morning"]}));
}

#[test]
fn a_refusal_or_a_fault_leaves_no_trace() {
    let mut stage = stage();
    say(&mut *stage, "good", 1, NOW);
    let before = snapshot(&*stage);
    let (outcome, effects, journal) = say(&mut *stage, "good", 2, NOW.plus(1));
    assert!(matches!(outcome, Outcome::Rejected(rejection) if rejection.reason == "said-before"));
    assert_eq!((effects.len(), journal.len()), (0, 0));
    // Half of what a command says is not said.
    let impossible = envelope(&Command::Say { text: "quite impossible".to_owned() });
    assert!(stage.run(&entity(), 3, &impossible, (NOW.plus(2), &Records::default())).is_err());
    assert_eq!(snapshot(&*stage), before);
}

#[test]
fn what_is_refused_whatever_the_state_is_is_refused_before_it_is_posted_and_before_it_is_decided() {
    let kind = Kind::of::<Words>();
    assert!(kind.journal);
    let parsed = kind.parse(&entity(), &json!({"type": "forbidden"})).unwrap();
    assert_eq!(parsed.refused.unwrap().detail, "not by a");
    assert!(!parsed.admitted);
    let ran = stage().run(&entity(), 1, &envelope(&Command::Forbidden), (NOW, &Records::default())).unwrap();
    assert!(matches!(ran.outcome, Outcome::Rejected(rejection) if rejection.reason == "forbidden"));
    let said = kind.parse(&entity(), &json!({"type": "say", "text": "x"})).unwrap();
    assert_eq!((said.admitted, said.refused), (true, None));
}

#[test]
fn time_never_runs_backwards() {
    let mut stage = stage();
    for (text, clock, recorded) in [("a", 10, 10), ("b", 4, 10), ("c", 11, 11)] {
        let (.., journal) = say(&mut *stage, text, 1, Millis(clock));
        assert_eq!(journal.first().map(|entry| entry.at), Some(Millis(recorded)), "{text}");
    }
}

#[test]
fn a_replay_gives_the_same_snapshot() {
    let mut stage = stage();
    let entries: Vec<Entry> =
        ["good morning", "world"].into_iter().flat_map(|text| say(&mut *stage, text, 1, NOW).2).collect();
    let mut again = Kind::of::<Words>().stage(None).unwrap();
    entries.iter().for_each(|entry| again.replay(entry).unwrap());
    assert_eq!(again.stored(), stage.stored());
}

/// The first entry of a journal, with a change.
fn changed(change: impl FnOnce(&mut Entry)) -> Result<Value, Unreadable> {
    let mut entry = say(&mut *stage(), "good", 1, NOW).2.remove(0);
    change(&mut entry);
    let mut stage = stage();
    stage.replay(&entry).map(|()| snapshot(&*stage))
}

#[test]
fn older_events_are_read_in_the_form_of_today() {
    let read = |schema, name: &str| {
        changed(|entry| {
            entry.schema = schema;
            entry.payload = [(name.to_owned(), json!("old"))].into_iter().collect();
        })
    };
    for (schema, name) in [(1, "w"), (2, "word"), (3, "spelling")] {
        assert_eq!(read(schema, name).unwrap()["state"], json!(["old"]), "schema {schema}");
    }
    assert_eq!(read(4, "spelling"), Err(Unreadable::Newer { stored: 4, known: 3 }));
    assert!(matches!(read(3, "word"), Err(Unreadable::Damaged(_))));
}

#[test]
fn what_does_not_follow_is_damaged() {
    let damaged = |result: Result<Value, Unreadable>, what: &str| {
        let Err(Unreadable::Damaged(damage)) = result else { panic!("{result:?}") };
        assert!(damage.contains(what), "{damage}");
    };
    damaged(changed(|entry| entry.version = 2), "it follows event 0");
    damaged(changed(|entry| entry.version = 0), "it follows event 0");
    damaged(changed(|entry| entry.payload = Default::default()), "event 1");
    damaged(
        changed(|entry| entry.payload = [("spelling".to_owned(), json!("impossible"))].into_iter().collect()),
        "nobody says that",
    );
    let mut late = stage();
    let entries = say(&mut *late, "good morning", 1, NOW).2;
    let mut stage = stage();
    stage.replay(&entries[0]).unwrap();
    let early = Entry { at: Millis(NOW.0 - 1), ..entries[1].clone() };
    damaged(stage.replay(&early).map(|()| Value::Null), "older than the one before it");
    // And the state is as it was, so that the right one can follow.
    stage.replay(&entries[1]).unwrap();
}

#[test]
fn a_kind_without_a_journal_says_so() {
    let entry = say(&mut *stage(), "good", 1, NOW).2.remove(0);
    let kind = Kind::of::<crate::toys::Counter>();
    assert!(!kind.journal);
    let Err(Unreadable::Damaged(damage)) = kind.stage(None).unwrap().replay(&entry) else { panic!("it was applied") };
    assert_eq!(damage, "a counter keeps no journal");
}

#[test]
fn an_older_snapshot_keeps_its_version_and_its_time() {
    let old = serde_dynamo::to_attribute_value(json!({"version": 2, "at": 7, "state": "good morning"})).unwrap();
    let stage = Kind::of::<Words>().stage(Some(Stored { schema: 1, state: &old })).unwrap();
    assert_eq!(snapshot(&*stage), json!({"version": 2, "at": 7, "state": ["good", "morning"]}));
    assert_eq!((stage.schema(), <Words as Actor>::SCHEMA), (2, 2));
}

/// What leaves everything as it is given.
struct Plain;

impl EventSourced for Plain {
    const KIND: &'static str = "plain";
    const EVENTS: u32 = 2;
    const SCHEMA: u32 = 2;
    type State = u64;
    type Command = Command;
    type Event = Said;
    type Reply = u64;

    fn decide(_: &Snapshot<u64>, _: &Event<'_, Command>) -> Result<Decision<Self>, Fault> {
        Ok(Decision::events([]).push("everybody", &json!("hello")))
    }

    fn apply(count: u64, _: &Said) -> Result<u64, Fault> {
        Ok(count + 1)
    }

    fn reply(_: &Event<'_, Command>, after: &Snapshot<u64>) -> u64 {
        after.version
    }
}

#[test]
fn a_kind_admits_everything_and_reads_only_its_own_form_unless_it_says_otherwise() {
    let kind = Kind::of::<Plain>();
    let parsed = kind.parse(&entity(), &json!({"type": "forbidden"})).unwrap();
    assert_eq!((parsed.admitted, parsed.refused), (true, None));
    let mut stage = kind.stage(None).unwrap();
    let old = Entry { schema: 1, ..say(&mut *self::stage(), "good", 1, NOW).2.remove(0) };
    let damage = stage.replay(&old).unwrap_err().to_string();
    assert!(damage.contains("no way to read an event of a plain of schema 1"), "{damage}");
    let old = serde_dynamo::to_attribute_value(json!({"version": 2, "at": 7, "state": 1})).unwrap();
    let damage = kind.stage(Some(Stored { schema: 1, state: &old })).err().unwrap().to_string();
    assert!(damage.contains("no way to read a plain of schema 1"), "{damage}");
}

#[test]
fn a_command_may_change_nothing_and_have_effects() {
    let mut stage = Kind::of::<Plain>().stage(None).unwrap();
    let (outcome, effects, journal) = say(&mut *stage, "hello", 1, NOW);
    assert_eq!((outcome, journal.len()), (Outcome::Reply(json!(0)), 0));
    assert!(matches!(effects.as_slice(), [Effect::Push { connection, .. }] if connection == "everybody"));
}

#[test]
fn a_side_record_keeps_the_time_when_it_may_go() {
    let decision = Decision::<Words>::events([]).record("last", &json!({"text": "a"}), Some(Millis(7))).unwrap();
    let [Effect::Record(record)] = decision.effects.as_slice() else { panic!("{:?}", decision.effects) };
    assert_eq!((record.name.as_str(), record.expires), ("last", Some(Millis(7))));
}
