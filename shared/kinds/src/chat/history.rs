//! The messages of one conversation, and its summary.

use crate::chat;
use crate::user::{Conversation, Mark, Message, last_message, mark_name, message_name, summary_name};
use leasebox::shared::host::ReadHost;
use leasebox::shared::lookup;
use leasebox::shared::mailbox::StepError;
use leasebox::shared::records::Stored;
use leasebox::shared::store::Order;
use leasebox::{EntityId, Lookup, Millis};

/// The messages of a conversation before a number, newest first, and whether there may be more.
///
/// # Errors
/// When the store fails, or a message is damaged.
pub async fn before<H: ReadHost>(
    host: &H,
    user: &EntityId,
    with: &str,
    (before, limit): (u64, usize),
    deadline: Millis,
) -> Result<(Vec<Message>, bool), StepError> {
    let Some(last) = before.checked_sub(1) else {
        return Ok((Vec::new(), false));
    };
    let mut messages: Vec<Message> = Vec::new();
    let mut to = message_name(with, last);
    // A page of the database ends at 1 MB, whatever was asked for.
    while messages.len() < limit {
        let (from, wanted) = (message_name(with, 0), limit - messages.len());
        let page = lookup::between(host, user, (&from, &to), (Order::Descending, wanted), deadline).await?;
        if page.is_empty() {
            return Ok((messages, false));
        }
        for stored in page {
            messages.push(stored.read().map_err(chat::unusable(user))?);
        }
        match messages.last().and_then(|oldest| oldest.n.checked_sub(1)) {
            Some(next) => to = message_name(with, next),
            None => return Ok((messages, false)),
        }
    }
    Ok((messages, true))
}

/// The summary of a conversation; made from the messages when it is missing or damaged, and none when there are none.
///
/// # Errors
/// When the store fails, or the last message is damaged.
pub async fn summary<H: ReadHost>(
    host: &H,
    user: &EntityId,
    with: &str,
    deadline: Millis,
) -> Result<Option<Conversation>, StepError> {
    let stored = lookup::one(host, user, &Lookup::Named(summary_name(with)), deadline).await?;
    match stored.as_ref().map(Stored::read) {
        Some(Ok(conversation)) => Ok(Some(conversation)),
        None | Some(Err(_)) => rebuilt(host, user, with, deadline).await,
    }
}

/// The summary that follows from the messages and from what is marked as read.
///
/// # Errors
/// When the store fails, or the last message is damaged.
pub async fn rebuilt<H: ReadHost>(
    host: &H,
    user: &EntityId,
    with: &str,
    deadline: Millis,
) -> Result<Option<Conversation>, StepError> {
    // The mark first: it may then be older than the message, which is a moment that there was.
    let mark = lookup::one(host, user, &Lookup::Named(mark_name(with)), deadline).await?;
    let last = lookup::one(host, user, &last_message(with, u64::MAX), deadline).await?;
    let Some(last) = last else {
        return Ok(None);
    };
    let last: Message = last.read().map_err(chat::unusable(user))?;
    let mark: Option<Mark> = mark.map(|mark| mark.read()).transpose().map_err(chat::unusable(user))?;
    Ok(Some(Conversation::of(with, &last, mark.unwrap_or_default())))
}
