//! What API Gateway routes is what the code serves, each route to the function that serves it.

use std::collections::BTreeMap;

use local::template::rewritten;
use serde_json::{Value, json};
use web::guard::Users;
use web::route::{Access, Function};

use crate::app;
use crate::template::{TEMPLATE, properties, resources, template};

/// The operations of the API's OpenAPI document, by method and path; the method of all methods is `*`.
fn operations() -> BTreeMap<(String, String), Value> {
    let paths = properties("Api")["DefinitionBody"]["paths"].take();
    let mut operations = BTreeMap::new();
    for (path, methods) in paths.as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = match method.as_str() {
                "x-amazon-apigateway-any-method" => "*".to_owned(),
                method => method.to_uppercase(),
            };
            assert!(operations.insert((method, path.clone()), operation.clone()).is_none());
        }
    }
    operations
}

/// What no route takes.
fn otherwise() -> (String, String) {
    ("*".to_owned(), "$default".to_owned())
}

/// The routes of the code with something of each, and what is for the rest.
fn by_route<T>(of: impl Fn(&web::route::Route) -> T, rest: T) -> BTreeMap<(String, String), T> {
    let routes = app::routes().map(|route| ((route.method.to_owned(), route.path.to_owned()), of(route)));
    routes.chain([(otherwise(), rest)]).collect()
}

#[test]
fn the_template_has_the_routes_of_the_app() {
    let changes = rewritten(TEMPLATE, &app::service().routes).unwrap().changes;
    assert!(changes.is_empty(), "template.yaml is stale; `cargo run -- template` writes it:\n{changes}");
    assert_eq!(local::template::check(&app::service().routes), Ok(()));
}

#[test]
fn every_route_leads_to_its_function() {
    let integration = |function: &str| {
        let uri = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions";
        json!({
            "type": "aws_proxy",
            "httpMethod": "POST",
            "payloadFormatVersion": "2.0",
            "uri": {"Sub": format!("{uri}/${{{function}.Arn}}/invocations")},
        })
    };
    let of = |function| match function {
        Function::Ingest => integration("IngestFunction"),
        Function::Status => integration("StatusFunction"),
    };
    let mut routed = operations();
    assert_eq!(routed[&otherwise()]["isDefaultRoute"], true);
    let routed: BTreeMap<_, _> = routed
        .iter_mut()
        .map(|(name, operation)| (name.clone(), operation["x-amazon-apigateway-integration"].take()))
        .collect();
    // Whatever is no route is answered by the function that reads.
    assert_eq!(routed, by_route(|route| of(route.function), of(Function::Status)));
    for (name, function) in resources("AWS::Serverless::Function") {
        let events = function["Properties"]["Events"].as_object().into_iter().flatten();
        let http = events.filter(|(_, event)| event["Type"] == "HttpApi");
        assert_eq!(
            http.count(),
            0,
            "{name}: the API's document has all routes, and SAM would make a permission of each"
        );
    }
}

#[test]
fn every_route_has_its_variables_and_none_takes_what_comes_below_its_path() {
    let wanted = |path: &str| -> Vec<Value> {
        let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        names.map(|name| json!({"name": name, "in": "path", "required": true})).collect()
    };
    for ((method, path), operation) in operations() {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        assert_eq!(parameters, wanted(&path), "{method} {path}");
        assert!(!path.contains(['*', '+']), "{method} {path}");
    }
    // One integration of each route, of which an API has 300.
    assert!(operations().len() <= local::template::MOST);
}

#[test]
fn the_api_may_invoke_the_functions_that_it_routes_to() {
    let source = json!({"Sub": "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/*"});
    let permissions =
        resources("AWS::Lambda::Permission").into_iter().map(|(_, permission)| permission["Properties"].clone());
    let of_api: Vec<Value> = permissions.filter(|permission| permission["SourceArn"] == source).collect();
    let mut functions: Vec<&str> = of_api.iter().map(|one| one["FunctionName"]["Ref"].as_str().unwrap()).collect();
    functions.sort_unstable();
    assert_eq!(functions, ["IngestFunction", "StatusFunction"]);
    for permission in &of_api {
        assert_eq!(
            (&permission["Action"], &permission["Principal"]),
            (&json!("lambda:InvokeFunction"), &json!("apigateway.amazonaws.com"))
        );
    }
}

/// What the template says of a route's security, by what it is for.
fn expected(access: Access) -> Value {
    let unless = |condition: &str, scheme: &str| json!({"If": [condition, [{"NONE": []}], [{scheme: []}]]});
    match access {
        Access::Operator => json!([{"AWS_IAM": []}]),
        Access::Owner(_) | Access::User => unless("AccessIsOpen", "USERS"),
        Access::Open => unless("PagesAreOpen", "AWS_IAM"),
        Access::Signed => unless("AccessIsOpen", "AWS_IAM"),
    }
}

#[test]
fn access_says_who_may_call_a_route_and_opens_none_of_operators() {
    let api = properties("Api");
    assert_eq!(
        (&api["Auth"]["DefaultAuthorizer"], &api["Auth"]["EnableIamAuthorizer"]),
        (&"AWS_IAM".into(), &true.into())
    );
    let secured: BTreeMap<_, _> =
        operations().into_iter().map(|(name, mut operation)| (name, operation["security"].take())).collect();
    assert_eq!(secured, by_route(|route| expected(route.access), expected(Access::Signed)));
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
    for route in app::routes() {
        let operator = route.access == Access::Operator;
        assert_eq!(route.path.starts_with("/operator/"), operator, "{route:?}");
        assert_eq!(operator && route.method != "GET", operator && route.function == Function::Ingest, "{route:?}");
    }
}
