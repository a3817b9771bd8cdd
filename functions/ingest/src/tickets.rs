//! Tickets for sockets.

use shared::chat;
use shared::host::Host;
use shared::http::answer::{Answer, TicketAnswer};
use shared::http::guard::Guard;
use shared::http::problem::Problem;
use shared::http::query::Query;
use shared::http::routing::Params;
use shared::moment::rfc3339;

/// Gives the user of the path a ticket. That it may be asked for was checked before.
///
/// # Errors
/// The problem to answer with.
pub fn answer<H: Host>(host: &H, guard: &Guard, params: &Params, query: &str) -> Result<Answer, Problem> {
    Query::read(query, &[])?;
    let user = chat::user(params.get("id"))?;
    let tickets = guard.tickets.as_ref().ok_or_else(Problem::no_tickets)?;
    let ticket = tickets.issue(&user, host.random(), host.now()).map_err(|error| {
        tracing::error!(%error, "a ticket cannot be issued");
        Problem::no_tickets()
    })?;
    Ok(Answer::json(200, &TicketAnswer { ticket: ticket.text, expires_at: rfc3339(ticket.expires_at) }))
}
