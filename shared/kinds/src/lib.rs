//! What this repository runs on Leasebox: counters, bank accounts, and the users of a chat. Each is registered here as
//! anybody registers theirs, and nothing else of this repository names them but tests.

pub mod account;
pub mod chat;
pub mod counter;
mod page;
pub mod user;

use leasebox::{App, Role};

/// Everything that is deployed, and that the development server runs.
pub fn app<R: Role>() -> App<R> {
    page::add(user::add(account::add(counter::add(App::new()))))
}
