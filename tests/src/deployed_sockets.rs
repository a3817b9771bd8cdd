//! The API of sockets: who opens one is asked of `ingest`, which gets every event, and nobody else may push.

use serde_json::{Value, json};
use shared::limits;
use web::guard::Guard;

use crate::template::{properties, resources, template};

/// The URL of a stage of the API.
fn url(scheme: &str) -> Value {
    json!({"Sub": format!("{scheme}://${{SocketApi}}.execute-api.${{AWS::Region}}.${{AWS::URLSuffix}}/live")})
}

#[test]
fn every_event_goes_to_ingest_and_a_socket_is_opened_by_its_leave_only() {
    let api = properties("SocketApi");
    assert_eq!(
        (&api["ProtocolType"], &api["RouteSelectionExpression"]),
        (&json!("WEBSOCKET"), &json!("$request.body.type"))
    );
    let invoke = "${IngestFunction.Arn}/invocations";
    let names = |uri: &Value| uri["Sub"].as_str().unwrap().ends_with(invoke);
    let integration = properties("SocketIntegration");
    assert!(names(&integration["IntegrationUri"]) && integration["IntegrationType"] == "AWS_PROXY", "{integration}");
    let mut routes = Vec::new();
    for (name, route) in resources("AWS::ApiGatewayV2::Route") {
        let route = &route["Properties"];
        assert_eq!(route["ApiId"], json!({"Ref": "SocketApi"}), "{name}");
        assert_eq!(route["Target"], json!({"Sub": "integrations/${SocketIntegration}"}), "{name}");
        let connects = route["RouteKey"] == "$connect";
        assert_eq!(route.get("AuthorizerId").is_some(), connects, "{name}: API Gateway asks once, when it connects");
        assert_eq!(route.get("RouteResponseSelectionExpression").is_some(), route["RouteKey"] == "$default", "{name}");
        routes.push(route["RouteKey"].as_str().unwrap().to_owned());
    }
    routes.sort();
    assert_eq!(routes, ["$connect", "$default", "$disconnect"]);
    let connect = properties("SocketConnect");
    assert_eq!(
        (&connect["AuthorizationType"], &connect["AuthorizerId"]["Ref"]),
        (&json!("CUSTOM"), &json!("SocketAuthorizer"))
    );
    let authorizer = properties("SocketAuthorizer");
    assert!(names(&authorizer["AuthorizerUri"]) && authorizer["AuthorizerType"] == "REQUEST", "{authorizer}");
    // With an identity source, only sockets that have it would be asked about: one is opened with either parameter.
    assert!(authorizer.get("IdentitySource").is_none(), "{authorizer}");
    let answer = properties("SocketAnswer");
    assert_eq!((&answer["RouteId"]["Ref"], &answer["RouteResponseKey"]), (&json!("SocketFrame"), &json!("$default")));
    let timeout = properties("IngestFunction")["Timeout"].as_u64().unwrap();
    assert!(timeout < 29, "a WebSocket API waits 29 s for its integration: {timeout}");
}

#[test]
fn the_api_of_sockets_and_its_authorizer_may_invoke_ingest_and_nothing_else() {
    let mut sources = Vec::new();
    for (name, permission) in resources("AWS::Lambda::Permission") {
        let permission = &permission["Properties"];
        let source = permission["SourceArn"]["Sub"].as_str().unwrap().split(':').next_back().unwrap();
        if !source.starts_with("${SocketApi}/") {
            continue;
        }
        assert_eq!(permission["FunctionName"], json!({"Ref": "IngestFunction"}), "{name}");
        assert_eq!(permission["Principal"], "apigateway.amazonaws.com", "{name}");
        sources.push(source.to_owned());
    }
    sources.sort();
    assert_eq!(sources, ["${SocketApi}/authorizers/${SocketAuthorizer}", "${SocketApi}/live/*"]);
}

#[test]
fn the_functions_are_told_what_they_need_and_where_they_push() {
    let stage = properties("SocketStage");
    assert_eq!((&stage["StageName"], &stage["AutoDeploy"]), (&json!("live"), &json!(true)));
    // CloudFormation would else make it before its routes, whose limits it has.
    let after = &template()["Resources"]["SocketStage"]["DependsOn"];
    assert_eq!(after, &json!(["SocketConnect", "SocketDisconnect", "SocketAnswer"]));
    let page = json!({"Sub": "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}"});
    assert_eq!(stage["StageVariables"]["pageOrigin"], page);
    assert_eq!(template()["Outputs"]["ApiUrl"]["Value"], page, "the page is where the API is");
    let limits = [&stage["DefaultRouteSettings"], &stage["RouteSettings"]["$connect"]];
    for (limit, name) in limits.into_iter().zip(["frames", "sockets"]) {
        for setting in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
            assert!(limit[setting].as_u64().is_some_and(|limit| limit > 0), "{name}: {setting}");
        }
    }
    let variables = |name: &str| properties(name)["Environment"]["Variables"].clone();
    for name in ["IngestFunction", "DrainFunction"] {
        assert_eq!(variables(name)["CONNECTIONS_URL"], url("https"), "{name}");
    }
    assert_eq!(variables("StatusFunction")["SOCKET_URL"], url("wss"));
    assert_eq!(template()["Outputs"]["SocketUrl"]["Value"], url("wss"));
    let ingest = variables("IngestFunction");
    assert_eq!(ingest["ALLOWED_ORIGINS"], json!({"Ref": "AllowedOrigins"}));
    assert!(
        Guard::gateway("verified", template()["Parameters"]["AllowedOrigins"]["Default"].as_str().unwrap(), None)
            .is_ok()
    );
    // The one that only reads can sign no tickets.
    assert!(variables("StatusFunction").get("TICKET_KEY").is_none());
    assert_eq!(ingest["TICKET_KEY"], json!({"Sub": "{{resolve:secretsmanager:${TicketKey}:SecretString}}"}));
    let length = properties("TicketKey")["GenerateSecretString"]["PasswordLength"].as_u64().unwrap();
    assert!(usize::try_from(length).unwrap() >= limits::TICKET_KEY_BYTES, "{length}");
}
