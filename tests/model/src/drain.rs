//! Looks and takeovers: `functions/drain/src/lib.rs`, `shared/src/wake.rs` and `shared/src/mailbox/takeover.rs`.
//!
//! That `drain` attends to suspect entities one at a time changes only which of them a death is held against, and each
//! entity here is attended to by itself; it is left out.

use crate::fact::Fact;
use crate::mailbox::{Mailbox, NOBODY, next_due};
use crate::mutant::Mutant;
use crate::request::{Request, Takeover, Write};
use crate::system::{Action, System};
use crate::world::{Step, Taker, Taking, Wake, World};

/// What to do about an entity.
enum Look {
    /// Nothing.
    Nothing,
    /// Take its lease.
    Take(Takeover),
    /// Look again later.
    Later(Wake),
}

/// Decides as `look` of `shared/src/wake.rs` does.
fn look(entity: u8, item: &Mailbox, wake: Option<&Wake>, expired: bool, clock: u8) -> Look {
    if !item.pending || item.is_blocked() {
        return Look::Nothing;
    }
    if item.lease.owner == NOBODY {
        return free(entity, item, wake, clock);
    }
    let seen = wake.and_then(|wake| wake.lease);
    if expired || seen == Some(item.lease) {
        return Look::Take(Takeover::Replace { lease: item.lease, strike: item.running });
    }
    match seen {
        Some(_) => Look::Nothing,
        None => Look::Later(Wake { entity, lease: Some(item.lease), due: None }),
    }
}

fn free(entity: u8, item: &Mailbox, wake: Option<&Wake>, clock: u8) -> Look {
    let due = if item.queue.is_empty() { next_due(&item.outbox, clock) } else { None };
    match due {
        None => Look::Take(Takeover::Acquire { head: item.head }),
        Some(due) if wake.is_some_and(|wake| wake.due.is_some_and(|seen| seen != due)) => Look::Nothing,
        Some(due) => Look::Later(Wake { entity, lease: None, due: Some(due) }),
    }
}

impl System {
    /// What stream records, wakes and time may do.
    pub(crate) fn look_actions(&self, world: &World, actions: &mut Vec<Action>) {
        let records = (0..2).zip(world.records).filter(|(_, record)| *record && self.config.looks);
        for (entity, _) in records {
            let expires = self.may_expire(world, entity);
            for again in repetitions(world) {
                actions.push(Action::Look { entity, expired: false, again: *again });
                if expires {
                    actions.push(Action::Look { entity, expired: true, again: *again });
                }
            }
            if self.has(Mutant::StaleLook) && !world.stale[usize::from(entity)].pending {
                actions.push(Action::LookStale(entity));
            }
        }
        for (index, wake) in world.wakes.iter().enumerate() {
            self.wake_actions(world, index, wake, actions);
        }
        let waits = |due: Option<u8>| due.is_some_and(|due| due > world.clock);
        let effects = world.items.iter().any(|item| waits(next_due(&item.outbox, world.clock)));
        let settles = world.visits.iter().any(|visit| match &visit.step {
            Step::Settle { rest, .. } => waits(next_due(rest, world.clock)),
            _ => false,
        });
        if effects || settles || world.wakes.iter().any(|wake| waits(wake.due)) {
            actions.push(Action::Tick);
        }
    }

    /// A wake arrives when it is due: for an effect, when its time has come; for a lease, when its holder has ended,
    /// or while clocks may still differ that much.
    fn wake_actions(&self, world: &World, index: usize, wake: &Wake, actions: &mut Vec<Action>) {
        if wake.due.is_some_and(|due| due > world.clock) {
            return;
        }
        let expires = self.may_expire(world, wake.entity);
        let same = wake.lease == Some(world.items[usize::from(wake.entity)].lease);
        for again in repetitions(world) {
            if !same {
                actions.push(Action::Wake { wake: index, expired: false, again: *again });
            }
            if expires {
                actions.push(Action::Wake { wake: index, expired: true, again: *again });
            }
        }
    }

    pub(crate) fn look_at_record(&self, world: &mut World, entity: u8, expired: bool, again: bool) {
        world.budget.duplicates -= u8::from(again);
        world.records[usize::from(entity)] = again;
        self.look(world, entity, None, expired);
    }

    pub(crate) fn look_at_wake(&self, world: &mut World, index: usize, expired: bool, again: bool) {
        world.budget.duplicates -= u8::from(again);
        let wake = world.wakes[index];
        if !again {
            world.wakes.remove(index);
        }
        self.look(world, wake.entity, Some(&wake), expired);
    }

    fn look(&self, world: &mut World, entity: u8, wake: Option<&Wake>, expired: bool) {
        if expired {
            self.expire(world, entity);
        }
        let item = world.items[usize::from(entity)];
        match look(entity, &item, wake, expired, world.clock) {
            Look::Nothing if wake.is_some_and(|wake| wake.lease.is_some()) => self.facts.note(Fact::WakeStale),
            Look::Nothing => {}
            Look::Later(_) if self.has(Mutant::WakeNotSent) => {}
            Look::Later(wake) => world.wake(wake),
            Look::Take(takeover) => {
                if wake.is_some_and(|wake| wake.lease == Some(item.lease)) {
                    self.facts.note(Fact::WakeReplaces);
                }
                let me = self.owner(world);
                world.add_taking(Taking { entity, me, takeover, taker: Taker::Drain, unclear: false });
            }
        }
    }

    /// What takeovers under way may do.
    pub(crate) fn take_actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (index, taking) in world.takings.iter().enumerate() {
            actions.push(Action::Take(index));
            if world.budget.timeouts > 0 {
                actions.push(Action::TakeTimeout(index));
            }
            if taking.unclear {
                actions.push(Action::TakeGiveUp(index));
            }
            if world.budget.crashes > 0 {
                actions.push(Action::TakeCrash(index));
            }
        }
    }

    fn take_request(taking: &Taking) -> Request {
        Request { entity: taking.entity, me: taking.me, superseded: false, write: Write::Take(taking.takeover) }
    }

    pub(crate) fn take(&self, world: &mut World, index: usize) {
        let taking = world.takings.remove(index);
        let applied = self.execute(world, &Self::take_request(&taking));
        let item = world.items[usize::from(taking.entity)];
        if item.held_by(taking.me) {
            if !applied {
                self.facts.note(Fact::OwnTakeoverSeen);
            }
            if !item.outbox.is_empty() {
                self.facts.note(Fact::EffectInherited);
            }
            self.visit(world, taking.entity, taking.me, item, false, None);
        }
    }

    pub(crate) fn take_timeout(&self, world: &mut World, index: usize) {
        world.budget.timeouts -= 1;
        let mut taking = world.takings.remove(index);
        world.abandon(Self::take_request(&taking));
        taking.unclear = true;
        world.add_taking(taking);
    }

    /// `drain` sends itself a wake when the store does not answer; a client leaves the entity to the stream.
    pub(crate) fn take_give_up(&self, world: &mut World, index: usize) {
        let taking = world.takings.remove(index);
        if taking.taker == Taker::Drain {
            world.wake(Wake { entity: taking.entity, lease: None, due: None });
        }
    }

    /// A record whose function died is delivered again.
    pub(crate) fn take_crash(&self, world: &mut World, index: usize) {
        world.budget.crashes -= 1;
        let taking = world.takings.remove(index);
        world.records[usize::from(taking.entity)] |= taking.taker == Taker::Drain;
    }
}

/// Whether something is delivered once, or also once more.
fn repetitions(world: &World) -> &'static [bool] {
    if world.budget.duplicates > 0 { &[false, true] } else { &[false] }
}
