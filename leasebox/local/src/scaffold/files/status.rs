//! The function that reads.

fn main() -> leasebox::Exit {
    {{crate}}::app().status()
}
