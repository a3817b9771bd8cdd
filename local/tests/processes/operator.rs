//! The operator's token and commands, as a person has them: a server, a shell, and curl.

use std::path::Path;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use kinds::counter::{self, Counter};
use kinds::user::{message_name, summary_name};
use local::connect::{Identity, connect};
use reqwest::{Client, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};
use shared::actor::{Actor, Event, Fault, Poison, Turn};
use shared::client::{Client as Poster, Mode, Submission};
use shared::envelope::{Draft, EntityId};
use shared::host::ReadHost;
use shared::limits::{self, Settings};
use shared::live::{Clock, Live};
use shared::push::Pushes;
use shared::registry::{Kind, Registry};
use shared::store::dynamodb::DynamoDb;
use shared::table;

use crate::server::{Said, Server, command, run};

const TOKEN: &str = "a-token-that-the-test-gives";

/// Counters of a program with a bug: it can process nothing.
struct Broken<const BLOCK: bool>;

impl<const BLOCK: bool> Actor for Broken<BLOCK> {
    const KIND: &'static str = "counter";
    const POISON: Poison = if BLOCK { Poison::Block } else { Poison::Park };
    type State = counter::State;
    type Command = counter::Command;
    type Reply = counter::Reply;

    fn handle(_: &Self::State, _: &Event<'_, Self::Command>) -> Result<Turn<Self>, Fault> {
        Err(Fault::new("the program is broken"))
    }
}

/// Posts increments to a counter as another program on the server's table would.
async fn post<A: Actor>(endpoint: &str, id: &str, mode: Mode, amounts: &[i64]) {
    let config = connect(endpoint, Identity::Anyone).await.config;
    let store = DynamoDb::new(&config, "leasebox");
    let kinds = Registry::new([Kind::of::<A>()]);
    let host = Live::new(store, kinds, Settings::default(), Pushes::Nowhere, Clock::machine());
    let entity = EntityId::new("counter", id).unwrap();
    for amount in amounts {
        let body = json!({"type": "increment", "amount": amount}).to_string();
        let drafts = [Draft { body, keyed: None, from: None, trace: None }];
        let deadline = host.now().plus(limits::FUNCTION_TIMEOUT_MS);
        let submission = Submission { entity: &entity, drafts: &drafts, mode, wait_ms: 0, deadline };
        Poster::new(host.clone()).submit(submission).await.unwrap();
    }
}

/// `leasebox operator`, on the server that serves a directory.
fn operator(data: &str, arguments: &[&str]) -> Said {
    let mut all = vec!["operator", "--data", data];
    all.extend(arguments);
    run(&all)
}

/// The same as JSON, which it must be.
fn json_of(data: &str, arguments: &[&str]) -> Value {
    let said = operator(data, &[arguments, &["--json"]].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

fn names(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

async fn reaches(http: &Client, url: &str, counter: &str, value: i64) {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = http.get(format!("{url}/counter/{counter}")).send().await.unwrap();
        let found = answer.json::<Value>().await.unwrap()["value"].clone();
        if found == value {
            return;
        }
        assert!(Instant::now() < end, "{counter} is {found}, not {value}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_does_what_it_says() {
    let (http, dir) = (Client::new(), tempfile::tempdir().unwrap());
    let data = dir.path().to_str().unwrap();
    let server = Server::start(&["--data", data]);
    let endpoint = std::fs::read_to_string(dir.path().join("database-url")).unwrap();
    let endpoint = endpoint.trim();
    assert!(operator(data, &["dead-letters", "list", "counter/a"]).stdout.contains("There are no dead letters"));
    post::<Broken<false>>(endpoint, "a", Mode::Inline, &[1, 10, 100, 1000]).await;

    let page = json_of(data, &["dead-letters", "list", "counter/a"]);
    assert_eq!(names(&page["items"]), ["event-1", "event-2", "event-3", "event-4"]);
    let table = operator(data, &["dead-letters", "list", "counter/a", "--limit", "2"]).stdout;
    assert!(table.starts_with("NAME") && table.contains("the program is broken"), "{table}");
    assert!(table.contains("--cursor event-2"), "{table}");
    let page = json_of(data, &["dead-letters", "list", "counter/a", "--cursor", "event-2", "--limit", "1"]);
    assert_eq!(names(&page["items"]), ["event-3"]);
    let shown = operator(data, &["dead-letters", "show", "counter/a", "event-2"]).stdout;
    assert!(shown.contains(r#"{"amount":10,"type":"increment"}"#), "{shown}");

    let deleted = operator(data, &["dead-letters", "delete", "counter/a", "event-1"]);
    assert_eq!((deleted.code, deleted.stdout.as_str()), (Some(0), "event-1 is deleted.\n"));
    let again = operator(data, &["dead-letters", "delete", "counter/a", "event-1"]);
    assert!(again.code == Some(1) && again.stderr.contains("no dead letter event-1"), "{again:?}");
    assert_eq!(json_of(data, &["dead-letters", "redrive", "counter/a", "event-3"])["to"], "counter/a");
    // Not by the data directory, but by the endpoint.
    let all = run(&["operator", "dead-letters", "redrive", "counter/a", "--endpoint", endpoint]);
    assert!(all.code == Some(0) && all.stdout.contains("2 redriven."), "{all:?}");
    reaches(&http, server.url(), "a", 1110).await;

    post::<Broken<true>>(endpoint, "b", Mode::Inline, &[1, 10]).await;
    let stuck = json_of(data, &["stuck"]);
    assert_eq!((&stuck["items"][0]["entity"], &stuck["items"][0]["lease"]), (&json!("counter/b"), &json!("blocked")));
    let table = operator(data, &["stuck", "--kind", "counter"]).stdout;
    assert!(table.starts_with("ENTITY") && table.contains("blocked"), "{table}");
    let swept = operator(data, &["sweep"]).stdout;
    assert!(swept.contains("operator resume counter/b"), "{swept}");
    let resumed = operator(data, &["resume", "counter/b", "--park"]);
    assert!(resumed.code == Some(0) && resumed.stdout.contains("event-1 in the dead letters"), "{resumed:?}");
    reaches(&http, server.url(), "b", 10).await;
    let not = operator(data, &["resume", "counter/b"]);
    assert!(not.code == Some(1) && not.stderr.contains("counter/b is not blocked"), "{not:?}");

    // With nobody there to look, a sweep runs what waits.
    let database = local::database::Database::in_memory().unwrap().serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (alone, config) = (database.endpoint(), connect(&database.endpoint(), Identity::Anyone).await);
    local::table::ensure(&config.clients.dynamodb, "leasebox").await.unwrap();
    post::<Counter>(&alone, "c", Mode::Detached, &[5, 6]).await;
    let swept = run(&["operator", "sweep", "--endpoint", &alone, "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&swept.stdout).unwrap()["ran"], 1, "{swept:?}");
    assert_eq!(run(&["operator", "stuck", "--endpoint", &alone]).stdout, "Nothing is pending.\n");

    server.stop().await;
    let gone = operator(data, &["stuck"]);
    assert!(gone.code == Some(1) && gone.stderr.contains("is its server running?"), "{gone:?}");
}

/// Overwrites the content of a side record of bob's.
async fn damage(endpoint: &str, name: &str) {
    let key = table::record_key(&EntityId::new("user", "bob").unwrap(), name);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let client = connect(endpoint, Identity::Anyone).await.clients.dynamodb;
    let update = client.update_item().table_name("leasebox").key("pk", text(&key.pk)).key("sk", text(&key.sk));
    let update = update.update_expression("SET #r = :x").expression_attribute_names("#r", "record");
    update.expression_attribute_values(":x", text("damaged")).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refill_writes_damaged_summaries_anew_and_says_what_it_cannot() {
    let (http, dir) = (Client::new(), tempfile::tempdir().unwrap());
    let data = dir.path().to_str().unwrap();
    let server = Server::start(&["--data", data]);
    let endpoint = std::fs::read_to_string(dir.path().join("database-url")).unwrap();
    let endpoint = endpoint.trim();
    for from in ["alice", "carol", "dave"] {
        let request = http.post(format!("{}/users/{from}/messages", server.url()));
        let sent = request.json(&json!({"to": "bob", "content": "hello"})).send().await.unwrap();
        assert_eq!(sent.status(), StatusCode::OK);
    }
    let list = async || {
        let answer = http.get(format!("{}/users/bob/conversations", server.url())).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["items"].clone()
    };
    let whole = list().await;
    assert_eq!(whole.as_array().unwrap().len(), 3);
    let none = json!({"looked": 3, "refilled": [], "damaged": [], "left": []});
    assert_eq!(json_of(data, &["refill", "bob"]), none);

    damage(endpoint, &summary_name("alice")).await;
    damage(endpoint, &summary_name("dave")).await;
    assert_eq!(
        json_of(data, &["refill", "bob"]),
        json!({"looked": 3, "refilled": ["alice", "dave"], "damaged": [], "left": []})
    );
    assert_eq!((json_of(data, &["refill", "bob"]), list().await), (none, whole.clone()));
    damage(endpoint, &summary_name("carol")).await;
    let said = operator(data, &["refill", "bob"]);
    let text = "3 conversations looked at; written anew from the messages: carol.\n";
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (Some(0), text, ""));
    let said = operator(data, &["refill", "bob"]).stdout;
    assert_eq!(said, "3 conversations looked at; written anew from the messages: none.\n");

    // Without the truth there is nothing to write a summary from; the others are written all the same.
    damage(endpoint, &message_name("alice", 1)).await;
    damage(endpoint, &summary_name("dave")).await;
    let said = operator(data, &["refill", "bob"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.contains("anew from the messages: dave.\nThat with alice cannot be made anew"), "{said:?}");
    assert!(said.stderr.contains("damaged: alice"), "{said:?}");
    assert_eq!(list().await, whole, "its summary is there, and shown");
    damage(endpoint, &summary_name("alice")).await;
    assert_eq!(list().await.as_array().unwrap().len(), 2);
    assert!(server.said().contains("alarm=\"damaged\""), "{}", server.said());

    assert_eq!(json_of(data, &["refill", "nobody"]), json!({"looked": 0, "refilled": [], "damaged": [], "left": []}));
    let wrong = operator(data, &["refill", "no body"]);
    assert!(wrong.code == Some(1) && wrong.stderr.contains("is not an id"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_readme_work_as_they_stand() {
    let (http, dir) = (Client::new(), tempfile::tempdir().unwrap());
    let data = dir.path().to_str().unwrap();
    let server = Server::start(&["--data", data]);
    let readme = include_str!("../../../README.md");
    let section = readme.split("## For operators").nth(1).unwrap().split("```").nth(1).unwrap();
    let mut commands = 0;
    for line in section.lines().filter_map(|line| line.strip_prefix("cargo run -- operator ")) {
        let arguments: Vec<&str> = line.split('#').next().unwrap().split_whitespace().collect();
        let said = operator(data, &arguments);
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{line}: {said:?}");
        commands += 1;
    }
    assert_eq!(commands, 5);
    assert!(section.contains(".leasebox/data/operator-token") && section.contains("localhost:3000/operator/stuck"));
    let token = std::fs::read_to_string(dir.path().join("operator-token")).unwrap();
    let request = http.get(format!("{}/operator/stuck", server.url())).bearer_auth(token.trim());
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_the_commands_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let said = operator(dir.path().join("none").to_str().unwrap(), &["stuck"]);
    assert!(said.code == Some(1) && said.stderr.contains("--endpoint"), "{said:?}");
    for wrong in [&["dead-letters", "show", "counter/a", "7"][..], &["resume", "counter"], &["drop"]] {
        assert_eq!(operator("none", wrong).code, Some(2), "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_routes_take_the_token_that_was_given_or_made() {
    let (http, dir) = (Client::new(), tempfile::tempdir().unwrap());
    let file = dir.path().join("operator-token");
    let data = ["--data", dir.path().to_str().unwrap()];
    let status = async |server: &Server, token: &str| {
        let request = http.get(format!("{}/operator/stuck", server.url()));
        request.bearer_auth(token).send().await.unwrap().status()
    };
    let server = Server::start(&[&data[..], &["--operator-token", TOKEN]].concat());
    assert_eq!(status(&server, TOKEN).await, StatusCode::OK);
    let refused = http.get(format!("{}/operator/stuck", server.url())).send().await.unwrap();
    assert_eq!(
        (refused.status(), refused.headers().contains_key("www-authenticate")),
        (StatusCode::UNAUTHORIZED, true)
    );
    assert!(!file.exists());
    server.stop().await;

    let mut kept = String::new();
    for _ in 0..2 {
        let server = Server::start(&data);
        assert_eq!(mode(&file), 0o600);
        let token = std::fs::read_to_string(&file).unwrap().trim().to_owned();
        assert!(kept.is_empty() || kept == token, "it is the same after a restart");
        assert_eq!(status(&server, &token).await, StatusCode::OK);
        assert_eq!(status(&server, TOKEN).await, StatusCode::UNAUTHORIZED);
        kept = token;
        server.signal(Signal::TERM);
        server.ended().await;
    }

    let mut by_environment = command(&data);
    by_environment.args(["--port", "0"]).env("LEASEBOX_OPERATOR_TOKEN", TOKEN);
    let server = Server::spawn(by_environment);
    assert_eq!(status(&server, TOKEN).await, StatusCode::OK);
    drop(server);
    let short = run(&[&data[..], &["--operator-token", "short", "--port", "0"]].concat());
    assert!(short.code == Some(1) && short.stderr.contains("--operator-token"), "{short:?}");
}

fn mode(file: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}
