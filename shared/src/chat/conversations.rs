//! A user's conversations, newest first, a page at a time.
//!
//! The list is read through the index, so a page costs what is on it. When it ends before the number of conversations is
//! reached, some summary is missing, damaged beyond being listed, or so new that the index does not have it: then the
//! pages go on along the messages, which are the truth, and bring what the list did not.

use std::fmt;
use std::str::FromStr;

use crate::actors::user::{CONVERSATIONS, Conversation, summary_name};
use crate::chat::{self, history};
use crate::envelope::{EntityId, Malformed, Millis};
use crate::host::Host;
use crate::lookup;
use crate::mailbox::StepError;
use crate::store::{Consistency, Order};

/// How many conversation partners one page looks at while it goes along the messages.
const PARTNERS: usize = 200;

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// In the list: before this number of a last message, after so many conversations.
    List {
        /// The number.
        before: u64,
        /// How many conversations came before.
        seen: u64,
    },
    /// Along the messages: after this partner.
    Partners {
        /// The partner.
        after: String,
    },
}

impl Default for Cursor {
    fn default() -> Self {
        Self::List { before: u64::MAX, seen: 0 }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List { before, seen } => write!(f, "{before}-{seen}"),
            Self::Partners { after } => write!(f, "~{after}"),
        }
    }
}

impl FromStr for Cursor {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong = || Malformed("this is no cursor that a page of conversations has given".to_owned());
        let number = |text: &str| text.parse().map_err(|_| wrong());
        match (text.strip_prefix('~'), text.split_once('-')) {
            (Some(after), _) => Ok(Self::Partners { after: chat::user(after)?.id().to_owned() }),
            (None, Some((before, seen))) => Ok(Self::List { before: number(before)?, seen: number(seen)? }),
            (None, None) => Err(wrong()),
        }
    }
}

/// One page of conversations, and where the next one begins.
///
/// # Errors
/// When the store fails, or messages are damaged.
pub async fn page<H: Host>(
    host: &H,
    user: &EntityId,
    cursor: &Cursor,
    limit: usize,
    deadline: Millis,
) -> Result<(Vec<Conversation>, Option<Cursor>), StepError> {
    let (before, seen) = match cursor {
        Cursor::List { before, seen } => (*before, *seen),
        Cursor::Partners { after } => return unlisted(host, user, after, limit, deadline).await,
    };
    // Counted before the list is read: what comes meanwhile is not missed.
    let total = chat::state(host, user, Consistency::Strong).await?.conversations;
    let items = listed(host, user, before, limit, deadline).await?;
    let reached = seen + items.len() as u64;
    if let Some(last) = items.last().filter(|_| items.len() == limit) {
        let next = Cursor::List { before: last.last.n, seen: reached };
        return Ok((items, (reached < total).then_some(next)));
    }
    if reached >= total {
        return Ok((items, None));
    }
    let (more, next) = unlisted(host, user, "", limit - items.len(), deadline).await?;
    let mut items: Vec<_> = items.into_iter().chain(more).collect();
    items.sort_by_key(|item| std::cmp::Reverse(item.last.n));
    Ok((items, next))
}

async fn listed<H: Host>(
    host: &H,
    user: &EntityId,
    before: u64,
    limit: usize,
    deadline: Millis,
) -> Result<Vec<Conversation>, StepError> {
    let (from, to) = (format!("{:020}", 0), format!("{:020}", before.saturating_sub(1)));
    let list = chat::own(CONVERSATIONS, user);
    let listed = chat::listed(host, &list, (&from, &to), (Order::Descending, limit), deadline).await?;
    let mut items = Vec::with_capacity(listed.len());
    for (_, stored) in listed {
        match stored.read() {
            Ok(conversation) => items.push(conversation),
            // Its name says whose messages to ask.
            Err(_) => {
                let with = stored.name.strip_prefix(&summary_name("")).unwrap_or_default();
                items.extend(history::rebuilt(host, user, with, deadline).await?);
            }
        }
    }
    Ok(items)
}

/// Conversations that the list does not have, along the messages, behind a partner.
async fn unlisted<H: Host>(
    host: &H,
    user: &EntityId,
    after: &str,
    limit: usize,
    deadline: Millis,
) -> Result<(Vec<Conversation>, Option<Cursor>), StepError> {
    let (mut items, mut after) = (Vec::new(), after.to_owned());
    for _ in 0..PARTNERS {
        if items.len() == limit {
            break;
        }
        let Some(with) = partner(host, user, &after, deadline).await? else {
            return Ok((items, None));
        };
        if let Some(conversation) = history::summary(host, user, &with, deadline).await?
            && !is_listed(host, user, &conversation, deadline).await?
        {
            items.push(conversation);
        }
        after = with;
    }
    Ok((items, Some(Cursor::Partners { after })))
}

/// Whether the list has a conversation where it belongs, and has shown it there.
async fn is_listed<H: Host>(
    host: &H,
    user: &EntityId,
    conversation: &Conversation,
    deadline: Millis,
) -> Result<bool, StepError> {
    let rank = format!("{:020}", conversation.last.n);
    let list = chat::own(CONVERSATIONS, user);
    let there = chat::listed(host, &list, (&rank, &rank), (Order::Ascending, 1), deadline).await?;
    Ok(there.iter().any(|(_, stored)| stored.name == summary_name(&conversation.with)))
}

/// The next conversation partner in the order of names, from the messages.
///
/// # Errors
/// When the store fails.
pub async fn partner<H: Host>(
    host: &H,
    user: &EntityId,
    after: &str,
    deadline: Millis,
) -> Result<Option<String>, StepError> {
    // Behind all messages of the one before: `$` is the next character after the `#` that ends a name.
    let (from, to) =
        if after.is_empty() { ("message#".to_owned(), "message$") } else { (format!("message#{after}$"), "message$") };
    let found = lookup::between(host, user, (&from, to), (Order::Ascending, 1), deadline).await?;
    let name = found.into_iter().next().map(|stored| stored.name);
    Ok(name.and_then(|name| Some(name.strip_prefix("message#")?.split('#').next()?.to_owned())))
}
