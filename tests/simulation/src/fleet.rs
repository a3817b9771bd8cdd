//! The processes that serve requests: a few that live on, as development servers do, or one for each request, as on
//! Lambda.

use std::sync::{Arc, LazyLock, Mutex};

use futures::channel::oneshot;
use futures::future::{Either, select};
use lambda_http::http::Method;
use lambda_http::{Body, Request};
use serde_json::Value;
use shared::client::Client;
use shared::host::ReadHost;
use shared::limits::FUNCTION_TIMEOUT_MS;
use web::app::{App, Service};
use web::guard::operators::Operators;
use web::guard::origins::Origins;
use web::guard::{Guard, Users};
use web::role::Whole;

use crate::fault::Fault;
use crate::host::SimHost;
use crate::lock;
use crate::timeline::ProcessId;
use crate::world::World;

/// How long a client, or the gateway before the functions, waits for an answer, in milliseconds.
const PATIENCE_MS: u64 = 29_000;

/// What is asked of any kind: the routes that every app has.
#[expect(clippy::unwrap_used, reason = "an app without anything of its own is one")]
static SERVICE: LazyLock<Service> = LazyLock::new(|| App::<Whole>::new().build().unwrap());

/// Servers.
#[derive(Clone)]
pub struct Fleet {
    world: World,
    /// Servers that live on; none where each request has its own process.
    servers: Arc<Mutex<Vec<Option<Server>>>>,
}

#[derive(Clone)]
struct Server {
    process: ProcessId,
    client: Client<SimHost>,
}

/// What a client gets.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Whether it is marked as a replay.
    pub replayed: bool,
    /// The body.
    pub body: Value,
}

impl Fleet {
    /// So many servers that live on; with none, each request has its own process.
    #[must_use]
    pub fn new(world: &World, servers: usize) -> Self {
        Self { world: world.clone(), servers: Arc::new(Mutex::new(vec![None; servers])) }
    }

    fn start(&self) -> Server {
        let process = self.world.start();
        Server { process, client: Client::new(SimHost::new(&self.world, process)) }
    }

    /// A server to send a request to; one that has ended is started anew.
    fn pick(&self) -> (Server, bool) {
        let count = lock(&self.servers).len() as u64;
        let index = usize::try_from(self.world.below(count)).unwrap_or_default();
        let known = lock(&self.servers).get(index).cloned();
        let Some(known) = known else {
            return (self.start(), true);
        };
        let server = known.filter(|server| self.world.process(server.process).alive).unwrap_or_else(|| self.start());
        if let Some(place) = lock(&self.servers).get_mut(index) {
            *place = Some(server.clone());
        }
        (server, false)
    }

    /// Sends a request; nothing comes back when the server ends, is too slow, or a proxy drops its answer.
    pub async fn call(&self, method: Method, path: &str, headers: &[(&str, String)], body: String) -> Option<Reply> {
        let (server, only) = self.pick();
        let request = request(method, path, headers, body)?;
        let (answer, answered) = oneshot::channel();
        let process = server.process;
        self.world.spawn(process, async move {
            // The client may have gone: the server goes on all the same.
            let _ = answer.send(server.handle(request).await);
        });
        let patience = if only { FUNCTION_TIMEOUT_MS } else { PATIENCE_MS };
        let reply = match select(answered, self.world.sleep(patience)).await {
            Either::Left((reply, _)) => reply.ok(),
            Either::Right(_) => None,
        };
        if only {
            if reply.is_none() && self.world.process(process).alive {
                self.world.struck(Fault::TimeOver);
            }
            self.world.kill(process);
        }
        reply.filter(|_| !self.world.strikes(Fault::AnswerLost))
    }
}

/// Anybody may speak: who may is no matter of the protocol.
fn guard() -> Arc<Guard> {
    Arc::new(Guard {
        operators: Operators::Iam,
        users: Users::Open,
        origins: Origins::gateway(Vec::new()),
        tickets: None,
        socket_url: None,
    })
}

impl Server {
    async fn handle(&self, request: Request) -> Reply {
        let incoming = SERVICE.routes.incoming(request.map(|body| body.to_vec()));
        let answer = match incoming.method {
            Method::GET => status::handle(&SERVICE, self.client.host(), &guard(), incoming).await,
            _ => {
                let deadline = self.client.host().now().plus(FUNCTION_TIMEOUT_MS);
                ingest::handle(&self.client, &guard(), incoming, deadline).await
            }
        };
        let replayed = answer.headers.iter().any(|(name, _)| *name == "idempotency-replayed");
        Reply { status: answer.status, replayed, body: serde_json::from_str(&answer.body).unwrap_or_default() }
    }
}

fn request(method: Method, path: &str, headers: &[(&str, String)], body: String) -> Option<Request> {
    let mut request = lambda_http::http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    request.body(Body::from(body)).ok()
}
