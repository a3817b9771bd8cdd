//! What users read who write to one another: conversations, messages and presence.

use std::str::FromStr;

use shared::chat::{self, conversations, history, log, presence};
use shared::envelope::{Malformed, Millis};
use shared::host::Host;
use shared::http::answer::Answer;
use shared::http::chat::{
    ConversationItem, ConversationPage, HistoryPage, LogPart, OnlinePage, OnlineUser, PresenceAnswer,
};
use shared::http::problem::Problem;
use shared::http::query::Query;
use shared::http::routes::Chatting;
use shared::http::routing::Params;
use shared::limits;
use shared::store::Consistency;

/// Answers a user.
///
/// # Errors
/// The problem to answer with.
pub async fn answer<H: Host>(host: &H, chatting: Chatting, params: &Params, query: &str) -> Result<Answer, Problem> {
    match chatting {
        Chatting::Conversations => conversations(host, params, &Query::read(query, &["limit", "cursor"])?).await,
        Chatting::History => history(host, params, &Query::read(query, &["before", "limit"])?).await,
        Chatting::Log => log(host, params, &Query::read(query, &["since", "limit"])?).await,
        Chatting::Presence => {
            Query::read(query, &[])?;
            let user = chat::user(params.get("id"))?;
            let state = chat::state(host, &user, Consistency::Strong).await?;
            Ok(Answer::json(200, &PresenceAnswer::new(&user, &state, host.now())))
        }
        Chatting::Online => online(host, &Query::read(query, &["online", "limit", "cursor"])?).await,
        // API Gateway sends these to `ingest`.
        Chatting::Send | Chatting::Read | Chatting::Ticket => Err(Problem::wrong_method("GET", "POST")),
    }
}

async fn conversations<H: Host>(host: &H, params: &Params, query: &Query) -> Result<Answer, Problem> {
    let user = chat::user(params.get("id"))?;
    let cursor = cursor(query)?;
    let (items, next) = conversations::page(host, &user, &cursor, query.limit()?, deadline(host)).await?;
    let items = items.into_iter().map(|item| ConversationItem::new(&user, item)).collect();
    let cursor = next.map(|next| next.to_string());
    Ok(Answer::json(200, &ConversationPage { user_id: user.id().to_owned(), items, cursor }))
}

async fn history<H: Host>(host: &H, params: &Params, query: &Query) -> Result<Answer, Problem> {
    let (user, with) = (chat::user(params.get("id"))?, chat::user(params.get("other"))?);
    let range = (query.number("before")?.unwrap_or(u64::MAX), query.limit_of(limits::MESSAGES, limits::MESSAGES_MOST)?);
    // The messages first: what is not read is then not fewer than what they show.
    let page = history::before(host, &user, with.id(), range, deadline(host)).await?;
    let summary = history::summary(host, &user, with.id(), deadline(host)).await?;
    let unread = summary.map_or(0, |summary| summary.unread());
    Ok(Answer::json(200, &HistoryPage::new(&user, with.id(), unread, page)))
}

async fn log<H: Host>(host: &H, params: &Params, query: &Query) -> Result<Answer, Problem> {
    let user = chat::user(params.get("id"))?;
    let (since, limit) =
        (query.number("since")?.unwrap_or_default(), query.limit_of(limits::MESSAGES, limits::MESSAGES_MOST)?);
    let part = log::since(host, &user, since, limit, deadline(host)).await?;
    Ok(Answer::json(200, &LogPart::new(&user, part)))
}

async fn online<H: Host>(host: &H, query: &Query) -> Result<Answer, Problem> {
    if query.get("online") != Some("true") {
        return Err(Problem::invalid("only those who are online are listed: /presence?online=true"));
    }
    let (items, next) = presence::online(host, &cursor(query)?, query.limit()?, deadline(host)).await?;
    let items = items.into_iter().map(OnlineUser::from).collect();
    Ok(Answer::json(200, &OnlinePage { items, cursor: next.map(|next| next.to_string()) }))
}

/// Where a page begins; without a cursor, at the beginning.
fn cursor<C: FromStr<Err = Malformed> + Default>(query: &Query) -> Result<C, Problem> {
    let wrong = |malformed: Malformed| Problem::invalid(format!("`cursor`: {malformed}"));
    query.get("cursor").map(str::parse).transpose().map_err(wrong).map(Option::unwrap_or_default)
}

fn deadline<H: Host>(host: &H) -> Millis {
    host.now().plus(limits::REPLAY_MS)
}
