//! Clients: `shared/src/client.rs`, and the tries of `shared/src/mailbox/post.rs`.

use crate::fact::Fact;
use crate::list::List;
use crate::mailbox::{Envelope, KEYLESS, Mailbox, NOBODY};
use crate::mutant::Mutant;
use crate::request::{Request, Takeover, Write};
use crate::system::{Action, System};
use crate::world::{Phase, Post, Taker, Taking, World};

/// Ids of one level; every level is above all ids of the levels before it.
pub(crate) const LEVEL: u8 = 16;

/// What a refused post's old image says, as `refusal` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// An earlier try of this very write was applied.
    Duplicate,
    /// The ids are too old.
    Old {
        /// The greatest id that ever left `recent`.
        evicted: u8,
    },
    /// There is no room.
    Full,
}

/// Reads the old image of a refused post.
pub(crate) fn refusal(old: &Mailbox, envelopes: &[Envelope]) -> Refusal {
    let first = envelopes.first().map_or(0, |envelope| envelope.id);
    match old.evicted {
        _ if envelopes.iter().any(|envelope| old.knows(envelope.id)) => Refusal::Duplicate,
        Some(evicted) if evicted >= first => Refusal::Old { evicted },
        _ => Refusal::Full,
    }
}

impl System {
    /// What clients may do.
    pub(crate) fn post_actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (client, post) in world.posts.iter().enumerate() {
            match post.phase {
                Phase::Posting => self.posting_actions(world, client, post, actions),
                Phase::Direct => self.direct_actions(world, client, actions),
                Phase::Full => self.full_actions(world, client, actions),
                Phase::Stored | Phase::Refused | Phase::Unknown => {}
            }
        }
    }

    fn posting_actions(&self, world: &World, client: usize, post: &Post, actions: &mut Vec<Action>) {
        let spec = self.config.clients[client];
        actions.push(Action::Post { client, expired: false });
        if spec.inline && self.may_expire(world, spec.to) {
            actions.push(Action::Post { client, expired: true });
        }
        if world.budget.timeouts > 0 {
            actions.push(Action::PostTimeout(client));
        }
        if post.unclear {
            actions.push(Action::PostGiveUp(client));
        }
    }

    fn full_actions(&self, world: &World, client: usize, actions: &mut Vec<Action>) {
        let spec = self.config.clients[client];
        let item = &world.items[usize::from(spec.to)];
        actions.push(Action::PostGiveUp(client));
        if item.queue.len() + usize::from(spec.events) <= usize::from(self.config.room) {
            actions.push(Action::PostAgain(client));
        }
        let working = |taking: &Taking| taking.taker == Taker::Client && taking.entity == spec.to;
        if spec.inline && item.pending && item.lease.owner == NOBODY && !world.takings.iter().any(working) {
            actions.push(Action::WorkOff(client));
        }
    }

    /// The request of a client's post. Its acquisition is the same for all its tries, as `store` and `write` have it.
    pub(crate) fn post_request(&self, client: usize, post: &Post) -> Request {
        let spec = self.config.clients[client];
        let envelope = |part| {
            let event = crate::config::Config::event(client, part);
            Envelope { id: post.level * LEVEL + event, event, key: self.config.key(event) }
        };
        let envelopes: List<Envelope, 2> = (0..spec.events).map(envelope).collect();
        let process = if self.has(Mutant::OwnerPerProcess) { 0 } else { u8::try_from(client).unwrap_or(u8::MAX) };
        let me = if spec.inline { process + 1 } else { NOBODY };
        let write = Write::Post { envelopes, room: self.config.room };
        Request { entity: spec.to, me, superseded: false, write }
    }

    /// Changes a client's post.
    pub(crate) fn set_post(&self, world: &mut World, client: usize, change: impl FnOnce(&mut Post)) {
        let mut posts: Vec<Post> = world.posts.to_vec();
        change(&mut posts[client]);
        world.posts = posts.into_iter().collect();
    }

    pub(crate) fn post(&self, world: &mut World, client: usize, expired: bool) {
        let post = world.posts[client];
        let request = self.post_request(client, &post);
        if expired {
            self.expire(world, request.entity);
        }
        if self.execute(world, &request) {
            return self.stored(world, client, &request, expired);
        }
        let old = &world.items[usize::from(request.entity)];
        let Write::Post { envelopes, .. } = &request.write else { return };
        match refusal(old, envelopes) {
            Refusal::Duplicate => {
                self.facts.note(Fact::OwnPostSeen);
                self.stored(world, client, &request, expired);
            }
            Refusal::Old { evicted } => self.post_is_old(world, client, evicted),
            Refusal::Full => self.set_post(world, client, |post| {
                post.phase = Phase::Full;
                post.level += u8::from(self.has(Mutant::FullReseals));
            }),
        }
    }

    fn post_is_old(&self, world: &mut World, client: usize, evicted: u8) {
        let keyed = self.config.clients[client].key != KEYLESS;
        let told = !world.posts[client].unclear || self.has(Mutant::UnknownTakenForStale);
        if keyed || told {
            self.facts.note(Fact::StaleIdReplaced);
            return self.set_post(world, client, |post| post.level = evicted / LEVEL + 1);
        }
        self.facts.note(Fact::OutcomeUnknown);
        self.set_post(world, client, |post| *post = Post { phase: Phase::Unknown, ..Post::default() });
    }

    /// A post is stored: its client works the mailbox off if it holds the lease, or takes it from a holder that is gone.
    pub(crate) fn stored(&self, world: &mut World, client: usize, request: &Request, expired: bool) {
        self.set_post(world, client, |post| *post = Post { phase: Phase::Stored, ..Post::default() });
        let item = world.items[usize::from(request.entity)];
        if item.held_by(request.me) {
            return self.visit(world, request.entity, request.me, item, false, None);
        }
        if expired && item.lease.owner != NOBODY && !item.is_blocked() {
            let takeover = Takeover::Replace { lease: item.lease, strike: item.running };
            let taking =
                Taking { entity: request.entity, me: request.me, takeover, taker: Taker::Client, unclear: false };
            world.add_taking(taking);
        }
    }

    pub(crate) fn post_timeout(&self, world: &mut World, client: usize) {
        world.budget.timeouts -= 1;
        let request = self.post_request(client, &world.posts[client]);
        world.abandon(request);
        self.set_post(world, client, |post| post.unclear = true);
    }

    pub(crate) fn post_give_up(&self, world: &mut World, client: usize) {
        let phase = if world.posts[client].unclear { Phase::Unknown } else { Phase::Refused };
        if phase == Phase::Refused {
            self.facts.note(Fact::FullRefused);
        }
        self.set_post(world, client, |post| *post = Post { phase, ..Post::default() });
    }

    pub(crate) fn work_off(&self, world: &mut World, client: usize) {
        let entity = self.config.clients[client].to;
        let takeover = Takeover::Acquire { head: world.items[usize::from(entity)].head };
        let me = self.owner(world);
        world.add_taking(Taking { entity, me, takeover, taker: Taker::Client, unclear: false });
    }
}
