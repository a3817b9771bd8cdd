//! The body of a request, as far as any route takes one.
//!
//! It is read before anybody asks who sends it, so what is kept of it is bounded by what counts as a body, and how long it
//! takes by a time. One that is larger is read on, and not kept: a client hears the answer only once it has sent all.

use axum::body::Body;
use futures::StreamExt;
use shared::limits;
use tokio::time::timeout;
use web::problem::Problem;

use crate::bounds;

/// What Lambda takes of a request's body, in bytes. Of more than that nobody hears an answer there either.
const LAMBDA_BODY: usize = 6 * 1024 * limits::KB;

/// Reads a body whole.
pub(super) async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    timeout(bounds::BODY, whole(body)).await.unwrap_or_else(|_| Err(Problem::slow_body(bounds::BODY.as_secs())))
}

async fn whole(body: Body) -> Result<Vec<u8>, Problem> {
    let (mut parts, mut kept, mut bytes) = (body.into_data_stream(), Vec::new(), 0);
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| {
            Problem::invalid("the body ends too early, or its parts are not encoded as RFC 9112 says of `chunked`")
        })?;
        bytes += part.len();
        if bytes <= limits::BODY_BYTES {
            kept.extend_from_slice(&part);
        } else {
            kept = Vec::new();
        }
        if bytes > LAMBDA_BODY {
            break;
        }
    }
    if bytes > limits::BODY_BYTES {
        return Err(Problem::too_large("the body", bytes, limits::BODY_BYTES));
    }
    Ok(kept)
}
