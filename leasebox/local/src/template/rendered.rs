//! Routes as operations of the API's OpenAPI document.

use std::fmt::Write;
use std::sync::Arc;

use web::route::{Access, Function, Route};
use web::routing::Routes;

/// The methods that both OpenAPI and API Gateway know.
const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// An operation as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its method and path.
    pub name: String,
    /// All of it.
    text: String,
}

/// Checks that API Gateway can have a route; says what is wrong.
pub fn deployable(route: &Route) -> Result<(), &'static str> {
    if !METHODS.contains(&route.method) {
        return Err("its method is none of DELETE, GET, HEAD, OPTIONS, PATCH, POST and PUT");
    }
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    for part in route.path.split('/') {
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) if name.starts_with('*') => {
                return Err("it takes whatever comes below its path; add a route for each path instead");
            }
            Some(name) if !is_name(name) => return Err("a variable's name has letters, digits and `._-` only"),
            None if part.contains(['{', '}']) => return Err("a variable is all that is between two slashes"),
            _ => {}
        }
    }
    Ok(())
}

/// All routes, with the line of the first path indented by `indent`.
pub fn block(routes: &Routes, indent: &str) -> String {
    let mut paths: Vec<(&str, Vec<&Arc<Route>>)> = Vec::new();
    for route in routes.iter() {
        match paths.iter_mut().find(|(path, _)| *path == route.path) {
            Some((_, of_path)) => of_path.push(route),
            None => paths.push((route.path, vec![route])),
        }
    }
    let mut block = String::new();
    for (path, routes) in paths {
        block += &format!("{indent}{}:\n", key(path));
        for route in routes {
            block += &operation(route, indent);
        }
    }
    block
}

/// A path as a key of YAML: quoted, if it could be taken for anything else.
fn key(path: &str) -> String {
    match path.starts_with('/') && path.chars().all(|c| c.is_ascii_alphanumeric() || "/{}._~@+=-".contains(c)) {
        true => path.to_owned(),
        false => serde_json::Value::from(path).to_string(),
    }
}

/// An operation with what SAM would make of an event of its function. Who may ask comes first.
fn operation(route: &Route, indent: &str) -> String {
    let (method, security) = (route.method.to_lowercase(), security(route.access));
    let variables: Vec<String> =
        route.variables().map(|name| format!("{{name: {name}, in: path, required: true}}")).collect();
    let parameters = match variables.is_empty() {
        true => String::new(),
        false => format!(" parameters: [{}],", variables.join(", ")),
    };
    let uri = format!(
        "arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/${{{}.Arn}}/invocations",
        resource(route.function)
    );
    let mut text = String::new();
    let _ = writeln!(text, "{indent}  {method}: {{security: {security},{parameters} responses: {{}},");
    let _ = writeln!(
        text,
        "{indent}    x-amazon-apigateway-integration: {{uri: !Sub \"{uri}\", type: aws_proxy, httpMethod: POST, \
         payloadFormatVersion: \"2.0\"}}}}"
    );
    text
}

/// Who may ask, as conditions of the template say: SAM takes none for an authorizer, CloudFormation takes one inside an
/// OpenAPI document. `NONE` is SAM's own word for nobody being asked; `sam local` reads it, and no `AWS::NoValue`.
/// Operators always sign.
fn security(access: Access) -> String {
    let (open, otherwise) = match access {
        Access::Operator => return "[{AWS_IAM: []}]".to_owned(),
        Access::Open => ("PagesAreOpen", "AWS_IAM"),
        Access::Owner(_) | Access::User => ("AccessIsOpen", "USERS"),
        Access::Signed => ("AccessIsOpen", "AWS_IAM"),
    };
    format!("!If [{open}, [{{NONE: []}}], [{{{otherwise}: []}}]]")
}

/// The function's name in the template.
fn resource(function: Function) -> &'static str {
    match function {
        Function::Ingest => "IngestFunction",
        Function::Status => "StatusFunction",
    }
}

/// The operations of a block, as far as it is one.
pub fn operations(block: &str) -> Vec<Operation> {
    let (mut operations, mut path): (Vec<Operation>, &str) = (Vec::new(), "");
    for line in block.lines().map(str::trim) {
        let method = line.split_once(": {").map(|(method, _)| method.to_uppercase());
        if let Some(method) = method.filter(|method| METHODS.contains(&method.as_str())) {
            operations.push(Operation { name: format!("{method} {path}"), text: line.to_owned() });
        } else if let Some(key) = line.strip_suffix(':') {
            path = key.trim_matches('"');
        } else if let Some(operation) = operations.last_mut() {
            operation.text += line;
        }
    }
    operations
}
