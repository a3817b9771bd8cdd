//! Answers that are to be there.

use reqwest::{Client, StatusCode};
use serde_json::Value;

/// What is answered with a 200.
pub async fn get(http: &Client, url: &str) -> Value {
    let answer = http.get(url).send().await.unwrap();
    let status = answer.status();
    let body = answer.text().await.unwrap();
    assert_eq!(status, StatusCode::OK, "{url}: {body}");
    serde_json::from_str(&body).unwrap()
}
