//! `cargo leasebox`: what makes projects, and all other commands, without an app.

use std::env;

use leasebox::{App, Exit};

fn main() -> Exit {
    // Cargo passes on the word that it was given.
    let mut arguments = env::args_os().skip(1).peekable();
    let _ = arguments.next_if(|argument| argument == "leasebox");
    match App::new().service() {
        Ok(service) => local::main_of(service, ["cargo leasebox".into()].into_iter().chain(arguments)),
        Err(misbuilt) => {
            eprintln!("leasebox: {misbuilt}");
            Exit::FAILURE
        }
    }
}
