//! The function that takes events in.

fn main() -> leasebox::Exit {
    {{crate}}::app().ingest()
}
