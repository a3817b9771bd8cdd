//! The actor of the tests: it remembers what was written to it, in order, so that nothing lost, repeated or
//! reordered stays unseen; and it fails, tells, files and shouts on command. One kind for each poison policy.

use std::marker::PhantomData;

use kinds::counter::Counter;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::actor::{Actor, Event, Fault, Poison, Rejection, Turn};
use shared::envelope::EntityId;
use shared::registry::{Kind, Registry};

use crate::world::entity;

/// A ledger under a poison policy.
#[derive(Debug)]
pub struct Ledger<P>(PhantomData<P>);

/// A poison policy, with the name of the ledgers that follow it.
pub trait Policy: 'static {
    const KIND: &'static str;
    const POISON: Poison;
}

/// Its ledgers are called `ledger`.
#[derive(Debug)]
pub struct Parks;
/// Its ledgers are called `skipper`.
#[derive(Debug)]
pub struct Skips;
/// Its ledgers are called `blocker`.
#[derive(Debug)]
pub struct Blocks;

impl Policy for Parks {
    const KIND: &'static str = "ledger";
    const POISON: Poison = Poison::Park;
}

impl Policy for Skips {
    const KIND: &'static str = "skipper";
    const POISON: Poison = Poison::Skip;
}

impl Policy for Blocks {
    const KIND: &'static str = "blocker";
    const POISON: Poison = Poison::Block;
}

/// What was written, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub entries: Vec<String>,
    #[serde(default)]
    pub ballast: String,
}

/// What a ledger understands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Remembers a text, and does whatever else it is told to.
    Write(Write),
    /// Is refused by the rules of the business.
    Refuse,
    /// Ends in a fault.
    Fail,
    /// Panics.
    Panic,
    /// Answers with so many bytes.
    Answer { bytes: usize },
    /// Makes the state so large.
    Swell { bytes: usize },
    /// Files a record of so many bytes.
    Archive { bytes: usize },
    /// Tells another ledger so many texts of so many bytes.
    Burst { to: EntityId, count: usize, bytes: usize },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Write {
    pub text: String,
    /// It makes the envelope large and is not remembered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub padding: String,
    /// Effects to others, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tell: Vec<Tell>,
    /// Names of side records that get the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub file: Vec<String>,
    /// Connections that the text is pushed to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shout: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tell {
    pub to: EntityId,
    pub what: Command,
}

/// What a ledger answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Entries so far.
    pub count: usize,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub padding: String,
}

impl<P: Policy> Actor for Ledger<P> {
    const KIND: &'static str = P::KIND;
    const POISON: Poison = P::POISON;
    type State = State;
    type Command = Command;
    type Reply = Reply;

    fn handle(state: &State, event: &Event<'_, Command>) -> Result<Turn<Self>, Fault> {
        let mut state = state.clone();
        match &event.command {
            Command::Write(write) => written(state, write),
            Command::Refuse => Ok(Turn::reject(Rejection::new("refused", 409, "the test wanted it"))),
            Command::Fail => Err(Fault::new("the test wanted a fault")),
            Command::Panic => panic!("the test wanted a panic"),
            Command::Answer { bytes } => Ok(answer(state, "y".repeat(*bytes))),
            Command::Swell { bytes } => {
                state.ballast = "z".repeat(*bytes);
                Ok(answer(state, String::new()))
            }
            Command::Archive { bytes } => {
                answer(state, String::new()).record("archive", &json!({"text": "a".repeat(*bytes)}), None)
            }
            Command::Burst { to, count, bytes } => burst(state, to, *count, *bytes),
        }
    }
}

fn answer<P: Policy>(state: State, padding: String) -> Turn<Ledger<P>> {
    let count = state.entries.len();
    Turn::reply(state, Reply { count, padding })
}

fn written<P: Policy>(mut state: State, write: &Write) -> Result<Turn<Ledger<P>>, Fault> {
    state.entries.push(write.text.clone());
    let mut turn = answer(state, String::new());
    for Tell { to, what } in &write.tell {
        turn = turn.post::<Ledger<Parks>>(to, what)?;
    }
    for name in &write.file {
        turn = turn.record(name, &json!({"text": write.text}), None)?;
    }
    for connection in &write.shout {
        turn = turn.push(connection, &json!({"text": write.text}));
    }
    Ok(turn)
}

fn burst<P: Policy>(state: State, to: &EntityId, count: usize, bytes: usize) -> Result<Turn<Ledger<P>>, Fault> {
    let mut turn = answer(state, String::new());
    for index in 0..count {
        let (text, padding) = (index.to_string(), "p".repeat(bytes));
        let write = Write { text, padding, tell: Vec::new(), file: Vec::new(), shout: Vec::new() };
        turn = turn.post::<Ledger<Parks>>(to, &Command::Write(write))?;
    }
    Ok(turn)
}

/// The kinds of the tests, and the counter.
pub fn registry() -> Registry {
    Registry::new([
        Kind::of::<Counter>(),
        Kind::of::<Ledger<Parks>>(),
        Kind::of::<Ledger<Skips>>(),
        Kind::of::<Ledger<Blocks>>(),
    ])
}

/// A ledger that parks what it cannot process.
pub fn ledger(id: &str) -> EntityId {
    entity("ledger", id)
}

/// The event that writes a text.
pub fn write(text: &str) -> Value {
    json!({"type": "write", "text": text})
}

/// The event that writes a text in an envelope of about 15 KB.
pub fn write_large(text: &str) -> Value {
    json!({"type": "write", "text": text, "padding": "p".repeat(15_000)})
}

/// The event that writes a text and has each of these events posted to its receiver.
pub fn tell(text: &str, tell: &[(&EntityId, Value)]) -> Value {
    let tell: Vec<Value> = tell.iter().map(|(to, what)| json!({"to": to, "what": what})).collect();
    json!({"type": "write", "text": text, "tell": tell})
}
