//! What API Gateway routes is what the code serves, each route to the function that serves it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shared::http::guard::Users;
use shared::http::routes::{Access, Function, ROUTES};

use crate::template::{properties, resources, template};

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

/// What the template says of a route's security, by what it is for.
fn expected(access: Access) -> Value {
    let unless = |condition: &str, scheme: &str| json!({"If": [condition, {"Ref": "AWS::NoValue"}, [{scheme: []}]]});
    match access {
        Access::Operators => json!([{"AWS_IAM": []}]),
        Access::Users => unless("AccessIsOpen", "USERS"),
        Access::Everyone => unless("PagesAreOpen", "AWS_IAM"),
        Access::Backend => unless("AccessIsOpen", "AWS_IAM"),
    }
}

#[test]
fn access_says_who_may_call_a_route_and_opens_none_of_operators() {
    let api = properties("Api");
    assert_eq!(
        (&api["Auth"]["DefaultAuthorizer"], &api["Auth"]["EnableIamAuthorizer"]),
        (&"AWS_IAM".into(), &true.into())
    );
    let mut secured = BTreeMap::new();
    for (path, methods) in api["DefinitionBody"]["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            secured.insert((method.to_uppercase(), path.clone()), operation["security"].clone());
        }
    }
    let otherwise = ("X-AMAZON-APIGATEWAY-ANY-METHOD".to_owned(), "$default".to_owned());
    let routes = ROUTES.iter().map(|route| {
        let name = (route.method.to_owned(), route.path.to_owned());
        (name, expected(route.access()))
    });
    let mut wanted: BTreeMap<_, _> = routes.collect();
    wanted.insert(otherwise, expected(Access::Backend));
    assert_eq!(secured, wanted);
}

#[test]
fn a_user_shows_a_token_or_somebody_signs() {
    let api = properties("Api");
    let [condition, jwt, iam] =
        &api["DefinitionBody"]["components"]["securitySchemes"]["USERS"]["If"].as_array().unwrap()[..]
    else {
        panic!("no choice")
    };
    assert_eq!((condition.as_str(), &iam["x-amazon-apigateway-authtype"]), (Some("AccessIsJwt"), &json!("awsSigv4")));
    let authorizer = &jwt["x-amazon-apigateway-authorizer"];
    assert_eq!(
        (&authorizer["type"], &authorizer["identitySource"]),
        (&json!("jwt"), &json!("$request.header.Authorization"))
    );
    let configuration = json!({"issuer": {"Ref": "JwtIssuer"}, "audience": [{"Ref": "JwtAudience"}]});
    assert_eq!(authorizer["jwtConfiguration"], configuration);
}

#[test]
fn a_deployment_is_closed_unless_a_parameter_opens_it_in_so_many_words() {
    let template = template();
    let access = &template["Parameters"]["Access"];
    assert_eq!(access["Default"], "AWS_IAM");
    assert_eq!(access["AllowedValues"], json!(["AWS_IAM", "JWT", "OPEN_TO_EVERYONE"]));
    let is = |value: &str| json!({"Equals": [{"Ref": "Access"}, value]});
    let conditions = &template["Conditions"];
    assert_eq!((&conditions["AccessIsOpen"], &conditions["AccessIsJwt"]), (&is("OPEN_TO_EVERYONE"), &is("JWT")));
    let rule = &template["Rules"]["TokensAreVerified"];
    assert_eq!(rule["RuleCondition"], is("JWT"));
    let given = |name: &str| json!({"Not": [{"Equals": [{"Ref": name}, ""]}]});
    let asserted: Vec<&Value> = rule["Assertions"].as_array().unwrap().iter().map(|one| &one["Assert"]).collect();
    assert_eq!(asserted, [&given("JwtIssuer"), &given("JwtAudience")]);
    for name in ["IngestFunction", "StatusFunction"] {
        let users = properties(name)["Environment"]["Variables"]["USERS"].clone();
        assert_eq!(users, json!({"If": ["AccessIsOpen", "open", "verified"]}), "{name}");
        for word in ["open", "verified"] {
            assert!(Users::new(word).is_ok());
        }
    }
}

#[test]
fn what_is_under_operator_is_for_operators() {
    for route in &ROUTES {
        let operator = route.access() == Access::Operators;
        assert_eq!(route.path.starts_with("/operator/"), operator, "{route:?}");
        assert_eq!(operator && route.method != "GET", operator && route.function == Function::Ingest, "{route:?}");
    }
}
