//! Visits, from one write to the next: `shared/src/visit.rs` and `shared/src/batch.rs`.

use crate::config::Poison;
use crate::fact::Fact;
use crate::list::List;
use crate::mailbox::{
    EFFECT, Envelope, Event, Events, Ids, KEYLESS, Mailbox, Outbox, Outgoing, RECEIVER, SENDER, is_due,
};
use crate::mutant::Mutant;
use crate::request::{Commit, Ending, Request, Settle, Write};
use crate::system::{Action, System};
use crate::world::{Follow, Step, Visit, World};

/// The key of an effect is this and the sequence of the envelope that caused it; smaller keys are the clients'.
const EFFECT_KEY: u8 = 3;

/// What comes next, as `next` has it.
enum Next {
    Deliver,
    Run,
    Finish(Ending),
}

fn next(image: &Mailbox, clock: u8, over: bool) -> Next {
    match (image.queue.is_empty(), is_due(&image.outbox, clock)) {
        (true, false) if image.outbox.is_empty() => Next::Finish(Ending::Release),
        (true, false) => Next::Finish(Ending::Leave),
        _ if over => Next::Finish(Ending::HandOver),
        (_, true) => Next::Deliver,
        (false, false) => Next::Run,
    }
}

impl System {
    /// Begins a visit.
    pub(crate) fn visit(
        &self,
        world: &mut World,
        entity: u8,
        me: u8,
        image: Mailbox,
        superseded: bool,
        follow: Option<Follow>,
    ) {
        let visit = Visit {
            entity,
            me,
            image,
            step: Step::GiveBack,
            rounds: self.config.rounds,
            busy: false,
            suspect: false,
            unclear: false,
            token: false,
            superseded,
            follow,
        };
        self.go_on(world, visit);
    }

    /// Ends a visit: the same invocation goes on with the lease that its deliveries took along.
    pub(crate) fn end(&self, world: &mut World, visit: &Visit) {
        if let Some(follow) = visit.follow {
            self.visit(world, RECEIVER, follow.me, follow.image, follow.superseded, None);
        }
    }

    /// The visit's next write is this one.
    pub(crate) fn next_step(&self, world: &mut World, visit: Visit, step: Step) {
        world.add_visit(Visit { step, unclear: false, token: false, ..visit });
    }

    /// Decides what comes next; there is nothing to wait for until the write that this leads to.
    pub(crate) fn go_on(&self, world: &mut World, mut visit: Visit) {
        match next(&visit.image, world.clock, visit.rounds == 0) {
            Next::Finish(ending) => {
                let rest = visit.image.outbox;
                self.next_step(world, visit, Step::Settle { rest, ending, after: Outbox::default() });
            }
            Next::Deliver => {
                visit.rounds = visit.rounds.saturating_sub(1);
                let outbox = visit.image.outbox;
                if self.has(Mutant::SettleBeforeDelivery) {
                    let step = Step::Settle { rest: Outbox::default(), ending: Ending::Keep, after: outbox };
                    return self.next_step(world, visit, step);
                }
                self.deliver(world, visit, outbox, false);
            }
            Next::Run => self.run(world, visit),
        }
    }

    /// How a settling write ends after a delivery that left `rest`.
    pub(crate) fn ending_after(&self, world: &World, visit: &Visit, rest: Outbox) -> Ending {
        let after = Mailbox { outbox: rest, ..visit.image };
        match next(&after, world.clock, visit.rounds == 0) {
            Next::Finish(ending) => ending,
            Next::Deliver | Next::Run => Ending::Keep,
        }
    }

    fn run(&self, world: &mut World, mut visit: Visit) {
        visit.suspect = visit.image.attempts >= self.config.suspect_attempts;
        // What only repeats a key runs nothing: there is nothing to die of, and nothing to give up.
        let repeats = visit.image.queue.iter().next().is_some_and(|first| self.is_repeated(world, &visit, 0, first));
        match visit.suspect && !repeats {
            true if visit.image.strikes >= self.config.strikes => self.poison(world, visit),
            true => self.next_step(world, visit, Step::Mark),
            false => self.run_batch(world, visit),
        }
    }

    /// Runs the first envelopes and commits what they made. Running is pure, so nothing can come between.
    pub(crate) fn run_batch(&self, world: &mut World, visit: Visit) {
        let most = if visit.suspect { 1 } else { self.config.batch };
        let (mut taken, mut fresh) = (0_u8, 0_u8);
        for envelope in visit.image.queue.iter().take(most) {
            let bit = u8::from(!self.is_repeated(world, &visit, usize::from(taken), envelope)) << taken;
            if bit > 0 && self.config.deadly.contains(&envelope.event) {
                // The invocation is gone, and with it whatever else it held.
                return;
            }
            if bit > 0 && self.config.faulty.contains(&envelope.event) {
                break;
            }
            taken += 1;
            fresh |= bit;
        }
        if taken == 0 {
            // It fails alone as well, and that without a write in between.
            return self.poison(world, visit);
        }
        self.write(world, visit, taken, fresh, false);
    }

    /// Whether an envelope's key was used before, also in this batch: `repeated`.
    pub(crate) fn is_repeated(&self, world: &World, visit: &Visit, index: usize, envelope: &Envelope) -> bool {
        if envelope.key == KEYLESS || self.has(Mutant::NoReceipts) {
            return false;
        }
        let before = visit.image.queue.iter().take(index);
        let in_batch = !self.has(Mutant::BatchKeysApart) && before.clone().any(|other| other.key == envelope.key);
        let by_receipt = world.receipts[usize::from(visit.entity)][usize::from(envelope.key)] != 0;
        match (in_batch, by_receipt) {
            _ if envelope.event >= EFFECT && (in_batch || by_receipt) => self.facts.note(Fact::EffectAbsorbed),
            (true, _) => self.facts.note(Fact::KeyInBatch),
            (_, true) => self.facts.note(Fact::KeyByReceipt),
            (false, false) => {}
        }
        in_batch || by_receipt
    }

    fn poison(&self, world: &mut World, visit: Visit) {
        match self.config.poison {
            Poison::Park => self.write(world, visit, 1, 0, true),
            Poison::Block => self.next_step(world, visit, Step::Block),
        }
    }

    /// Commits: `write` and `ending`.
    fn write(&self, world: &mut World, mut visit: Visit, taken: u8, fresh: u8, dead: bool) {
        visit.rounds = visit.rounds.saturating_sub(1);
        let all = usize::from(taken) == visit.image.queue.len();
        let causes = |(index, envelope): (usize, &Envelope)| fresh >> index & 1 == 1 && self.causes(&visit, envelope);
        let effects = visit.image.queue.iter().take(usize::from(taken)).enumerate().any(causes);
        let forgets = self.has(Mutant::ReleaseWithEffects);
        let ending = match (all && !visit.busy && (!effects || forgets), visit.rounds == 0) {
            (true, _) if visit.image.outbox.is_empty() || forgets => Ending::Release,
            (true, _) => Ending::Leave,
            (false, true) => Ending::HandOver,
            (false, false) => Ending::Keep,
        };
        self.next_step(world, visit, Step::Commit { taken, fresh, dead, ending });
    }

    fn causes(&self, visit: &Visit, envelope: &Envelope) -> bool {
        visit.entity == SENDER && self.config.effects.contains(&envelope.event)
    }

    /// The request of a visit's next write, the same for all its tries.
    pub(crate) fn request(&self, visit: &Visit) -> Request {
        let image = &visit.image;
        let (head, until) = (image.head, image.lease.until + 1);
        let settle = |rest: Outbox, ending| {
            let sent = (!image.outbox.is_empty()).then_some(image.sent);
            let left = u8::try_from(image.outbox.len() - rest.len()).unwrap_or(u8::MAX);
            Write::Settle(Settle { head, sent, sent_next: image.sent + left, rest, ending, until })
        };
        let write = match &visit.step {
            Step::Commit { taken, fresh, dead, ending } => {
                Write::Commit(self.commit(visit, *taken, *fresh, *dead, *ending))
            }
            Step::Settle { rest, ending, .. } => settle(*rest, *ending),
            Step::GiveBack => settle(image.outbox, Ending::HandOver),
            Step::Mark => Write::Mark { head, until },
            Step::Block => Write::Block { head },
            Step::Deliver(delivery) => return self.delivery_request(delivery),
        };
        Request { entity: visit.entity, me: visit.me, superseded: visit.superseded, write }
    }

    pub(crate) fn commit(&self, visit: &Visit, taken: u8, fresh: u8, dead: bool, ending: Ending) -> Commit {
        let image = &visit.image;
        let batch = &image.queue[..usize::from(taken)];
        let mut commit = Commit {
            head: image.head,
            stays_suspect: image.attempts >= self.config.suspect_attempts
                && matches!(ending, Ending::Keep | Ending::HandOver),
            taken,
            state: None,
            recent: Ids::default(),
            evicted: image.evicted,
            outgoing: Outbox::default(),
            receipts: List::default(),
            dead: batch.first().map(|envelope| envelope.event).filter(|_| dead),
            ending,
            until: image.lease.until + 1,
        };
        let mut state: Events = image.state;
        for (sequence, (index, envelope)) in (image.head + 1..).zip(batch.iter().enumerate()) {
            commit.recent.insert(envelope.id);
            if fresh >> index & 1 == 1 {
                state.push(envelope.event);
                commit.state = Some(state);
                if self.causes(visit, envelope) {
                    commit.outgoing.push(Outgoing { sequence, event: envelope.event + EFFECT, due: 0 });
                }
            }
            if envelope.key != KEYLESS && (dead || fresh >> index & 1 == 1) && !self.has(Mutant::NoReceipts) {
                put(&mut commit.receipts, envelope.key, envelope.event);
            }
        }
        commit.evicted = image.recent.minus(commit.recent).greatest().max(image.evicted);
        commit
    }

    /// The key of an effect, derived from where it came from.
    pub(crate) fn effect_key(&self, outgoing: &Outgoing) -> u8 {
        if self.has(Mutant::UnderivedKey) { KEYLESS } else { EFFECT_KEY + outgoing.sequence }
    }

    /// What visits may do.
    pub(crate) fn step_actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (index, visit) in world.visits.iter().enumerate() {
            actions.push(Action::Step(index));
            if world.budget.timeouts > 0 {
                actions.push(Action::StepTimeout(index));
            }
            if visit.unclear {
                actions.push(Action::StepGiveUp(index));
            }
            if world.budget.failures > 0 && matches!(visit.step, Step::Deliver(_)) {
                actions.push(Action::DeliveryFailure(index));
            }
            if world.budget.crashes > 0 {
                actions.push(Action::StepCrash(index));
            }
            if world.budget.interruptions > 0 && visit.rounds > 0 {
                actions.push(Action::Interrupt(index));
            }
        }
    }

    pub(crate) fn step_timeout(&self, world: &mut World, index: usize) {
        world.budget.timeouts -= 1;
        let mut visit = world.visits.remove(index);
        world.abandon(self.request(&visit));
        visit.unclear = true;
        world.add_visit(visit);
    }

    /// An error of the store ends a delivery's try, or else the visit, which hands over if that can be done.
    pub(crate) fn step_give_up(&self, world: &mut World, index: usize) {
        let visit = world.visits.remove(index);
        match visit.step {
            Step::Deliver(delivery) => self.delivery_failed(world, visit, delivery),
            Step::GiveBack => self.end(world, &visit),
            Step::Commit { .. } | Step::Settle { .. } | Step::Mark | Step::Block => {
                self.next_step(world, visit, Step::GiveBack);
            }
        }
    }
}

/// A transaction may name an item once: a later one takes the place of an earlier one.
fn put(receipts: &mut List<(u8, Event), 4>, key: u8, event: Event) {
    *receipts = receipts.iter().copied().filter(|(other, _)| *other != key).collect();
    receipts.push((key, event));
}
