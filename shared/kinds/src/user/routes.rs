//! What users do who write to one another.

use leasebox::{Access, App, EntityId, EventId, IdempotencyKey, Post, Problem, Request, Role, Route};

use crate::chat;
use crate::user::answers::{ReadAnswer, ReadBody, SendBody};
use crate::user::frame::Shown;
use crate::user::{Command, Reply, User};

/// Adds the routes by which users do something.
pub(super) fn add<R: Role>(app: App<R>) -> App<R> {
    app.route(
        Route::post("/users/{id}/messages", Access::Owner("id"), send)
            .example(r#"{"to": "bob", "content": "hello"}"#)
            .summary("Send a message"),
    )
    .route(
        Route::post("/users/{id}/conversations/{other}/read", Access::Owner("id"), read)
            .summary("Mark a conversation as read"),
    )
}

fn send(request: &Request, SendBody { to, content, client_id }: SendBody) -> Result<Post<Shown>, Problem> {
    // A message that its client has named is keyed by that name, on the socket too: it can have no other key.
    let key = client_id.as_deref().map(IdempotencyKey::new).transpose()?;
    let post = Post::to::<User>(request.id("id"), Command::Send { to, content, client_id })?.key(key);
    Ok(post.answer(|_: &EntityId, _: EventId, reply| match reply {
        Reply::Message(message) => Ok(Shown::from(message)),
        _ => Err(Problem::dead("the reply is no message")),
    }))
}

fn read(request: &Request, body: Option<ReadBody>) -> Result<Post<ReadAnswer>, Problem> {
    let ReadBody { upto } = body.unwrap_or_default();
    let with = chat::user(request.id("other"))?.id().to_owned();
    let post = Post::to::<User>(request.id("id"), Command::MessageRead { with, upto })?;
    Ok(post.answer(|_: &EntityId, _: EventId, reply| match reply {
        Reply::Conversation { with, unread, upto } => Ok(ReadAnswer { with, unread, upto }),
        _ => Err(Problem::dead("the reply is of no conversation")),
    }))
}
