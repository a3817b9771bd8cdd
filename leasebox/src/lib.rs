//! Actors for a serverless backend that cannot forget, because they remember nothing.
//!
//! An **entity** (a user, an order, an account) processes its events strictly one after the other, survives any crash,
//! and keeps its state: with three AWS Lambda functions and one DynamoDB table. No process has to stay alive, and
//! nothing is held in memory between invocations. You write an actor, which is a pure function of its state and one
//! event; from the [`App`] that names it follow the HTTP routes, the OpenAPI document, the metrics and the commands of
//! operators.
//!
//! An event that was acknowledged is processed, or still queued, or in the dead letters with its cause. It changes the
//! state at most once, whatever is retried, redelivered or killed. Events of one entity are applied in the order of
//! its queue, and what an actor posts to others arrives exactly once, after its own commit.
//!
//! # When not to use it
//!
//! - One entity takes more than about 1,000 writes a second. (The number of entities is bounded by the table alone.)
//! - An answer must come within a few milliseconds: an event is one or two writes to DynamoDB, and whoever meets a function
//!   that has to start waits for that, too.
//! - You ask across entities: there are lists of side records, and no joins, no search, no aggregates.
//! - A state does not fit 64 KB, and cannot be spread over side records or several entities.
//! - Several entities must change in one transaction: effects reach others after the commit, so a transfer is a
//!   sequence of events with a way back, not one write.
//! - You are not on AWS: the protocol needs DynamoDB's conditional writes, its stream, and SQS for delayed messages.
//!
//! # Three functions
//!
//! | function | main | what calls it | what it may do |
//! |---|---|---|---|
//! | `ingest` | [`App::ingest`] | requests that write, and WebSockets | post events, run actors |
//! | `drain` | [`App::drain`] | the table's stream, and delayed messages | finish what nobody finished |
//! | `status` | [`App::status`] | requests that read | read: by its policy, and by the type [`Reader`] |
//!
//! The development server, `App::dev` behind the feature `dev`, is all three in one process with an embedded DynamoDB.
//! It brings SQLite and an HTTP server, so give that `main` a package of its own, and no function compiles them.
//!
//! # A complete example
//!
//! A shop, whose only other dependency is `serde` with its feature `derive`.
//!
//! ```
//! // src/lib.rs
//! use leasebox::schemars::{self, JsonSchema};
//! use leasebox::{Access, Actor, App, EntityId, Event, Fault, Post, Rejection, Request, Role, Turn, view};
//! use serde::{Deserialize, Serialize};
//!
//! /// The stock of one article.
//! pub struct Stock;
//!
//! /// What it remembers. The default is a stock that nothing has happened to.
//! #[derive(Default, Serialize, Deserialize, JsonSchema)]
//! pub struct Shelf {
//!     available: u32,
//! }
//!
//! /// What it understands: `{"type": "reserve", "pieces": 3}`.
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! #[serde(tag = "type", rename_all = "snake_case")]
//! pub enum Command {
//!     Deliver(Pieces),
//!     Reserve(Pieces),
//! }
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
//! pub struct Pieces {
//!     pieces: u32,
//! }
//!
//! /// What it answers.
//! #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
//! pub struct Left {
//!     available: u32,
//! }
//!
//! impl Actor for Stock {
//!     const KIND: &'static str = "stock";
//!     type State = Shelf;
//!     type Command = Command;
//!     type Reply = Left;
//!
//!     fn handle(shelf: &Shelf, event: &Event<'_, Command>) -> Result<Turn<Self>, Fault> {
//!         match &event.command {
//!             Command::Deliver(Pieces { pieces }) => {
//!                 let available = shelf.available.saturating_add(*pieces);
//!                 Ok(Turn::reply(Shelf { available }, Left { available }))
//!             }
//!             Command::Reserve(Pieces { pieces }) => {
//!                 let Some(available) = shelf.available.checked_sub(*pieces) else {
//!                     // Refused by the rules of the business: a 409 to the client, and the state stays as it is.
//!                     let detail = format!("{} pieces are there; reserve fewer", shelf.available);
//!                     return Ok(Turn::reject(Rejection::new("out-of-stock", 409, detail)));
//!                 };
//!                 // An effect: after the commit, and exactly once, another entity gets a command.
//!                 let all = EntityId::new(Tally::KIND, "reserved").map_err(|error| Fault::new(error.to_string()))?;
//!                 let turn = Turn::reply(Shelf { available }, Left { available });
//!                 turn.post::<Tally>(&all, &Count::Add(Pieces { pieces: *pieces }))
//!             }
//!         }
//!     }
//! }
//!
//! /// How much was reserved of all articles.
//! pub struct Tally;
//!
//! #[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
//! pub struct Total {
//!     pieces: u64,
//! }
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
//! #[serde(tag = "type", rename_all = "snake_case")]
//! pub enum Count {
//!     Add(Pieces),
//! }
//!
//! impl Actor for Tally {
//!     const KIND: &'static str = "tally";
//!     type State = Total;
//!     type Command = Count;
//!     type Reply = Total;
//!
//!     fn handle(total: &Total, event: &Event<'_, Count>) -> Result<Turn<Self>, Fault> {
//!         let Count::Add(Pieces { pieces }) = event.command;
//!         let total = Total { pieces: total.pieces + u64::from(pieces) };
//!         Ok(Turn::reply(total.clone(), total))
//!     }
//! }
//!
//! /// The kinds, and routes of one's own beside the generic ones (`/entities/stock/{id}` and so on).
//! pub fn app<R: Role>() -> App<R> {
//!     App::new()
//!         .kind::<Stock>()
//!         .kind::<Tally>()
//!         // For a backend that signs its requests.
//!         .post("/stock/{id}/deliver", Access::Signed, |request: &Request, pieces: Pieces| {
//!             Post::to::<Stock>(request.id("id"), Command::Deliver(pieces))
//!         })
//!         // For any user who shows a token; `Access::Owner("id")` would be the user with this id alone.
//!         .post("/stock/{id}/reserve", Access::User, |request: &Request, pieces: Pieces| {
//!             Post::to::<Stock>(request.id("id"), Command::Reserve(pieces))
//!         })
//!         // For everyone: the state as it is.
//!         .get("/stock/{id}", Access::Open, view::<Stock>)
//! }
//!
//! # mod shop { pub use super::app; }
//! # mod ingest { use super::shop;
//! // src/bin/ingest.rs
//! fn main() -> leasebox::Exit {
//!     shop::app().ingest()
//! }
//!
//! # }
//! # mod drain { use super::shop;
//! // src/bin/drain.rs
//! fn main() -> leasebox::Exit {
//!     shop::app().drain()
//! }
//!
//! # }
//! # mod status { use super::shop;
//! // src/bin/status.rs
//! fn main() -> leasebox::Exit {
//!     shop::app().status()
//! }
//!
//! # }
//! # #[cfg(feature = "dev")]
//! # mod dev { use super::shop;
//! // dev/src/main.rs, a package with the feature `dev`
//! fn main() -> leasebox::Exit {
//!     shop::app().dev()
//! }
//!
//! # }
//! // tests/stock.rs, a `#[test]`: without a database, by the code that runs actors in production.
//! # #[cfg(feature = "test")]
//! use leasebox::test::TestActor;
//!
//! # #[cfg(feature = "test")]
//! fn what_is_there_can_be_reserved() -> Result<(), Fault> {
//!     let mut shoes = TestActor::<Stock>::new("shoes");
//!     shoes.run(Command::Deliver(Pieces { pieces: 5 }))?;
//!
//!     let reserved = shoes.run(Command::Reserve(Pieces { pieces: 3 }))?;
//!     assert_eq!(*reserved.reply(), Left { available: 2 });
//!     assert_eq!(reserved.posts_to::<Tally>(), [("reserved".to_owned(), Count::Add(Pieces { pieces: 3 }))]);
//!
//!     let refused = shoes.run(Command::Reserve(Pieces { pieces: 3 }))?;
//!     assert_eq!(refused.rejection().reason, "out-of-stock");
//!     Ok(())
//! }
//! # fn main() {
//! #     #[cfg(feature = "test")]
//! #     what_is_there_can_be_reserved().unwrap();
//! #     app().service().unwrap();
//! # }
//! ```
//!
//! # What to look up where
//!
//! | to … | look at |
//! |---|---|
//! | write a kind of entity: state, commands, replies, what outsiders may post | [`Actor`] |
//! | answer, refuse, post to others, write records, push to sockets | [`Turn`] |
//! | keep every event, and ask how it was at a time or a version | [`EventSourced`], [`Decision`], [`Snapshot`] |
//! | say no by the rules of the business, or that something is broken | [`Rejection`], [`Fault`] and [`Poison`] |
//! | keep more than fits a state, and list it | [`Record`], [`List`]; to decide with it: [`Actor::lookups`] |
//! | put a URL of one's own before a kind | [`Route`], [`Post`], [`Request`], [`Parameter`] |
//! | say who may ask a route | [`Access`] |
//! | know why an app is generic over `R` | [`Role`] |
//! | read an entity in a route | [`state`], [`view`], [`Reader`] |
//! | answer with something else than JSON, or with an error | [`Answer`], [`Problem`] |
//! | talk to clients over WebSockets | [`Sockets`], [`Socket`], [`Turn::push`] |
//! | post from Rust and wait for the reply | [`Client::ask`], in [`Route::act`], [`Socket`] and [`Operation`] |
//! | add a command for operators, or a demonstration, to the development server | [`Operation`], [`Demo`] |
//! | test an actor by itself | [`leasebox::test::TestActor`](shared::testing::TestActor), with the feature `test` |
//! | read the protocol, event by event | [`shared`] |
//!
//! # Limits
//!
//! All of them are constants in [`shared::limits`]; a KB is 1,024 bytes. Whoever meets one gets an error that says so.
//!
//! | what | limit |
//! |---|---|
//! | the name of a kind; an id | 1 to 32 bytes; 1 to 128 bytes |
//! | an event's command, as JSON | 16 KB |
//! | a body; events in one post | 64 KB; 25 |
//! | an entity's queue | 100 events, 128 KB; deliveries from other entities have another 100 and 48 KB |
//! | a state, as stored | 64 KB |
//! | a reply | 20 KB |
//! | effects that wait for their delivery, of one entity | 100, 64 KB |
//! | a side record; side records in one commit | 64 KB; 99, 3 MB |
//! | rounds of [`Actor::lookups`] for one event | 3 |
//! | a page of a list | 20 entities unless asked otherwise, 100 at most, 2 MB |
//! | a frame that a client sends on a socket | 32 KB |
//! | how long a route of one's own waits for a reply | 5 s, with `Prefer: wait=N` up to 20 s; then a receipt |
//! | how long an idempotency key is remembered | 24 h after its event was processed |
//! | how long a function that died holds an entity up | 30 s (the lease) and 2 s |
//! | deaths while one event runs, before [`Poison`] applies | 3 |
//! | failed deliveries before an effect goes to the dead letters | 20, over about an hour |
//! | writes to one entity | about 1,000 a second: what DynamoDB takes for one item |
//!
//! # What is stable
//!
//! Versions are semantic for **the items that this crate re-exports by name**, and for [`App`] and [`Exit`]: until
//! 1.0, what breaks them is a new minor version. Enums and structs that will grow are `#[non_exhaustive]`. The modules
//! [`shared`] and [`web`] as such are not covered, nor are the crates `leasebox-*` behind them: what you take from
//! there may change with a minor version, after 1.0 too. Depend on `leasebox` alone.
//!
//! From the first release on, **the stored form** and **the HTTP API** are promised: a later version reads what an
//! earlier one has stored, and a client of the generic routes goes on working. What is asked of you for that is
//! [`Actor::SCHEMA`] and [`EventSourced::EVENTS`].
//!
//! The oldest Rust that it builds with is 1.91; to ask for a newer one is a minor version.
//!
//! # Features
//!
//! - `dev`: the development server, with an embedded DynamoDB and all of its commands.
//! - `test`: for a dev-dependency; an actor without a database, and a whole app on an embedded one, with faults.

#![allow(clippy::test_attr_in_doctest, reason = "the example shows a test of an app, and runs it from its main")]

mod app;
mod functions;
#[cfg(feature = "test")]
pub mod test;

pub use app::{App, Exit};

pub use futures::future::BoxFuture;
pub use schemars::{self, JsonSchema};
pub use serde_json::{Value, json};

pub use shared::actor::{Actor, Effect, Event, Fault, Poison, Rejection, Turn};
pub use shared::client::{AskError, Client, Receipted};
pub use shared::envelope::{EntityId, EventId, IdempotencyKey, Malformed, Millis};
pub use shared::erased::{AnyHost, Reader};
pub use shared::mailbox::view::Standing;
pub use shared::operator::OperatorError;
pub use shared::push::Pushed;
pub use shared::records::{List, Lookup, Record, Records};
pub use shared::sourced::{Decision, EventSourced, Snapshot};
pub use web::answer::Answer;
pub use web::app::{Misbuilt, Service};
pub use web::guard::UserId;
pub use web::operation::{Demo, Operation, PlayError, Report};
pub use web::post::{Post, Posted};
pub use web::problem::Problem;
pub use web::query::{CURSOR, LIMIT, Parameter, Query, Takes};
pub use web::reading::{state, view};
pub use web::request::Request;
pub use web::role::{Drain, Ingest, Role, Status, Whole};
pub use web::route::{Access, Answers, Route};
pub use web::socket::{Pace, Socket, Sockets};

/// The protocol below the front door, for what an app seldom needs.
pub use shared;
/// HTTP below the front door, for what an app seldom needs.
pub use web;
