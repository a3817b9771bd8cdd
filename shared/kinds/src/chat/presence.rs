//! Who is online, a page at a time.

use std::fmt;
use std::str::FromStr;

use crate::chat;
use crate::user::{KIND, ONLINE_LISTS, Presence};
use leasebox::shared::host::ReadHost;
use leasebox::shared::mailbox::StepError;
use leasebox::shared::store::Order;
use leasebox::{Malformed, Millis};

/// How many parts of the lists one page looks at: those whose connections have expired are still there for a while.
const PARTS: usize = 40;

/// Where a page begins: in which of the lists, and after whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    list: u64,
    after: String,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}", self.list, self.after)
    }
}

impl FromStr for Cursor {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong = || Malformed("this is no cursor that a page of presences has given".to_owned());
        let (list, after) = text.split_once('~').ok_or_else(wrong)?;
        let list = list.parse().ok().filter(|list| *list < ONLINE_LISTS).ok_or_else(wrong)?;
        if !after.is_empty() {
            chat::user(after)?;
        }
        Ok(Self { list, after: after.to_owned() })
    }
}

/// The name of one of the lists: no user's own, so that no user is needed for it.
fn list_name(list: u64) -> String {
    format!("{KIND}/#online/{list}")
}

/// One page of those who are online, and where the next one begins. Whoever comes or goes meanwhile may be missing or
/// still there; whoever's connections have expired is not.
///
/// # Errors
/// When the store fails.
pub async fn online<H: ReadHost>(
    host: &H,
    cursor: &Cursor,
    limit: usize,
    deadline: Millis,
) -> Result<(Vec<Presence>, Option<Cursor>), StepError> {
    let Cursor { mut list, mut after } = cursor.clone();
    let mut items = Vec::new();
    for _ in 0..PARTS {
        if list == ONLINE_LISTS || items.len() == limit {
            break;
        }
        let wanted = limit - items.len();
        // `!` comes before every character of a name, `~` behind most: names that begin alike are different ranks.
        let from = if after.is_empty() { "!".to_owned() } else { format!("{after}!") };
        let name = list_name(list);
        let page = chat::listed(host, &name, (&from, "\u{7f}"), (Order::Ascending, wanted), deadline).await?;
        match page.last() {
            Some((rank, _)) if page.len() == wanted => after.clone_from(rank),
            // Pages end early at 1 MB, which a list of names does not reach.
            _ => (list, after) = (list + 1, String::new()),
        }
        let now = host.now();
        // What cannot be read is not shown; the user's own mailbox knows better.
        let presences = page.into_iter().filter_map(|(_, stored)| stored.read::<Presence>().ok());
        items.extend(presences.filter(|presence| presence.until > now));
    }
    Ok((items, (list < ONLINE_LISTS).then_some(Cursor { list, after })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::online_list;

    #[test]
    fn everybody_is_on_one_of_the_lists() {
        let names: Vec<String> = (0..ONLINE_LISTS).map(list_name).collect();
        for name in ["a", "b", "alice", "bob", "user-1", "user-2"] {
            let list = online_list(name).name(&chat::user(name).unwrap());
            assert!(names.contains(&list), "{name} is on {list}");
        }
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = Cursor { list: 3, after: "a~b".to_owned() };
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        for wrong in ["", "x~a", "16~a", "3", "3~a b"] {
            assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
        }
    }
}
