//! What must hold in every state, and what must hold when nothing happens any more.

use stateright::Property;

use crate::config::Config;
use crate::mailbox::{EFFECT, Event, Mailbox, RECEIVER, SENDER};
use crate::system::System;
use crate::world::{Ghost, Phase, World};

/// Declares the properties with the sentences by which a report names them.
macro_rules! properties {
    ($($name:ident: $text:literal, $holds:path;)*) => {
        /// A property by its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Name {
            $(#[doc = $text] $name,)*
        }

        impl Name {
            /// The property as a sentence.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }

        /// The properties that hold in every state.
        #[must_use]
        pub fn always() -> Vec<Property<System>> {
            vec![$(Property::always($text, $holds)),*]
        }
    };
}

properties! {
    NeverDropped: "what is acknowledged or committed is never dropped", never_dropped;
    AtMostOnce: "each event and each effect changes a state at most once", at_most_once;
    InOrder: "envelopes are applied in the order of the queue", in_order;
    Fenced: "a holder whose lease was taken over changes nothing", fenced;
    Marked: "what is pending is marked as pending", marked;
    NotStored: "what was answered as not stored is not stored", not_stored;
    Innocent: "an envelope is only held responsible for deaths of its own", innocent;
    Quiescent: "when nothing happens any more, everything is processed", quiescent;
}

/// Whether an event is waiting, applied or in the dead letters.
fn is_kept(config: &Config, item: &Mailbox, ghost: &Ghost, event: Event) -> bool {
    let same = |other: Event| config.identity(other) == config.identity(event);
    item.queue.iter().any(|envelope| same(envelope.event))
        || item.state.iter().any(|other| same(*other))
        || ghost.dead.iter().any(|other| same(*other))
}

/// The events of clients whose posts are in this phase, with their mailboxes.
fn events<'a>(system: &'a System, world: &'a World, phase: Phase) -> impl Iterator<Item = (usize, Event)> + 'a {
    let clients = system.config.clients.iter().zip(world.posts.iter()).enumerate();
    let answered = clients.filter(move |(_, (_, post))| post.phase == phase);
    answered.flat_map(|(client, (spec, _))| {
        (0..spec.events).map(move |part| (usize::from(spec.to), Config::event(client, part)))
    })
}

/// The effects that the sender has committed.
fn effects<'a>(system: &'a System, world: &'a World) -> impl Iterator<Item = Event> + 'a {
    let applied = world.items[usize::from(SENDER)].state;
    system.config.effects.iter().copied().filter(move |event| applied.contains(event)).map(|event| event + EFFECT)
}

fn never_dropped(system: &System, world: &World) -> bool {
    let [sender, receiver] = &world.items;
    let kept =
        |(entity, event): (usize, Event)| is_kept(&system.config, &world.items[entity], &world.ghosts[entity], event);
    let sent = |event: Event| {
        sender.outbox.iter().any(|outgoing| outgoing.event == event)
            || is_kept(&system.config, receiver, &world.ghosts[usize::from(RECEIVER)], event)
    };
    events(system, world, Phase::Stored).all(kept)
        && (system.config.effects.is_empty() || effects(system, world).all(sent))
}

fn at_most_once(system: &System, world: &World) -> bool {
    let once = |item: &Mailbox| {
        let identities = item.state.iter().map(|event| system.config.identity(*event));
        identities.enumerate().all(|(index, identity)| {
            item.state.iter().skip(index + 1).all(|other| system.config.identity(*other) != identity)
        })
    };
    world.items.iter().all(once)
}

/// The queue is what was appended and has not left, and the state is what the rest makes, each key once.
fn in_order(system: &System, world: &World) -> bool {
    let ordered = |(item, ghost): (&Mailbox, &Ghost)| {
        let head = usize::from(item.head).min(ghost.appended.len());
        let (left, waiting) = ghost.appended.split_at(head);
        let mut done: Vec<u8> = Vec::with_capacity(head);
        let mut state = item.state.iter();
        for event in left {
            let identity = system.config.identity(*event);
            if done.contains(&identity) {
                continue;
            }
            done.push(identity);
            if !ghost.dead.contains(event) && state.next() != Some(event) {
                return false;
            }
        }
        state.next().is_none() && item.queue.iter().map(|envelope| envelope.event).eq(waiting.iter().copied())
    };
    world.items.iter().zip(&world.ghosts).all(ordered)
}

fn fenced(_: &System, world: &World) -> bool {
    !world.breached
}

fn marked(_: &System, world: &World) -> bool {
    world.items.iter().all(|item| item.pending || (item.queue.is_empty() && item.outbox.is_empty()))
}

fn not_stored(system: &System, world: &World) -> bool {
    events(system, world, Phase::Refused).all(|(entity, event)| !world.ghosts[entity].appended.contains(&event))
}

fn innocent(system: &System, world: &World) -> bool {
    let counted = |(item, ghost): (&Mailbox, &Ghost)| {
        let suspect = item.attempts >= system.config.suspect_attempts;
        (suspect || item.attempts <= ghost.replaced) && item.strikes <= ghost.struck
    };
    world.items.iter().zip(&world.ghosts).all(|pair| counted(pair) && !pair.1.wronged)
}

fn quiescent(system: &System, world: &World) -> bool {
    let idle = |item: &Mailbox| {
        item.queue.is_empty() && item.outbox.is_empty() && !item.pending && item.lease.owner == crate::mailbox::NOBODY
    };
    let done = |item: &Mailbox| item.is_blocked() || idle(item);
    let received = |event: Event| {
        let receiver = &world.items[usize::from(RECEIVER)];
        receiver.is_blocked() || receiver.state.contains(&event)
    };
    let sent = || world.items[usize::from(SENDER)].is_blocked() || effects(system, world).all(received);
    (world.items.iter().all(done) && sent()) || !system.config.looks || !system.is_quiescent(world)
}
