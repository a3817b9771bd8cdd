//! What a visit makes of the replies to its writes: `shared/src/mailbox/commit.rs`, `settle.rs` and
//! `shared/src/deliver.rs`.

use crate::client::{LEVEL, Refusal, refusal};
use crate::fact::Fact;
use crate::list::List;
use crate::mailbox::{EFFECT, Envelope, KEYLESS, Mailbox, NOBODY, Outbox, Outgoing, RECEIVER};
use crate::request::{Commit, Ending, Request, Write};
use crate::system::System;
use crate::world::{Delivery, Follow, Step, Visit, World};

/// What became of a write.
enum Committed {
    /// It is applied, and this is the item.
    Applied(Mailbox),
    /// Nothing is applied: somebody has posted.
    Newcomers(Mailbox),
    /// This acquisition is over.
    Lost,
}

impl System {
    /// A visit's next write is executed and answered.
    pub(crate) fn step(&self, world: &mut World, index: usize) {
        let visit = world.visits.remove(index);
        let request = self.request(&visit);
        let applied = self.execute(world, &request);
        let item = world.items[usize::from(request.entity)];
        match (visit.step, &request.write) {
            (Step::Commit { ending, .. }, Write::Commit(commit)) => {
                let committed = self.committed(world, &visit, &request, commit, applied);
                self.take_up(world, visit, committed, ending);
            }
            (Step::Settle { rest, ending, after }, _) => {
                self.settled(world, visit, Settled { applied, rest, ending, after });
            }
            (Step::Deliver(delivery), Write::Post { envelopes, .. }) => {
                self.delivered(world, visit, delivery, envelopes, applied);
            }
            (Step::Mark, _) if applied => self.run_batch(world, Visit { image: item, ..visit }),
            (Step::GiveBack, _) => {
                if applied {
                    self.facts.note(Fact::GivenBack);
                }
                self.end(world, &visit);
            }
            (Step::Block, _) => {
                if applied {
                    self.facts.note(Fact::Blocked);
                }
                self.end(world, &visit);
            }
            _ => self.end(world, &visit),
        }
    }

    fn committed(&self, world: &World, visit: &Visit, request: &Request, commit: &Commit, applied: bool) -> Committed {
        let old = world.items[usize::from(visit.entity)];
        if commit.is_transaction() && (applied || visit.token) {
            if !applied {
                self.facts.note(Fact::TokenRecognised);
            }
            // A transaction brings no image: what is known must suffice.
            let mut after = visit.image;
            request.change(&mut after, self.mutant);
            return Committed::Applied(after);
        }
        let mine = old.held_by(visit.me);
        match old.head {
            _ if applied => Committed::Applied(old),
            head if mine && head == commit.head => Committed::Newcomers(old),
            head if mine && commit.ending == Ending::Keep && head == commit.head + commit.taken => {
                self.facts.note(Fact::OwnKeepSeen);
                Committed::Applied(old)
            }
            head => {
                if visit.unclear && !visit.superseded && head > commit.head && commit.ending == Ending::Release {
                    self.facts.note(Fact::ReleaseReplyLost);
                }
                Committed::Lost
            }
        }
    }

    /// Goes on from what a write returned.
    fn take_up(&self, world: &mut World, mut visit: Visit, committed: Committed, ending: Ending) {
        match committed {
            Committed::Applied(image) => {
                let held = image.held_by(visit.me);
                if ending != Ending::Keep && !held {
                    if ending == Ending::HandOver {
                        self.facts.note(Fact::HandedOver);
                    }
                    return self.end(world, &visit);
                }
                visit.image = image;
                self.go_on(world, visit);
            }
            Committed::Newcomers(image) => {
                self.facts.note(Fact::Newcomers);
                visit.busy = true;
                visit.image = image;
                self.go_on(world, visit);
            }
            Committed::Lost => self.end(world, &visit),
        }
    }

    fn settled(&self, world: &mut World, mut visit: Visit, settled: Settled) {
        let old = world.items[usize::from(visit.entity)];
        let committed = match settled.applied {
            true => Committed::Applied(old),
            false if !old.held_by(visit.me) || old.head != visit.image.head => Committed::Lost,
            false if old.sent == visit.image.sent => Committed::Newcomers(old),
            false => {
                self.facts.note(Fact::OwnSettleSeen);
                Committed::Applied(old)
            }
        };
        match committed {
            Committed::Newcomers(image) if settled.rest != image.outbox => {
                // Newcomers kept the lease from being released; what went out must be ticked off all the same.
                visit.image = image;
                let step = Step::Settle { rest: settled.rest, ending: Ending::Keep, after: Outbox::default() };
                self.next_step(world, visit, step);
            }
            Committed::Applied(image) if !settled.after.is_empty() => {
                visit.image = image;
                self.deliver(world, visit, settled.after, true);
            }
            committed => self.take_up(world, visit, committed, settled.ending),
        }
    }

    /// Delivers what is due, in order, until one fails.
    pub(crate) fn deliver(&self, world: &mut World, visit: Visit, left: Outbox, ticked: bool) {
        self.next_delivery(world, visit, Delivery { left, ticked, ..Delivery::default() });
    }

    fn next_delivery(&self, world: &mut World, mut visit: Visit, mut delivery: Delivery) {
        match delivery.left.first() {
            Some(outgoing) if outgoing.due <= world.clock => {
                if outgoing.due > 0 {
                    self.facts.note(Fact::EffectDelayed);
                }
                // Each delivery makes a fresh envelope: only its key says that it is the same effect.
                delivery.id = EFFECT + world.deliveries;
                assert!(delivery.id < LEVEL, "a configuration delivers too often");
                world.deliveries += 1;
                let takes = self.config.hops && visit.follow.is_none();
                delivery.owner = if takes { self.owner(world) } else { NOBODY };
                self.next_step(world, visit, Step::Deliver(delivery));
            }
            // There is one receiver: it gets nothing later before what waits for it.
            _ => {
                delivery.rest.extend(&delivery.left);
                if delivery.ticked {
                    visit.image.outbox = Outbox::default();
                    return self.go_on(world, visit);
                }
                let ending = self.ending_after(world, &visit, delivery.rest);
                let step = Step::Settle { rest: delivery.rest, ending, after: Outbox::default() };
                self.next_step(world, visit, step);
            }
        }
    }

    /// The request that delivers an effect.
    pub(crate) fn delivery_request(&self, delivery: &Delivery) -> Request {
        let envelope =
            |outgoing: &Outgoing| Envelope { id: delivery.id, event: outgoing.event, key: self.effect_key(outgoing) };
        let envelopes: List<Envelope, 2> = delivery.left.iter().take(1).map(envelope).collect();
        // Deliveries have a reserve above the receiver's limit.
        let write = Write::Post { envelopes, room: self.config.room + 2 };
        Request { entity: RECEIVER, me: delivery.owner, superseded: false, write }
    }

    fn delivered(
        &self,
        world: &mut World,
        mut visit: Visit,
        mut delivery: Delivery,
        envelopes: &[Envelope],
        applied: bool,
    ) {
        let item = world.items[usize::from(RECEIVER)];
        let refused = (!applied).then(|| refusal(&item, envelopes));
        match refused {
            Some(Refusal::Full) => return self.delivery_failed(world, visit, delivery),
            Some(Refusal::Old { .. }) if visit.unclear && envelopes.iter().any(|envelope| envelope.key == KEYLESS) => {
                return self.delivery_failed(world, visit, delivery);
            }
            Some(Refusal::Old { evicted }) => {
                // A keyed envelope is simply posted again, with an id above all that were forgotten.
                delivery.id = (evicted / LEVEL + 1) * LEVEL + delivery.id % LEVEL;
                world.add_visit(Visit { step: Step::Deliver(delivery), ..visit });
                return;
            }
            Some(Refusal::Duplicate) | None => {}
        }
        if item.held_by(delivery.owner) {
            self.facts.note(Fact::TakenAlong);
            visit.follow = Some(Follow { me: delivery.owner, image: item, superseded: false });
        }
        delivery.left = delivery.left.without_first(1);
        self.next_delivery(world, visit, delivery);
    }

    /// What was not delivered stays in the outbox, and is due at a later time.
    pub(crate) fn delivery_failed(&self, world: &mut World, visit: Visit, mut delivery: Delivery) {
        if let Some(outgoing) = delivery.left.first().copied() {
            delivery.rest.push(Outgoing { due: world.clock + 1, ..outgoing });
        }
        delivery.rest.extend(&delivery.left.without_first(1));
        delivery.left = Outbox::default();
        self.next_delivery(world, visit, delivery);
    }
}

/// The reply to a settling write, and what was written.
struct Settled {
    applied: bool,
    rest: Outbox,
    ending: Ending,
    after: Outbox,
}
