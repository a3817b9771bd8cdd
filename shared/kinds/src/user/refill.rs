//! The operator's command that writes summaries anew: `operator refill alice`.

use leasebox::schemars::{self, JsonSchema};
use leasebox::{AnyHost, Client, Operation, OperatorError, Report};
use serde::{Deserialize, Serialize};

use crate::chat::refill::{Refilled, refill};
use crate::chat::user;

/// What was found of a user's conversations.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefillAnswer {
    /// How many were looked at.
    pub looked: u64,
    /// With whom the user has those whose summary is written anew.
    pub refilled: Vec<String>,
    /// With whom the user has those that cannot be made anew: the last message or the mark is damaged.
    pub damaged: Vec<String>,
    /// With whom the user has those that are not written yet: the event waits, or lies in the dead letters.
    pub left: Vec<String>,
}

impl From<Refilled> for RefillAnswer {
    fn from(Refilled { looked, refilled, damaged, left }: Refilled) -> Self {
        Self { looked, refilled, damaged, left }
    }
}

/// The command.
pub(super) const OPERATION: Operation = Operation {
    name: "refill",
    about: "Write anew the summaries of a user's conversations that are not what the messages say",
    argument: ("USER", "Whose: the id of the user"),
    run: |client, id| Box::pin(refilled(client, id)),
};

async fn refilled(client: Client<AnyHost>, id: String) -> Result<Report, OperatorError> {
    let answer = RefillAnswer::from(refill(&client, &user(&id)?).await?);
    let left = [("damaged", &answer.damaged), ("not written yet", &answer.left)].into_iter();
    let left: Vec<_> = left.filter(|(_, with)| !with.is_empty()).collect();
    let told = left.iter().map(|(why, with)| format!("{why}: {}", with.join(", ")));
    let left = (!left.is_empty()).then(|| told.collect::<Vec<_>>().join("; "));
    Ok(Report { left, ..Report::new(&answer, told_of(&answer)) })
}

/// As a person reads it.
fn told_of(refilled: &RefillAnswer) -> String {
    let RefillAnswer { looked, refilled, damaged, left } = refilled;
    let mended = if refilled.is_empty() { "none".to_owned() } else { refilled.join(", ") };
    let mut text = format!("{looked} conversations looked at; written anew from the messages: {mended}.\n");
    for with in damaged {
        text +=
            &format!("That with {with} cannot be made anew: its last message or what is marked as read is damaged.\n");
    }
    for with in left {
        text += &format!("That with {with} is not written yet; its event waits, or lies in the dead letters.\n");
    }
    text
}
