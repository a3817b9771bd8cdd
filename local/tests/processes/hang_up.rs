//! Clients that hang up: as on Lambda, what has begun is finished, and no lease is left behind.

use std::collections::VecDeque;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use local::database::Database;
use rand::SeedableRng;
use rand::rngs::StdRng;
use reqwest::Client;
use rustix::net::sockopt::set_socket_linger;

use crate::gate::Gate;
use crate::increment::{Fate, Increment, check, increments, is_idle, settle};
use crate::server::Server;

const COUNTERS: u32 = 8;
const DIGITS: u32 = 24;

/// Far less than the lease of 30 s: nobody waits for it to expire.
const BOUND: Duration = Duration::from_secs(10);

/// How a client leaves.
#[derive(Clone, Copy, Debug)]
enum Leave {
    /// It sends everything and closes the connection.
    Close,
    /// It sends everything and resets the connection, which may take back what was not read yet.
    Reset,
    /// It closes the connection in the middle of the body.
    InTheBody,
    /// It closes the connection in the middle of the head.
    InTheHead,
}

const WAYS: [Leave; 4] = [Leave::Close, Leave::Reset, Leave::InTheBody, Leave::InTheHead];

#[tokio::test(flavor = "multi_thread")]
async fn what_has_begun_is_finished_when_the_client_has_left() {
    let database = Database::in_memory().unwrap().serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let gate = Gate::before(&database).await;
    let server = Server::start(&["--ephemeral", "--endpoint", gate.endpoint()]);
    // A second one, to see what the first one is not told yet.
    let witness = Server::start(&["--ephemeral", "--endpoint", &database.endpoint()]);
    let http = Client::new();
    let mut posted = increments("begun", COUNTERS, 0..1, &mut StdRng::seed_from_u64(3));
    posted.iter_mut().for_each(|increment| increment.detached = false);

    gate.shut();
    let clients: Vec<_> = posted.iter().map(|increment| send(&server.address(), increment, Leave::Close)).collect();
    for increment in &mut posted {
        let begun = Instant::now();
        while is_idle(&http, witness.url(), &increment.counter).await {
            assert!(begun.elapsed() < BOUND, "nothing was stored: {increment:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        increment.fate = Fate::Acknowledged;
    }
    drop(clients);
    // Time to notice. Were it not enough, a server that drops what it began would pass, never the reverse.
    tokio::time::sleep(Duration::from_millis(500)).await;
    gate.open();

    settle(&http, witness.url(), &posted, BOUND).await;
    check(&http, witness.url(), &posted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_leave_at_any_moment_leave_nothing_behind() {
    let server = Server::start(&["--ephemeral"]);
    let (address, http) = (server.address(), Client::new());
    let mut posted = increments("gone", COUNTERS, 0..DIGITS, &mut StdRng::seed_from_u64(4));
    // Each stays until some others have come, so that the leaving meets every stage of the work.
    let mut staying = VecDeque::new();
    for (index, increment) in posted.iter_mut().enumerate() {
        let leave = WAYS[index % WAYS.len()];
        staying.push_back(send(&address, increment, leave));
        staying.drain(..staying.len().saturating_sub(index / WAYS.len() % 8));
        increment.fate = match leave {
            Leave::Close | Leave::Reset => Fate::Unknown,
            Leave::InTheBody | Leave::InTheHead => Fate::Unsent,
        };
    }
    staying.clear();
    settle(&http, server.url(), &posted, BOUND).await;
    // The entities are free for others, and what was cut short has left nothing.
    for counter in 0..COUNTERS {
        let counter = format!("gone-{counter}");
        let mut after = Increment { counter, digit: DIGITS, key: None, detached: false, fate: Fate::Unsent };
        after.post(&http, server.url()).await;
        assert_eq!(after.fate, Fate::Acknowledged);
        posted.push(after);
    }
    settle(&http, server.url(), &posted, BOUND).await;
    check(&http, server.url(), &posted).await;
}

/// Sends what the way of leaving lets it send. Dropping the connection is the leaving.
fn send(address: &str, increment: &Increment, leave: Leave) -> TcpStream {
    let body = format!("{{\"amount\":{}}}", 4i64.pow(increment.digit));
    let head = format!(
        "POST /counter/{}/increment HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n{}{}\r\n",
        increment.counter,
        body.len(),
        if increment.detached { "prefer: respond-async\r\n" } else { "" },
        increment.key.as_ref().map(|key| format!("idempotency-key: {key}\r\n")).unwrap_or_default(),
    );
    let whole = format!("{head}{body}");
    let sent = match leave {
        Leave::Close | Leave::Reset => whole.as_str(),
        Leave::InTheBody => &whole[..head.len() + 3],
        Leave::InTheHead => &head[..head.len() / 2],
    };
    let mut stream = TcpStream::connect(address).unwrap();
    if matches!(leave, Leave::Reset) {
        set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    }
    stream.write_all(sent.as_bytes()).unwrap();
    stream
}
