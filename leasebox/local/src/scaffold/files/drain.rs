//! The function that finishes what nobody else does.

fn main() -> leasebox::Exit {
    {{crate}}::app().drain()
}
