//! What the counter's routes answer.

use leasebox::schemars::{self, JsonSchema};
use leasebox::web::answer::LockAnswer;
use serde::{Deserialize, Serialize};

/// The answer of `/webhook`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookAnswer {
    /// The id of the user.
    pub user_id: String,
    /// The user's counter after the event.
    pub counter: i64,
    /// The id of the event, by which its result can be read.
    pub event_id: String,
}

/// The answer of `/counter`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CounterAnswer {
    /// The id of the counter.
    pub counter_id: String,
    /// The value of the counter.
    pub value: i64,
}

/// An increment that waits.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PendingAnswer {
    /// The id of the event, by which its result can be read.
    pub event_id: String,
    /// What it will add.
    pub delta: i64,
}

/// A user's counter, queue and lock.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserAnswer {
    /// The id of the user.
    pub user_id: String,
    /// The value of the user's counter.
    pub counter: i64,
    /// What waits, oldest first.
    pub pending: Vec<PendingAnswer>,
    /// Who holds it, if somebody does.
    pub lock: Option<LockAnswer>,
}

/// One page of users.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserPage {
    /// The users, in order of their ids.
    pub items: Vec<UserAnswer>,
    /// Where the next page starts; null on the last one.
    pub cursor: Option<String>,
}
