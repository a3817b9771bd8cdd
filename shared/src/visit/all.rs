//! A visit and those that follow from it, and then the pushes of all.

use std::collections::VecDeque;

use tracing::Instrument;

use crate::envelope::Millis;
use crate::host::Host;
use crate::log::{self, quiet};
use crate::mailbox::StepError;
use crate::visit::tell::{Pushes, tell};
use crate::visit::{Budget, End, Held, Visited, visit};

/// Visits an entity, and after it those whose leases its deliveries took.
///
/// # Errors
/// When the store fails for as long as there is time; the entity is then handed over, or its lease expires, and the
/// stream's look finds it.
pub async fn visit_all<H: Host>(host: &H, held: Held, deadline: Millis) -> Result<End, StepError> {
    let pushes = Pushes::none(held.image.entity.clone());
    go_on(host, Some(held), pushes, deadline).await
}

/// Visits like [`visit_all`] after something was done already, whose pushes are `earlier`; without a lease it only
/// pushes.
///
/// # Errors
/// As [`visit_all`].
pub async fn go_on<H: Host>(host: &H, held: Option<Held>, earlier: Pushes, deadline: Millis) -> Result<End, StepError> {
    let mut budget = Budget { deadline, hops: host.settings().hops };
    let (mut pushes, mut queue, mut end) = (vec![earlier], VecDeque::new(), Ok(End::Released));
    if let Some(held) = held {
        let visited = one(host, held, &mut budget).await;
        pushes.push(visited.pushes);
        queue.extend(visited.follow);
        end = visited.end;
    }
    while let Some(next) = queue.pop_front() {
        let entity = next.image.entity.clone();
        let Visited { end, follow, pushes: said } = one(host, next, &mut budget).await;
        queue.extend(follow);
        pushes.push(said);
        // The first entity's result stands whatever happens to those that it wrote to.
        match end {
            Ok(End::Released | End::Lost | End::Blocked | End::Waiting) => {}
            Ok(End::Stopped(cause)) => {
                let cause = quiet(cause);
                tracing::error!(alarm = "stopped", %entity, cause, "the entity cannot be run here")
            }
            Err(error) => {
                let error = quiet(error);
                tracing::warn!(%entity, error, "a visit after a delivery failed; it is looked at again")
            }
        }
    }
    // They are best effort: of all that is done here only the answer waits for them, and not for long. (On the heap: most
    // visits have none.)
    Box::pin(tell(host, pushes, deadline)).await;
    end
}

async fn one<H: Host>(host: &H, held: Held, budget: &mut Budget) -> Visited {
    let span = log::visit_span(&held.image.entity, held.me);
    Box::pin(visit(host, held, budget)).instrument(span).await
}

/// How a visit ended, in a word.
pub(super) fn name(end: &Result<End, StepError>) -> &'static str {
    match end {
        Ok(End::Released) => "released",
        Ok(End::Lost) => "lost",
        Ok(End::Blocked) => "blocked",
        Ok(End::Waiting) => "waiting",
        Ok(End::Stopped(_)) => "stopped",
        Err(_) => "failed",
    }
}
