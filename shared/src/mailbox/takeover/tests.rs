//! What a takeover writes, and when the lease is whose.

use serde_dynamo::AttributeValue;

use super::{Taken, Takeover, take};
use crate::envelope::{EntityId, Owner};
use crate::limits::LEASE_MS;
use crate::mailbox::image::{Lease, Mailbox, write_lease};
use crate::scripted::{BEGINNING, Reply, Scripted, assert_complete, run, value_of};
use crate::store::{Update, Written};
use crate::table;

const ACQUIRE: Takeover = Takeover::Acquire { head: 6 };

fn entity() -> EntityId {
    EntityId::new("counter", "a").unwrap()
}

fn me() -> Owner {
    Owner::new(BEGINNING, 1)
}

fn other() -> Owner {
    Owner::new(BEGINNING, 2)
}

fn held(owner: Owner) -> Mailbox {
    let lease = Some(Lease::Held { owner, until: BEGINNING.plus(LEASE_MS) });
    Mailbox { head: 6, lease, pending: true, ..Mailbox::blank("counter/a") }
}

fn taken(takeover: Takeover, reply: Reply) -> (Taken, Update) {
    let host = Scripted::new([reply]);
    let taken = run(take(&host, &entity(), me(), takeover, BEGINNING.plus(1_000))).unwrap();
    let (update, _) = host.writes().remove(0);
    assert_complete(&update);
    let mine = write_lease(&Lease::Held { owner: me(), until: BEGINNING.plus(LEASE_MS) });
    assert_eq!((&update.key, value_of(&update, ":mine")), (&table::mailbox_key(&entity()), Some(mine)));
    (taken, update)
}

#[test]
fn a_lease_is_ours_when_the_item_says_so_whatever_became_of_the_last_try() {
    for reply in [Reply::applied(&held(me())), Reply::refused(&held(me()))] {
        assert!(matches!(taken(ACQUIRE, reply).0, Taken::Held(image) if *image == held(me())));
    }
    let free = Mailbox { lease: None, ..held(me()) };
    let gone = Reply::Written(Written::Refused { old: None, clean: true });
    for reply in [Reply::refused(&held(other())), Reply::refused(&free), gone] {
        assert!(matches!(taken(ACQUIRE, reply).0, Taken::Refused));
    }
}

#[test]
fn a_takeover_is_of_what_was_seen() {
    let (_, update) = taken(ACQUIRE, Reply::applied(&held(me())));
    assert_eq!((update.update.as_ref(), update.condition.as_ref()), (table::ACQUIRE, table::ACQUIRE_IF));
    assert_eq!(value_of(&update, ":head"), Some(table::number(6)));
    for (strike, expression) in [(false, table::REPLACE), (true, table::REPLACE_STRIKE)] {
        let replace = Takeover::Replace { owner: other(), until: BEGINNING, strike };
        let (_, update) = taken(replace, Reply::applied(&held(me())));
        assert_eq!((update.update.as_ref(), update.condition.as_ref()), (expression, table::REPLACE_IF));
        assert_eq!(value_of(&update, ":observed"), Some(AttributeValue::B(other().0.to_vec())));
        assert_eq!(value_of(&update, ":until"), Some(table::number(BEGINNING.0)));
    }
}
