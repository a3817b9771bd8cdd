//! A user's conversations, newest first, a page at a time.
//!
//! The list is read through the index, so a page costs what is on it. It begins with the conversation of the last message
//! in the log: when it does not, the index is late, and asked again. When it ends before the number of conversations is
//! reached, some summary is missing, damaged beyond being listed, or so new that the index did not have it: then the
//! pages go on along the messages, which are the truth, and bring what the list did not. A conversation of which neither
//! the summary nor the last message can be read is left out, and operators are told.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use crate::chat::{self, history};
use crate::user::{CONVERSATIONS, Conversation, MESSAGES, State, rank, summary_name};
use leasebox::shared::host::ReadHost;
use leasebox::shared::lookup;
use leasebox::shared::mailbox::StepError;
use leasebox::shared::records::Stored;
use leasebox::shared::store::{Consistency, Order};
use leasebox::{EntityId, Malformed, Millis};

/// How many conversation partners one page looks at while it goes along the messages.
const PARTNERS: usize = 200;

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// In the list: before this number of a last message, after so many conversations.
    List {
        /// The number of the last message of the conversation before.
        before: u64,
        /// How many conversations came before.
        seen: u64,
        /// The number that the list began with.
        top: u64,
    },
    /// Along the messages: after this partner.
    Partners {
        /// The partner of the conversation before.
        after: String,
        /// The number that the list began with: what is newer was not in it.
        top: u64,
    },
}

impl Default for Cursor {
    fn default() -> Self {
        Self::List { before: u64::MAX, seen: 0, top: u64::MAX }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List { before, seen, top } => write!(f, "{before}-{seen}-{top}"),
            Self::Partners { after, top } => write!(f, "{top}~{after}"),
        }
    }
}

impl FromStr for Cursor {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong = || Malformed("this is no cursor that a page of conversations has given".to_owned());
        let number = |text: &str| text.parse().map_err(|_| wrong());
        // A name may have either in it, and comes last.
        let at = text.find(['-', '~']).ok_or_else(wrong)?;
        let (first, rest) = text.split_at(at);
        if let Some(after) = rest.strip_prefix('~') {
            return Ok(Self::Partners { after: chat::user(after)?.id().to_owned(), top: number(first)? });
        }
        let (seen, top) = rest.strip_prefix('-').and_then(|rest| rest.split_once('-')).ok_or_else(wrong)?;
        Ok(Self::List { before: number(first)?, seen: number(seen)?, top: number(top)? })
    }
}

/// One page of conversations, and where the next one begins.
///
/// # Errors
/// When the store fails, or messages are damaged.
pub async fn page<H: ReadHost>(
    host: &H,
    user: &EntityId,
    cursor: &Cursor,
    limit: usize,
    deadline: Millis,
) -> Result<(Vec<Conversation>, Option<Cursor>), StepError> {
    let (before, seen, top) = match cursor {
        Cursor::List { before, seen, top } => (*before, *seen, *top),
        Cursor::Partners { after, top } => {
            return unlisted(host, user, (after, *top, &HashSet::new()), limit, deadline).await;
        }
    };
    // Counted before the list is read: what comes meanwhile is not missed.
    let State { conversations: total, log, .. } = chat::state(host, user, Consistency::Strong).await?;
    let is_first = *cursor == Cursor::default();
    let mut tries = 1..chat::TRIES;
    let listed = loop {
        let listed = list(host, user, before, limit, deadline).await?;
        let is_late = is_first && listed.top.unwrap_or_default() < log;
        if !is_late || tries.next().is_none() {
            break listed;
        }
        host.sleep(chat::PAUSE).await;
    };
    let Listed { items, places, top: first, bottom } = listed;
    let top = if is_first { first.unwrap_or_default() } else { top };
    let reached = seen.saturating_add(places);
    if reached >= total {
        return Ok((items, None));
    }
    if let Some(before) = bottom.filter(|_| places >= limit as u64) {
        return Ok((items, Some(Cursor::List { before, seen: reached, top })));
    }
    let known = items.iter().map(|item| item.with.clone()).collect();
    let (more, next) = unlisted(host, user, ("", top, &known), limit - items.len(), deadline).await?;
    let mut items: Vec<_> = items.into_iter().chain(more).collect();
    items.sort_by_key(|item| std::cmp::Reverse(item.last.n));
    Ok((items, next))
}

/// A part of the list.
struct Listed {
    items: Vec<Conversation>,
    /// How many conversations it has, those that cannot be read included.
    places: u64,
    /// The number that it begins with, if there is anything in it.
    top: Option<u64>,
    /// The number that it ends with.
    bottom: Option<u64>,
}

async fn list<H: ReadHost>(
    host: &H,
    user: &EntityId,
    before: u64,
    limit: usize,
    deadline: Millis,
) -> Result<Listed, StepError> {
    let (from, to) = (rank(0), rank(before.saturating_sub(1)));
    let list = chat::own(CONVERSATIONS, user);
    let listed = chat::listed(host, &list, (&from, &to), (Order::Descending, limit), deadline).await?;
    // By their places, whatever is in them: a page must go on where it ended.
    let place = |place: Option<&(String, Stored)>| place.and_then(|(rank, _)| rank.parse().ok());
    let (places, top, bottom) = (listed.len() as u64, place(listed.first()), place(listed.last()));
    let mut items = Vec::with_capacity(listed.len());
    for (_, stored) in listed {
        match stored.read() {
            Ok(conversation) => items.push(conversation),
            // Its name says whose messages to ask.
            Err(_) => {
                let with = stored.name.strip_prefix(&summary_name("")).unwrap_or_default();
                items.extend(chat::left_out(history::rebuilt(host, user, with, deadline).await)?);
            }
        }
    }
    Ok(Listed { items, places, top, bottom })
}

/// Conversations that the list does not have, along the messages, behind a partner; but for those that are known.
async fn unlisted<H: ReadHost>(
    host: &H,
    user: &EntityId,
    (after, top, known): (&str, u64, &HashSet<String>),
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
        if !known.contains(&with)
            && let Some(conversation) = chat::left_out(history::summary(host, user, &with, deadline).await)?
            && (conversation.last.n > top || !is_listed(host, user, &conversation, deadline).await?)
        {
            items.push(conversation);
        }
        after = with;
    }
    Ok((items, Some(Cursor::Partners { after, top })))
}

/// Whether the list has a conversation where it belongs, and has shown it there.
async fn is_listed<H: ReadHost>(
    host: &H,
    user: &EntityId,
    conversation: &Conversation,
    deadline: Millis,
) -> Result<bool, StepError> {
    let rank = rank(conversation.last.n);
    let list = chat::own(CONVERSATIONS, user);
    let there = chat::listed(host, &list, (&rank, &rank), (Order::Ascending, 1), deadline).await?;
    Ok(there.iter().any(|(_, stored)| stored.name == summary_name(&conversation.with)))
}

/// The next conversation partner in the order of names, from the messages.
///
/// # Errors
/// When the store fails.
pub async fn partner<H: ReadHost>(
    host: &H,
    user: &EntityId,
    after: &str,
    deadline: Millis,
) -> Result<Option<String>, StepError> {
    // Behind all messages of the one before: `$` is the next character after the `#` that ends a name.
    let (from, to) = match after {
        "" => (MESSAGES.to_owned(), "message$"),
        after => (format!("{MESSAGES}{after}$"), "message$"),
    };
    let found = lookup::between(host, user, (&from, to), (Order::Ascending, 1), deadline).await?;
    let name = found.into_iter().next().map(|stored| stored.name);
    Ok(name.and_then(|name| Some(name.strip_prefix(MESSAGES)?.split('#').next()?.to_owned())))
}
