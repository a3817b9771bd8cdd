//! Writes anew the summaries that are not what the messages say.

use crate::chat::{conversations, history};
use crate::user::{Command, Conversation, summary_name};
use leasebox::shared::client::{Mode, Submission, SubmitError};
use leasebox::shared::envelope::Draft;
use leasebox::shared::host::Host;
use leasebox::shared::limits;
use leasebox::shared::lookup;
use leasebox::shared::mailbox::StepError;
use leasebox::shared::outcome::{Outcome, Settled};
use leasebox::{Client, EntityId, Lookup, Millis, Standing};

/// What was found and done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refilled {
    /// How many conversations were looked at.
    pub looked: u64,
    /// With whom the user has those whose summary is written anew.
    pub refilled: Vec<String>,
    /// With whom the user has those that cannot be made anew: the last message or the mark is damaged.
    pub damaged: Vec<String>,
    /// With whom the user has those that are not written yet: the event waits, or lies in the dead letters.
    pub left: Vec<String>,
}

/// Looks at all conversations of a user, along the messages. It may run at any time: whoever holds the user writes.
///
/// # Errors
/// When the store fails, or the user's mailbox is damaged. What was done until then is done; to repeat it is safe.
pub async fn refill<H: Host>(client: &Client<H>, user: &EntityId) -> Result<Refilled, SubmitError> {
    let host = client.host();
    let deadline = || host.now().plus(limits::FUNCTION_TIMEOUT_MS);
    let (mut done, mut after) = (Refilled::default(), String::new());
    while let Some(with) = conversations::partner(host, user, &after, deadline()).await? {
        done.looked += 1;
        let is_right = match is_right(host, user, &with, deadline()).await {
            // The others are mended all the same.
            Err(StepError::Damaged { .. }) => {
                done.damaged.push(with.clone());
                true
            }
            is_right => is_right?,
        };
        if !is_right {
            let body = serde_json::to_string(&Command::Refill { with: with.clone() }).unwrap_or_default();
            let drafts = [Draft { body, keyed: None, from: None, trace: None }];
            let wait_ms = limits::DIALECT_WAIT_MS;
            let submission =
                Submission { entity: user, drafts: &drafts, mode: Mode::Inline, wait_ms, deadline: deadline() };
            let receipts = client.submit(submission).await?;
            match receipts.into_iter().next().map(|receipted| receipted.standing) {
                Some(Standing::Settled(Settled { outcome: Outcome::Reply(_), .. })) => done.refilled.push(with.clone()),
                _ => done.left.push(with.clone()),
            }
        }
        after = with;
    }
    Ok(done)
}

/// Whether a summary says what the messages say. A message that comes in between makes it look wrong: then it is written
/// once more than needed.
async fn is_right<H: Host>(host: &H, user: &EntityId, with: &str, deadline: Millis) -> Result<bool, StepError> {
    let stored = lookup::one(host, user, &Lookup::Named(summary_name(with)), deadline).await?;
    let stored = stored.and_then(|stored| stored.read::<Conversation>().ok());
    Ok(stored == history::rebuilt(host, user, with, deadline).await?)
}
