//! What is read of the chat: logs, conversations and presence.
//!
//! Lists come through an index, which follows the table some milliseconds later; what counts, comes from the table. Where
//! the two may differ it shows: the numbers of a log have no gaps, and a user's mailbox says how many conversations
//! there are.

pub mod conversations;
pub mod history;
pub mod log;
pub mod presence;
pub mod refill;

use std::time::Duration;

use serde_dynamo::AttributeValue;

use crate::user::{KIND, State};
use leasebox::shared::host::ReadHost;
use leasebox::shared::log::quiet;
use leasebox::shared::lookup;
use leasebox::shared::mailbox::image::{Damaged, Mailbox};
use leasebox::shared::mailbox::{StepError, reread, view};
use leasebox::shared::records::{Stored, Unusable};
use leasebox::shared::store::{Consistency, Order, Query, ReadStore};
use leasebox::shared::table;
use leasebox::{EntityId, List, Millis};

/// How often the index is asked for what it does not have yet.
const TRIES: u32 = 4;
/// How long to wait before it is asked again: it follows within milliseconds.
const PAUSE: Duration = Duration::from_millis(50);

/// What a user's mailbox remembers; nothing, before anything happened to the user.
///
/// # Errors
/// When the store fails, or what it holds is damaged.
pub async fn state<H: ReadHost>(host: &H, user: &EntityId, consistency: Consistency) -> Result<State, StepError> {
    let image = view::mailbox(host, user, consistency).await?;
    image.and_then(|image| read_state(&image).transpose()).transpose().map(Option::unwrap_or_default)
}

fn read_state(image: &Mailbox) -> Result<Option<State>, StepError> {
    let state = image.state.clone().map(serde_dynamo::from_attribute_value).transpose();
    state.map_err(|error| damaged(&image.entity, format!("the state: {error}")))
}

fn damaged(user: &EntityId, what: impl Into<String>) -> StepError {
    StepError::Damaged { entity: user.clone(), damage: Damaged(what.into()) }
}

fn unusable(user: &EntityId) -> impl Fn(Unusable) -> StepError + '_ {
    |unusable| damaged(user, unusable.to_string())
}

/// Part of what is shown of many, none when it is damaged: one that cannot be read must not hide all the others.
fn left_out<T>(found: Result<Option<T>, StepError>) -> Result<Option<T>, StepError> {
    match found {
        Err(error @ StepError::Damaged { .. }) => {
            tracing::error!(
                alarm = "damaged",
                error = quiet(error),
                "what a list should show cannot be read, and is left out"
            );
            Ok(None)
        }
        found => found,
    }
}

/// Part of a list, from one rank to another, both included. The index is late: what was written a moment ago may be
/// missing.
async fn listed<H: ReadHost>(
    host: &H,
    list: &str,
    (from, to): (&str, &str),
    (order, limit): (Order, usize),
    deadline: Millis,
) -> Result<Vec<(String, Stored)>, StepError> {
    if from > to {
        return Ok(Vec::new());
    }
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let query = Query {
        index: Some(table::LISTS),
        consistency: Consistency::Eventual,
        condition: table::LIST_RANKS,
        values: vec![(":list", text(list)), (":from", text(from)), (":to", text(to))],
        order,
        after: None,
        limit,
    };
    let page = reread(host, deadline, || host.store().query(query.clone())).await?;
    let ranked = page.items.into_iter().filter_map(|item| match item.get(table::RANK) {
        Some(AttributeValue::S(rank)) => Some((rank.clone(), lookup::stored(item)?)),
        _ => None,
    });
    Ok(ranked.collect())
}

/// The name of one of a user's own lists.
fn own(list: &'static str, user: &EntityId) -> String {
    List::Own(list).name(user)
}

/// A user by name.
///
/// # Errors
/// When the name is malformed.
pub fn user(name: &str) -> Result<EntityId, leasebox::Malformed> {
    EntityId::new(KIND, name)
}
