//! The system as stateright explores it: which actions are enabled, and what each of them does.

use stateright::{Model, Property};

use crate::config::{Client, Config};
use crate::fact::{Fact, Facts};
use crate::mailbox::{BLOCKED, NOBODY};
use crate::mutant::Mutant;
use crate::property;
use crate::request::{Commit, Receipts, Request, Takeover, Write};
use crate::world::{Ghost, Phase, Post, Step, Visit, World};

/// One configuration of the protocol, as built or with a planted bug.
#[derive(Debug)]
pub struct System {
    /// What is explored.
    pub config: Config,
    /// The planted bug.
    pub mutant: Option<Mutant>,
    /// What was seen so far.
    pub facts: Facts,
}

/// One step. Positions are those in the canonical lists of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A client's post is executed and answered; `expired` when it then takes the lease of the present holder for over.
    Post {
        /// Whose.
        client: usize,
        /// Whether the client's clock says that the lease is over.
        expired: bool,
    },
    /// A client's request is on its own from here on, and the client tries again.
    PostTimeout(usize),
    /// A client on the direct path reads the item, and runs its events.
    Read(usize),
    /// A client's direct write is executed and answered.
    Direct(usize),
    /// A client's direct write is on its own from here on, and the client posts.
    DirectTimeout(usize),
    /// A client gives up.
    PostGiveUp(usize),
    /// A client that waits for room sees some.
    PostAgain(usize),
    /// A client takes a full and free mailbox over.
    WorkOff(usize),
    /// `drain` looks at an entity because of its stream records.
    Look {
        /// Whose.
        entity: u8,
        /// Whether the clock says that the lease is over.
        expired: bool,
        /// Whether the records are delivered once more.
        again: bool,
    },
    /// The same look, by a read that sees the item before its last write: only with a planted bug.
    LookStale(u8),
    /// `drain` looks at an entity because of a wake.
    Wake {
        /// Which.
        wake: usize,
        /// Whether the clock says that the lease is over.
        expired: bool,
        /// Whether the wake is delivered once more.
        again: bool,
    },
    /// A takeover is executed and answered.
    Take(usize),
    /// A takeover's request is on its own from here on, and is repeated.
    TakeTimeout(usize),
    /// Whoever takes over gives up.
    TakeGiveUp(usize),
    /// Whoever takes over dies.
    TakeCrash(usize),
    /// A visit's next write is executed and answered.
    Step(usize),
    /// A visit's request is on its own from here on, and is repeated.
    StepTimeout(usize),
    /// A visit gives up on its step.
    StepGiveUp(usize),
    /// A delivery is refused for a passing reason, and nothing of it is under way.
    DeliveryFailure(usize),
    /// A visit's invocation dies.
    StepCrash(usize),
    /// A visit has no more time than for the step that it is at.
    Interrupt(usize),
    /// A request that was on its own is executed.
    Arrive(usize),
    /// Time passes, so that the first effect that waits is due.
    Tick,
}

impl System {
    /// A configuration as built, or with a planted bug.
    #[must_use]
    pub fn new(config: Config, mutant: Option<Mutant>) -> Self {
        Self { config, mutant, facts: Facts::default() }
    }

    /// Whether a bug is planted.
    #[must_use]
    pub fn has(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// The owner of a new acquisition.
    pub(crate) fn owner(&self, world: &World) -> u8 {
        if self.has(Mutant::OwnerPerProcess) { 1 } else { world.fresh_owner() }
    }

    /// Executes a write if its condition holds, as DynamoDB does: at once, and with a record in the stream.
    pub(crate) fn execute(&self, world: &mut World, request: &Request) -> bool {
        let entity = usize::from(request.entity);
        let item = world.items[entity];
        if !request.holds(&item, &world.receipts[entity], self.mutant) {
            return false;
        }
        if self.has(Mutant::StaleLook) {
            world.stale[entity] = item;
        }
        match &request.write {
            Write::Post { envelopes, .. } => {
                envelopes.iter().for_each(|envelope| world.ghosts[entity].appended.push(envelope.event));
            }
            Write::Take(Takeover::Acquire { .. }) => {}
            Write::Take(Takeover::Replace { .. }) => self.supersede(world, request),
            Write::Commit(commit) => {
                let ghost = &mut world.ghosts[entity];
                if let Some(event) = commit.dead {
                    self.facts.note(Fact::Parked);
                    ghost.dead.push(event);
                    ghost.wronged |= !self.config.faulty.contains(&event) && ghost.struck < self.config.strikes;
                }
                *ghost = Ghost { replaced: 0, struck: 0, ..*ghost };
                write_receipts(&mut world.receipts[entity], commit);
            }
            Write::Direct(direct) => {
                direct.envelopes.iter().for_each(|envelope| world.ghosts[entity].appended.push(envelope.event));
                write_receipts(&mut world.receipts[entity], &direct.commit);
            }
            Write::Settle(_) | Write::Mark { .. } | Write::Block { .. } => {}
        }
        world.breached |= request.superseded;
        request.change(&mut world.items[entity], self.mutant);
        world.items[entity].version += u8::from(self.config.direct);
        // The stream's filter lets through what is pending.
        world.records[entity] |= world.items[entity].pending;
        true
    }

    /// Takes note that the present holder's lease is taken over, wherever its writes are.
    fn supersede(&self, world: &mut World, replacement: &Request) {
        let entity = replacement.entity;
        let item = &world.items[usize::from(entity)];
        let (owner, running) = (item.lease.owner, item.running);
        // Only a planted bug lets an acquisition replace itself, and then it holds the lease all the same.
        let itself = owner == replacement.me && !self.has(Mutant::OwnerPerProcess);
        for visit in &mut world.visits {
            if visit.entity == entity && visit.me == owner && !itself {
                visit.superseded = true;
                if matches!(visit.step, Step::Commit { .. }) {
                    self.facts.note(Fact::TakenOverDuringCommit);
                }
            }
            if let Some(follow) = visit.follow.as_mut().filter(|follow| visit.entity != entity && follow.me == owner) {
                follow.superseded = true;
            }
        }
        for request in &mut world.late {
            let holds = !matches!(request.write, Write::Post { .. } | Write::Direct(_) | Write::Take(_));
            request.superseded |= !itself && holds && request.entity == entity && request.me == owner;
        }
        if running {
            self.facts.note(Fact::Strike);
        }
        let ghost = &mut world.ghosts[usize::from(entity)];
        ghost.replaced += 1;
        ghost.struck += u8::from(running);
    }

    /// Whether a lease may be judged expired now: its holder is gone, or clocks may still differ that much.
    pub(crate) fn may_expire(&self, world: &World, entity: u8) -> bool {
        let owner = world.items[usize::from(entity)].lease.owner;
        let held = owner != NOBODY && owner != BLOCKED;
        held && (world.budget.takeovers > 0 || !world.is_alive(entity, owner))
    }

    /// Pays for judging a lease expired.
    pub(crate) fn expire(&self, world: &mut World, entity: u8) {
        let owner = world.items[usize::from(entity)].lease.owner;
        if world.is_alive(entity, owner) {
            world.budget.takeovers -= 1;
        }
    }

    fn arrive(&self, world: &mut World, index: usize) {
        let request = world.late.remove(index);
        if self.execute(world, &request) {
            return self.arrived(world, &request);
        }
        if let Write::Post { envelopes, .. } = &request.write {
            let item = &world.items[usize::from(request.entity)];
            let id = envelopes.first().map_or(0, |envelope| envelope.id);
            if !item.knows(id) && item.evicted.is_some_and(|evicted| evicted >= id) {
                self.facts.note(Fact::LatePostEvicted);
            }
        }
    }

    /// A late request was applied.
    fn arrived(&self, world: &mut World, request: &Request) {
        match &request.write {
            Write::Commit(commit) if commit.is_transaction() => {
                for index in 0..world.visits.len() {
                    let same = self.request(&world.visits[index]);
                    world.visits[index].token |= Request { superseded: request.superseded, ..same } == *request;
                }
            }
            Write::Take(Takeover::Acquire { .. }) => self.revive(world, request),
            Write::Post { envelopes, .. } => {
                let client = envelopes.first().map_or(0, |envelope| usize::from(envelope.event / 2));
                if world.posts.get(client).is_some_and(|post| post.phase == Phase::Unknown) {
                    self.facts.note(Fact::LatePostApplied);
                }
            }
            Write::Direct(_) => self.facts.note(Fact::LateDirect),
            Write::Take(_) | Write::Commit(_) | Write::Settle(_) | Write::Mark { .. } | Write::Block { .. } => {}
        }
    }

    /// A late acquisition was applied. Its fence may be that of a holder which was taken over meanwhile and does not know
    /// it yet: while the head has not moved since, that holder has its lease back, and rightly works under it.
    fn revive(&self, world: &mut World, request: &Request) {
        self.facts.note(Fact::LateAcquire);
        let theirs = |visit: &&mut Visit| visit.entity == request.entity && visit.me == request.me;
        for visit in world.visits.iter_mut().filter(theirs) {
            if visit.superseded {
                self.facts.note(Fact::HolderRevived);
            }
            visit.superseded = false;
        }
    }

    fn act(&self, world: &mut World, action: Action) {
        match action {
            Action::Post { client, expired } => self.post(world, client, expired),
            Action::PostTimeout(client) => self.post_timeout(world, client),
            Action::Read(client) => self.read(world, client),
            Action::Direct(client) => self.direct(world, client),
            Action::DirectTimeout(client) => self.direct_timeout(world, client),
            Action::PostGiveUp(client) => self.post_give_up(world, client),
            Action::PostAgain(client) => self.set_post(world, client, |post| post.phase = Phase::Posting),
            Action::WorkOff(client) => self.work_off(world, client),
            Action::Look { entity, expired, again } => self.look_at_record(world, entity, expired, again),
            Action::LookStale(entity) => world.records[usize::from(entity)] = false,
            Action::Wake { wake, expired, again } => self.look_at_wake(world, wake, expired, again),
            Action::Take(taking) => self.take(world, taking),
            Action::TakeTimeout(taking) => self.take_timeout(world, taking),
            Action::TakeGiveUp(taking) => self.take_give_up(world, taking),
            Action::TakeCrash(taking) => self.take_crash(world, taking),
            Action::Step(visit) => self.step(world, visit),
            Action::StepTimeout(visit) => self.step_timeout(world, visit),
            Action::StepGiveUp(visit) => self.step_give_up(world, visit),
            Action::DeliveryFailure(visit) => {
                world.budget.failures -= 1;
                self.step_give_up(world, visit);
            }
            Action::StepCrash(visit) => {
                world.budget.crashes -= 1;
                world.visits.remove(visit);
            }
            Action::Interrupt(visit) => {
                world.budget.interruptions -= 1;
                let mut visit = world.visits.remove(visit);
                visit.rounds = 0;
                world.add_visit(visit);
            }
            Action::Arrive(late) => self.arrive(world, late),
            Action::Tick => world.clock += 1,
        }
    }

    /// Whether nothing happens any more unless a request that nobody waits for arrives, which it may never do.
    #[must_use]
    pub fn is_quiescent(&self, world: &World) -> bool {
        if !world.visits.is_empty() || !world.takings.is_empty() || world.records.contains(&true) {
            return false;
        }
        let mut actions = Vec::new();
        self.actions(world, &mut actions);
        actions.iter().all(|action| matches!(action, Action::Arrive(_)))
    }
}

fn write_receipts(receipts: &mut Receipts, commit: &Commit) {
    for (key, event) in commit.receipts.iter() {
        receipts[usize::from(*key)] = event + 1;
    }
}

impl Model for System {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let phase = |inline| if self.config.direct && inline { Phase::Direct } else { Phase::Posting };
        let post = |client: &Client| Post { phase: phase(client.inline), ..Post::default() };
        let posts = self.config.clients.iter().map(post).collect();
        vec![World { posts, budget: self.config.budget, ..World::default() }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.post_actions(world, actions);
        self.look_actions(world, actions);
        self.take_actions(world, actions);
        self.step_actions(world, actions);
        actions.extend((0..world.late.len()).map(Action::Arrive));
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        self.act(&mut next, action);
        next.forget_versions();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let sometimes = Fact::ALL.iter().map(|fact| fact.property());
        property::always().into_iter().chain(sometimes).collect()
    }
}
