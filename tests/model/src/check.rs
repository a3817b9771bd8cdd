//! Runs the checker over one configuration, and says in plain text what it found.

use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Path};

use crate::config::Config;
use crate::fact::Fact;
use crate::mutant::Mutant;
use crate::property;
use crate::system::{Action, System};
use crate::world::World;

/// What a check found.
#[derive(Debug)]
pub struct Report {
    /// States, each once.
    pub unique: usize,
    /// States, as often as they were reached.
    pub total: usize,
    /// The longest of the shortest paths.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// The first violation.
    pub violation: Option<Violation>,
    /// What was seen on the way.
    pub seen: Vec<Fact>,
}

/// A property that does not hold, and how that comes.
#[derive(Debug)]
pub struct Violation {
    /// The property as a sentence.
    pub property: &'static str,
    /// The steps that lead there.
    pub steps: usize,
    /// The same for people.
    pub trace: String,
}

/// Explores every state of a configuration, or as many as there are before the first violation.
#[must_use]
pub fn check(config: Config, mutant: Option<Mutant>, threads: usize) -> Report {
    let start = Instant::now();
    let checker = System::new(config, mutant)
        .checker()
        .threads(threads)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let took = start.elapsed();
    let always: Vec<&'static str> = property::always().iter().map(|property| property.name).collect();
    let mut discoveries = checker.discoveries();
    let found = always.into_iter().find_map(|name| Some((name, discoveries.remove(name)?)));
    let violation = found.map(|(property, path)| violation(property, path));
    let seen = Fact::ALL.iter().copied().filter(|fact| checker.model().facts.has(*fact)).collect();
    Report {
        unique: checker.unique_state_count(),
        total: checker.state_count(),
        depth: checker.max_depth(),
        took,
        violation,
        seen,
    }
}

fn violation(property: &'static str, path: Path<World, Action>) -> Violation {
    let states = path.into_vec();
    let steps = states.len().saturating_sub(1);
    let trace = states.iter().map(|(world, action)| step(world, action.as_ref())).collect();
    Violation { property, steps, trace }
}

/// One line for the state and one for what is done in it.
fn step(world: &World, action: Option<&Action>) -> String {
    let mut text = String::new();
    for (name, item) in ["sender", "receiver"].iter().zip(&world.items) {
        if *item != crate::mailbox::Mailbox::default() {
            text += &format!("    {name}: {item:?}\n");
        }
    }
    for request in &world.late {
        text += &format!("    under way: {request:?}\n");
    }
    if let Some(action) = action {
        text += &format!("{action:?}{}\n", subject(world, *action));
    }
    text
}

/// Whom an action is about.
fn subject(world: &World, action: Action) -> String {
    match action {
        Action::Step(index)
        | Action::StepTimeout(index)
        | Action::StepGiveUp(index)
        | Action::StepCrash(index)
        | Action::DeliveryFailure(index)
        | Action::Interrupt(index) => world
            .visits
            .get(index)
            .map_or_else(String::new, |visit| format!(": owner {} of {} at {:?}", visit.me, visit.entity, visit.step)),
        Action::Take(index) | Action::TakeTimeout(index) | Action::TakeGiveUp(index) | Action::TakeCrash(index) => {
            world.takings.get(index).map_or_else(String::new, |taking| format!(": {taking:?}"))
        }
        Action::Wake { wake, .. } => world.wakes.get(wake).map_or_else(String::new, |wake| format!(": {wake:?}")),
        Action::Arrive(index) => world.late.get(index).map_or_else(String::new, |request| format!(": {request:?}")),
        _ => String::new(),
    }
}
