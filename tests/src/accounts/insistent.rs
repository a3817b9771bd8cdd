//! A client that asks with a key until it is answered, while the processes that it asks die under it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::app;
use serde_json::json;
use shared::limits::Settings;

use crate::chance::Chance;
use crate::problems::problem;
use crate::stack::Feed;
use crate::world::{Reply, World};
use testing::faults::Fault;

/// What befalls a process at one of its calls.
const ENDS: [Fault; 5] = [Fault::DiesBefore, Fault::DiesAfter, Fault::DiesAfterReply, Fault::AnswerLost, Fault::Twice];
/// Of so many requests one goes to a process that dies at a call, and one to an invocation that is ended at some time.
const ONE_OF: usize = 20;
/// Calls of a transfer from its post to its end.
const CALLS: usize = 11;

/// Two processes over one table, with what the cloud does around them, and the leases of the dead soon over.
pub struct Town {
    pub worlds: [Arc<World>; 2],
    feeds: Vec<tokio::task::JoinHandle<Feed>>,
    done: Arc<AtomicBool>,
    pub killed: Arc<AtomicU64>,
}

impl Town {
    pub async fn new(chance: &mut Chance) -> Self {
        let settings = Settings { lease_ms: 1_000, margin_ms: 100, ..Settings::default() };
        let one = Arc::new(World::with(app::registry(), settings).await);
        let worlds = [Arc::clone(&one), Arc::new(one.again(app::registry()))];
        let done = Arc::new(AtomicBool::new(false));
        let feeds = [Feed::new(one, Chance::new(chance.next())).run(Arc::clone(&done))];
        let feeds = feeds.into_iter().map(tokio::spawn).collect();
        Self { worlds, feeds, done, killed: Arc::default() }
    }

    /// A client of one of the processes.
    pub fn client(&self, name: usize, chance: &mut Chance) -> Insistent {
        let world = Arc::clone(&self.worlds[name % self.worlds.len()]);
        Insistent { world, chance: Chance::new(chance.next()), killed: Arc::clone(&self.killed) }
    }

    /// Lets everything that is stored be worked off.
    pub async fn finish(self) -> Arc<World> {
        self.done.store(true, Ordering::Relaxed);
        for feed in self.feeds {
            feed.await.unwrap().finish().await;
        }
        let [world, _] = self.worlds;
        world
    }
}

/// The client.
pub struct Insistent {
    pub world: Arc<World>,
    pub chance: Chance,
    killed: Arc<AtomicU64>,
}

impl Insistent {
    /// Another one, of the same process.
    pub fn another(&mut self) -> Self {
        let chance = Chance::new(self.chance.next());
        Self { world: Arc::clone(&self.world), chance, killed: Arc::clone(&self.killed) }
    }

    /// Posts until the answer is known. Each try but the first waits for it.
    pub async fn post(&mut self, path: &str, key: &str, body: &str) -> Reply {
        let mut prefer = self.chance.of(&["", "", "wait=0", "respond-async"]);
        loop {
            let mut headers = vec![("idempotency-key", key)];
            headers.extend(Some(("prefer", prefer)).filter(|_| !prefer.is_empty()));
            if let Some(reply) = self.once(path, &headers, body).await
                && is_answer(&reply)
            {
                return reply;
            }
            prefer = "wait=2";
        }
    }

    /// One try; none when the process or the invocation ended before it answered.
    async fn once(&mut self, path: &str, headers: &[(&str, &str)], body: &str) -> Option<Reply> {
        let ended = match self.chance.below(ONE_OF) {
            0 => {
                let victim = self.world.again(app::registry());
                victim.faults.arm(u32::try_from(self.chance.below(CALLS)).unwrap(), self.chance.of(&ENDS));
                victim.until_death(victim.http("POST", path, headers, body)).await
            }
            1 => {
                let life = Duration::from_millis(self.chance.next() % 40);
                tokio::time::timeout(life, self.world.http("POST", path, headers, body)).await.ok()
            }
            _ => Some(self.world.http("POST", path, headers, body).await),
        };
        if ended.is_none() {
            self.killed.fetch_add(1, Ordering::Relaxed);
        }
        ended
    }
}

/// Whether a reply says what became of the command; otherwise it is to be asked for again.
fn is_answer(reply: &Reply) -> bool {
    match reply.status {
        // A slow look for a receipt may not come in time; whoever has a key asks once more.
        200 if reply.body.as_array().into_iter().flatten().any(|receipt| receipt.get("note").is_some()) => false,
        200 | 400 | 404 | 409 | 422 => true,
        // Once the money has left the payer it is known that it has.
        202 => reply.body.get("transfer_id").is_some() && reply.body["status"] != json!("queued"),
        429 | 503 => {
            // On a busy machine a try may find no time.
            let passing = ["mailbox-full", "outcome-unknown", "database-unavailable"];
            assert!(passing.contains(&problem(reply)), "{reply:?}");
            false
        }
        other => {
            assert_eq!(other, 200, "{reply:?}");
            false
        }
    }
}
