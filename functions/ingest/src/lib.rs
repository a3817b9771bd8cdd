//! The function that posts: a request becomes a post, and its receipts an answer.

pub mod request;
pub mod response;

use lambda_http::http::Response;
use lambda_http::{Body, Request};
use shared::client::{Client, Submission};
use shared::envelope::Millis;
use shared::host::Host;
use shared::http::answer::Answer;
use shared::http::problem::Problem;

/// Answers one request. `deadline` is when the invocation ends.
pub async fn handle<H: Host>(client: &Client<H>, request: Request, deadline: Millis) -> Response<Body> {
    let answer = match answer(client, &request, deadline).await {
        Ok(answer) => answer,
        Err(problem) => problem.answer(),
    };
    answer.into_response().map(Body::from)
}

async fn answer<H: Host>(client: &Client<H>, request: &Request, deadline: Millis) -> Result<Answer, Problem> {
    let posting = request::read(client.host().registry(), request)?;
    let submission = Submission {
        entity: &posting.entity,
        drafts: &posting.drafts,
        mode: posting.mode,
        wait_ms: posting.wait_ms,
        deadline,
    };
    let receipts = client.submit(submission).await?;
    Ok(response::write(&posting, receipts))
}
