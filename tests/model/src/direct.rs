//! The direct path: `shared/src/direct.rs` and `shared/src/mailbox/direct.rs`.
//!
//! A late read needs no action of its own: to read now and write later is the same.

use crate::config::Client;
use crate::fact::Fact;
use crate::mailbox::{Lease, Mailbox, NOBODY, Queue};
use crate::mutant::Mutant;
use crate::request::{Commit, Ending, Request, Write};
use crate::system::{Action, System};
use crate::world::{Phase, Post, Read, Step, Visit, World};

/// `DIRECT` and its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Direct {
    /// The version that was read.
    pub version: u8,
    /// What a commit of the same events would do.
    pub commit: Commit,
    /// The events, in order.
    pub envelopes: Queue,
}

impl Direct {
    /// `DIRECT_IF`.
    #[must_use]
    pub fn holds(&self, item: &Mailbox, mutant: Option<Mutant>) -> bool {
        item.version == self.version || mutant == Some(Mutant::DirectBlindly)
    }

    /// The update expression.
    pub fn change(&self, item: &mut Mailbox, me: u8, mutant: Option<Mutant>) {
        item.head = self.commit.head + self.commit.taken;
        item.state = self.commit.state.unwrap_or(item.state);
        (item.recent, item.evicted) = (self.commit.recent, self.commit.evicted);
        item.outbox.extend(&self.commit.outgoing);
        if !self.commit.outgoing.is_empty() {
            item.lease = Lease { owner: me, until: 1 };
            item.pending = mutant != Some(Mutant::DirectUnmarked);
        }
    }
}

impl System {
    /// What a client on the direct path may do.
    pub(crate) fn direct_actions(&self, world: &World, client: usize, actions: &mut Vec<Action>) {
        if world.posts[client].read.is_none() {
            return actions.push(Action::Read(client));
        }
        actions.push(Action::Direct(client));
        if world.budget.timeouts > 0 {
            actions.push(Action::DirectTimeout(client));
        }
    }

    /// The item is read and the events are run; or they are left to the queue.
    pub(crate) fn read(&self, world: &mut World, client: usize) {
        let spec = self.config.clients[client];
        let item = world.items[usize::from(spec.to)];
        let mut post = world.posts[client];
        post.level = item.evicted.map_or(post.level, |evicted| evicted / crate::client::LEVEL + 1);
        let Write::Post { envelopes, .. } = self.post_request(client, &post).write else { return };
        let image = Mailbox { queue: envelopes.iter().copied().collect(), ..item };
        let visit = Self::as_if(spec, image);
        let mut fresh = 0_u8;
        for (index, envelope) in envelopes.iter().enumerate() {
            fresh |= u8::from(!self.is_repeated(world, &visit, index, envelope)) << index;
        }
        let read = Some(Read { image, fresh });
        let fits = self.is_idle(&item) && envelopes.len() <= self.config.batch;
        let next = if fits { Post { read, ..post } } else { Post { phase: Phase::Posting, ..post } };
        self.set_post(world, client, |post| *post = next);
    }

    fn is_idle(&self, item: &Mailbox) -> bool {
        let nothing = item.queue.is_empty() && item.outbox.is_empty() && !item.pending;
        nothing && item.lease.owner == NOBODY && item.attempts < self.config.suspect_attempts
    }

    /// A visit that would commit the events.
    fn as_if(spec: Client, image: Mailbox) -> Visit {
        Visit {
            entity: spec.to,
            me: NOBODY,
            image,
            step: Step::GiveBack,
            rounds: 0,
            busy: false,
            suspect: false,
            unclear: false,
            token: false,
            superseded: false,
            follow: None,
        }
    }

    fn direct_request(&self, client: usize, post: &Post) -> Option<Request> {
        let Read { image, fresh } = post.read?;
        let spec = self.config.clients[client];
        let (visit, taken) = (Self::as_if(spec, image), u8::try_from(image.queue.len()).unwrap_or(u8::MAX));
        let mut commit = self.commit(&visit, taken, fresh, false, Ending::Release);
        if !commit.outgoing.is_empty() {
            commit.ending = Ending::Keep;
        }
        let write = Write::Direct(Direct { version: image.version, commit, envelopes: image.queue });
        Some(Request { write, ..self.post_request(client, post) })
    }

    /// The direct write is executed and answered.
    pub(crate) fn direct(&self, world: &mut World, client: usize) {
        let post = world.posts[client];
        let Some(request) = self.direct_request(client, &post) else { return };
        if self.execute(world, &request) {
            self.facts.note(Fact::AppliedDirectly);
            return self.stored(world, client, &request, false);
        }
        self.facts.note(Fact::DirectOvertaken);
        // Nothing of it is stored, and the ordinary post makes envelopes of its own.
        self.set_post(world, client, |post| *post = Post { phase: Phase::Posting, ..Post::default() });
    }

    /// The direct write has no answer: the ordinary post goes on with the same envelopes.
    pub(crate) fn direct_timeout(&self, world: &mut World, client: usize) {
        world.budget.timeouts -= 1;
        let post = world.posts[client];
        world.late.extend(self.direct_request(client, &post));
        world.late.sort_unstable();
        let forgets = self.has(Mutant::DirectForgotten);
        let next = Post { phase: Phase::Posting, level: post.level + u8::from(forgets), unclear: !forgets, read: None };
        self.set_post(world, client, |post| *post = next);
    }
}
