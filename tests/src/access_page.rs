//! The policies of `docs/access.md` allow what the page says, on every route.

use serde_json::Value;
use web::route::Access;

use crate::app;

const PAGE: &str = include_str!("../../docs/access.md");
const API: &str = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/$default/";

/// The patterns of a policy, all of which allow.
fn policy(name: &str) -> Vec<String> {
    let block = PAGE.split(&format!("<!-- {name} -->\n```json\n")).nth(1).unwrap().split("```").next().unwrap();
    let policy: Value = serde_json::from_str(block).unwrap();
    assert_eq!(policy["Version"], "2012-10-17");
    let mut patterns = Vec::new();
    for statement in policy["Statement"].as_array().unwrap() {
        assert_eq!((&statement["Effect"], &statement["Action"]), (&"Allow".into(), &"execute-api:Invoke".into()));
        patterns.extend(statement["Resource"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()));
    }
    patterns
}

/// Whether IAM takes a text for a pattern's: `*` is any characters, `/` among them.
fn is_matched(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text
            .strip_prefix(start)
            .is_some_and(|text| (0..=text.len()).filter_map(|at| text.get(at..)).any(|text| is_matched(rest, text))),
    }
}

/// A request to each route, with this id for every variable.
fn requests(id: &str) -> impl Iterator<Item = (Access, String)> {
    app::routes().map(move |route| {
        let parts = route.path.split('/').map(|part| if part.starts_with('{') { id } else { part });
        (route.access, format!("{API}{}{}", route.method, parts.collect::<Vec<_>>().join("/")))
    })
}

#[test]
fn a_backend_calls_everything_but_what_is_operators_and_an_operator_only_that() {
    let (backend, operator) = (policy("backend"), policy("operator"));
    let allows = |patterns: &[String], request: &str| patterns.iter().any(|pattern| is_matched(pattern, request));
    // Ids that are words of other paths, which a careless `*` would take for them.
    for id in ["alice", "operator", "counter", "users", "sweep", "webhook", "app.js"] {
        for (access, request) in requests(id) {
            let is_operators = access == Access::Operator;
            assert_eq!(allows(&operator, &request), is_operators, "{request}");
            assert_eq!(allows(&backend, &request), !is_operators, "{request}");
        }
    }
    for pattern in backend.iter().chain(&operator) {
        let all = ["alice", "app.js"].iter().flat_map(|id| requests(id));
        assert!(all.into_iter().any(|(_, request)| is_matched(pattern, &request)), "{pattern} is for no route");
        assert!(!pattern.strip_prefix(API).unwrap().starts_with('*'), "{pattern} has no method");
    }
}

#[test]
fn a_star_for_the_method_reaches_operators_as_the_page_warns() {
    let careless = format!("{API}*/counter/*");
    let reached =
        requests("counter").filter(|(access, request)| *access == Access::Operator && is_matched(&careless, request));
    assert!(reached.count() > 0);
    assert!(is_matched(&format!("{API}*/operator/*"), &format!("{API}GET/users/operator/messages")));
}
