//! The routes that every app has: entities of any kind, what operators do, and what opens sockets.

pub mod entities;
pub mod operators;
mod tickets;

use crate::query::{CURSOR, LIMIT, Parameter};
use crate::role::Role;
use crate::route::{Access, Route};

/// The parameter `kind`: only entities of that kind.
const KIND: Parameter = Parameter::text("kind");

/// The routes that every app has; those of sockets, if it has any.
pub(crate) fn routes<R: Role>(has_sockets: bool) -> Vec<Route<R>> {
    let mut routes = vec![
        Route::posting("/entities/{kind}/{id}/events", Access::Signed, entities::post)
            .summary("Post one event or an array"),
        Route::get("/entities/{kind}", Access::Signed, entities::list)
            .query([LIMIT, CURSOR])
            .summary("List the entities of a kind"),
        Route::get("/entities/{kind}/{id}", Access::Signed, entities::entity).summary("Read an entity"),
        Route::get("/entities/{kind}/{id}/events/{event_id}", Access::Signed, entities::event)
            .summary("Read an event's receipt"),
        Route::get("/health", Access::Open, entities::health).summary("Whether the table can be read"),
        Route::document("/openapi.json").summary("This document"),
        operator("/operator/dead-letters/{kind}/{id}", operators::letters)
            .query([LIMIT, CURSOR])
            .summary("List an entity's dead letters"),
        operator("/operator/dead-letters/{kind}/{id}/{name}", operators::letter).summary("Read a dead letter"),
        Route::act("DELETE", "/operator/dead-letters/{kind}/{id}/{name}", Access::Operator, operators::delete)
            .summary("Delete a dead letter"),
        Route::act("POST", "/operator/dead-letters/{kind}/{id}/redrive", Access::Operator, operators::redrive_all)
            .query([LIMIT])
            .summary("Redrive an entity's dead letters in order"),
        Route::act("POST", "/operator/dead-letters/{kind}/{id}/{name}/redrive", Access::Operator, operators::redrive)
            .summary("Redrive a dead letter"),
        Route::act("POST", "/operator/resume/{kind}/{id}", Access::Operator, operators::resume)
            .takes::<Option<operators::ResumeBody>>()
            .summary("Release a blocked entity"),
        operator("/operator/stuck", operators::stuck)
            .query([KIND, LIMIT, CURSOR])
            .summary("List entities with something pending"),
        Route::act("POST", "/operator/sweep", Access::Operator, operators::sweep)
            .query([KIND, CURSOR])
            .summary("Look at every entity and run what waits"),
    ];
    if has_sockets {
        let ticket = Route::act("POST", "/users/{id}/tickets", Access::Owner("id"), tickets::issue);
        routes.push(ticket.summary("Get a ticket that opens a socket"));
    }
    routes
}

/// A route by which operators read.
fn operator<R, T, F, U>(path: &'static str, read: F) -> Route<R>
where
    R: Role,
    T: crate::route::Answers,
    F: Fn(shared::erased::Reader, crate::request::Request) -> U + Send + Sync + 'static,
    U: Future<Output = Result<T, crate::problem::Problem>> + Send + 'static,
{
    Route::get(path, Access::Operator, read)
}
