//! One trace follows an event from its poster through everything that it causes, whoever runs that; and who brings no
//! trace pays for none.

use std::collections::{BTreeMap, BTreeSet};

use crate::app;
use lambda_http::{Context, LambdaEvent};
use serde_dynamo::AttributeValue;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::envelope::Envelope;
use shared::table;
use shared::trace::{BYTES, Trace};

use crate::accounts::account;
use crate::chance::{Chance, seed};
use crate::lines::{Lines, saying};
use crate::payloads::payload;
use crate::world::{World, deployed, entity};
use testing::faults::Fault;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

/// The hops of some lines: whose span hangs on whose, and what was logged there.
fn hops(lines: &[Value]) -> BTreeMap<String, (String, Value)> {
    let hop = |line: &Value| {
        let span = &line["span"];
        assert_eq!(span["trace_id"], TRACE, "{line}");
        let id = |name: &str| span[name].as_str().unwrap().to_owned();
        (id("span_id"), (id("parent_id"), line["fields"].clone()))
    };
    ["posted", "ran", "delivered"].iter().flat_map(|step| saying(lines, step)).map(hop).collect()
}

#[tokio::test]
async fn a_transfer_is_one_trace_from_the_poster_through_both_accounts_though_the_poster_dies() {
    let world = World::new().await;
    world.open_account("payer", 100).await;
    world.open_account("payee", 0).await;
    world.work_off().await;
    let lines = Lines::of("info");
    // The poster dies once the money has left the payer, before the payee hears of it.
    let poster = world.again(app::registry());
    poster.faults.arm(2, Fault::DiesBefore);
    let (headers, body) = (traceparent("01"), r#"{"from":"payer","to":"payee","amount":30}"#);
    let headers = [("traceparent", headers.as_str())];
    assert!(poster.until_death(poster.http("POST", "/transfers", &headers, body)).await.is_none());
    let left = world.mailbox(&account("payer")).await;
    assert_eq!((left.outbox.len(), left.outbox[0].trace.is_some()), (1, true), "{left:?}");
    let before = lines.take();
    world.work_off().await;
    let after = lines.take();
    assert_eq!((world.balance("payer").await, world.balance("payee").await), (json!(70), json!(30)));

    // It was not told what became of its post, so there is no line of that: its visit's tells of its hop.
    let (first, rest) = (hops(&before), hops(&after));
    assert_eq!(first.len(), 1, "{first:?}");
    let all: BTreeMap<_, _> = first.iter().chain(&rest).collect();
    let request = first.values().next().unwrap().0.clone();
    let spans: BTreeSet<&String> = before.iter().flat_map(requests).collect();
    assert_eq!(spans, BTreeSet::from([&request]), "the first visit hangs on the request");
    let mut steps: Vec<String> = Vec::new();
    let mut last = request;
    while let Some((span, (_, fields))) = all.iter().find(|(_, (parent, _))| *parent == last) {
        steps.push(format!("{} {}", fields["message"].as_str().unwrap(), fields["entity"].as_str().unwrap()));
        last.clone_from(span);
    }
    assert_eq!(steps.len(), all.len(), "every hop hangs on the one before: {all:?}");
    let expected = ["ran account/payer", "delivered account/payer", "ran account/payee"];
    assert_eq!(steps[..3], expected, "{steps:?}");
    // Whoever visits logs it, also with no trace.
    assert!(saying(&after, "visited").any(|line| line["fields"]["entity"] == "account/payee"), "{after:?}");
}

/// The spans of the requests that a line stands in.
fn requests(line: &Value) -> Vec<&String> {
    let spans = line["spans"].as_array().into_iter().flatten().filter(|span| span["name"] == "request");
    let ids = spans.map(|span| {
        assert_eq!((&span["trace_id"], &span["parent_id"]), (&json!(TRACE), &json!(CALLER)));
        match &span["span_id"] {
            Value::String(id) => id,
            other => panic!("{other}"),
        }
    });
    ids.collect()
}

#[tokio::test]
async fn a_request_is_a_hop_and_its_answer_says_which() {
    let world = World::new().await;
    let lines = Lines::of("info");
    for (path, method) in [("/counter/a/increment", "POST"), ("/counter/a", "GET"), ("/counter/..", "GET")] {
        let reply = world.http(method, path, &[("traceparent", &traceparent("01"))], "").await;
        let told = reply.headers["traceparent"].to_str().unwrap();
        assert!(told.starts_with(&format!("00-{TRACE}-")) && told.ends_with("-01"), "{told}");
        assert!(!told.contains(CALLER), "it is the hop of this request");
        if method == "POST" {
            let logged = lines.take();
            let line = saying(&logged, "posted").next().unwrap();
            assert_eq!(Some(line["span"]["span_id"].as_str().unwrap()), told.split('-').nth(2));
        }
    }
    assert!(world.get("/counter/a").await.headers.get("traceparent").is_none());
}

/// The envelope that a post of these headers leaves in the queue, as it is stored.
async fn stored(world: &World, id: &str, headers: &[(&str, &str)]) -> Value {
    let headers = [headers, &[("prefer", "respond-async")]].concat();
    let reply = world
        .http("POST", &format!("/entities/counter/{id}/events"), &headers, r#"{"type":"increment","amount":1}"#)
        .await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let item = world.item(table::mailbox_key(&entity("counter", id))).await.unwrap();
    match item.get("queue") {
        Some(AttributeValue::L(queue)) => match &queue[..] {
            [AttributeValue::S(envelope)] => serde_json::from_str(envelope).unwrap(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_envelope_pays_for_a_trace_that_somebody_records_and_for_no_other() {
    let world = World::new().await;
    let names = |envelope: &Value| {
        let names: BTreeSet<String> = envelope.as_object().unwrap().keys().cloned().collect();
        names.into_iter().collect::<Vec<_>>()
    };
    for (id, given) in [("none", None), ("unsampled", Some(traceparent("00"))), ("wrong", Some(traceparent("1")))] {
        let headers: Vec<(&str, &str)> = given.iter().map(|given| ("traceparent", given.as_str())).collect();
        let envelope = stored(&world, id, &headers).await;
        assert_eq!(names(&envelope), ["b", "i", "t"], "{id}");
    }
    let sampled = stored(&world, "sampled", &[("traceparent", &traceparent("01"))]).await;
    let trace = sampled["c"].as_str().unwrap();
    assert_eq!((trace.len(), &trace[3..35]), (BYTES, TRACE));
    assert_eq!(names(&sampled), ["b", "c", "i", "t"]);
}

#[tokio::test]
async fn an_envelope_of_the_version_before_reads_as_one_without_a_trace() {
    let world = World::new().await;
    let old = stored(&world, "a", &[]).await;
    let envelope: Envelope = serde_json::from_str(&old.to_string()).unwrap();
    assert_eq!(envelope.trace, None);
    assert_eq!(serde_json::to_value(&envelope).unwrap(), old);
    world.work_off().await;
    world.idle(&entity("counter", "a")).await;
}

#[tokio::test]
async fn a_key_stands_for_the_same_post_whatever_its_trace() {
    let world = World::new().await;
    let other = traceparent("01").replace("4bf", "5bf");
    for (trace, replayed) in [(traceparent("01"), false), (other, true)] {
        let headers = [("idempotency-key", "k"), ("traceparent", trace.as_str())];
        let reply = world.http("POST", "/counter/a/increment", &headers, "").await;
        assert_eq!((reply.status, &reply.body["value"]), (200, &json!(1)), "{reply:?}");
        assert_eq!(reply.headers.contains_key("idempotency-replayed"), replayed);
    }
}

/// A text that is almost, or not at all, a traceparent.
fn malformed(chance: &mut Chance) -> String {
    let mut text: Vec<char> = traceparent("01").chars().collect();
    for _ in 0..=chance.below(4) {
        let at = chance.below(text.len().max(1)).min(text.len().saturating_sub(1));
        let odd = chance.of(&['-', '0', 'f', 'F', 'g', ' ', '+', ',', '1', '~', 'é', '\u{1}', '😀']);
        match chance.below(4) {
            _ if text.is_empty() => text.push(odd),
            0 => text[at] = odd,
            1 => text.insert(at, odd),
            2 => drop(text.remove(at)),
            _ => text.truncate(at),
        }
    }
    text.into_iter().collect()
}

/// Whether a text is what the recommendation says, in other words than the code's.
fn is_valid(text: &str) -> bool {
    let digits = |range: std::ops::Range<usize>| {
        text.get(range).filter(|part| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
    };
    let dashes = [2, 35, 52].iter().all(|at| text.as_bytes().get(*at) == Some(&b'-'));
    let some = |range| digits(range).is_some_and(|part| part.bytes().any(|b| b != b'0'));
    let ends = text.len() == 55 || (text.as_bytes().get(55) == Some(&b'-') && !text.starts_with("00"));
    let version = digits(0..2).is_some_and(|version| version != "ff");
    version && dashes && some(3..35) && some(36..52) && digits(53..55).is_some() && ends
}

#[test]
fn whatever_is_malformed_is_no_trace_and_no_panic() {
    let seed = seed("LEASEBOX_TRACES");
    println!("LEASEBOX_TRACES={seed}");
    let mut chance = Chance::new(seed);
    for _ in 0..100_000 {
        let text = malformed(&mut chance);
        assert_eq!(Trace::parse(&text).is_some(), is_valid(&text), "{text:?}");
        let between = chance.of(&["-", ";Parent=", "=", ";Sampled="]);
        let xray = text.replacen("00-", "Root=1-", 1).replace('-', between);
        let _ = Trace::from_xray(&xray);
    }
}

#[tokio::test]
async fn a_request_with_a_malformed_trace_begins_one_that_nobody_records() {
    let world = World::new().await;
    let lines = Lines::of("info");
    let (text, value) = (traceparent("01").to_uppercase(), traceparent("01"));
    let twice = [("traceparent", value.as_str()), ("traceparent", value.as_str())];
    for headers in [&[("traceparent", text.as_str())][..], &[("traceparent", "")], &twice] {
        let reply = world.http("POST", "/counter/a/increment", headers, "").await;
        assert!(reply.status == 200 && reply.headers.get("traceparent").is_none(), "{reply:?}");
        let logged = lines.take();
        let span = &saying(&logged, "posted").next().unwrap()["span"];
        assert!(span["trace_id"].as_str().is_some_and(|id| id.len() == 32 && id != TRACE), "{span}");
        assert!(span.get("parent_id").is_none() && saying(&logged, "ran").next().is_none(), "{logged:?}");
    }
}

#[tokio::test]
async fn the_trace_that_lambda_began_goes_on_when_it_is_sampled() {
    let world = World::new().await;
    let lines = Lines::of("info");
    for (sampled, ran) in [("1", 1), ("0", 0)] {
        let mut context = Context::default();
        context.deadline = world.deadline().0;
        let root = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736";
        context.xray_trace_id = Some(format!("{root};Parent={CALLER};Sampled={sampled}"));
        let event = LambdaEvent::new(RawValue::from_string(payload("ingest-increment").to_owned()).unwrap(), context);
        ingest::invoke::invoke(app::service(), &world.client, &deployed(), event).await.unwrap();
        let logged = lines.take();
        let span = &saying(&logged, "posted").next().unwrap()["span"];
        assert_eq!((&span["trace_id"], &span["parent_id"]), (&json!(TRACE), &json!(CALLER)));
        assert_eq!(saying(&logged, "ran").count(), ran);
    }
}
