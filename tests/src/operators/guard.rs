//! Nobody but an operator gets at the operator routes, whatever way the request takes.

use serde_json::json;
use web::route::{Access, Function, Route};

use crate::app;
use crate::ledger::{ledger, write};
use crate::operators::worlds;
use crate::problems::problem;
use crate::world::deployed;

/// The operator routes, each as a request that would do something.
fn requests() -> Vec<(&'static Route, String)> {
    let operators = app::routes().filter(|route| route.access == Access::Operator);
    let path = |path: &str| path.replace("{kind}", "ledger").replace("{id}", "a").replace("{name}", "event-1");
    operators.map(|route| (&**route, path(route.path))).collect()
}

#[tokio::test]
async fn without_the_token_nothing_is_shown_and_nothing_is_done() {
    let (world, broken) = worlds().await;
    let a = ledger("a");
    broken.event(&a, &write("1")).await;
    let before = world.mailbox(&a).await;
    assert_eq!(requests().len(), 8);
    for (Route { method, .. }, path) in requests() {
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
        if *method == "GET" {
            assert_eq!(world.http("HEAD", &path, &[], "").await.status, 401, "{path}");
        }
    }
    assert_eq!(world.mailbox(&a).await, before);
    assert_eq!(world.letters(&a).await, ["event-1"]);
}

/// A request as API Gateway hands it to a function, by the route with this key.
fn event(key: &str, method: &str, path: &str, authorizer: &serde_json::Value) -> String {
    json!({
        "version": "2.0", "routeKey": key, "rawPath": path, "rawQueryString": "", "headers": {},
        "requestContext": {
            "accountId": "1", "apiId": "a", "stage": "$default", "requestId": "r", "timeEpoch": 0, "time": "",
            "authorizer": authorizer, "domainName": "d", "domainPrefix": "d", "routeKey": key,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": ""}
        },
        "pathParameters": {"kind": "ledger", "id": "a", "name": "event-1"},
        "isBase64Encoded": false
    })
    .to_string()
}

#[tokio::test]
async fn deployed_a_request_that_was_not_signed_is_refused_by_the_function_itself() {
    let (world, broken) = worlds().await;
    broken.event(&ledger("a"), &write("1")).await;
    let signed = json!({"iam": {"userArn": "arn:aws:iam::1:user/alice", "accountId": "1"}});
    let ask = async |route: &Route, event: String| world.invoke(route.function, &deployed(), &event).await;
    for (route, path) in requests() {
        let key = format!("{} {}", route.method, route.path);
        for authorizer in [json!(null), json!({}), json!({"lambda": {"userArn": "x"}}), json!({"iam": {}})] {
            let reply = ask(route, event(&key, route.method, &path, &authorizer)).await;
            assert_eq!((reply.status, problem(&reply)), (403, "unsigned"), "{key} {authorizer}");
        }
        // What no route takes, an open API hands on without asking for a signature, and a closed one with any.
        for (method, status) in [(route.method, 404), ("HEAD", 405), ("PATCH", 405)] {
            for authorizer in [&json!(null), &signed] {
                let reply = ask(route, event("$default", method, &path, authorizer)).await;
                assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
            }
        }
        if route.method == "GET" {
            let reply = ask(route, event(&key, route.method, &path, &signed)).await;
            assert_eq!(reply.status, 200, "{key}: {reply:?}");
        }
    }
    assert_eq!(world.letters(&ledger("a")).await, ["event-1"]);
    let path = "/operator/dead-letters/ledger/a/event-1";
    let delete = event("DELETE /operator/dead-letters/{kind}/{id}/{name}", "DELETE", path, &signed);
    let deleted = world.invoke(Function::Ingest, &deployed(), &delete).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
}
