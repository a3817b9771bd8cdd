//! The function that the stream and the wakes call.

use leasebox::Exit;

fn main() -> Exit {
    kinds::app().drain()
}
