//! What the functions log: a line for each post and each visit, with what an operator looks for, and never what somebody
//! said or who they are to us.

use serde_json::{Value, json};
use shared::client::Mode;
use shared::log::subscriber::is_foreign;
use shared::store::{Returns, Store, Update};
use shared::table;
use tracing::Instrument;

use crate::drive::LEASE_OVER;
use crate::ledger::{ledger, registry, tell, write};
use crate::lines::{Lines, saying};
use crate::world::{World, entity};
use shared::host::ReadHost;
use shared::limits::Settings;

async fn world() -> World {
    World::with(registry(), Settings::default()).await
}

#[tokio::test]
async fn a_post_and_a_visit_have_a_line_each() {
    let world = world().await;
    let alice = ledger("alice");
    let lines = Lines::of("info");
    // The span that the runtime opens around an invocation.
    let invocation = tracing::info_span!("Lambda runtime invoke", requestId = "r-1", xrayTraceId = "Root=1-2-3");
    let body = write("one").to_string();
    let path = format!("/entities/{alice}/events");
    let post = world.http("POST", &path, &[], &body);
    let reply = post.instrument(invocation).await;
    let lines = lines.take();
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in &lines {
        assert_eq!((&line["level"], &line["spans"][0]["requestId"]), (&json!("INFO"), &json!("r-1")), "{line}");
        assert!(line["timestamp"].is_string() && line["spans"][0]["xrayTraceId"].is_string(), "{line}");
        assert_eq!(line["spans"][1]["route"], "/entities/{kind}/{id}/events");
        assert_eq!((&line["fields"]["kind"], &line["fields"]["entity"]), (&json!("ledger"), &json!(alice.as_str())));
        assert!(line["fields"]["ms"].is_u64(), "{line}");
    }
    let fields = |message| saying(&lines, message).next().unwrap()["fields"].clone();
    let posted = fields("posted");
    assert_eq!((&posted["events"], &posted["outcome"]), (&json!(1), &json!("ran")));
    assert_eq!(posted["event"], reply.body["event_id"]);
    let visited = fields("visited");
    assert_eq!(
        (&visited["end"], &visited["rounds"], &visited["envelopes"]),
        (&json!("released"), &json!(1), &json!(1))
    );
    assert_eq!(visited["fence"].as_str().map(str::len), Some(24));
}

#[tokio::test]
async fn every_store_call_and_envelope_has_a_line_at_debug() {
    let world = world().await;
    let alice = ledger("alice");
    let lines = Lines::of("debug");
    world.event(&alice, &write("one")).await;
    let lines = lines.take();
    let calls: Vec<&Value> = saying(&lines, "a store call").map(|line| &line["fields"]["operation"]).collect();
    assert_eq!(calls, [&json!("update"), &json!("update")], "{lines:?}");
    let ran = saying(&lines, "ran").next().unwrap();
    assert_eq!((&ran["fields"]["sequence"], &ran["fields"]["outcome"]), (&json!(1), &json!("replied")));
    assert_eq!(ran["span"]["name"], "visit");
    let answered = saying(&lines, "answered").next().unwrap();
    assert_eq!((&answered["fields"]["status"], &answered["fields"]["write_units"]), (&json!(200), &json!(3.0)));
}

#[tokio::test]
async fn nothing_of_ours_is_logged_when_all_is_well_and_the_filter_is_the_development_servers() {
    let world = world().await;
    let lines = Lines::of("warn,dynoxide=error");
    world.event(&ledger("alice"), &write("one")).await;
    world.look(&ledger("alice")).await;
    assert_eq!(lines.text(), "");
}

/// What nobody may find in a log.
const SECRET: &str = "hunter2hunter2";

/// Overwrites an attribute of a mailbox with something that nobody can read.
async fn damage(world: &World, id: &str) {
    let values = vec![(":state", serde_dynamo::AttributeValue::S(SECRET.to_owned()))];
    let key = table::mailbox_key(&ledger(id));
    let update = Update {
        key,
        update: "SET #state = :state".into(),
        condition: "attribute_exists(#pk)".into(),
        values,
        returns: Returns::Item,
    };
    world.host.store().update(update).await.unwrap();
}

#[tokio::test]
async fn no_line_of_any_level_has_a_body_a_key_or_a_token_in_it() {
    let world = world().await;
    let (alice, bob) = (ledger("alice"), ledger("bob"));
    let lines = Lines::of("trace");
    let bearer = format!("Bearer {SECRET}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("idempotency-key", SECRET),
        ("cookie", SECRET),
        ("traceparent", SECRET),
        ("tracestate", SECRET),
        ("leasebox-consumed", "?1"),
    ];
    let text = write(SECRET).to_string();
    let told = tell(SECRET, &[(&bob, write(SECRET))]).to_string();
    let events = format!("/entities/{alice}/events");
    let wrong = format!(r#"{{"type":"{SECRET}"}}"#);
    let mistyped = format!(r#"{{"type":"write","text":{{"{SECRET}":"{SECRET}"}}}}"#);
    let amount = format!(r#"{{"amount":"{SECRET}"}}"#);
    for (path, body) in [
        (events.as_str(), text.as_str()),
        (&events, &text),
        (&events, &told),
        (&events, &wrong),
        (&events, &mistyped),
        (&events, SECRET),
        (&events, &format!(r#"{{"type":"fail","text":"{SECRET}"}}"#)),
        (&events, r#"{"type":"fail"}"#),
        (&events, r#"{"type":"panic"}"#),
        ("/counter/a/increment", &amount),
        (&format!("/counter/a/increment?{SECRET}={SECRET}"), "{}"),
        (&format!("/webhook?user_id=a&delta={SECRET}"), ""),
        (&format!("/{SECRET}"), ""),
        (&format!("/operator/resume/ledger/alice?ticket={SECRET}"), ""),
    ] {
        world.http("POST", path, &headers, body).await;
        world.http("GET", path, &headers, "").await;
    }
    world.http("POST", &events, &headers[2..], &told).await;
    // The same of what is not a request: what is stored, delivered, parked, looked at, and cannot be read.
    world.submit(&alice, Mode::Detached, &[write(SECRET), json!({"type": "fail"})]).await;
    world.work_off().await;
    world.die_holding(&alice, &write(SECRET)).await;
    world.later(LEASE_OVER).look(&alice).await;
    damage(&world, "alice").await;
    world.event(&alice, &write(SECRET)).await;
    world.look(&alice).await;
    world.get(&format!("/entities/{alice}")).await;
    world.get("/operator/stuck").await;
    let blocker = entity("blocker", "b");
    world.event(&blocker, &json!({"type": "panic"})).await;
    let wake = format!(r#"{{"entity":"{SECRET}"}}"#);
    let event = json!({"Records": [{"messageId": "m", "eventSource": "aws:sqs", "body": wake}]});
    drain::handle(&world.host, &world.wakes, event, world.deadline()).await.unwrap();
    let text = lines.text();
    assert!(text.lines().count() > 100, "{text}");
    for step in ["posted", "visited", "ran", "delivered", "a store call", "answered", "alarm"] {
        assert!(text.contains(step), "{step}");
    }
    let found: Vec<&str> = text.lines().filter(|line| line.contains(SECRET)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_crate_of_somebody_else_that_logs_is_kept_from_logging_what_it_carries() {
    let lock = include_str!("../../Cargo.lock");
    let foreign = lock.split("[[package]]").filter(|package| package.contains("\nsource = "));
    let logging = foreign.filter(|package| package.contains("\n \"tracing\",") || package.contains("\n \"tracing "));
    let name = |package: &str| package.split("name = \"").nth(1).unwrap().split('"').next().unwrap().replace('-', "_");
    let logging: Vec<String> = logging.map(name).filter(|name| !name.starts_with("tracing")).collect();
    assert!(logging.len() > 20, "{logging:?}");
    let open: Vec<&String> = logging.iter().filter(|name| !is_foreign(name)).collect();
    assert!(open.is_empty(), "these may write out requests at `debug`: {open:?}");
    for own in ["shop::stock", "shared::log", "kinds::chat", "my_domain"] {
        assert!(!is_foreign(own), "{own}");
    }
}
