//! What a commit writes, what its holder makes of the answer, and what it knows when there is no image in it.

use serde_dynamo::AttributeValue;
use serde_json::json;

use super::{Commit, Committed, Ending, Note, commit, keep_recent, note};
use crate::batch::{Batch, recent_bytes};
use crate::envelope::{Envelope, EnvelopeId, Owner};
use crate::limits::{LEASE_MS, RECENT_IDLE_BYTES, SUSPECT_ATTEMPTS};
use crate::mailbox::image::{Lease, Mailbox, Recent, envelope_bytes, write_lease};
use crate::outbox::Outgoing;
use crate::outcome::Outcome;
use crate::scripted::{BEGINNING, Reply, Scripted, assert_complete, run, value_of};
use crate::store::{Key, Put, Returns, Update, Written};
use crate::table;
use crate::text::{text, texts};

const ENDINGS: [Ending; 4] = [Ending::Release, Ending::Leave, Ending::Keep, Ending::HandOver];

fn me() -> Owner {
    Owner::new(BEGINNING, 1)
}

fn other() -> Owner {
    Owner::new(BEGINNING, 2)
}

fn held(owner: Owner) -> Option<Lease> {
    Some(Lease::Held { owner, until: BEGINNING.plus(LEASE_MS) })
}

fn id(number: u64) -> EnvelopeId {
    EnvelopeId::new(BEGINNING, number, None)
}

fn envelope(number: u64) -> Envelope {
    Envelope { id: id(number), at: BEGINNING, body: "{}".to_owned(), keyed: None, from: None, trace: None }
}

fn bytes(number: u64) -> u64 {
    envelope_bytes(&text(&envelope(number))) as u64
}

fn recent(number: u64) -> Recent {
    Recent::new(id(number), &Outcome::Reply(json!(number)))
}

fn effect(sequence: u64) -> Outgoing {
    let to = "counter/b".parse().unwrap();
    Outgoing { sequence, index: 0, to, body: "{}".to_owned(), at: BEGINNING, failures: 0, due: None, trace: None }
}

fn put() -> Put {
    let item = std::collections::HashMap::<String, AttributeValue>::new().into();
    Put { key: Key::new("counter/a", "data#x"), item, condition: None }
}

/// Two that have left, and three that wait.
fn image() -> Mailbox {
    Mailbox {
        queue: vec![envelope(7), envelope(8), envelope(9)],
        bytes: bytes(7) + bytes(8) + bytes(9),
        head: 6,
        version: 40,
        lease: held(me()),
        recent: vec![recent(5), recent(6)],
        pending: true,
        ..Mailbox::blank("counter/a")
    }
}

/// The results of the first two.
fn batch() -> Batch {
    Batch { taken: 2, recent: vec![recent(7), recent(8)], ..Batch::default() }
}

fn of<'a>(image: &'a Mailbox, batch: &'a Batch, ending: Ending) -> Commit<'a> {
    Commit { image, batch, me: me(), ending }
}

/// A budget that holds the batch and one before it.
fn budget() -> usize {
    recent_bytes(&[recent(6), recent(7), recent(8)])
}

fn updated(image: &Mailbox, batch: &Batch, ending: Ending, budget: usize) -> Update {
    let commit = of(image, batch, ending);
    let until = BEGINNING.plus(LEASE_MS);
    let update = commit.update(&commit.after(budget, until), &me().0, until);
    assert_complete(&update);
    update
}

fn committed(replies: impl IntoIterator<Item = Reply>, batch: &Batch, ending: Ending) -> (Committed, Scripted) {
    let host = Scripted::new(replies);
    let image = image();
    (run(commit(&host, of(&image, batch, ending), BEGINNING.plus(1_000))).unwrap(), host)
}

#[test]
fn what_is_known_without_the_database_is_what_the_commit_does() {
    let left = Mailbox {
        queue: vec![envelope(9)],
        bytes: bytes(9),
        head: 8,
        version: 41,
        evicted: Some(id(5)),
        recent: vec![recent(6), recent(7), recent(8)],
        ..image()
    };
    let until = BEGINNING.plus(1);
    for ending in ENDINGS {
        let after = of(&image(), &batch(), ending).after(budget(), until);
        let (lease, pending) = match ending {
            Ending::Keep => (Some(Lease::Held { owner: me(), until }), true),
            Ending::Release => (None, false),
            Ending::Leave | Ending::HandOver => (None, true),
        };
        assert_eq!(after, Mailbox { lease, pending, ..left.clone() }, "{ending:?}");
    }
}

#[test]
fn what_a_batch_made_is_taken_over() {
    let state = AttributeValue::S("new".to_owned());
    let batch = Batch { state: Some((3, state.clone())), outgoing: vec![effect(7)], ..batch() };
    let before = Mailbox { outbox: vec![effect(1)], evicted: Some(id(u64::from(u32::MAX))), ..image() };
    let after = of(&before, &batch, Ending::Keep).after(budget(), BEGINNING);
    assert_eq!((after.schema, &after.state, &after.outbox), (3, &Some(state.clone()), &vec![effect(1), effect(7)]));
    // What was evicted before and is above what is now stays the limit.
    assert_eq!(after.evicted, before.evicted);
    let update = updated(&before, &batch, Ending::Keep, budget());
    assert_eq!(value_of(&update, ":state"), Some(state));
    assert_eq!(value_of(&update, ":schema"), Some(table::number(3)));
    assert_eq!(value_of(&update, ":evicted"), None);
    assert_eq!(value_of(&update, ":effects"), Some(texts(&[effect(7)])));
}

#[test]
fn an_update_says_what_the_batch_changed_and_nothing_else() {
    let plain = updated(&image(), &batch(), Ending::Release, usize::MAX);
    assert_eq!(plain.update, format!("{} REMOVE {}, {}", table::COMMIT, table::RELEASE, table::UNSUSPECT));
    assert_eq!(plain.condition, [table::COMMIT_IF, table::IF_NO_NEWCOMER].concat());
    assert_eq!(
        ENDINGS.map(|ending| updated(&image(), &batch(), ending, budget()).returns == Returns::Nothing),
        [true, false, false, false]
    );
    assert_eq!(value_of(&plain, ":n"), Some(table::number(2)));
    for (name, number) in [(":next", 8), (":head", 6), (":freed", bytes(7) + bytes(8))] {
        assert_eq!(value_of(&plain, name), Some(table::number(number)), "{name}");
    }
    assert_eq!(value_of(&plain, ":recent"), Some(text(&[5, 6, 7, 8].map(recent))));

    let full = Batch { state: Some((1, table::number(1))), outgoing: vec![effect(7)], ..batch() };
    let full = updated(&image(), &full, Ending::Keep, budget());
    let set = [table::COMMIT, table::COMMIT_STATE, table::COMMIT_EVICTED, table::COMMIT_EFFECTS, table::RENEW].concat();
    let removed = format!("#queue[0], #queue[1], {}", table::UNSUSPECT);
    assert_eq!(full.update, format!("{set} REMOVE {removed}"));
    assert_eq!(full.condition, table::COMMIT_IF);
    assert_eq!(value_of(&full, ":evicted"), Some(AttributeValue::B(id(5).0.to_vec())));
    assert_eq!(value_of(&full, ":until"), Some(table::number(BEGINNING.plus(LEASE_MS).0)));
}

#[test]
fn what_a_commit_removes_is_what_its_ending_says() {
    let removed = |ending| {
        let update = updated(&image(), &batch(), ending, usize::MAX).update;
        update.split_once(" REMOVE ").unwrap().1.to_owned()
    };
    assert_eq!(removed(Ending::Release), format!("{}, {}", table::RELEASE, table::UNSUSPECT));
    assert_eq!(removed(Ending::Leave), format!("{}, {}", table::LEAVE, table::UNSUSPECT));
    assert_eq!(removed(Ending::Keep), format!("#queue[0], #queue[1], {}", table::UNSUSPECT));
    let handed_over = format!("#queue[0], #queue[1], {}, {}", table::HAND_OVER, table::UNSUSPECT);
    assert_eq!(removed(Ending::HandOver), handed_over);
}

#[test]
fn a_suspect_stays_one_until_nothing_is_left() {
    for attempts in [SUSPECT_ATTEMPTS - 1, SUSPECT_ATTEMPTS] {
        let image = Mailbox { attempts, running: Some(7), strikes: 1, ..image() };
        for ending in ENDINGS {
            let stays = attempts == SUSPECT_ATTEMPTS && matches!(ending, Ending::Keep | Ending::HandOver);
            let after = of(&image, &batch(), ending).after(usize::MAX, BEGINNING);
            let left = if stays { attempts } else { 0 };
            assert_eq!((after.attempts, after.running, after.strikes), (left, None, 0), "{attempts} {ending:?}");
            let update = updated(&image, &batch(), ending, usize::MAX).update;
            let forgets = if stays { table::ACQUIT } else { table::UNSUSPECT };
            assert!(update.ends_with(&format!(", {forgets}")), "{attempts} {update}");
            assert_eq!(update.contains("#attempts"), !stays, "{attempts} {update}");
        }
    }
}

#[test]
fn of_the_replies_before_as_many_stay_as_the_budget_holds() {
    let (before, batch) = ([recent(1), recent(2), recent(3)], [recent(4)]);
    let one = recent_bytes(&before[..1]);
    let all = recent_bytes(&[&before[..], &batch[..]].concat());
    let kept = |budget| {
        let kept = keep_recent(&before, &batch, budget);
        kept.iter().map(|recent| recent.id).collect::<Vec<_>>()
    };
    for (budget, first) in [(all, 1), (all - 1, 2), (all - one, 2), (all - one - 1, 3), (0, 4)] {
        assert_eq!(kept(budget), (first..=4).map(id).collect::<Vec<_>>(), "{budget}");
    }
}

#[test]
fn what_a_commit_returns_is_the_next_image() {
    let newer = Mailbox { queue: vec![envelope(9), envelope(10)], head: 8, version: 77, ..image() };
    let (applied, host) = committed([Reply::applied(&newer)], &batch(), Ending::Keep);
    assert!(matches!(applied, Committed::Applied(image) if *image == newer));
    assert_eq!(host.asked(), ["update mailbox"]);
    // A transaction returns nothing, and what is known takes the image's place.
    let with_puts = Batch { puts: vec![put()], ..batch() };
    let (applied, host) = committed([Reply::committed()], &with_puts, Ending::Keep);
    let known = of(&image(), &with_puts, Ending::Keep).after(RECENT_IDLE_BYTES, BEGINNING.plus(LEASE_MS));
    assert!(matches!(applied, Committed::Applied(image) if *image == known && image.head == 8));
    assert_eq!(host.asked(), ["transact mailbox"]);
    assert_eq!(host.writes()[0].1, with_puts.puts);
}

#[test]
fn a_refused_commit_was_applied_before_or_found_newcomers_or_is_lost() {
    let old = |owner, head| Mailbox { head, lease: held(owner), version: 50, ..image() };
    let shows = |ending, old: &Mailbox| {
        let (committed, _) = committed([Reply::refused(old)], &batch(), ending);
        let (name, shown) = match committed {
            Committed::Applied(shown) => ("applied", shown),
            Committed::Newcomers(shown) => ("newcomers", shown),
            Committed::Lost(shown) => ("lost", shown),
        };
        assert_eq!(*shown, *old);
        name
    };
    for ending in ENDINGS {
        assert_eq!(shows(ending, &old(me(), 6)), "newcomers", "{ending:?}");
        assert_eq!(shows(ending, &old(other(), 6)), "lost", "{ending:?}");
        assert_eq!(shows(ending, &old(other(), 8)), "lost", "{ending:?}");
        assert_eq!(shows(ending, &old(me(), 9)), "lost", "{ending:?}");
        // Only a commit that kept the lease can have been applied and leave it held.
        let before = if ending == Ending::Keep { "applied" } else { "lost" };
        assert_eq!(shows(ending, &old(me(), 8)), before, "{ending:?}");
    }
    let gone = Reply::Written(Written::Refused { old: None, clean: true });
    let (lost, _) = committed([gone], &batch(), Ending::Keep);
    assert!(matches!(lost, Committed::Lost(shown) if *shown == image()));
}

#[test]
fn a_note_leaves_the_head_and_says_what_it_says() {
    let noted = |reply, what| {
        let host = Scripted::new([reply]);
        let noted = run(note(&host, &image(), me(), what, BEGINNING.plus(1_000))).unwrap();
        let (update, _) = host.writes().remove(0);
        assert_complete(&update);
        assert_eq!(update.condition, table::COMMIT_IF);
        assert_eq!(value_of(&update, ":head"), Some(table::number(6)));
        (noted, update)
    };
    let marked = Mailbox { running: Some(7), ..image() };
    let (applied, update) = noted(Reply::applied(&marked), Note::Running);
    assert!(matches!(applied, Committed::Applied(image) if *image == marked));
    assert_eq!(update.update, table::MARK);
    assert_eq!(value_of(&update, ":sequence"), Some(table::number(7)));
    assert_eq!(value_of(&update, ":until"), Some(table::number(BEGINNING.plus(LEASE_MS).0)));

    let lease = Lease::Blocked { cause: "a test".to_owned() };
    let blocked = Mailbox { lease: Some(lease.clone()), ..image() };
    let (applied, update) = noted(Reply::applied(&blocked), Note::Blocked("a test"));
    assert!(matches!(applied, Committed::Applied(image) if *image == blocked));
    assert_eq!((update.update.as_ref(), value_of(&update, ":blocked")), (table::BLOCK, Some(write_lease(&lease))));

    let taken = Mailbox { lease: held(other()), ..image() };
    let (lost, _) = noted(Reply::refused(&taken), Note::Running);
    assert!(matches!(lost, Committed::Lost(image) if *image == taken));
}
