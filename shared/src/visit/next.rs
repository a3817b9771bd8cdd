//! What a visit does next: its loop's only decision, and pure.

use crate::envelope::Millis;
use crate::mailbox::commit::Ending;
use crate::mailbox::image::Mailbox;
use crate::outbox;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send what is due.
    Deliver,
    /// Run what waits.
    Run,
    /// End the visit.
    Finish(Ending),
}

/// Decides.
pub(super) fn next(image: &Mailbox, now: Millis, out_of_time: bool) -> Next {
    let idle = image.queue.is_empty();
    let due = outbox::is_due(&image.outbox, now);
    match (idle, due) {
        (true, false) if image.outbox.is_empty() => Next::Finish(Ending::Release),
        (true, false) => Next::Finish(Ending::Leave),
        _ if out_of_time => Next::Finish(Ending::HandOver),
        (_, true) => Next::Deliver,
        (false, false) => Next::Run,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{Envelope, EnvelopeId};
    use crate::outbox::Outgoing;

    const NOW: Millis = Millis(1_790_000_000_000);

    fn envelope() -> Envelope {
        Envelope {
            id: EnvelopeId::new(NOW, 1, None),
            at: NOW,
            body: "{}".to_owned(),
            keyed: None,
            from: None,
            trace: None,
        }
    }

    fn effect(due: Option<Millis>) -> Outgoing {
        let to = "counter/b".parse().unwrap();
        Outgoing { sequence: 1, index: 0, to, body: "{}".to_owned(), at: NOW, failures: 0, due, trace: None }
    }

    #[test]
    fn effects_that_are_due_go_first_and_time_decides_only_while_there_is_work() {
        let later = Some(NOW.plus(1));
        let cases = [
            (false, None, Next::Finish(Ending::Release), Next::Finish(Ending::Release)),
            (false, Some(later), Next::Finish(Ending::Leave), Next::Finish(Ending::Leave)),
            (false, Some(None), Next::Deliver, Next::Finish(Ending::HandOver)),
            (true, None, Next::Run, Next::Finish(Ending::HandOver)),
            (true, Some(later), Next::Run, Next::Finish(Ending::HandOver)),
            (true, Some(None), Next::Deliver, Next::Finish(Ending::HandOver)),
        ];
        for (queued, due, in_time, out_of_time) in cases {
            let queue = if queued { vec![envelope()] } else { Vec::new() };
            let image = Mailbox { queue, outbox: due.map(effect).into_iter().collect(), ..Mailbox::blank("counter/a") };
            assert_eq!(next(&image, NOW, false), in_time, "{queued} {due:?}");
            assert_eq!(next(&image, NOW, true), out_of_time, "{queued} {due:?}");
        }
    }
}
