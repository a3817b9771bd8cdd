//! What users read who write to one another: conversations, messages and presence.

use std::str::FromStr;

use leasebox::Malformed;
use leasebox::shared::host::ReadHost;
use leasebox::shared::limits;
use leasebox::shared::store::Consistency;
use leasebox::web::reading::deadline;
use leasebox::{Access, App, CURSOR, LIMIT, Parameter, Problem, Query, Reader, Request, Role, Route};

use crate::chat::{self, conversations as listing, history as past, log as logged, presence as present};
use crate::user::answers::{
    ConversationItem, ConversationPage, HistoryPage, LogPart, OnlinePage, OnlineUser, PresenceAnswer,
};

/// How many messages a page has at most.
const MESSAGES: Parameter = Parameter::limit(limits::MESSAGES, limits::MESSAGES_MOST);

/// Adds the routes by which users read.
pub(super) fn add<R: Role>(app: App<R>) -> App<R> {
    let own = Access::Owner("id");
    app.route(
        Route::get("/users/{id}/conversations", own, conversations)
            .query([LIMIT, CURSOR])
            .summary("List a user's conversations, newest first"),
    )
    .route(
        Route::get("/users/{id}/conversations/{other}/messages", own, history)
            .query([Parameter::number("before"), MESSAGES])
            .summary("Read a conversation's messages, newest first"),
    )
    .route(
        Route::get("/users/{id}/messages", own, log)
            .query([Parameter::number("since"), MESSAGES])
            .summary("Read a user's messages from a number on"),
    )
    .route(Route::get("/users/{id}/presence", own, presence).summary("Whether a user is connected"))
    .route(
        Route::get("/presence", Access::User, online)
            .query([Parameter::text("online"), LIMIT, CURSOR])
            .summary("List users who are connected"),
    )
}

async fn conversations(reader: Reader, request: Request) -> Result<ConversationPage, Problem> {
    let (user, query) = (chat::user(request.id("id"))?, &request.query);
    let cursor = cursor(query)?;
    let (items, next) = listing::page(&reader, &user, &cursor, query.limit()?, deadline(&reader)).await?;
    let items = items.into_iter().map(|item| ConversationItem::new(&user, item)).collect();
    Ok(ConversationPage { user_id: user.id().to_owned(), items, cursor: next.map(|next| next.to_string()) })
}

async fn history(reader: Reader, request: Request) -> Result<HistoryPage, Problem> {
    let (user, with, query) = (chat::user(request.id("id"))?, chat::user(request.id("other"))?, &request.query);
    let range = (query.number("before")?.unwrap_or(u64::MAX), query.limit_of(limits::MESSAGES, limits::MESSAGES_MOST)?);
    // The messages first: what is not read is then not fewer than what they show.
    let page = past::before(&reader, &user, with.id(), range, deadline(&reader)).await?;
    let summary = past::summary(&reader, &user, with.id(), deadline(&reader)).await?;
    let unread = summary.map_or(0, |summary| summary.unread());
    Ok(HistoryPage::new(&user, with.id(), unread, page))
}

async fn log(reader: Reader, request: Request) -> Result<LogPart, Problem> {
    let (user, query) = (chat::user(request.id("id"))?, &request.query);
    let (since, limit) =
        (query.number("since")?.unwrap_or_default(), query.limit_of(limits::MESSAGES, limits::MESSAGES_MOST)?);
    let part = logged::since(&reader, &user, since, limit, deadline(&reader)).await?;
    Ok(LogPart::new(&user, part))
}

async fn presence(reader: Reader, request: Request) -> Result<PresenceAnswer, Problem> {
    let user = chat::user(request.id("id"))?;
    let state = chat::state(&reader, &user, Consistency::Strong).await?;
    Ok(PresenceAnswer::new(&user, &state, reader.now()))
}

async fn online(reader: Reader, request: Request) -> Result<OnlinePage, Problem> {
    let query = &request.query;
    if query.get("online") != Some("true") {
        return Err(Problem::invalid("only those who are online are listed: /presence?online=true"));
    }
    let (items, next) = present::online(&reader, &cursor(query)?, query.limit()?, deadline(&reader)).await?;
    let items = items.into_iter().map(OnlineUser::from).collect();
    Ok(OnlinePage { items, cursor: next.map(|next| next.to_string()) })
}

/// Where a page begins; without a cursor, at the beginning.
fn cursor<C: FromStr<Err = Malformed> + Default>(query: &Query) -> Result<C, Problem> {
    let wrong = |malformed: Malformed| Problem::invalid(format!("`cursor`: {malformed}"));
    query.get("cursor").map(str::parse).transpose().map_err(wrong).map(Option::unwrap_or_default)
}
