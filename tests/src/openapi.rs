//! The API's document is true: it has every route and no other, and every answer is as it says.

use std::collections::{BTreeMap, BTreeSet};

use kinds::account::Account;
use kinds::counter::Counter;
use kinds::user::User;
use serde_json::{Value, json};
use shared::limits::Settings;
use shared::registry::{Kind, Registry};
use web::app::Service;
use web::route::Route;
use web::routing::Found;

use crate::app;
use crate::ledger::{Blocks, Ledger, Parks, write};
use crate::operators::broken_registry;
use crate::scribe::Scribe;
use crate::stalled::Stalled;
use crate::world::{OPERATOR, Reply, World, entity};

/// The route that a path is meant for, also one with a blank where an id should be, or with its variables in braces.
fn route(method: &str, path: &str) -> &'static Route {
    let path = path.split('?').next().unwrap().replace("%20", "a").replace(['{', '}'], "");
    let Found::Route(route, _) = app::service().routes.find(method, &path) else { panic!("{method} {path}") };
    app::routes().find(|other| **other == route).unwrap()
}

/// Whether a route is a part of the page.
fn is_page(route: &Route) -> bool {
    route.path == "/" || route.path.starts_with("/app.")
}

/// The document, as a client gets it.
struct Document(Value);

impl Document {
    fn of(service: &Service) -> Self {
        Self(serde_json::from_str(service.document()).unwrap())
    }

    async fn served(world: &World) -> Self {
        let reply = world.get("/openapi.json").await;
        assert_eq!(reply.status, 200);
        Self(reply.body)
    }

    fn operation(&self, method: &str, path: &str) -> &Value {
        let named = route(method, path).path;
        let mut kind =
            path.strip_prefix("/entities/").and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
        if kind == "none" {
            // What there is no kind of is answered as of any other kind.
            kind = "counter";
        }
        let named = if kind.is_empty() { named.to_owned() } else { named.replace("{kind}", kind) };
        &self.0["paths"][named][method.to_lowercase()]
    }

    /// What a schema of the document has against a value.
    fn errors(&self, schema: &Value, value: &Value) -> Vec<String> {
        assert!(schema.is_object(), "there is no schema");
        let mut whole = schema.clone();
        whole["components"] = self.0["components"].clone();
        let validator = jsonschema::validator_for(&whole).unwrap();
        validator.iter_errors(value).map(|error| format!("{error} at {}", error.instance_path())).collect()
    }

    /// Checks an answer against what its operation promises.
    fn check(&self, method: &str, path: &str, reply: &Reply) {
        let responses = &self.operation(method, path)["responses"];
        let promised = responses.get(reply.status.to_string()).unwrap_or(&responses["default"]);
        let media = reply.headers["content-type"].to_str().unwrap();
        let schema = &promised["content"][media]["schema"];
        assert!(schema.is_object(), "{method} {path} does not promise {} {media}", reply.status);
        let errors = self.errors(schema, &reply.body);
        assert!(errors.is_empty(), "{method} {path}: {errors:?} in {}", reply.body);
        let is_problem = media == "application/problem+json";
        assert_eq!(is_problem, reply.status >= 400, "{method} {path}: {}", reply.status);
    }

    /// Whether the document allows a request body.
    fn takes(&self, path: &str, body: &Value) -> bool {
        let request = &self.operation("POST", path)["requestBody"];
        self.errors(&request["content"]["application/json"]["schema"], body).is_empty()
    }
}

/// Method, path, headers and body of a request.
type Asked<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

#[tokio::test]
async fn the_document_has_every_route_and_no_other() {
    let world = World::new().await;
    let Document(document) = Document::served(&world).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let mut documented = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            documented.insert((method.to_uppercase(), path.clone()));
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
            let declared = operation["parameters"].as_array().into_iter().flatten();
            let declared: BTreeSet<_> =
                declared.filter(|one| one["in"] == "path").map(|one| one["name"].as_str().unwrap()).collect();
            let used: BTreeSet<_> =
                path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
            assert_eq!(declared, used, "{method} {path}");
        }
    }
    let routes = app::routes().flat_map(|route| {
        let kinds = if route.path.starts_with("/entities/") { vec!["account", "counter", "user"] } else { vec![""] };
        kinds.into_iter().map(move |kind| match kind {
            "" => (route.method.to_owned(), route.path.to_owned()),
            kind => (route.method.to_owned(), route.path.replace("{kind}", kind)),
        })
    });
    assert_eq!(documented, routes.collect());
}

#[tokio::test]
async fn every_answer_is_as_the_document_says() {
    let kinds = [
        Kind::of::<Account>(),
        Kind::of::<Counter>(),
        Kind::of::<User>(),
        Kind::of::<Scribe>(),
        Kind::of::<Ledger<Parks>>(),
        Kind::of::<Ledger<Blocks>>(),
    ];
    let world = World::with(Registry::new(kinds), Settings::default()).await;
    let broken = world.again(broken_registry());
    for text in ["1", "2", "3", "4"] {
        broken.event(&entity("ledger", "dead"), &write(text)).await;
    }
    for id in ["blocked", "stopped"] {
        broken.event(&entity("blocker", id), &write("1")).await;
    }
    let document = Document::of(&kinds::app().kind::<Scribe>().service().unwrap());
    let held = entity("counter", "held");
    let _holder = Stalled::at(&world, &held, &json!({"type": "increment", "amount": 1})).await;
    let event = r#"{"type":"increment","amount":2}"#;
    let (asked, now) = ([("prefer", "respond-async")], [("prefer", "wait=0")]);
    let mut seen = BTreeMap::<_, BTreeSet<u16>>::new();
    let top = format!("/webhook?user_id=top&delta={}", i64::MAX);
    let requests: Vec<Asked<'_>> = vec![
        ("GET", "/webhook?user_id=a&delta=1", &[], ""),
        ("GET", "/webhook?user_id=held&delta=1", &now, ""),
        ("GET", &top, &[], ""),
        ("GET", "/webhook?user_id=top&delta=1", &[], ""),
        ("GET", "/webhook", &[], ""),
        ("POST", "/webhook", &[], r#"{"user_id":"a","delta":1}"#),
        ("POST", "/webhook", &asked, r#"{"user_id":"held","delta":1}"#),
        ("POST", "/webhook", &[], "x"),
        ("POST", "/counter/a/increment", &[], ""),
        ("POST", "/counter/held/increment", &now, ""),
        ("POST", "/counter/top/increment", &[], ""),
        ("POST", "/entities/counter/a/events", &[], event),
        ("POST", "/entities/scribe/a/events", &[], r#"{"type":"write","text":"abc"}"#),
        ("POST", "/entities/scribe/a/events", &[], r#"[{"type":"write","text":""},{"type":"write","text":"a"}]"#),
        ("POST", "/entities/counter/top/events", &[], r#"[{"type":"increment"}]"#),
        ("POST", "/entities/counter/held/events", &[], event),
        ("POST", "/entities/counter/held/events", &[], r#"[{"type":"increment"},{"type":"increment"}]"#),
        ("POST", "/entities/scribe/a/events", &[], r#"{"type":"erase"}"#),
        ("POST", "/entities/none/a/events", &[], event),
        ("GET", "/status?user_id=a", &[], ""),
        ("GET", "/status?user_id=held", &[], ""),
        ("GET", "/status?user_id=nobody", &[], ""),
        ("GET", "/status", &[], ""),
        ("GET", "/status?limit=1", &[], ""),
        ("GET", "/counter/a", &[], ""),
        ("GET", "/counter/new", &[], ""),
        ("GET", "/counter/%20", &[], ""),
        ("GET", "/entities/counter", &[], ""),
        ("GET", "/entities/counter?limit=1", &[], ""),
        ("GET", "/entities/scribe", &[], ""),
        ("GET", "/entities/none", &[], ""),
        ("GET", "/entities/counter/held", &[], ""),
        ("GET", "/entities/scribe/a", &[], ""),
        ("GET", "/entities/scribe/b", &[], ""),
        ("GET", "/entities/counter/a/events/x", &[], ""),
        ("GET", "/health", &[], ""),
        ("GET", "/health?a", &[], ""),
        ("POST", "/accounts/a/open", &[], r#"{"owner":"alice","initial_balance":100}"#),
        ("POST", "/accounts/b/open", &asked, r#"{"owner":"bob","initial_balance":0}"#),
        ("POST", "/accounts/a/open", &[], r#"{"owner":"alice","initial_balance":100}"#),
        ("POST", "/accounts/a/open", &[], r#"{"owner":"","initial_balance":100}"#),
        ("POST", "/accounts/a/deposit", &[], r#"{"amount":5}"#),
        ("POST", "/accounts/a/deposit", &asked, r#"{"amount":5}"#),
        ("POST", "/accounts/a/deposit", &[], r#"{"amount":0}"#),
        ("POST", "/accounts/a/deposit", &[], r#"{"amount":9223372036854775807}"#),
        ("POST", "/accounts/none/deposit", &[], r#"{"amount":5}"#),
        ("POST", "/accounts/a/withdraw", &[], r#"{"amount":5}"#),
        ("POST", "/accounts/a/withdraw", &asked, r#"{"amount":5}"#),
        ("POST", "/accounts/a/withdraw", &[], r#"{"amount":5000}"#),
        ("POST", "/entities/account/a/events", &[], r#"{"type":"deposit","amount":5}"#),
        ("POST", "/entities/account/a/events", &[], r#"{"type":"transfer","to":"b","amount":5}"#),
        ("POST", "/transfers", &[], r#"{"from":"a","to":"b","amount":5}"#),
        ("POST", "/transfers", &[], r#"{"from":"a","to":"none","amount":5}"#),
        ("POST", "/transfers", &[], r#"{"from":"a","to":"b","amount":5000}"#),
        ("POST", "/transfers", &[], r#"{"from":"a","to":"a","amount":5}"#),
        ("POST", "/transfers", &asked, r#"{"from":"a","to":"b","amount":5}"#),
        ("POST", "/transfers", &asked, r#"{"from":"a","to":"b","amount":5000}"#),
        ("GET", "/transfers/x", &[], ""),
        ("GET", "/accounts/a", &[], ""),
        ("GET", "/accounts/a?version=1", &[], ""),
        ("GET", "/accounts/a?at=2999-01-01T00:00:00Z", &[], ""),
        ("GET", "/accounts/a?version=1000", &[], ""),
        ("GET", "/accounts/none", &[], ""),
        ("GET", "/accounts/a/events", &[], ""),
        ("GET", "/accounts/a/events?from=2&limit=1", &[], ""),
        ("GET", "/accounts/a/events?limit=0", &[], ""),
        ("GET", "/accounts/a/verify", &[], ""),
        ("GET", "/accounts/none/verify", &[], ""),
        ("GET", "/operator/dead-letters/ledger/dead", &OPERATOR, ""),
        ("GET", "/operator/dead-letters/ledger/dead?limit=1", &OPERATOR, ""),
        ("GET", "/operator/dead-letters/ledger/dead", &[], ""),
        ("GET", "/operator/dead-letters/ledger/dead?limit=x", &OPERATOR, ""),
        ("GET", "/operator/dead-letters/ledger/dead/event-1", &OPERATOR, ""),
        ("GET", "/operator/dead-letters/ledger/dead/event-9", &OPERATOR, ""),
        ("DELETE", "/operator/dead-letters/ledger/dead/event-1", &OPERATOR, ""),
        ("DELETE", "/operator/dead-letters/ledger/dead/event-1", &OPERATOR, ""),
        ("POST", "/operator/dead-letters/ledger/dead/event-2/redrive", &OPERATOR, ""),
        ("POST", "/operator/dead-letters/ledger/dead/event-2/redrive", &OPERATOR, ""),
        ("POST", "/operator/dead-letters/ledger/dead/redrive", &OPERATOR, ""),
        ("POST", "/operator/dead-letters/ledger/dead/redrive?limit=0", &OPERATOR, ""),
        ("GET", "/operator/stuck", &OPERATOR, ""),
        ("GET", "/operator/stuck?kind=blocker", &OPERATOR, ""),
        ("GET", "/operator/stuck?kind=none", &OPERATOR, ""),
        ("POST", "/operator/resume/blocker/blocked", &OPERATOR, ""),
        ("POST", "/operator/resume/blocker/stopped", &OPERATOR, r#"{"head":"park"}"#),
        ("POST", "/operator/resume/blocker/stopped", &OPERATOR, ""),
        ("POST", "/operator/resume/blocker/stopped", &[], ""),
        ("POST", "/operator/sweep", &OPERATOR, ""),
        ("POST", "/operator/sweep?cursor=x", &OPERATOR, ""),
        ("POST", "/users/alice/messages", &[], r#"{"to":"bob","content":"hello","client_id":"m-1"}"#),
        ("POST", "/users/bob/messages", &[], r#"{"to":"alice","content":"hello"}"#),
        ("POST", "/users/alice/messages", &asked, r#"{"to":"bob","content":"later"}"#),
        ("POST", "/users/alice/messages", &[], r#"{"to":"bob","content":"hello again","client_id":"m-1"}"#),
        ("POST", "/users/alice/messages", &[], r#"{"to":"alice","content":"hello"}"#),
        ("POST", "/users/alice/messages", &[], r#"{"to":"b b","content":"hello"}"#),
        ("POST", "/users/alice/messages", &[], r#"{"to":"bob","content":""}"#),
        ("POST", "/users/alice/messages", &[], r#"{"to":"bob","content":"x","client_id":""}"#),
        ("POST", "/users/alice/messages", &[], ""),
        ("POST", "/users/alice/conversations/bob/read", &[], ""),
        ("POST", "/users/alice/conversations/bob/read", &asked, r#"{"upto":1}"#),
        ("POST", "/users/alice/conversations/nobody/read", &[], ""),
        ("POST", "/users/alice/conversations/bob/read", &[], r#"{"upto":-1}"#),
        ("GET", "/users/alice/conversations", &[], ""),
        ("GET", "/users/alice/conversations?limit=1", &[], ""),
        ("GET", "/users/nobody/conversations", &[], ""),
        ("GET", "/users/alice/conversations?cursor=x", &[], ""),
        ("GET", "/users/alice/conversations/bob/messages", &[], ""),
        ("GET", "/users/alice/conversations/bob/messages?limit=1", &[], ""),
        ("GET", "/users/alice/conversations/bob/messages?before=x", &[], ""),
        ("GET", "/users/alice/messages?since=0&limit=1", &[], ""),
        ("GET", "/users/alice/messages?limit=0", &[], ""),
        ("GET", "/users/alice/presence", &[], ""),
        ("GET", "/users/alice/presence?x", &[], ""),
        ("GET", "/presence?online=true", &[], ""),
        ("GET", "/presence", &[], ""),
        ("POST", "/users/alice/tickets", &[], ""),
        ("POST", "/users/alice/tickets?a", &[], ""),
        ("POST", "/users/%20/tickets", &[], ""),
        ("GET", "/openapi.json", &[], ""),
        ("GET", "/openapi.json?a", &[], ""),
    ];
    let mut transfers = Vec::new();
    let mut note = |method: &str, path: &str, reply: &Reply| {
        document.check(method, path, reply);
        let route = route(method, path);
        seen.entry((route.method, route.path)).or_default().insert(reply.status);
    };
    for (method, path, headers, body) in requests {
        let reply = world.http(method, path, headers, body).await;
        note(method, path, &reply);
        if let Some(transfer) = reply.body.get("transfer_id").and_then(Value::as_str) {
            let path = format!("/transfers/{transfer}");
            note("GET", &path, &world.get(&path).await);
            transfers.push(path);
        }
        let receipts: Vec<&Value> = reply.body.as_array().map_or_else(|| vec![&reply.body], |all| all.iter().collect());
        for receipt in receipts {
            let Some(event) = receipt.get("event_id").and_then(Value::as_str) else { continue };
            let id = ["a", "held", "top"].into_iter().find(|id| path.contains(&format!("/{id}/")));
            let kind = match path {
                path if path.contains("/scribe/") => "scribe",
                path if path.contains("/account") => "account",
                _ => "counter",
            };
            let Some(id) = id else { continue };
            let path = format!("/entities/{kind}/{id}/events/{event}");
            note("GET", &path, &world.get(&path).await);
        }
    }
    // What waits may be anything by now: the document promises one form for all of it.
    world.work_off().await;
    for path in transfers {
        note("GET", &path, &world.get(&path).await);
    }
    // What a browser shows has no problems, and is looked at by the page's own tests.
    for route in app::routes().filter(|route| !is_page(route)) {
        let seen = &seen[&(route.method, route.path)];
        let path = route.path.replace("{kind}", "counter");
        let posts = document.operation(route.method, &path)["responses"].get("202").is_some();
        assert!(seen.contains(&200) && seen.contains(&202) == posts, "{route:?}: {seen:?}");
        assert!(seen.iter().any(|status| *status >= 400), "{route:?}: no problem was seen");
    }
}

#[tokio::test]
async fn the_document_takes_the_bodies_that_the_server_takes() {
    let world = World::new().await;
    let document = Document::served(&world).await;
    let (webhook, increment, events) = ("/webhook", "/counter/a/increment", "/entities/counter/a/events");
    let resume = "/operator/resume/counter/a";
    assert!(document.takes(resume, &json!({"head": "park"})) && document.takes(resume, &json!({})));
    assert!(!document.takes(resume, &json!({"head": "drop"})) && !document.takes(resume, &json!({"tail": "park"})));
    let event = json!({"type": "increment", "amount": 1});
    let (open, deposit, transfers) = ("/accounts/a/open", "/accounts/a/deposit", "/transfers");
    world.open_account("b", 0).await;
    for (path, body) in [
        (open, json!({"owner": "alice", "initial_balance": 0})),
        (deposit, json!({"amount": 1})),
        (deposit, json!({"amount": i64::MAX - 1})),
        ("/accounts/a/withdraw", json!({"amount": i64::MAX - 1})),
        (transfers, json!({"from": "a", "to": "b", "amount": 1})),
        (webhook, json!({"user_id": "a", "delta": 1})),
        (increment, json!({})),
        (increment, json!({"amount": -5})),
        (events, json!({"type": "increment"})),
        (events, event.clone()),
        (events, json!(vec![&event; 25])),
    ] {
        assert!(document.takes(path, &body), "{path} {body}");
        assert_eq!(world.post(path, &body.to_string()).await.status, 200, "{path} {body}");
    }
    for (path, body) in [
        (open, json!({"owner": "", "initial_balance": 0})),
        (open, json!({"owner": "a", "initial_balance": -1})),
        (open, json!({"owner": "x".repeat(129), "initial_balance": 0})),
        (open, json!({"owner": "a"})),
        (open, json!({"owner": "a", "initial_balance": 0, "limit": 1})),
        (deposit, json!({})),
        (deposit, json!({"amount": 0})),
        (deposit, json!({"amount": -1})),
        (deposit, json!({"amount": "1"})),
        (deposit, json!({"amount": 0.5})),
        (deposit, json!([1])),
        (transfers, json!({"from": "a", "amount": 1})),
        (transfers, json!({"from": "a", "to": "b", "amount": 0})),
        (transfers, json!({"from": "a", "to": "b", "amount": 1, "currency": "EUR"})),
        (webhook, json!({"user_id": "a", "delta": 1, "by": "b"})),
        (webhook, json!({"user_id": 7, "delta": 1})),
        (webhook, json!(["a", 1])),
        (increment, json!({"amount": "5"})),
        (increment, json!({"amount": 1.5})),
        (increment, json!({"amounts": 5})),
        (increment, json!([5])),
        (events, json!({})),
        (events, json!([])),
        (events, json!(7)),
        (events, json!([7])),
        (events, json!(vec![&event; 26])),
    ] {
        assert!(!document.takes(path, &body), "{path} {body}");
        assert_eq!(world.post(path, &body.to_string()).await.status, 400, "{path} {body}");
    }
}
