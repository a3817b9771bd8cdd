//! Requests as an HTTP API of API Gateway hands them to a function (payload format 2.0), and answers as it takes them.
//!
//! The path of such an event has been decoded. Whoever makes a URL of it, as `lambda_http` does, lets the client choose
//! another one: `/counter/..\operator\sweep#/increment` is then `/operator/sweep`. So nothing here is read as a URL, the
//! route is the one that the API says it has checked, and what is no HTTP is refused instead of failing the invocation.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::guard::{UserId, Verified};
use crate::incoming::Incoming;
use crate::problem::Problem;
use crate::routing::Routes;

/// What is read of an event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    path_parameters: Option<BTreeMap<String, String>>,
    request_context: Context,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    route_key: Option<String>,
    domain_name: Option<String>,
    http: Http,
    authorizer: Option<Authorizer>,
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

/// What the API has verified: a signature, or a token.
#[derive(Deserialize)]
struct Authorizer {
    iam: Option<Iam>,
    jwt: Option<Jwt>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Iam {
    user_arn: Option<String>,
}

#[derive(Deserialize)]
struct Jwt {
    claims: Option<Map<String, Value>>,
}

/// Reads an event of an API with these routes. `xray` is what Lambda says of X-Ray's trace.
///
/// # Errors
/// The problem to answer with when it is no event of an HTTP API, or no request of HTTP.
pub fn read(routes: &Routes, event: &str, xray: Option<String>) -> Result<Incoming, Problem> {
    let event: Event = serde_json::from_str(event)
        .map_err(|error| Problem::invalid(format!("the event is none of an HTTP API (payload format 2.0): {error}")))?;
    let Context { route_key, domain_name, http, authorizer } = event.request_context;
    let wrong = |what: &str| Problem::invalid(format!("{what} is none that HTTP allows"));
    let method = Method::from_bytes(http.method.as_bytes()).map_err(|_| wrong("the method"))?;
    let mut headers = HeaderMap::new();
    for (name, value) in event.headers.unwrap_or_default() {
        let header = HeaderName::try_from(&name).ok().zip(HeaderValue::try_from(value).ok());
        let (name, value) = header.ok_or_else(|| wrong(&format!("the header `{name:.100}`, or its value,")))?;
        // Two spellings of one name are one header that is there twice, which is nobody's where it counts.
        headers.append(name, value);
    }
    let path = event.raw_path.unwrap_or_default();
    let variables = event.path_parameters.unwrap_or_default();
    Ok(Incoming {
        found: routes.routed(route_key.as_deref(), &variables, (method.as_str(), &path)),
        verified: verified(authorizer, domain_name),
        query: event.raw_query_string.unwrap_or_default(),
        body: body(event.body.unwrap_or_default(), event.is_base64_encoded)?,
        method,
        path,
        headers,
        xray,
    })
}

/// The body of an event, which comes as text or, said to be so, as Base64.
///
/// # Errors
/// A problem when it is no Base64.
pub fn body(text: String, is_base64: bool) -> Result<Vec<u8>, Problem> {
    match is_base64 {
        false => Ok(text.into_bytes()),
        true => STANDARD.decode(text).map_err(|_| Problem::invalid("the body is said to be Base64 and is none")),
    }
}

fn verified(authorizer: Option<Authorizer>, domain: Option<String>) -> Verified {
    let Some(Authorizer { iam, jwt }) = authorizer else {
        return Verified { domain, ..Verified::default() };
    };
    let user = jwt.and_then(|jwt| jwt.claims).as_ref().and_then(UserId::claimed);
    Verified { signer: iam.and_then(|iam| iam.user_arn), user, domain }
}

/// An answer as the API takes it.
#[must_use]
pub fn write(answer: Answer) -> Value {
    let headers: Map<_, _> = answer.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    json!({"statusCode": answer.status, "headers": headers, "body": answer.body, "isBase64Encoded": false})
}
