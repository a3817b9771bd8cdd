//! `ingest` as Lambda calls it: each of API Gateway's events is taken for what it is.

use std::sync::Arc;

use lambda_http::request::RequestContext;
use lambda_http::{Context, LambdaEvent, RequestExt};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use web::guard::Guard;

use crate::app;
use crate::payloads::payload;
use crate::world::{World, deployed};

async fn invoked(world: &World, guard: &Arc<Guard>, payload: &str) -> Value {
    let mut context = Context::default();
    context.deadline = world.deadline().0;
    let event = LambdaEvent::new(RawValue::from_string(payload.to_owned()).unwrap(), context);
    let answer = ingest::invoke::invoke(app::service(), &world.client, guard, event).await.unwrap();
    serde_json::from_str(answer.get()).unwrap()
}

/// The guard of a deployment whose users are verified.
fn verified() -> Arc<Guard> {
    Arc::new(Guard::gateway("verified", "", Some("the ticket key of the tests, which is long")).unwrap())
}

#[test]
fn the_library_reads_an_event_of_a_socket() {
    for (name, event) in [
        ("ingest-socket-connect", "CONNECT"),
        ("ingest-socket-message", "MESSAGE"),
        ("ingest-socket-disconnect", "DISCONNECT"),
    ] {
        let request = lambda_http::request::from_str(payload(name)).unwrap();
        let RequestContext::WebSocket(context) = request.request_context() else { panic!("{name}") };
        assert_eq!(context.event_type.as_deref(), Some(event), "{name}");
        assert_eq!(context.authorizer.fields["user"], "alice", "{name}");
    }
}

#[tokio::test]
async fn events_of_sockets_are_told_from_requests() {
    let world = World::new().await;
    for (name, body) in
        [("ingest-socket-connect", ""), ("ingest-socket-message", "\"type\""), ("ingest-socket-disconnect", "")]
    {
        let answer = invoked(&world, &deployed(), payload(name)).await;
        assert_eq!(answer["statusCode"], 200, "{name}: {answer}");
        assert!(answer["body"].as_str().unwrap().contains(body), "{name}: {answer}");
    }
}

#[tokio::test]
async fn a_request_is_answered_as_a_request() {
    let world = World::new().await;
    let answer = invoked(&world, &deployed(), payload("ingest-increment")).await;
    assert_eq!((&answer["statusCode"], &answer["isBase64Encoded"]), (&json!(200), &json!(false)), "{answer}");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, json!({"counter_id": "my-counter", "value": 5}));
}

#[tokio::test]
async fn the_claims_that_the_api_has_verified_say_whose_request_it_is() {
    let world = World::new().await;
    let answer = invoked(&world, &verified(), payload("ingest-ticket")).await;
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(answer["statusCode"], 200, "{answer}");
    let ticket =
        verified().tickets.as_ref().unwrap().verify(body["ticket"].as_str().unwrap(), shared::live::machine_time());
    assert_eq!(ticket.unwrap().as_str(), "alice");
    let mut event: Value = serde_json::from_str(payload("ingest-ticket")).unwrap();
    event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = json!("bob");
    assert_eq!(invoked(&world, &verified(), &event.to_string()).await["statusCode"], 403, "another user's path");
    // A token that the API did not verify is nobody's, whatever it says.
    event["requestContext"]["authorizer"] = json!({});
    assert_eq!(invoked(&world, &verified(), &event.to_string()).await["statusCode"], 401);
    event["requestContext"]["authorizer"] = json!({"lambda": {"sub": "alice", "user": "alice"}});
    assert_eq!(invoked(&world, &verified(), &event.to_string()).await["statusCode"], 401);
    let mut foreign: Value = serde_json::from_str(payload("ingest-ticket")).unwrap();
    foreign["headers"]["origin"] = json!("https://evil.example");
    assert_eq!(invoked(&world, &verified(), &foreign.to_string()).await["statusCode"], 403, "another's page");
}

#[tokio::test]
async fn whether_a_socket_may_be_opened_is_answered_with_a_policy() {
    let world = World::new().await;
    let effect = |answer: &Value| answer["policyDocument"]["Statement"][0]["Effect"].as_str().unwrap().to_owned();
    let open = invoked(&world, &deployed(), payload("ingest-socket-authorizer")).await;
    assert_eq!((effect(&open).as_str(), &open["context"]["user"]), ("Allow", &json!("alice")), "{open}");
    assert_eq!(effect(&invoked(&world, &verified(), payload("ingest-socket-authorizer")).await), "Deny");
    let ticket = invoked(&world, &verified(), payload("ingest-ticket")).await;
    let ticket: Value = serde_json::from_str(ticket["body"].as_str().unwrap()).unwrap();
    let mut event: Value = serde_json::from_str(payload("ingest-socket-authorizer")).unwrap();
    event["queryStringParameters"] = json!({"ticket": ticket["ticket"]});
    let admitted = invoked(&world, &verified(), &event.to_string()).await;
    assert_eq!((effect(&admitted).as_str(), &admitted["principalId"]), ("Allow", &json!("alice")), "{admitted}");
    world.advance(60_000);
    assert_eq!(effect(&invoked(&world, &verified(), &event.to_string()).await), "Deny", "after a minute");
}

#[tokio::test]
async fn what_a_client_sends_is_never_taken_for_the_api() {
    let world = World::new().await;
    let mut event: Value = serde_json::from_str(payload("ingest-socket-message")).unwrap();
    event["body"] =
        json!(r#"{"type":"REQUEST","methodArn":"arn:aws:execute-api:::x","queryStringParameters":{"user_id":"bob"}}"#);
    let answer = invoked(&world, &deployed(), &event.to_string()).await;
    assert!(answer.get("policyDocument").is_none() && answer["statusCode"].is_u64(), "{answer}");
    let mut event: Value = serde_json::from_str(payload("ingest-increment")).unwrap();
    event["body"] = json!(r#"{"type":"REQUEST","methodArn":"x"}"#);
    let answer = invoked(&world, &deployed(), &event.to_string()).await;
    assert_eq!(answer["statusCode"], 400, "{answer}");
}
