//! The development server of this repository.

use leasebox::Exit;
use mimalloc::MiMalloc;

/// The embedded database makes thousands of small values for a request, and malloc would take a third of its time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> Exit {
    kinds::app().dev()
}
