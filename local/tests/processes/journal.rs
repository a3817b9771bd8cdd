//! `leasebox journal` on the table of a running server, and on journals that are long or damaged.

use std::collections::HashMap;
use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use kinds::account::{Account, Happened, KIND};
use local::connect::{Identity, connect};
use local::database::{Database, Serving};
use reqwest::Client;
use serde_json::{Value, json};
use shared::envelope::{EntityId, EnvelopeId, EventId, Millis};
use shared::journal::{Entry, Pages, take_apart};
use shared::registry::Kind;
use shared::store::{Key, Put};
use shared::table;

use crate::server::{Said, Server, command, run};

async fn post(http: &Client, url: &str, path: &str, body: Value) {
    let answer = http.post(format!("{url}{path}")).json(&body).send().await.unwrap();
    answer.error_for_status().unwrap();
}

fn journal(data: &str, arguments: &[&str]) -> Said {
    run(&[&["journal", "--data", data], arguments].concat())
}

/// What it printed, when it succeeded.
fn printed(data: &str, arguments: &[&str]) -> String {
    let said = journal(data, arguments);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{arguments:?}: {said:?}");
    said.stdout
}

/// The same as JSON, a value a line.
fn values(data: &str, arguments: &[&str]) -> Vec<Value> {
    let text = printed(data, &[arguments, &["--json"]].concat());
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn versions(values: &[Value]) -> Vec<u64> {
    values.iter().map(|value| value["version"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_does_what_it_says() {
    let (http, dir) = (Client::new(), tempfile::tempdir().unwrap());
    let data = dir.path().to_str().unwrap();
    let server = Server::start(&["--data", data]);
    let url = server.url();
    post(&http, url, "/accounts/alice/open", json!({"owner": "Alice", "initial_balance": 100})).await;
    post(&http, url, "/accounts/alice/deposit", json!({"amount": 50})).await;
    post(&http, url, "/accounts/alice/withdraw", json!({"amount": 30})).await;
    post(&http, url, "/counter/c/increment", json!({})).await;

    let shown = printed(data, &["show", "account/alice"]);
    let words: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    let [opened, deposited, withdrawn] = words.as_slice() else {
        panic!("{shown}");
    };
    assert_eq!((opened[0], opened[2], opened[3]), ("1", "AccountOpened", r#"{"initial_balance":100,"owner":"Alice"}"#));
    assert_eq!((deposited[0], deposited[2], deposited[3]), ("2", "MoneyDeposited", r#"{"amount":50}"#));
    assert_eq!((withdrawn[0], withdrawn[2], withdrawn[3]), ("3", "MoneyWithdrawn", r#"{"amount":30}"#));

    let events = values(data, &["show", "account/alice"]);
    let page: Value =
        http.get(format!("{url}/accounts/alice/events")).send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(Value::from(events.clone()), page["items"], "the route shows the same");
    assert_eq!(versions(&values(data, &["show", "account/alice", "--from", "2"])), [2, 3]);
    assert_eq!(versions(&values(data, &["show", "account/alice", "--from", "2", "--limit", "1"])), [2]);
    assert_eq!(versions(&values(data, &["show", "account/alice", "--limit", "0"])), [0; 0]);
    assert_eq!(versions(&values(data, &["show", "account/alice", "--from", "4"])), [0; 0]);

    assert_eq!(printed(data, &["verify", "account/alice"]), "account/alice is what follows from its 3 events.\n");
    let verified = json!({"entity": "account/alice", "version": 3, "consistent": true, "detail": null});
    assert_eq!(values(data, &["verify", "account/alice"]), [verified]);

    let balance = |arguments: &[&str]| {
        let states = values(data, &[&["state", "account/alice"], arguments].concat());
        (states[0]["version"].as_u64().unwrap(), states[0]["state"]["balance"].as_u64().unwrap())
    };
    assert_eq!(balance(&[]), (3, 120));
    assert_eq!(balance(&["--version", "2"]), (2, 150));
    assert_eq!(balance(&["--version", "0"]), (0, 0));
    assert_eq!(balance(&["--at", "2001-01-01T00:00:00Z"]), (0, 0));
    assert_eq!(balance(&["--at", events[2]["time"].as_str().unwrap()]), (3, 120));
    let state = printed(data, &["state", "account/alice", "--version", "1"]);
    assert!(state.starts_with("account/alice after event 1, of 2"), "{state}");
    assert!(state.contains(r#""balance": 100"#), "{state}");
    let state = printed(data, &["state", "account/alice", "--version", "0"]);
    assert!(state.starts_with("account/alice before its first event\n"), "{state}");

    let refused = [
        (["show", "counter/c"].as_slice(), "a counter keeps no journal, only its state; journals are kept by: account"),
        (&["verify", "counter/c"], "a counter keeps no journal"),
        (&["state", "counter/c"], "a counter keeps no journal"),
        (&["show", "stock/s"], "there is no kind stock; there are account, counter"),
        (&["show", "account/nobody"], "there is no entity account/nobody: nothing was ever posted to it"),
        (&["verify", "account/nobody"], "there is no entity account/nobody"),
        (&["state", "account/nobody"], "there is no entity account/nobody"),
        (&["state", "account/alice", "--version", "4"], "has 3 events, so there is no version 4"),
        (&["show", "account/alice", "--table", "another"], "there is no such table"),
    ];
    for (arguments, why) in refused {
        let said = journal(data, arguments);
        assert!(said.code == Some(1) && said.stdout.is_empty(), "{arguments:?}: {said:?}");
        assert!(said.stderr.contains(why), "{arguments:?}: {said:?}");
    }
    let malformed = [
        (["show", "alice"].as_slice(), "not of the form kind/id"),
        (&["state", "account/alice", "--at", "yesterday"], "RFC 3339"),
        (&["state", "account/alice", "--at", "2001-01-01T00:00:00Z", "--version", "1"], "cannot be used with"),
    ];
    for (arguments, why) in malformed {
        let said = journal(data, arguments);
        assert!(said.code == Some(2) && said.stderr.contains(why), "{arguments:?}: {said:?}");
    }

    server.stop().await;
    let gone = journal(data, &["verify", "account/alice"]);
    assert!(gone.code == Some(1) && gone.stderr.contains("is its server running?"), "{gone:?}");
    let nothing = journal("/nowhere", &["show", "account/alice"]);
    assert!(nothing.code == Some(1) && nothing.stderr.contains("no development server has served"), "{nothing:?}");
}

/// A table that no server works on.
struct Bare {
    client: aws_sdk_dynamodb::Client,
    serving: Serving,
}

impl Bare {
    async fn new() -> Self {
        let serving = Database::in_memory().unwrap().serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let client = connect(&serving.endpoint(), Identity::Anyone).await.clients.dynamodb;
        local::table::ensure(&client, "leasebox").await.unwrap();
        Self { client, serving }
    }

    async fn put(&self, items: impl Iterator<Item = (Key, HashMap<String, AttributeValue>)>) {
        let request = |(key, mut item): (Key, HashMap<String, AttributeValue>)| {
            item.insert("pk".to_owned(), AttributeValue::S(key.pk));
            item.insert("sk".to_owned(), AttributeValue::S(key.sk));
            let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        };
        let mut requests: Vec<WriteRequest> = items.map(request).collect();
        while !requests.is_empty() {
            let rest = requests.split_off(requests.len().min(25));
            let written = self.client.batch_write_item().request_items("leasebox", requests).send().await.unwrap();
            requests = rest;
            requests.extend(written.unprocessed_items.into_iter().flatten().flat_map(|(_, unwritten)| unwritten));
        }
    }

    /// An account with so many events, as their commits would have left it, and how many items its journal has.
    async fn account(&self, id: &str, events: u64) -> (EntityId, usize) {
        let entity = EntityId::new(KIND, id).unwrap();
        let (kind, mut pages) = (Kind::of::<Account>(), Pages::default());
        let mut stage = kind.stage(None).unwrap();
        for version in 1..=events {
            let event = match version {
                1 => Happened::AccountOpened { owner: id.to_owned(), initial_balance: 100 },
                n if n % 3 == 0 => Happened::MoneyWithdrawn { amount: 50, transfer: None },
                _ => Happened::MoneyDeposited { amount: 50, transfer: None },
            };
            let (r#type, payload) = take_apart(&event).unwrap();
            let at = Millis(1_790_000_000_000 + version);
            let cause = EventId { sequence: version, id: EnvelopeId::new(at, version, None) };
            let entry = Entry { version, r#type, schema: 1, at, cause, payload };
            stage.replay(&entry).unwrap();
            pages.extend(&[entry]);
        }
        let (items, number) = (pages.len(), |number: u64| AttributeValue::from(table::number(number)));
        self.put(pages.puts(&entity).map(|Put { key, item, .. }| (key, item.into()))).await;
        let mailbox = HashMap::from([
            ("kind".to_owned(), AttributeValue::S(KIND.to_owned())),
            ("head".to_owned(), number(events)),
            ("version".to_owned(), number(2 * events)),
            ("schema".to_owned(), number(1)),
            ("state".to_owned(), stage.stored().unwrap().into()),
        ]);
        self.put([(table::mailbox_key(&entity), mailbox)].into_iter()).await;
        (entity, items)
    }

    fn run(&self, arguments: &[&str]) -> Said {
        run(&[&["journal", "--endpoint", &self.serving.endpoint()], arguments].concat())
    }

    /// Verifies an entity. It brings also the most memory that the process had, in KB, and how long it took.
    #[cfg(target_os = "linux")]
    fn verified(&self, entity: &EntityId) -> (Said, u64, Duration) {
        let mut command = command(&["journal", "verify", entity.as_str(), "--endpoint", &self.serving.endpoint()]);
        let begun = Instant::now();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (file, mut peak) = (format!("/proc/{}/status", child.id()), 0);
        let status = loop {
            // It is a high-water mark: what counts is the last one. A process that has ended has none.
            let status = std::fs::read_to_string(&file).unwrap_or_default();
            let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            peak = mark.map_or(peak, |mark| mark.trim().trim_end_matches(" kB").parse().unwrap());
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < Duration::from_secs(300), "it does not end");
            std::thread::sleep(Duration::from_millis(1));
        };
        let (mut stdout, mut stderr) = (String::new(), String::new());
        child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (Said { code: status.code(), stdout, stderr }, peak, begun.elapsed())
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_long_journal_is_verified_in_the_memory_of_a_short_one() {
    let bare = Bare::new().await;
    let mut peaks = Vec::new();
    // The first fills one step of a replay and more, so that the two differ only in how many steps there are.
    for events in [10_000, 100_000] {
        let (entity, items) = bare.account(&format!("of-{events}"), events).await;
        let (said, peak, took) = bare.verified(&entity);
        println!("{events} events in {items} items: {peak} KB at most, {took:?}");
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said:?}");
        assert_eq!(said.stdout, format!("{entity} is what follows from its {events} events.\n"));
        assert!(peak > 0, "its memory was never seen");
        peaks.push(peak);
    }
    let [short, long] = peaks.as_slice() else {
        panic!("{peaks:?}");
    };
    assert!(long < &(short * 2), "{long} KB for a long journal, {short} KB for a short one");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_journal_or_a_snapshot_is_found() {
    let bare = Bare::new().await;
    // More events than one step of a replay reads.
    let (entity, items) = bare.account("alice", 12_000).await;
    assert!(items > shared::replay::STEP, "{items}");
    let (show, verify) = (["show", "account/alice", "--json"], ["verify", "account/alice"]);
    let shown = bare.run(&show).stdout;
    assert!((1..).zip(shown.lines()).all(|(version, line)| line.starts_with(&format!("{{\"version\":{version},"))));
    assert_eq!(shown.lines().count(), 12_000);
    let few = bare.run(&["show", "account/alice", "--from", "11998", "--limit", "2"]).stdout;
    assert_eq!(few.lines().map(|line| &line[..5]).collect::<Vec<_>>(), ["11998", "11999"]);
    assert_eq!(bare.run(&verify).code, Some(0));

    // A snapshot that somebody has changed.
    let key = table::mailbox_key(&entity);
    let update = bare.client.update_item().table_name("leasebox");
    let update = update.key("pk", AttributeValue::S(key.pk)).key("sk", AttributeValue::S(key.sk));
    let richer = update.update_expression("SET #s.#s.#b = #s.#s.#b + :one").expression_attribute_names("#s", "state");
    let richer = richer.expression_attribute_names("#b", "balance");
    richer.expression_attribute_values(":one", AttributeValue::N("1".to_owned())).send().await.unwrap();
    let said = bare.run(&verify);
    assert!(said.code == Some(1) && said.stderr.contains("account/alice is not what its journal says"), "{said:?}");
    assert!(said.stdout.contains("is not what follows from its 12000 events"), "{said:?}");
    let said = bare.run(&["verify", "account/alice", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&said.stdout).unwrap()["consistent"], false, "{said:?}");

    // An item in the middle that somebody has taken away.
    let sk = AttributeValue::S(table::journal_key(&entity, 6_000).sk);
    let query = bare.client.query().table_name("leasebox").limit(1);
    let query = query.key_condition_expression("pk = :pk AND sk >= :sk").expression_attribute_values(":sk", sk);
    let found = query.expression_attribute_values(":pk", AttributeValue::S(entity.to_string())).send().await.unwrap();
    let item = found.items().first().unwrap();
    let delete = bare.client.delete_item().table_name("leasebox");
    delete.key("pk", item["pk"].clone()).key("sk", item["sk"].clone()).send().await.unwrap();
    let said = bare.run(&verify);
    assert!(said.code == Some(1) && said.stdout.contains("it follows event 5"), "{said:?}");
}
