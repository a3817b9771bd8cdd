//! A user's log, from a number on: what a client that was away has missed.

use std::time::Duration;

use crate::actors::user::{LOG, Message};
use crate::chat;
use crate::envelope::{EntityId, Millis};
use crate::host::Host;
use crate::mailbox::StepError;
use crate::store::{Consistency, Order};

/// How often the index is asked again for what it does not have yet.
const TRIES: u32 = 4;
/// How long to wait before that: the index follows within milliseconds.
const PAUSE: Duration = Duration::from_millis(50);

/// A part of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The messages, oldest first: the numbers have no gaps.
    pub messages: Vec<Message>,
    /// The number of the last of them, or what was asked for when there is none.
    pub since: u64,
    /// Whether that was all there is.
    pub complete: bool,
}

/// Reads the messages behind a number. What the index does not have yet is left for the next part: no message is ever
/// passed over.
///
/// # Errors
/// When the store fails, or a message is damaged.
pub async fn since<H: Host>(
    host: &H,
    user: &EntityId,
    since: u64,
    limit: usize,
    deadline: Millis,
) -> Result<Part, StepError> {
    let end = chat::state(host, user, Consistency::Strong).await?.log;
    let mut part = Part { messages: Vec::new(), since, complete: since >= end };
    for attempt in 0..TRIES {
        let wanted = limit - part.messages.len();
        if part.complete || wanted == 0 {
            break;
        }
        if attempt > 0 {
            host.sleep(PAUSE).await;
        }
        part.extend(behind(host, user, (part.since, end), wanted, deadline).await?);
        part.complete = part.since >= end;
    }
    Ok(part)
}

impl Part {
    /// Leaves the last messages for the next part, when they are more than so many bytes; one message stays.
    pub fn shorten(&mut self, bytes: usize, size: impl Fn(&Message) -> usize) {
        let mut sum = 0;
        let fits = self.messages.iter().take_while(|message| {
            sum += size(message);
            sum <= bytes
        });
        let fits = fits.count().max(1);
        if let Some(last) = self.messages.get(fits.saturating_sub(1)).filter(|_| fits < self.messages.len()) {
            (self.since, self.complete) = (last.n, false);
            self.messages.truncate(fits);
        }
    }

    /// Takes messages for as long as each is the one that follows.
    fn extend(&mut self, messages: Vec<Message>) {
        for message in messages {
            if message.n != self.since.saturating_add(1) {
                break;
            }
            self.since = message.n;
            self.messages.push(message);
        }
    }
}

async fn behind<H: Host>(
    host: &H,
    user: &EntityId,
    (since, end): (u64, u64),
    limit: usize,
    deadline: Millis,
) -> Result<Vec<Message>, StepError> {
    let (from, to) = (format!("{:020}", since.saturating_add(1)), format!("{end:020}"));
    let list = chat::own(LOG, user);
    let listed = chat::listed(host, &list, (&from, &to), (Order::Ascending, limit), deadline).await?;
    listed.into_iter().map(|(_, stored)| stored.read().map_err(chat::unusable(user))).collect()
}
