//! No run goes round in a circle: so every run ends, and what holds at its end holds for liveness.

use std::collections::HashMap;

use model::config::Config;
use model::configs;
use model::system::System;
use model::world::World;
use stateright::Model;

/// A state on the path that is explored, and what is left to explore from there.
struct Frame {
    world: World,
    next: Vec<World>,
}

fn frame(system: &System, world: World) -> Frame {
    let next = system.next_states(&world);
    Frame { world, next }
}

/// Explores depth first; a state that is met again while it is on the path closes a circle.
fn circle(config: Config) -> Option<World> {
    let system = System::new(config, None);
    // Whether a state is on the path.
    let mut met: HashMap<World, bool> = HashMap::new();
    let mut path: Vec<Frame> = system.init_states().into_iter().map(|world| frame(&system, world)).collect();
    while let Some(last) = path.last_mut() {
        met.insert(last.world.clone(), true);
        let Some(next) = last.next.pop() else {
            met.insert(last.world.clone(), false);
            path.pop();
            continue;
        };
        match met.get(&next) {
            Some(true) => return Some(next),
            Some(false) => {}
            None => path.push(frame(&system, next)),
        }
    }
    None
}

#[test]
fn every_run_ends() {
    for name in ["partial", "again", "strikes", "blocked"] {
        let config = configs::find(name).expect("the configuration exists");
        assert!(circle(config).is_none(), "{name}: a run goes round in a circle");
    }
}
