//! Everything that {{name}} consists of: its kinds of entity, and whatever routes of its own it has.

pub mod {{module}};

use leasebox::{App, Role};

/// What is deployed, and what the development server runs. `R` is the program that it is built into: what a function
/// never does is not in it.
pub fn app<R: Role>() -> App<R> {
    App::new()
        .kind::<{{module}}::{{Kind}}>()
        {{hint}}
        .hint("curl {base}/entities/{{kind}}/alice")
}
