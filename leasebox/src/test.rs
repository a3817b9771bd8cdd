//! Tests of an app: its actors without a database, and all of it on an embedded one.
//!
//! [`TestActor`] runs commands through one actor, as production would, and tells verdict, state and effects.
//!
//! [`World`] runs an app: the handlers that are deployed, on a table of its own. The test is what AWS is around them: it
//! delivers stream records and wakes ([`World::work_off`]), lets time pass, ends a process between two calls of the database
//! ([`World::faults`], [`Fault`]), and is told what everything costs ([`World::cost`]).
//!
//! ```no_run
//! # use leasebox::{App, Whole};
//! # use leasebox::test::{Fault, World};
//! # use leasebox::json;
//! # use leasebox::test::run;
//! # fn example(app: App<Whole>) {
//! run(async {
//! let world = World::new(app).await;
//! let event = json!({"type": "deliver", "pieces": 5}).to_string();
//! // A process that posts, and ends before it has run the event.
//! let victim = world.again();
//! victim.faults.arm(1, Fault::DiesBefore);
//! assert!(victim.until_death(victim.post("/entities/stock/shoes/events", &event)).await.is_none());
//! // Nothing is lost: what AWS delivers next finishes it.
//! world.work_off().await;
//! assert_eq!(world.get("/entities/stock/shoes").await.body["state"]["available"], 5);
//! // An event for an idle entity costs two write units.
//! let (reply, total) = world.cost(world.post("/entities/stock/shoes/events", &event)).await;
//! assert_eq!((reply.status, total.write), (200, 2.0));
//! });
//! # }
//! ```

pub use shared::testing::{TestActor, Tested};
pub use testing::{Fault, Reply, Total, World, run};
