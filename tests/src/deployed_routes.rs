//! What API Gateway routes is what the code serves, each route to the function that serves it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::http::routes::{Endpoint, Function, ROUTES};

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

/// The operator routes of the code.
fn operators() -> BTreeSet<(String, String)> {
    let operators = ROUTES.iter().filter(|route| matches!(route.endpoint, Endpoint::Operator(_)));
    operators.map(|route| (route.method.to_owned(), route.path.to_owned())).collect()
}

#[test]
fn access_opens_every_route_alike_but_never_those_of_operators() {
    let api = properties("Api");
    assert_eq!(
        (&api["Auth"]["DefaultAuthorizer"], &api["Auth"]["EnableIamAuthorizer"]),
        (&"AWS_IAM".into(), &true.into())
    );
    let (mut opened, mut signed) = (BTreeSet::new(), BTreeSet::new());
    let mut rule: Option<Value> = None;
    for (path, methods) in api["DefinitionBody"]["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let security = operation["security"].clone();
            if security == json!([{"AWS_IAM": []}]) {
                signed.insert((method.to_uppercase(), path.clone()));
                continue;
            }
            opened.insert((method.to_uppercase(), path.clone()));
            assert_eq!(security["If"][0], "AccessIsOpen", "{method} {path}");
            assert_eq!(*rule.get_or_insert(security.clone()), security, "{method} {path}");
        }
    }
    assert_eq!(signed, operators());
    let mut expected: BTreeSet<_> = routes().into_iter().map(|(method, path, _)| (method, path)).collect();
    expected.retain(|route| !signed.contains(route));
    expected.insert(("X-AMAZON-APIGATEWAY-ANY-METHOD".to_owned(), "$default".to_owned()));
    assert_eq!(opened, expected);
}

#[test]
fn what_is_under_operator_is_for_operators() {
    for route in &ROUTES {
        let operator = matches!(route.endpoint, Endpoint::Operator(_));
        assert_eq!(route.path.starts_with("/operator/"), operator, "{route:?}");
        assert_eq!(operator && route.method != "GET", operator && route.function == Function::Ingest, "{route:?}");
    }
}
