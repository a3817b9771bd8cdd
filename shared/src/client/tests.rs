//! When a post that found a mailbox full tries again.

use super::*;
use crate::envelope::{IdempotencyKey, Keyed};
use crate::mailbox::post::{seal, update};
use crate::scripted::{BEGINNING, Reply, Scripted, run, value_of};
use crate::table;
use crate::trace::Trace;

/// One after the other of what makes an envelope larger than its body.
fn drafts() -> Vec<Vec<Draft>> {
    let plain = Draft { body: r#"{"note":"\\ \"ü\""}"#.to_owned(), keyed: None, from: None, trace: None };
    let name = IdempotencyKey::new(r#"\"\"#).unwrap();
    let keyed = |index| Draft { keyed: Some(Keyed::client(&name, index, "hash")), ..plain.clone() };
    let from = Some(EntityId::new("account", "a").unwrap());
    let trace = Trace::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    vec![vec![plain.clone()], vec![keyed(0), keyed(1)], vec![Draft { from, trace, ..plain.clone() }]]
}

#[test]
fn a_mailbox_has_room_exactly_where_the_posts_condition_finds_it() {
    let entity = EntityId::new("counter", "a").unwrap();
    for drafts in drafts() {
        let host = Scripted::new([]);
        let posting = Posting {
            entity: &entity,
            drafts: &drafts,
            owner: None,
            room: Room::Queue,
            deadline: BEGINNING.plus(10_000),
        };
        let posted = update(&host, &posting, &seal(&host, &drafts, None));
        let fits = |bytes: usize| value_of(&posted, ":room_bytes") == Some(table::number(bytes as u64));
        let most = (0..=limits::QUEUE_BYTES).find(|bytes| fits(*bytes)).unwrap();
        for (bytes, room) in [(most, true), (most + 1, false)] {
            let full = Mailbox { bytes: bytes as u64, ..Mailbox::blank("counter/a") };
            host.reply_with([Reply::read(&full)]);
            assert_eq!(run(Client::new(host.clone()).has_room(&full, &drafts)), room, "{bytes} {drafts:?}");
        }
    }
}
