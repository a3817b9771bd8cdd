//! JSON bodies: read once, whatever their Content-Type says.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::problem::Problem;

/// A body, or nothing where the type has a form for that: `Option`, `()`.
pub(crate) fn read<B: DeserializeOwned>(body: &[u8], example: &str) -> Result<B, Problem> {
    if let Some(body) = object(body)? {
        return Ok(body);
    }
    serde_json::from_value(Value::Null).map_err(|_| {
        Problem::invalid(match example {
            "" => "the body is empty; it takes a JSON object".to_owned(),
            example => format!("the body is empty; it takes {example}"),
        })
    })
}

/// Whether a body may be left out.
pub(crate) fn is_optional<B: DeserializeOwned>() -> bool {
    serde_json::from_value::<B>(Value::Null).is_ok()
}

/// What a body of JSON is; none when it is empty.
///
/// # Errors
/// A problem when it is no JSON, or not of the form that is wanted.
pub fn json<T: DeserializeOwned>(body: &[u8]) -> Result<Option<T>, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let parsed = serde_json::from_slice(body).map(Some);
    parsed.map_err(|error| Problem::invalid(format!("the body is not the JSON that this route takes: {error}")))
}

/// What a body of a JSON object is; serde would also take an array for a struct.
fn object<T: DeserializeOwned>(body: &[u8]) -> Result<Option<T>, Problem> {
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => json(body),
        _ => match json::<Value>(body)? {
            None => Ok(None),
            Some(_) => Err(Problem::invalid("the body is JSON but no object: {\"name\": value}")),
        },
    }
}
