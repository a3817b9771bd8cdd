//! A user's log, from a number on: what a client that was away has missed.
//!
//! A message that is damaged is left out, and its number passed over: what it said is gone, who sent it and when cannot
//! be made up, and to stop there would keep everything behind it from its user for ever. Operators are told.

use crate::chat;
use crate::user::{LOG, Message, rank};
use leasebox::shared::host::ReadHost;
use leasebox::shared::mailbox::StepError;
use leasebox::shared::records::Stored;
use leasebox::shared::store::{Consistency, Order};
use leasebox::{EntityId, Millis};

/// A part of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The messages, oldest first: only the numbers of those that are damaged are missing.
    pub messages: Vec<Message>,
    /// The number up to which this is the log.
    pub since: u64,
    /// Whether that was all there is.
    pub complete: bool,
}

/// Reads the messages behind a number. What the index does not have yet is left for the next part: no message is ever
/// passed over but one that is damaged.
///
/// # Errors
/// When the store fails, or the user's mailbox is damaged.
pub async fn since<H: ReadHost>(
    host: &H,
    user: &EntityId,
    since: u64,
    limit: usize,
    deadline: Millis,
) -> Result<Part, StepError> {
    let end = chat::state(host, user, Consistency::Strong).await?.log;
    let mut part = Part { messages: Vec::new(), since, complete: since >= end };
    for attempt in 0..chat::TRIES {
        let wanted = limit - part.messages.len();
        if part.complete || wanted == 0 {
            break;
        }
        if attempt > 0 {
            host.sleep(chat::PAUSE).await;
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

    /// Takes messages, or what is left of them, for as long as each has the place that follows.
    fn extend(&mut self, places: Vec<(u64, Option<Message>)>) {
        for (n, message) in places {
            if n != self.since.saturating_add(1) {
                break;
            }
            self.since = n;
            self.messages.extend(message);
        }
    }
}

/// Messages by their places; none in the place of one that is damaged.
async fn behind<H: ReadHost>(
    host: &H,
    user: &EntityId,
    (since, end): (u64, u64),
    limit: usize,
    deadline: Millis,
) -> Result<Vec<(u64, Option<Message>)>, StepError> {
    let (from, to) = (rank(since.saturating_add(1)), rank(end));
    let list = chat::own(LOG, user);
    let listed = chat::listed(host, &list, (&from, &to), (Order::Ascending, limit), deadline).await?;
    // A rank that is no number is no place, and like a record that is not there.
    let placed = listed.into_iter().filter_map(|(rank, stored)| Some((rank.parse().ok()?, stored)));
    let read = placed.map(|(n, stored)| Ok((n, chat::left_out(message(user, n, &stored).map(Some))?)));
    read.collect()
}

fn message(user: &EntityId, n: u64, stored: &Stored) -> Result<Message, StepError> {
    let message: Message = stored.read().map_err(chat::unusable(user))?;
    if message.n == n {
        return Ok(message);
    }
    Err(chat::damaged(user, format!("the side record {} is message {} in the place of {n}", stored.name, message.n)))
}
