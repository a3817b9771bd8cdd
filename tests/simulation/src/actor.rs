//! The actor of the simulation: it remembers the token of every command that it applied, in order, so that nothing
//! lost, repeated or reordered stays unseen. One kind for each poison policy; [`crate::journaled`] is one more.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::actor::{Actor, Event, Fault, Poison, Rejection, Turn};
use shared::envelope::EntityId;
use shared::records::{Lookup, Records};
use shared::registry::{Kind, Registry};

use crate::journaled::Journaled;

/// A log under a poison policy.
#[derive(Debug)]
pub struct Log<P>(PhantomData<P>);

/// A poison policy and the name of the logs that follow it.
pub trait Policy: 'static {
    /// The kind's name.
    const KIND: &'static str;
    /// The policy.
    const POISON: Poison;
}

/// Its logs park what they cannot process.
#[derive(Debug)]
pub struct Parks;
/// Its logs skip it.
#[derive(Debug)]
pub struct Skips;
/// Its logs stop.
#[derive(Debug)]
pub struct Blocks;

impl Policy for Parks {
    const KIND: &'static str = "log";
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

/// What was applied, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The tokens of the commands.
    pub entries: Vec<u64>,
    /// The token that each side record keeps: what a command that writes one finds there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, u64>,
}

/// A side record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filed {
    /// The token of the last command that wrote it.
    pub token: u64,
}

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Manner {
    /// It is applied.
    Applied,
    /// It is accepted, and changes nothing.
    Idle,
    /// The rules refuse it.
    Refused,
    /// It ends in a fault.
    Faulty,
    /// It panics.
    Panicking,
    /// It takes its process down, as running out of memory would.
    Deadly,
}

impl Manner {
    /// Whether it belongs into the dead letters.
    #[must_use]
    pub fn is_poison(self) -> bool {
        matches!(self, Self::Faulty | Self::Panicking | Self::Deadly)
    }

    /// Whether it is answered, and leaves no trace.
    #[must_use]
    pub fn is_void(self) -> bool {
        matches!(self, Self::Idle | Self::Refused)
    }
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Command {
    /// To be remembered.
    Add(Add),
}

/// What is to be remembered, and what comes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Add {
    /// Which command it is; no two have the same.
    pub token: u64,
    /// How it ends.
    pub manner: Manner,
    /// Who is told: each gets a command whose token is derived from this one's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tell: Vec<EntityId>,
    /// The side record that keeps the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Whether the token is pushed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub push: bool,
}

/// Tokens of clients are below this, those of effects above.
pub const EFFECTS: u64 = 1_000_000;
/// The most effects of one command.
const TELLS: u64 = 8;

impl Add {
    /// The effects on others, in order, with their receivers.
    #[must_use]
    pub fn told(&self) -> Vec<(EntityId, u64)> {
        self.tell.iter().zip(1..).map(|(to, index)| (to.clone(), EFFECTS + self.token * TELLS + index)).collect()
    }

    /// The same as commands.
    pub fn told_commands(&self) -> impl Iterator<Item = (EntityId, Command)> {
        let command = |token| Add { token, manner: Manner::Applied, tell: Vec::new(), file: None, push: false };
        self.told().into_iter().map(move |(to, token)| (to, Command::Add(command(token))))
    }
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The command: an event that never was in a queue shows itself by it alone.
    pub token: u64,
    /// The command's place in the log, from 1; none when it changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u64>,
}

thread_local! {
    static DYING: Cell<bool> = const { Cell::new(false) };
}

/// Whether the process whose task is being polled is about to end; from here on nothing that it does has an effect.
#[must_use]
pub fn is_dying() -> bool {
    DYING.get()
}

/// Whether it was, and no longer is.
#[must_use]
pub fn was_dying() -> bool {
    DYING.replace(false)
}

/// Between these are the names of all side records.
const FILES: (&str, &str) = ("!", "~");

/// What a panicking command says, so that a real panic can be told from it.
pub const PANIC: &str = "the simulation wanted a panic";

impl<P: Policy> Actor for Log<P> {
    const KIND: &'static str = P::KIND;
    const POISON: Poison = P::POISON;
    type State = State;
    type Command = Command;
    type Reply = Reply;

    fn handle(state: &State, event: &Event<'_, Command>) -> Result<Turn<Self>, Fault> {
        let Command::Add(add) = &event.command;
        match add.manner {
            Manner::Applied => applied(state, event.records, add),
            Manner::Idle => Ok(Turn::reply(state.clone(), Reply { token: add.token, place: None })),
            Manner::Faulty => Err(Fault::new("the simulation wanted a fault")),
            Manner::Refused | Manner::Panicking | Manner::Deadly => refuse(add).map(Turn::reject),
        }
    }

    fn lookups(event: &Event<'_, Command>) -> Vec<Lookup> {
        let Command::Add(add) = &event.command;
        let lookups = |name: &String| vec![Lookup::Named(name.clone()), every_file()];
        add.file.as_ref().map(lookups).unwrap_or_default()
    }
}

/// Ends a command that is not accepted.
///
/// # Errors
/// When its process dies of it: nobody reads why.
///
/// # Panics
/// When it is to.
#[expect(clippy::panic, reason = "what an actor's panic does is what is simulated")]
pub fn refuse(add: &Add) -> Result<Rejection, Fault> {
    match add.manner {
        Manner::Panicking => std::panic::panic_any(PANIC),
        Manner::Deadly => {
            DYING.set(true);
            Err(Fault::new("nobody will ever read this"))
        }
        _ => Ok(Rejection::new("refused", 409, add.token.to_string())),
    }
}

fn every_file() -> Lookup {
    Lookup::Last { from: FILES.0.to_owned(), to: FILES.1.to_owned() }
}

/// The records that were looked up are those that the state knows of: neither an older one nor one that is too new.
fn found(state: &State, records: &Records, name: &str) -> Result<(), Fault> {
    let named = records.named::<Filed>(name)?.map(|filed| filed.token);
    let last = records.last::<Filed>(FILES.0, FILES.1)?.map(|filed| filed.token);
    let expected = (state.files.get(name).copied(), state.files.values().next_back().copied());
    if (named, last) != expected {
        return Err(Fault::new(format!("{name} has {named:?} and the last file {last:?}, expected {expected:?}")));
    }
    Ok(())
}

fn applied<P: Policy>(state: &State, records: &Records, add: &Add) -> Result<Turn<Log<P>>, Fault> {
    let mut state = state.clone();
    if let Some(name) = &add.file {
        found(&state, records, name)?;
        state.files.insert(name.clone(), add.token);
    }
    state.entries.push(add.token);
    let place = Some(state.entries.len() as u64);
    let mut turn = Turn::reply(state, Reply { token: add.token, place });
    for (to, told) in add.told_commands() {
        turn = turn.post::<Log<Parks>>(&to, &told)?;
    }
    if let Some(name) = &add.file {
        turn = turn.record(name, &Filed { token: add.token }, None)?;
    }
    if add.push {
        turn = turn.push("everybody", &json!(add.token));
    }
    Ok(turn)
}

/// The kinds of the simulation.
#[must_use]
pub fn registry() -> Registry {
    let logs = [Kind::of::<Log<Parks>>(), Kind::of::<Log<Skips>>(), Kind::of::<Log<Blocks>>()];
    Registry::new(logs.into_iter().chain([Kind::of::<Journaled>()]))
}
