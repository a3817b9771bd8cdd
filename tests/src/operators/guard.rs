//! Nobody but an operator gets at the operator routes, whatever way the request takes.

use serde_json::json;
use shared::http::routes::{Endpoint, Function, ROUTES};

use crate::ledger::{ledger, write};
use crate::operators::worlds;
use crate::problems::problem;
use crate::world::{Reply, World, deployed};

/// The operator routes, each as a request that would do something.
fn requests() -> Vec<(&'static str, String, Function)> {
    let operators = ROUTES.iter().filter(|route| matches!(route.endpoint, Endpoint::Operator(_)));
    let path = |path: &str| path.replace("{kind}", "ledger").replace("{id}", "a").replace("{name}", "event-1");
    operators.map(|route| (route.method, path(route.path), route.function)).collect()
}

#[tokio::test]
async fn without_the_token_nothing_is_shown_and_nothing_is_done() {
    let (world, broken) = worlds().await;
    let a = ledger("a");
    broken.event(&a, &write("1")).await;
    let before = world.mailbox(&a).await;
    assert_eq!(requests().len(), 8);
    for (method, path, _) in requests() {
        let wrong: [&[(&str, &str)]; 5] = [
            &[],
            &[("authorization", "Bearer the-token-of-the-testt")],
            &[("authorization", "Bearer ")],
            &[("authorization", "Basic dGhlLXRva2VuLW9mLXRoZS10ZXN0cw==")],
            &[("x-operator-token", "the-token-of-the-tests")],
        ];
        for headers in wrong {
            let reply = world.http(method, &path, headers, "").await;
            assert_eq!((reply.status, problem(&reply)), (401, "unauthorized"), "{method} {path} {headers:?}");
            assert!(reply.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"), "{reply:?}");
        }
        if method == "GET" {
            assert_eq!(world.http("HEAD", &path, &[], "").await.status, 401, "{path}");
        }
    }
    assert_eq!(world.mailbox(&a).await, before);
    assert_eq!(world.letters(&a).await, ["event-1"]);
}

/// A request as API Gateway hands it to a function, by whichever route.
fn event(method: &str, path: &str, authorizer: &serde_json::Value) -> String {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": {},
        "requestContext": {
            "accountId": "1", "apiId": "a", "stage": "$default", "requestId": "r", "timeEpoch": 0, "time": "",
            "authorizer": authorizer, "domainName": "d", "domainPrefix": "d", "routeKey": "$default",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": ""}
        },
        "isBase64Encoded": false
    })
    .to_string()
}

async fn invoke(world: &World, function: Function, event: &str) -> Reply {
    let request = lambda_http::request::from_str(event).unwrap();
    let response = match function {
        Function::Ingest => ingest::handle(&world.client, &deployed(), request, world.deadline()).await,
        Function::Status => status::handle(&world.host, &deployed(), request).await,
    };
    let (parts, body) = response.into_parts();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Reply { status: parts.status.as_u16(), headers: parts.headers, body }
}

#[tokio::test]
async fn deployed_a_request_that_was_not_signed_is_refused_by_the_function_itself() {
    let (world, broken) = worlds().await;
    broken.event(&ledger("a"), &write("1")).await;
    let signed = json!({"iam": {"userArn": "arn:aws:iam::1:user/alice", "accountId": "1"}});
    for (method, path, function) in requests() {
        // An open API hands `HEAD`, and whatever no route takes, to `status`, and asks for no signature.
        for method in [method, "HEAD"] {
            if method == "HEAD" && function == Function::Ingest {
                continue;
            }
            for authorizer in [json!(null), json!({}), json!({"lambda": {"userArn": "x"}}), json!({"iam": {}})] {
                let reply = invoke(&world, function, &event(method, &path, &authorizer)).await;
                assert_eq!(reply.status, 403, "{method} {path} {authorizer}");
            }
        }
        if method == "GET" {
            let reply = invoke(&world, function, &event(method, &path, &signed)).await;
            assert_eq!(reply.status, 200, "{method} {path}: {reply:?}");
        }
    }
    assert_eq!(world.letters(&ledger("a")).await, ["event-1"]);
    let path = "/operator/dead-letters/ledger/a/event-1";
    let deleted = invoke(&world, Function::Ingest, &event("DELETE", path, &signed)).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
}
