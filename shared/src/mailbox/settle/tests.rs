//! What ticks off a delivery, and what its holder makes of the answer.

use serde_dynamo::AttributeValue;

use super::{Settle, settle};
use crate::envelope::{EntityId, Envelope, EnvelopeId, Owner};
use crate::limits::LEASE_MS;
use crate::mailbox::commit::{Committed, Ending};
use crate::mailbox::image::{Lease, Mailbox};
use crate::outbox::Outgoing;
use crate::scripted::{BEGINNING, Reply, Scripted, assert_complete, run, value_of};
use crate::store::{Put, Update, Written};
use crate::table;
use crate::text::texts;

const ENDINGS: [Ending; 4] = [Ending::Release, Ending::Leave, Ending::Keep, Ending::HandOver];

fn me() -> Owner {
    Owner::new(BEGINNING, 1)
}

fn held(owner: Owner) -> Option<Lease> {
    Some(Lease::Held { owner, until: BEGINNING.plus(LEASE_MS) })
}

fn effect(sequence: u64) -> Outgoing {
    let to = EntityId::new("counter", "b").unwrap();
    Outgoing { sequence, index: 0, to, body: "{}".to_owned(), at: BEGINNING, failures: 0, due: None, trace: None }
}

fn dead_letter() -> Put {
    let item = std::collections::HashMap::<String, AttributeValue>::new().into();
    Put { key: table::undelivered_key(&"counter/a".parse().unwrap(), 1, 0), item, condition: None }
}

/// Six effects in the outbox, after four that have left it.
fn image() -> Mailbox {
    Mailbox {
        head: 9,
        version: 40,
        lease: held(me()),
        outbox: (1..=6).map(effect).collect(),
        sent: 4,
        attempts: 2,
        running: Some(10),
        strikes: 1,
        pending: true,
        ..Mailbox::blank("counter/a")
    }
}

fn of<'a>(image: &'a Mailbox, rest: &'a [Outgoing], ending: Ending) -> Settle<'a> {
    Settle { image, rest, puts: &[], me: me(), ending }
}

fn updated(image: &Mailbox, rest: &[Outgoing], ending: Ending) -> Update {
    let update = of(image, rest, ending).update(BEGINNING.plus(LEASE_MS));
    assert_complete(&update);
    update
}

fn settled(reply: Reply, rest: &[Outgoing], puts: &[Put], ending: Ending) -> (Committed, Scripted) {
    let (host, image) = (Scripted::new([reply]), image());
    let settled = run(settle(&host, Settle { puts, ..of(&image, rest, ending) }, BEGINNING.plus(1_000))).unwrap();
    (settled, host)
}

#[test]
fn what_is_known_without_the_database_is_what_the_write_does() {
    let until = BEGINNING.plus(1);
    let rest = [effect(5), effect(6)];
    for ending in ENDINGS {
        let (lease, pending) = match ending {
            Ending::Keep => (Some(Lease::Held { owner: me(), until }), true),
            Ending::Release => (None, false),
            Ending::Leave | Ending::HandOver => (None, true),
        };
        let known = Mailbox { outbox: rest.to_vec(), sent: 8, version: 41, running: None, lease, pending, ..image() };
        assert_eq!(of(&image(), &rest, ending).after(until), known, "{ending:?}");
    }
}

#[test]
fn what_left_the_outbox_is_counted_and_what_stays_is_written() {
    let some = updated(&image(), &[effect(5), effect(6)], Ending::Keep);
    let set = [table::SETTLE, table::SETTLE_REST, table::RENEW].concat();
    assert_eq!(some.update, format!("{set} REMOVE {}", table::NOT_RUNNING));
    assert_eq!(some.condition, [table::COMMIT_IF, table::SETTLE_IF_SENT].concat());
    assert_eq!(value_of(&some, ":rest"), Some(texts(&[5, 6].map(effect))));
    for (name, number) in [(":sent", 4), (":sent_next", 8), (":head", 9), (":until", BEGINNING.plus(LEASE_MS).0)] {
        assert_eq!(value_of(&some, name), Some(table::number(number)), "{name}");
    }

    let all = updated(&image(), &[], Ending::HandOver);
    let set = [table::SETTLE, table::SETTLE_SENT].concat();
    assert_eq!(all.update, [&set, " REMOVE ", "#outbox, ", table::HAND_OVER, ", ", table::NOT_RUNNING].concat());
    assert_eq!(value_of(&all, ":sent_next"), Some(table::number(10)));
}

#[test]
fn with_nothing_to_deliver_only_the_lease_changes() {
    let image = Mailbox { outbox: Vec::new(), ..image() };
    let released = updated(&image, &[], Ending::Release);
    let removed = [table::RELEASE, table::UNSUSPECT].join(", ");
    assert_eq!(released.update, format!("{} REMOVE {removed}", table::SETTLE));
    assert_eq!(released.condition, [table::COMMIT_IF, table::IF_QUEUE_EMPTY].concat());
    let left = updated(&image, &[], Ending::Leave);
    assert_eq!(left.update, format!("{} REMOVE {}, {}", table::SETTLE, table::LEAVE, table::UNSUSPECT));
    assert_eq!(left.condition, released.condition);
    for ending in [Ending::Keep, Ending::HandOver] {
        assert_eq!(updated(&image, &[], ending).condition, table::COMMIT_IF);
    }
}

#[test]
fn what_a_settling_write_returns_is_the_next_image() {
    let rest = [effect(6)];
    let newer = Mailbox { outbox: rest.to_vec(), sent: 9, version: 77, ..image() };
    let (applied, host) = settled(Reply::applied(&newer), &rest, &[], Ending::Keep);
    assert!(matches!(applied, Committed::Applied(image) if *image == newer));
    assert_eq!(host.asked(), ["update mailbox"]);
    // A transaction returns nothing, and what is known takes the image's place.
    let (applied, host) = settled(Reply::committed(), &rest, &[dead_letter()], Ending::Keep);
    let known = of(&image(), &rest, Ending::Keep).after(BEGINNING.plus(LEASE_MS));
    assert!(matches!(applied, Committed::Applied(image) if *image == known && image.sent == 9));
    assert_eq!(host.asked(), ["transact mailbox"]);
    assert_eq!(host.writes()[0].1, [dead_letter()]);
}

#[test]
fn a_refused_settling_write_was_applied_before_or_found_newcomers_or_is_lost() {
    let newcomer = Envelope {
        id: EnvelopeId::new(BEGINNING, 1, None),
        at: BEGINNING,
        body: "{}".to_owned(),
        keyed: None,
        from: None,
        trace: None,
    };
    let old = |owner, head, sent| Mailbox {
        head,
        sent,
        lease: held(owner),
        queue: vec![newcomer.clone()],
        version: 50,
        ..image()
    };
    let shows = |old: &Mailbox| {
        let (settled, _) = settled(Reply::refused(old), &[effect(6)], &[], Ending::Leave);
        let (name, shown) = match settled {
            Committed::Applied(shown) => ("applied", shown),
            Committed::Newcomers(shown) => ("newcomers", shown),
            Committed::Lost(shown) => ("lost", shown),
        };
        assert_eq!(*shown, *old);
        name
    };
    let other = Owner::new(BEGINNING, 2);
    assert_eq!(shows(&old(me(), 9, 4)), "newcomers");
    assert_eq!(shows(&old(me(), 9, 9)), "applied");
    for lost in [old(me(), 10, 4), old(other, 9, 4), old(other, 10, 9)] {
        assert_eq!(shows(&lost), "lost");
    }
    let gone = Reply::Written(Written::Refused { old: None, clean: true });
    let (lost, _) = settled(gone, &[], &[], Ending::Keep);
    assert!(matches!(lost, Committed::Lost(shown) if *shown == image()));
}
