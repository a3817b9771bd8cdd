//! What the template sets fits the code's constants, and each function may do what it does and no more.

use std::collections::BTreeSet;

use serde_json::Value;
use shared::limits;
use shared::table;

use crate::template::{properties, resources, template};

const FUNCTIONS: [&str; 3] = ["IngestFunction", "DrainFunction", "StatusFunction"];

/// What a function that is traced may do for that.
const TRACE: [&str; 2] = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"];

fn milliseconds(seconds: &Value) -> u64 {
    let seconds = seconds.as_u64().or_else(|| seconds.as_str()?.parse().ok());
    1000 * seconds.unwrap_or_else(|| panic!("no number of seconds"))
}

#[test]
fn a_lease_outlives_every_function_and_a_function_every_wait() {
    let template = template();
    let variables = &template["Globals"]["Function"]["Environment"]["Variables"];
    assert_eq!(milliseconds(&variables["LEASE_SECONDS"]), limits::LEASE_MS);
    assert_eq!(resources("AWS::Serverless::Function").len(), FUNCTIONS.len());
    for name in FUNCTIONS {
        let timeout = milliseconds(&properties(name)["Timeout"]);
        assert!(timeout < limits::LEASE_MS, "{name}: {timeout}");
        // An HTTP API waits 30 s for its integration, and no longer.
        assert!(timeout < 30_000, "{name}: {timeout}");
    }
    for name in ["IngestFunction", "DrainFunction"] {
        assert_eq!(milliseconds(&properties(name)["Timeout"]), limits::FUNCTION_TIMEOUT_MS, "{name}");
    }
    let ingest = milliseconds(&properties("IngestFunction")["Timeout"]);
    assert!(1000 * limits::WAIT_SECONDS + limits::FINISH_MS < ingest, "the longest wait ends before its function");
}

#[test]
fn wakes_and_stream_records_have_the_time_that_they_need() {
    let drain = properties("DrainFunction");
    let visibility = milliseconds(&properties("WakeQueue")["VisibilityTimeout"]);
    assert!(visibility >= 6 * milliseconds(&drain["Timeout"]), "{visibility}");
    for source in ["Stream", "Wake"] {
        let source = &drain["Events"][source]["Properties"];
        assert_eq!(source["FunctionResponseTypes"], serde_json::json!(["ReportBatchItemFailures"]));
    }
    let stream = &drain["Events"]["Stream"]["Properties"];
    assert_eq!(stream["StartingPosition"], "TRIM_HORIZON");
    for limit in ["MaximumRetryAttempts", "MaximumRecordAgeInSeconds", "ParallelizationFactor"] {
        assert!(stream[limit].as_u64().is_some_and(|value| value > 0), "{limit}");
    }
    // Retries must outlast a lease: a record whose entity cannot be attended to is looked at again after it.
    assert!(milliseconds(&stream["MaximumRecordAgeInSeconds"]) > limits::LEASE_MS + limits::MARGIN_MS);
    assert!(stream["DestinationConfig"]["OnFailure"]["Destination"].is_object());
    assert_eq!(drain["RecursiveLoop"], "Allow");
}

#[test]
fn the_table_is_the_one_that_the_code_names() {
    let table = properties("Table");
    let names = |schema: &Value| -> Vec<(String, String)> {
        let text = |key: &Value, name: &str| key[name].as_str().unwrap().to_owned();
        schema.as_array().unwrap().iter().map(|key| (text(key, "AttributeName"), text(key, "KeyType"))).collect()
    };
    let pair =
        |hash: &str, range: &str| vec![(hash.to_owned(), "HASH".to_owned()), (range.to_owned(), "RANGE".to_owned())];
    assert_eq!(names(&table["KeySchema"]), pair("pk", "sk"));
    let indexes = table["GlobalSecondaryIndexes"].as_array().unwrap();
    assert_eq!((indexes.len(), &indexes[0]["IndexName"]), (2, &table::DIRECTORY.into()));
    assert_eq!(names(&indexes[0]["KeySchema"]), pair("kind", "pk"));
    assert_eq!(indexes[0]["Projection"]["ProjectionType"], "KEYS_ONLY");
    assert_eq!(indexes[1]["IndexName"], table::LISTS);
    assert_eq!(names(&indexes[1]["KeySchema"]), pair(table::LIST, table::RANK));
    assert_eq!(indexes[1]["Projection"]["ProjectionType"], "ALL");
    assert_eq!(table["TimeToLiveSpecification"]["AttributeName"], table::TTL);
    assert_eq!(table["StreamSpecification"]["StreamViewType"], "NEW_IMAGE");
    let filter = &properties("DrainFunction")["Events"]["Stream"]["Properties"]["FilterCriteria"]["Filters"];
    assert_eq!(filter.as_array().map(Vec::len), Some(1));
    let pattern: Value = serde_json::from_str(filter[0]["Pattern"].as_str().unwrap()).unwrap();
    let marker = serde_json::json!({"pending": {"S": [table::PENDING]}});
    assert_eq!(pattern["dynamodb"]["NewImage"], marker, "what has nothing pending is not delivered");
}

/// The statements of a function's role.
fn statements(role: &str) -> Vec<Value> {
    let role = properties(role);
    assert!(role.get("ManagedPolicyArns").is_none(), "{role}");
    let policies = role["Policies"].as_array().unwrap();
    let of = |policy: &Value| policy["PolicyDocument"]["Statement"].as_array().unwrap().clone();
    policies.iter().flat_map(of).collect()
}

/// The sockets of this stack's API, which are not there yet when the policy is written.
fn sockets() -> Value {
    let stage = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${SocketApi}/live";
    serde_json::json!({"Sub": format!("{stage}/POST/@connections/*")})
}

/// One text or an array of them.
fn texts(value: &Value) -> Vec<&str> {
    let texts = value.as_array().map_or_else(|| vec![value.as_str()], |all| all.iter().map(Value::as_str).collect());
    texts.into_iter().map(Option::unwrap).collect()
}

#[test]
fn no_function_may_do_more_than_it_does() {
    assert_eq!(resources("AWS::IAM::Role").len(), FUNCTIONS.len());
    for name in FUNCTIONS {
        let function = properties(name);
        assert!(function.get("Policies").is_none(), "{name} has a role of its own");
        let role = name.replace("Function", "Role");
        assert_eq!(function["Role"]["GetAtt"], format!("{role}.Arn"));
        for statement in statements(&role) {
            assert_eq!(statement["Effect"], "Allow");
            for other in ["NotAction", "NotResource"] {
                assert!(statement.get(other).is_none(), "{name}: {statement}");
            }
            for action in texts(&statement["Action"]) {
                assert!(action.contains(':') && !action.contains('*'), "{name}: {action}");
            }
            let resource = &statement["Resource"];
            // X-Ray has no resources to name.
            if statement["Sid"] == "Trace" {
                assert_eq!((texts(&statement["Action"]), resource), (TRACE.to_vec(), &Value::from("*")), "{name}");
                continue;
            }
            if statement["Action"] == "execute-api:ManageConnections" {
                assert_eq!(resource, &sockets(), "{name}");
                continue;
            }
            // ListStreams takes no narrower resource than all streams of one table.
            let streams = statement["Action"] == "dynamodb:ListStreams" && resource["Sub"] == "${Table.Arn}/stream/*";
            let named = resource.get("GetAtt").or(resource.get("Sub")).and_then(Value::as_str);
            assert!(streams || named.is_some_and(|named| !named.contains('*')), "{name}: {resource}");
        }
    }
}

#[test]
fn every_function_is_traced_and_may_be() {
    assert_eq!(template()["Globals"]["Function"]["Tracing"], "Active");
    for role in FUNCTIONS.map(|name| name.replace("Function", "Role")) {
        let traces = statements(&role).iter().any(|statement| texts(&statement["Action"]) == TRACE);
        assert!(traces, "{role}");
    }
}

#[test]
fn who_reads_cannot_write() {
    let actions = |role: &str| -> BTreeSet<String> {
        let statements = statements(role);
        statements.iter().flat_map(|statement| texts(&statement["Action"])).map(str::to_owned).collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let [segments, telemetry] = TRACE;
    let reads =
        ["dynamodb:GetItem", "dynamodb:Query", "logs:CreateLogStream", "logs:PutLogEvents", segments, telemetry];
    assert_eq!(actions("StatusRole"), set(&reads));
    // Operators list, redrive and delete dead letters, and sweep, through `ingest`.
    let writes = ["UpdateItem", "PutItem", "ConditionCheckItem", "DeleteItem"].map(|name| format!("dynamodb:{name}"));
    let mut expected = set(&reads);
    expected.extend(writes);
    expected.insert("execute-api:ManageConnections".to_owned());
    assert_eq!(actions("IngestRole"), expected);
    let drain = actions("DrainRole");
    assert!(!drain.contains("dynamodb:DeleteItem"), "nothing in the protocol itself deletes an item");
}
