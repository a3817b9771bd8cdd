//! What API Gateway routes is what the code serves, each route to the function that serves it.

use std::collections::BTreeSet;

use serde_json::Value;
use shared::http::routes::{Function, ROUTES};

use crate::template::{properties, resources};

/// The routes of the code with the resource names of their functions.
fn routes() -> BTreeSet<(String, String, &'static str)> {
    let function = |function| match function {
        Function::Ingest => "IngestFunction",
        Function::Status => "StatusFunction",
    };
    ROUTES.iter().map(|route| (route.method.to_owned(), route.path.to_owned(), function(route.function))).collect()
}

#[test]
fn every_route_leads_to_its_function() {
    let (mut routed, mut otherwise) = (BTreeSet::new(), Vec::new());
    for (name, function) in resources("AWS::Serverless::Function") {
        let name: &'static str =
            ["IngestFunction", "StatusFunction", "DrainFunction"].into_iter().find(|f| **f == name).unwrap();
        for event in function["Properties"]["Events"].as_object().unwrap().values() {
            let Some("HttpApi") = event["Type"].as_str() else { continue };
            let route = &event["Properties"];
            assert_eq!(route["ApiId"]["Ref"], "Api", "{route}");
            match (route["Method"].as_str(), route["Path"].as_str()) {
                (Some(method), Some(path)) => {
                    assert!(routed.insert((method.to_owned(), path.to_owned(), name)), "{method} {path} twice");
                }
                (None, None) => otherwise.push(name),
                _ => panic!("half a route: {route}"),
            }
        }
    }
    assert_eq!(routed, routes());
    assert_eq!(otherwise, ["StatusFunction"], "whatever is no route is answered by one function");
}

#[test]
fn access_opens_every_route_alike() {
    let api = properties("Api");
    assert_eq!(
        (&api["Auth"]["DefaultAuthorizer"], &api["Auth"]["EnableIamAuthorizer"]),
        (&"AWS_IAM".into(), &true.into())
    );
    let mut opened = BTreeSet::new();
    let mut rule: Option<Value> = None;
    for (path, methods) in api["DefinitionBody"]["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            opened.insert((method.to_uppercase(), path.clone()));
            let security = operation["security"].clone();
            assert_eq!(security["If"][0], "AccessIsOpen", "{method} {path}");
            assert_eq!(*rule.get_or_insert(security.clone()), security, "{method} {path}");
        }
    }
    let mut expected: BTreeSet<_> = routes().into_iter().map(|(method, path, _)| (method, path)).collect();
    expected.insert(("X-AMAZON-APIGATEWAY-ANY-METHOD".to_owned(), "$default".to_owned()));
    assert_eq!(opened, expected);
}
