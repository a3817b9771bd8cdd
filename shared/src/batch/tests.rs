//! Every limit of a batch, from both sides: what just fits is taken, one more is not.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Batch, Input, Stop, park, recent_bytes, records_bytes, repeats, run};
use crate::actor::{Actor, Event, Fault, Rejection, Turn};
use crate::envelope::{EntityId, Envelope, EnvelopeId, EventId, IdempotencyKey, Keyed, Millis};
use crate::limits;
use crate::mailbox::image::{Mailbox, Recent};
use crate::outbox::Outgoing;
use crate::outcome::Outcome;
use crate::receipt::{Receipt, Receipts};
use crate::records::Records;
use crate::registry::Kind;
use crate::sourced::{Decision, EventSourced, Snapshot};
use crate::store::Put;
use crate::table;

const NOW: Millis = Millis(1_790_000_000_000);

/// Does what it is told, in the size that it is told.
struct Sizes;

/// What one envelope is to make.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Make {
    /// Bytes of the reply's text.
    reply: usize,
    /// Bytes of the state's text; the state is left as it is when there is none.
    state: Option<usize>,
    /// Bytes of each side record's text.
    records: Vec<usize>,
    /// Effects.
    posts: usize,
    /// Whether the rules refuse it.
    refused: bool,
    /// Whether it cannot be processed.
    faulty: bool,
}

impl Actor for Sizes {
    const KIND: &'static str = "sizes";
    type State = String;
    type Command = Make;
    type Reply = String;

    fn handle(state: &String, event: &Event<'_, Make>) -> Result<Turn<Self>, Fault> {
        let make = &event.command;
        if make.faulty {
            return Err(Fault::new("as it was told"));
        }
        if make.refused {
            return Ok(Turn::reject(Rejection::new("refused", 409, "as it was told")));
        }
        let state = make.state.map_or_else(|| state.clone(), text);
        let mut turn = Turn::reply(state, text(make.reply));
        for (index, bytes) in make.records.iter().enumerate() {
            turn = turn.record(&format!("{}-{index}", event.id.sequence), &json!({"text": text(*bytes)}), None)?;
        }
        for _ in 0..make.posts {
            turn = turn.post::<Self>(&receiver(), &Make::default())?;
        }
        Ok(turn)
    }
}

/// Keeps a journal of events of the sizes that it is told, beside side records.
struct Journaled;

#[derive(Serialize, Deserialize)]
struct Keep {
    events: Vec<usize>,
    records: Vec<usize>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Kept {
    Kept { text: String },
}

impl EventSourced for Journaled {
    const KIND: &'static str = "journaled";
    type State = u64;
    type Command = Keep;
    type Event = Kept;
    type Reply = u64;

    fn decide(_: &Snapshot<u64>, command: &Event<'_, Keep>) -> Result<Decision<Self>, Fault> {
        let events = command.command.events.iter().map(|bytes| Kept::Kept { text: text(*bytes) });
        let mut records = command.command.records.iter().enumerate();
        records.try_fold(Decision::events(events), |decision, (index, bytes)| {
            decision.record(&index.to_string(), &json!({"text": text(*bytes)}), None)
        })
    }

    fn apply(count: u64, _: &Kept) -> Result<u64, Fault> {
        Ok(count + 1)
    }

    fn reply(_: &Event<'_, Keep>, after: &Snapshot<u64>) -> u64 {
        after.version
    }
}

/// Runs one envelope of an entity with a journal.
fn keep(events: Vec<usize>, records: Vec<usize>) -> Batch {
    let body = serde_json::to_string(&Keep { events, records }).unwrap();
    let image =
        Mailbox { queue: vec![Envelope { body, ..envelope(1, &Make::default()) }], ..Mailbox::blank("journaled/one") };
    let (kind, receipts) = (Kind::of::<Journaled>(), Receipts::new());
    run(Input { image: &image, kind: &kind, receipts: &receipts, records: &Records::default(), now: NOW }, usize::MAX)
        .unwrap()
}

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

fn receiver() -> EntityId {
    EntityId::new("sizes", "other").unwrap()
}

fn envelope(number: u64, make: &Make) -> Envelope {
    let body = serde_json::to_string(make).unwrap();
    Envelope { id: EnvelopeId::new(NOW, number, None), at: NOW, body, keyed: None, from: None, trace: None }
}

fn keyed(number: u64, key: &str, at: Millis) -> Envelope {
    let keyed = Keyed::client(&IdempotencyKey::new(key).unwrap(), 0, "hash");
    Envelope { keyed: Some(keyed), at, ..envelope(number, &Make::default()) }
}

fn mailbox(queue: Vec<Envelope>) -> Mailbox {
    Mailbox { queue, ..Mailbox::blank("sizes/one") }
}

fn outgoing(sequence: u64) -> Outgoing {
    Outgoing { sequence, index: 0, to: receiver(), body: "{}".to_owned(), at: NOW, failures: 0, due: None, trace: None }
}

/// Runs everything in the queue.
fn run_all(image: &Mailbox, receipts: &Receipts) -> Batch {
    let kind = Kind::of::<Sizes>();
    run(Input { image, kind: &kind, receipts, records: &Records::default(), now: NOW }, usize::MAX).unwrap()
}

/// Runs envelopes that make these.
fn make(makes: &[Make]) -> Batch {
    let queue = (0..).zip(makes).map(|(number, make)| envelope(number, make)).collect();
    run_all(&mailbox(queue), &Receipts::new())
}

fn too_much(batch: &Batch, what: &str) {
    assert_eq!((batch.taken, batch.recent.len(), batch.puts.len()), (0, 0, 0));
    let Some(Stop::Fault(fault)) = &batch.stop else { panic!("{:?}", batch.stop) };
    assert!(fault.to_string().contains(what), "{fault}");
}

#[test]
fn records_of_a_commit_are_counted() {
    let one = Make { records: vec![0], ..Make::default() };
    let batch = make(&vec![one.clone(); limits::RECORDS + 1]);
    assert_eq!((batch.taken, batch.puts.len(), &batch.stop), (limits::RECORDS, limits::RECORDS, &None));

    let alone = |records| make(&[Make { records: vec![0; records], ..Make::default() }]);
    assert_eq!((alone(limits::RECORDS).taken, alone(limits::RECORDS).stop), (1, None));
    too_much(&alone(limits::RECORDS + 1), "side records");
}

#[test]
fn records_of_a_commit_are_weighed() {
    let of = |last: usize| {
        let mut records = vec![60 * limits::KB; 51];
        records.push(last);
        make(&[Make { records, ..Make::default() }])
    };
    let room = limits::RECORDS_BYTES - records_bytes(&of(0).puts);
    let full = of(room);
    assert_eq!((full.taken, records_bytes(&full.puts)), (1, limits::RECORDS_BYTES));
    too_much(&of(room + 1), "side records");
    // Keys count, and names: `record` and `text` with the overhead of their map.
    let of_one = make(&[Make { records: vec![1_000], ..Make::default() }]);
    assert_eq!(records_bytes(&of_one.puts), "sizes/one".len() + "data#1-0".len() + 6 + 3 + 1 + 4 + 1_000);
}

#[test]
fn a_journal_counts_among_the_records() {
    const LARGE: usize = limits::JOURNAL_ITEM_BYTES;
    let full = keep(vec![LARGE; 60], vec![0; limits::RECORDS - 60]);
    assert_eq!((full.taken, full.puts.len(), full.stop), (1, limits::RECORDS, None));
    too_much(&keep(vec![LARGE; 60], vec![0; limits::RECORDS - 59]), "events and side records");
    // Small ones share an item.
    assert_eq!(keep(vec![0; 200], vec![0; 90]).taken, 1);
}

#[test]
fn a_journal_weighs_among_the_records() {
    let of = |last: usize| keep(vec![60 * limits::KB; 25], [vec![60 * limits::KB; 26], vec![last]].concat());
    let journal = |batch: &Batch| {
        let items = batch.puts.iter().filter(|put| put.key.sk.starts_with(table::EVENT));
        items.map(|put| put.key.pk.len() + put.key.sk.len() + table::item_bytes(&put.item)).sum::<usize>()
    };
    // An event counts by itself, without the key and the name that its item adds.
    let sum = |batch: &Batch| records_bytes(&batch.puts) - 25 * ("journaled/one".len() + 26 + "events".len() + 3);
    let room = limits::RECORDS_BYTES - sum(&of(0));
    let full = of(room);
    assert_eq!((full.taken, sum(&full)), (1, limits::RECORDS_BYTES));
    assert!(journal(&full) > 25 * 60 * limits::KB);
    too_much(&of(room + 1), "events and side records");
}

#[test]
fn what_does_not_fit_with_the_others_waits_for_the_next_commit() {
    let one = Make { reply: 15 * limits::KB, ..Make::default() };
    let batch = make(&vec![one.clone(); 5]);
    assert_eq!((batch.taken, batch.stop), (3, None));

    // A thousand bytes that the first left in the state must not come from one that is not taken.
    let spoils = Make { state: Some(1_000), ..one.clone() };
    let batch = make(&[Make { state: Some(10), ..one.clone() }, one.clone(), one.clone(), spoils]);
    let (_, state) = batch.state.unwrap();
    assert_eq!((batch.taken, table::value_bytes(&state)), (3, 10));
}

#[test]
fn a_reply_is_weighed_as_it_is_stored() {
    let id = EnvelopeId::new(NOW, 1, None);
    let reply = Recent::new(id, &Outcome::Reply(json!({"value": 7})));
    let repeated = Recent { original: Some(EventId { sequence: u64::MAX, id }), ..reply.clone() };
    for recent in [vec![], vec![reply.clone()], vec![repeated.clone()], vec![reply, repeated]] {
        // Each counts with the comma behind it, and behind the last there is none, but two brackets around all.
        let stored = table::value_bytes(&crate::text::text(&recent));
        assert_eq!(stored, recent_bytes(&recent) + if recent.is_empty() { 2 } else { 1 });
    }
}

#[test]
fn replies_of_a_commit_are_weighed() {
    const ROOM: usize = limits::RECENT_BYTES + limits::REPLY_BYTES;
    let of = |last: usize| {
        let full = Make { reply: 17 * limits::KB, ..Make::default() };
        make(&[full.clone(), full, Make { reply: last, ..Make::default() }])
    };
    let room = ROOM - recent_bytes(&of(0).recent);
    let full = of(room);
    assert_eq!((full.taken, recent_bytes(&full.recent)), (3, ROOM));
    let over = of(room + 1);
    assert_eq!((over.taken, over.stop), (2, None));
}

#[test]
fn effects_of_a_commit_fill_half_of_the_outbox_at_most() {
    let of = |posts| make(&[Make { posts, ..Make::default() }]);
    assert_eq!((of(50).taken, of(50).outgoing.len(), of(50).stop), (1, 50, None));
    too_much(&of(51), "effects");
}

#[test]
fn effects_wait_for_room_in_the_outbox() {
    let of = |waiting: u64, makes: &[Make]| {
        let queue = (0..).zip(makes).map(|(number, make)| envelope(number, make)).collect();
        let outbox = (1..=waiting).map(outgoing).collect();
        run_all(&Mailbox { outbox, ..mailbox(queue) }, &Receipts::new())
    };
    let posts = |posts| Make { posts, ..Make::default() };
    assert_eq!((of(50, &[posts(50)]).taken, of(50, &[posts(50)]).stop), (1, None));
    let full = of(60, &[posts(50)]);
    assert_eq!((full.taken, full.outgoing.len(), full.stop), (0, 0, Some(Stop::OutboxFull)));
    let behind = of(60, &[posts(30), posts(30)]);
    assert_eq!((behind.taken, behind.outgoing.len(), behind.stop), (1, 30, None));
    // What has no effects needs no room.
    assert_eq!((of(100, &[posts(0)]).taken, of(100, &[posts(0)]).stop), (1, None));
}

#[test]
fn a_state_just_fits_or_is_left_as_it_was() {
    let of = |bytes| Make { state: Some(bytes), ..Make::default() };
    let full = make(&[of(limits::STATE_BYTES)]);
    assert_eq!((full.taken, table::value_bytes(&full.state.unwrap().1)), (1, limits::STATE_BYTES));
    too_much(&make(&[of(limits::STATE_BYTES + 1)]), "the state would have");
    // Those before it are committed, however many runs it takes to find that out.
    let batch = make(&[of(1), of(2), of(3), of(limits::STATE_BYTES + 1)]);
    assert_eq!((batch.taken, batch.stop), (2, None));
}

#[test]
fn a_fault_ends_the_batch_behind_those_before_it() {
    let batch = make(&[Make::default(), Make { faulty: true, ..Make::default() }, Make::default()]);
    assert_eq!((batch.taken, batch.recent.len()), (1, 1));
    assert_eq!(batch.stop, Some(Stop::Fault(Fault::new("as it was told"))));
}

#[test]
fn a_refusal_changes_no_state() {
    let refused = Make { refused: true, ..Make::default() };
    let batch = make(&[refused.clone(), refused]);
    assert_eq!((batch.taken, batch.state, batch.recent.len()), (2, None, 2));
}

#[test]
fn a_keyed_envelope_runs_until_its_receipt_would_be_forgotten() {
    let aged = |ms: u64| run_all(&mailbox(vec![keyed(1, "k", Millis(NOW.0 - ms))]), &Receipts::new());
    assert_eq!((aged(limits::RECEIPT_MS).taken, aged(limits::RECEIPT_MS).stop), (1, None));
    let expired = aged(limits::RECEIPT_MS + 1);
    assert_eq!((expired.taken, expired.stop), (0, Some(Stop::Expired)));
}

/// An envelope whose key has had its effect, with the receipt.
fn repetition() -> (Mailbox, Receipts, EventId) {
    let envelope = keyed(7, "k", NOW);
    let event = EventId { sequence: 3, id: EnvelopeId::new(NOW, 1, None) };
    let keyed = envelope.keyed.as_ref().unwrap();
    let receipt = Receipt::new(keyed, event, &Outcome::Reply(json!("before")), NOW);
    let receipts = HashMap::from([(keyed.name.clone(), receipt)]);
    (mailbox(vec![envelope]), receipts, event)
}

#[test]
fn what_repeats_a_key_is_answered_and_never_parked() {
    let (image, receipts, event) = repetition();
    let kind = Kind::of::<Sizes>();
    let input = Input { image: &image, kind: &kind, receipts: &receipts, records: &Records::default(), now: NOW };
    assert!(repeats(input));
    for batch in [run(input, 1).unwrap(), park(input, "it was told to")] {
        assert_eq!((batch.taken, batch.puts.len(), batch.state), (1, 0, None));
        let [recent] = batch.recent.as_slice() else { panic!("{:?}", batch.recent) };
        assert_eq!((recent.original, recent.outcome.as_str()), (Some(event), r#"{"r":"before"}"#));
    }
    let fresh = Input { receipts: &Receipts::new(), ..input };
    assert!(!repeats(fresh));
}

#[test]
fn what_is_parked_leaves_its_letter_its_receipt_and_the_answer() {
    let image = mailbox(vec![keyed(7, "k", NOW)]);
    let kind = Kind::of::<Sizes>();
    let receipts = Receipts::new();
    let batch = park(
        Input { image: &image, kind: &kind, receipts: &receipts, records: &Records::default(), now: NOW },
        "it was told to",
    );
    let keys: Vec<&str> = batch.puts.iter().map(|Put { key, .. }| key.sk.as_str()).collect();
    assert_eq!((batch.taken, keys.as_slice()), (1, &["dead#00000000000000000001", "receipt#c0/k"][..]));
    let [recent] = batch.recent.as_slice() else { panic!("{:?}", batch.recent) };
    assert_eq!(recent.outcome, r#"{"d":"it was told to"}"#);
}
