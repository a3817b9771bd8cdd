//! The function that reads.

use leasebox::Exit;

fn main() -> Exit {
    kinds::app().status()
}
