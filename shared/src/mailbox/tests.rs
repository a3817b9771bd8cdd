//! How long a write is tried, and what is known of it when it was not answered.

use std::collections::HashMap;

use serde_dynamo::AttributeValue;

use super::{MOMENT, persist, within};
use crate::envelope::Millis;
use crate::host::ReadHost;
use crate::scripted::{BEGINNING, Reply, Scripted, run};
use crate::store::{Consistency, Consumed, Key, ReadStore, Returns, Store, StoreError, Update, Written};

fn applied() -> Reply {
    let item = HashMap::<String, AttributeValue>::new().into();
    Reply::Written(Written::Applied { item, consumed: Consumed::default() })
}

fn error(of: fn(String) -> StoreError) -> Reply {
    Reply::Error(of("a test".to_owned()))
}

/// Persists a write through these answers, and says whether it is certain that no try before the last was applied.
fn persisted(host: &Scripted, ms: u64) -> Result<bool, StoreError> {
    let update = Update {
        key: Key::new("counter/a", "mailbox"),
        update: "".into(),
        condition: "".into(),
        values: Vec::new(),
        returns: Returns::Item,
    };
    let write = || host.store().update(update.clone());
    run(persist(host, BEGINNING.plus(ms), write)).map(|(_, clean)| clean)
}

#[test]
fn a_write_is_repeated_while_it_fails_for_a_passing_reason() {
    use StoreError::{Conflict, Throttled, Unknown};
    let through = |errors: &[fn(String) -> StoreError]| {
        let host = Scripted::new(errors.iter().map(|of| error(*of)).chain([applied()]));
        let clean = persisted(&host, 10_000);
        assert_eq!(host.asked().len(), errors.len() + 1);
        clean
    };
    assert_eq!(through(&[]), Ok(true));
    assert_eq!(through(&[Throttled, Conflict, Throttled]), Ok(true));
    assert_eq!(through(&[Unknown]), Ok(false));
    assert_eq!(through(&[Unknown, Throttled]), Ok(false));
    assert_eq!(through(&[Throttled, Unknown]), Ok(false));
    assert_eq!(through(&[Unknown, Unknown]), Ok(false));
}

#[test]
fn what_would_fail_again_is_not_repeated() {
    for of in [StoreError::Refused, StoreError::Occupied, StoreError::Invalid] {
        let host = Scripted::new([error(of)]);
        assert_eq!(persisted(&host, 10_000), Err(of("a test".to_owned())));
        assert_eq!(host.asked().len(), 1);
    }
}

#[test]
fn pauses_grow_and_none_ends_after_the_deadline() {
    let failing = || Scripted::new(std::iter::repeat_n(error(StoreError::Throttled), 9));
    let host = failing();
    assert_eq!(persisted(&host, 70), Err(StoreError::Throttled("a test".to_owned())));
    // 10 and 20 ms, and the next one would end at the deadline.
    assert_eq!((host.slept(), host.asked().len()), (vec![10, 20], 3));
    let host = failing();
    assert!(persisted(&host, 71).is_err());
    assert_eq!((host.slept(), host.asked().len()), (vec![10, 20, 40], 4));
    let host = failing();
    host.draw(5);
    assert!(persisted(&host, 50).is_err());
    assert_eq!(host.slept(), [15, 25]);
}

#[test]
fn a_try_ends_with_the_time_and_has_a_moment_at_least() {
    let moment = u64::try_from(MOMENT.as_millis()).unwrap();
    for (deadline, waited) in [(1_000, 1_000), (moment + 1, moment + 1), (0, moment)] {
        let host = Scripted::new([Reply::Silence]);
        let read = ReadHost::store(&host).get(Key::new("counter/a", "mailbox"), Consistency::Strong);
        let failed = run(within(&host, BEGINNING.plus(deadline), read)).unwrap_err();
        assert_eq!(failed, StoreError::Unknown("time ran out".to_owned()));
        assert_eq!(host.slept(), [waited]);
    }
    let host = Scripted::new([Reply::Item(None)]);
    let read = ReadHost::store(&host).get(Key::new("counter/a", "mailbox"), Consistency::Strong);
    assert_eq!(run(within(&host, Millis(0), read)), Ok((None, Consumed::default())));
    assert!(host.slept().is_empty());
}

#[test]
fn a_write_that_is_not_answered_may_have_been_applied() {
    let host = Scripted::new([Reply::Silence, applied()]);
    // The first try takes all the time there is.
    assert_eq!(persisted(&host, 1_000), Err(StoreError::Unknown("time ran out".to_owned())));
    assert_eq!(host.asked().len(), 1);
}
