//! Tickets for sockets.

use shared::client::Client;
use shared::erased::AnyHost;
use shared::host::ReadHost;
use shared::moment::rfc3339;

use crate::answer::TicketAnswer;
use crate::guard::UserId;
use crate::problem::Problem;
use crate::request::Request;

/// Gives the user of the path a ticket. That it may be asked for was checked before.
pub(super) async fn issue(client: Client<AnyHost>, request: Request) -> Result<TicketAnswer, Problem> {
    let (user, host) = (UserId::new(request.id("id"))?, client.host());
    let tickets = request.guard.tickets.as_ref().ok_or_else(Problem::no_tickets)?;
    let ticket = tickets.issue(&user, host.random(), host.now()).map_err(|error| {
        tracing::error!(%error, "a ticket cannot be issued");
        Problem::no_tickets()
    })?;
    Ok(TicketAnswer { ticket: ticket.text, expires_at: rfc3339(ticket.expires_at) })
}
