//! The whole system in one process, and its commands: `cargo run -- --help`.

fn main() -> leasebox::Exit {
    {{crate}}::app().dev()
}
