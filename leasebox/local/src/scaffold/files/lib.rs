//! Everything that {{name}} consists of: its kinds of entity, and whatever routes of its own it has.

pub mod {{module}};

use leasebox::App;

/// What is deployed, and what the development server runs.
pub fn app() -> App {
    App::new()
        .kind::<{{module}}::{{Kind}}>()
        {{hint}}
        .hint("curl {base}/entities/{{kind}}/alice")
}
