//! The function that takes events in.

use leasebox::Exit;

fn main() -> Exit {
    kinds::app().ingest()
}
