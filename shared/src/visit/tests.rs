//! What a visit does step by step: which writes, in which order, and how it ends.

mod poison;

use std::cell::Cell;

use serde::{Deserialize, Serialize};
use serde_dynamo::AttributeValue;
use serde_json::json;

use super::{Budget, End, Held, Visited, visit, visit_all};
use crate::actor::{Actor, Event, Fault, Poison, Turn};
use crate::envelope::{EntityId, Envelope, EnvelopeId, Millis, Owner};
use crate::host::Host;
use crate::limits::{FINISH_MS, LEASE_MS, Settings};
use crate::mailbox::StepError;
use crate::mailbox::image::{Lease, Mailbox, Recent};
use crate::metrics;
use crate::outbox::Outgoing;
use crate::outcome::Outcome;
use crate::registry::Kind;
use crate::scripted::heard::{Heard, listen};
use crate::scripted::{BEGINNING, Reply, Scripted, assert_complete, run, value_of};
use crate::store::{StoreError, Update};
use crate::table;
use crate::text::texts;

thread_local! {
    /// How often the actor ran in this test, and how many of the runs that are told to fail will fail.
    static RUNS: Cell<u32> = const { Cell::new(0) };
    static FAULTS: Cell<u32> = const { Cell::new(0) };
}

/// Does what it is told; the letter is its policy.
struct Told<const POLICY: char>;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Tell {
    posts: Vec<String>,
    pushes: Vec<String>,
    faulty: bool,
}

impl<const POLICY: char> Actor for Told<POLICY> {
    const KIND: &'static str = "told";
    const POISON: Poison = match POLICY {
        'p' => Poison::Park,
        's' => Poison::Skip,
        _ => Poison::Block,
    };
    type State = u64;
    type Command = Tell;
    type Reply = u64;

    fn handle(state: &u64, event: &Event<'_, Tell>) -> Result<Turn<Self>, Fault> {
        RUNS.set(RUNS.get() + 1);
        if event.command.faulty && FAULTS.get() > 0 {
            FAULTS.set(FAULTS.get() - 1);
            return Err(Fault::new("as it was told"));
        }
        let mut turn = Turn::reply(state + 1, state + 1);
        for to in &event.command.posts {
            turn = turn.post::<Self>(&told(to), &Tell::default())?;
        }
        Ok(event.command.pushes.iter().fold(turn, |turn, connection| turn.push(connection, &json!("hello"))))
    }
}

fn told(id: &str) -> EntityId {
    EntityId::new("told", id).unwrap()
}

fn me() -> Owner {
    Owner::new(BEGINNING, 1)
}

fn id(number: u64) -> EnvelopeId {
    EnvelopeId::new(BEGINNING, number, None)
}

fn tells(number: u64, tell: &Tell) -> Envelope {
    let body = serde_json::to_string(tell).unwrap();
    Envelope { id: id(number), at: BEGINNING, body, keyed: None, from: None, trace: None }
}

fn plain(number: u64) -> Envelope {
    tells(number, &Tell::default())
}

fn faulty(number: u64) -> Envelope {
    tells(number, &Tell { faulty: true, ..Tell::default() })
}

fn posts(number: u64, to: &[&str]) -> Envelope {
    tells(number, &Tell { posts: to.iter().map(ToString::to_string).collect(), ..Tell::default() })
}

fn effect(sequence: u64, to: &str, due: Option<Millis>) -> Outgoing {
    let body = serde_json::to_string(&Tell::default()).unwrap();
    Outgoing { sequence, index: 0, to: told(to), body, at: BEGINNING, failures: 0, due, trace: None }
}

/// A mailbox that this acquisition holds: six have left, and these wait.
fn held(queue: impl IntoIterator<Item = Envelope>) -> Mailbox {
    let lease = Some(Lease::Held { owner: me(), until: BEGINNING.plus(LEASE_MS) });
    Mailbox { head: 6, queue: queue.into_iter().collect(), lease, pending: true, ..Mailbox::blank("told/a") }
}

/// The same, held by another.
fn taken(image: Mailbox) -> Mailbox {
    let lease = Some(Lease::Held { owner: Owner::new(BEGINNING, 2), until: BEGINNING.plus(LEASE_MS) });
    Mailbox { lease, ..image }
}

/// The same, released.
fn free(image: Mailbox) -> Mailbox {
    Mailbox { lease: None, ..image }
}

/// A receiver of the effect that a host whose clock and chance stand still posts to it, which takes its lease along.
fn receiver(to: &str) -> Mailbox {
    let envelope = effect(1, to, None).draft(&told("a")).seal(id(0), BEGINNING);
    let lease = Some(Lease::Held { owner: Owner::new(BEGINNING, 0), until: BEGINNING.plus(LEASE_MS) });
    Mailbox { queue: vec![envelope], lease, pending: true, ..Mailbox::blank(&format!("told/{to}")) }
}

/// A script that was played to its end.
struct Played {
    end: Result<End, StepError>,
    follow: Vec<Held>,
    hops: u32,
    host: Scripted,
    heard: Heard,
    runs: u32,
}

impl Played {
    fn updates(&self) -> Vec<Update> {
        self.host.writes().into_iter().map(|(update, _)| update).collect()
    }

    /// What every write did: the expression's part that says how it ended.
    fn removed(&self) -> Vec<String> {
        let updates = self.updates();
        updates
            .iter()
            .map(|update| update.update.split_once(" REMOVE ").map_or("", |(_, end)| end).to_owned())
            .collect()
    }

    /// The heads that commits moved to.
    fn heads(&self) -> Vec<Option<AttributeValue>> {
        self.updates().iter().map(|update| value_of(update, ":next")).collect()
    }
}

fn head(head: u64) -> Option<AttributeValue> {
    Some(table::number(head))
}

/// Plays a script against a visit of this mailbox, for which there is so much time before its last step.
fn played<const POLICY: char>(image: &Mailbox, settings: Settings, ms: u64, replies: Vec<Reply>) -> Played {
    RUNS.set(0);
    let asked = replies.len();
    let host = Scripted::new(replies).with(settings).knowing([Kind::of::<Told<POLICY>>()]);
    let mut budget = Budget { deadline: BEGINNING.plus(ms + FINISH_MS), hops: settings.hops };
    let held = Held { image: image.clone(), me: me() };
    let (Visited { end, follow, .. }, heard) = listen(|| run(visit(&host, held, &mut budget)));
    assert_eq!(host.asked().len(), asked, "the script is played to its end: {:?}", host.asked());
    let played = Played { end, follow, hops: budget.hops, host, heard, runs: RUNS.get() };
    played.updates().iter().for_each(assert_complete);
    played
}

fn visited(image: &Mailbox, replies: Vec<Reply>) -> Played {
    played::<'p'>(image, Settings::default(), 5_000, replies)
}

fn idle(head: u64) -> Mailbox {
    Mailbox { head, ..Mailbox::blank("told/a") }
}

const RELEASE: &str = "#queue, #lease, #pending, #attempts, #running, #strikes";
const HANDED_OVER: &str = "#lease, #running";

#[test]
fn everything_that_waits_is_committed_at_once_and_the_lease_let_go() {
    let played = visited(&held([plain(7), plain(8), plain(9)]), vec![Reply::applied(&idle(9))]);
    assert_eq!((&played.end, played.runs), (&Ok(End::Released), 3));
    assert_eq!((played.removed(), played.heads()), (vec![RELEASE.to_owned()], vec![head(9)]));
    assert!(played.heard.alarms.is_empty() && played.follow.is_empty());
    assert_eq!(played.heard.of(metrics::BATCH), [3.0]);
}

#[test]
fn who_waits_is_told_and_what_is_pushed_goes_out_once_it_is_durable() {
    let pushes = Tell { pushes: vec!["c".to_owned()], ..Tell::default() };
    let image = held([tells(7, &pushes)]);
    let told = |reply: Reply| {
        let host = Scripted::new([reply]).knowing([Kind::of::<Told<'p'>>()]);
        let mut waiter = host.waiting().wait_for(id(7));
        run(visit_all(&host, Held { image: image.clone(), me: me() }, BEGINNING.plus(10_000))).unwrap();
        (waiter.settled.try_recv().ok().flatten().map(|settled| settled.outcome), host.pushed().len())
    };
    assert_eq!(told(Reply::applied(&idle(7))), (Some(Outcome::Reply(json!(1))), 1));
    assert_eq!(told(Reply::refused(&taken(image.clone()))), (None, 0));
    // Whoever took the lease may have run it: then the item tells.
    let recent = vec![Recent::new(id(7), &Outcome::Reply(json!(5)))];
    let elsewhere = taken(Mailbox { head: 7, recent, ..held([]) });
    assert_eq!(told(Reply::refused(&elsewhere)), (Some(Outcome::Reply(json!(5))), 0));
}

#[test]
fn effects_are_delivered_after_their_commit_and_receivers_taken_along() {
    let sent = Mailbox { head: 7, outbox: vec![effect(7, "b", None)], ..held([]) };
    let replies = vec![Reply::applied(&sent), Reply::applied(&receiver("b")), Reply::applied(&idle(7))];
    let played = visited(&held([posts(7, &["b"])]), replies);
    assert_eq!(played.end, Ok(End::Released));
    let removed = ["#queue[0], #attempts, #running, #strikes", "", &format!("#outbox, {RELEASE}")];
    assert_eq!(played.removed(), removed);
    let keys: Vec<_> = played.updates().into_iter().map(|update| update.key.pk).collect();
    assert_eq!(keys, ["told/a", "told/b", "told/a"]);
    let follow: Vec<_> = played.follow.iter().map(|held| held.image.clone()).collect();
    assert_eq!((follow, played.hops), (vec![receiver("b")], Settings::default().hops - 1));
    assert_eq!(played.heard.of(metrics::ROUNDS), [2.0]);
}

#[test]
fn rounds_are_counted_and_what_is_left_is_handed_over() {
    let by_one = |rounds| Settings { batch: 1, rounds, ..Settings::default() };
    let (both, second) = (held([plain(7), plain(8)]), Mailbox { head: 7, ..held([plain(8)]) });
    let handed = played::<'p'>(&both, by_one(1), 5_000, vec![Reply::applied(&free(second.clone()))]);
    assert_eq!(handed.removed(), ["#queue[0], #lease, #attempts, #running, #strikes"]);
    assert_eq!((handed.end, handed.heard.of(metrics::ROUNDS)), (Ok(End::Released), vec![1.0]));
    let replies = vec![Reply::applied(&second), Reply::applied(&idle(8))];
    let kept = played::<'p'>(&both, by_one(2), 5_000, replies);
    assert_eq!(kept.removed(), ["#queue[0], #attempts, #running, #strikes", RELEASE]);
    // A delivery is a round, too.
    let sending = Mailbox { outbox: vec![effect(1, "b", None)], ..both.clone() };
    let replies = vec![Reply::applied(&receiver("b")), Reply::applied(&free(both))];
    let sent = played::<'p'>(&sending, by_one(1), 5_000, replies);
    assert_eq!(sent.removed()[1], format!("#outbox, {HANDED_OVER}"));
    assert_eq!((sent.end, sent.runs), (Ok(End::Released), 0));
}

#[test]
fn no_step_begins_in_the_time_that_is_left_for_handing_over() {
    let later = effect(1, "b", Some(BEGINNING.plus(60_000)));
    let image = Mailbox { outbox: vec![later.clone()], ..held([plain(7)]) };
    let over = played::<'p'>(&image, Settings::default(), 0, vec![Reply::applied(&free(image.clone()))]);
    assert_eq!((&over.end, over.runs, over.removed()), (&Ok(End::Released), 0, vec![HANDED_OVER.to_owned()]));
    assert_eq!(value_of(&over.updates()[0], ":rest"), Some(texts(&[later])));
    let in_time = played::<'p'>(&held([plain(7)]), Settings::default(), 1, vec![Reply::applied(&idle(7))]);
    assert_eq!((in_time.end, in_time.runs), (Ok(End::Released), 1));
}

#[test]
fn handing_over_is_tried_until_the_very_end_and_nothing_else_is() {
    let image = held([plain(7)]);
    let replies = vec![Reply::error(StoreError::Throttled), Reply::applied(&free(image.clone()))];
    let over = played::<'p'>(&image, Settings::default(), 0, replies);
    assert_eq!((&over.end, over.removed()), (&Ok(End::Released), vec![HANDED_OVER.to_owned(); 2]));

    let image = Mailbox { outbox: vec![effect(1, "b", None)], ..held([]) };
    let failed = || Reply::error(StoreError::Throttled);
    let replies = vec![Reply::applied(&receiver("b")), failed(), Reply::applied(&free(image.clone()))];
    let played = played::<'p'>(&image, Settings::default(), 10, replies);
    assert_eq!(played.end, Err(StoreError::Throttled("a test".to_owned()).into()));
    let released = format!("#outbox, {RELEASE}");
    assert_eq!(played.removed(), ["", &released, HANDED_OVER]);
}

#[test]
fn an_entity_is_given_back_after_a_failure_that_may_pass() {
    let image = Mailbox { outbox: vec![effect(1, "b", Some(BEGINNING.plus(60_000)))], ..held([plain(7)]) };
    let failed = || Reply::error(StoreError::Unknown);
    let replies = vec![failed(), failed(), Reply::applied(&free(image.clone()))];
    let given = played::<'p'>(&image, Settings::default(), 15, replies);
    assert_eq!(given.end, Err(StoreError::Unknown("a test".to_owned()).into()));
    assert_eq!(given.removed()[2], HANDED_OVER);
    let failed = Reply::error(StoreError::Invalid);
    let kept = played::<'p'>(&image, Settings::default(), 15, vec![failed]);
    assert_eq!(kept.end, Err(StoreError::Invalid("a test".to_owned()).into()));
}

#[test]
fn effects_that_wait_stay_pending() {
    let later = effect(1, "b", Some(BEGINNING.plus(60_000)));
    let image = Mailbox { outbox: vec![later.clone()], ..held([plain(7)]) };
    let left = Mailbox { head: 7, outbox: vec![later], pending: true, ..idle(7) };
    let played = visited(&image, vec![Reply::applied(&left)]);
    assert_eq!(played.removed(), ["#queue, #lease, #attempts, #running, #strikes"]);
}

#[test]
fn after_newcomers_the_lease_is_kept_rather_than_released_in_vain_again() {
    let (one, two) = (held([plain(7)]), held([plain(7), plain(8)]));
    let done = Mailbox { head: 8, ..held([]) };
    let replies = vec![Reply::refused(&two), Reply::applied(&done), Reply::applied(&idle(8))];
    let played = visited(&one, replies);
    assert_eq!((&played.end, played.heads()), (&Ok(End::Released), vec![head(7), head(8), None]));
    assert_eq!(played.removed(), [RELEASE, "#queue[0], #queue[1], #attempts, #running, #strikes", RELEASE]);
}

#[test]
fn what_went_out_is_ticked_off_although_newcomers_keep_the_lease() {
    let image = Mailbox { outbox: vec![effect(1, "b", None)], ..held([]) };
    let newcomer = Mailbox { queue: vec![plain(7)], ..image.clone() };
    let ticked = Mailbox { outbox: vec![], sent: 1, ..newcomer.clone() };
    let replies =
        vec![Reply::applied(&receiver("b")), Reply::refused(&newcomer), Reply::applied(&ticked), Reply::committed()];
    let played = visited(&image, replies);
    assert_eq!((&played.end, played.runs), (&Ok(End::Released), 1));
    assert_eq!(played.removed()[1..3], [format!("#outbox, {RELEASE}"), "#outbox, #running".to_owned()]);
    // Where nothing went out there is nothing to tick off.
    let done = Mailbox { head: 7, ..held([]) };
    let replies = vec![Reply::refused(&held([plain(7)])), Reply::applied(&done), Reply::applied(&idle(7))];
    let played = visited(&held([]), replies);
    assert_eq!(played.heads(), [None, head(7), None]);
}

#[test]
fn what_an_earlier_try_ticked_off_does_not_end_the_visit_while_the_lease_is_held() {
    let image = Mailbox { outbox: vec![effect(1, "b", None)], ..held([]) };
    let ticked = Mailbox { outbox: vec![], sent: 1, ..image.clone() };
    let replies = vec![Reply::applied(&receiver("b")), Reply::refused(&ticked), Reply::applied(&idle(6))];
    let played = visited(&image, replies);
    assert_eq!((&played.end, &played.removed()[2]), (&Ok(End::Released), &RELEASE.to_owned()));
}

#[test]
fn a_queue_waits_for_room_in_the_outbox_and_the_outbox_stays_as_it_is() {
    let later = |sequence| effect(sequence, "b", Some(BEGINNING.plus(60_000)));
    let outbox: Vec<_> = (1..=60).map(later).collect();
    let image = Mailbox { outbox, ..held([posts(7, &["b"; 50])]) };
    let played = visited(&image, vec![Reply::applied(&image)]);
    assert_eq!((&played.end, played.removed()), (&Ok(End::Waiting), vec!["#running".to_owned()]));
    let Some(AttributeValue::L(rest)) = value_of(&played.updates()[0], ":rest") else { panic!("no rest") };
    assert_eq!(rest.len(), 60);
}

#[test]
fn those_who_were_written_to_are_visited_next_and_their_failures_are_theirs() {
    let image = held([posts(7, &["b"])]);
    let sent = Mailbox { head: 7, outbox: vec![effect(7, "b", None)], ..held([]) };
    for last in [Reply::applied(&Mailbox { head: 1, ..Mailbox::blank("told/b") }), Reply::error(StoreError::Invalid)] {
        let replies = [Reply::applied(&sent), Reply::applied(&receiver("b")), Reply::applied(&idle(7))];
        // The effect is keyed, so its receipt is looked for.
        let replies = replies.into_iter().chain([Reply::Item(None), last]);
        let host = Scripted::new(replies).knowing([Kind::of::<Told<'p'>>()]);
        let end = run(visit_all(&host, Held { image: image.clone(), me: me() }, BEGINNING.plus(10_000)));
        assert_eq!((end, host.asked().len()), (Ok(End::Released), 5));
    }
    let unknown = Mailbox { entity: EntityId::new("unheard-of", "a").unwrap(), ..image };
    let played = visited(&unknown, vec![]);
    assert_eq!(played.end, Ok(End::Stopped("there is no kind unheard-of".to_owned())));
}
