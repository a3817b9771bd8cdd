//! What this repository runs on Leasebox: counters, bank accounts, and the users of a chat. Each is registered here as
//! anybody registers theirs, and nothing else of this repository names them but tests.

pub mod account;
pub mod chat;
pub mod counter;
mod page;
pub mod user;

use leasebox::App;

/// The kinds alone, which is all that `drain` needs: it is smaller without the routes.
pub fn entities() -> App {
    App::new().kind::<counter::Counter>().kind::<account::Account>().kind::<user::User>()
}

/// Everything that is deployed, and that the development server runs.
pub fn app() -> App {
    [counter::add, account::add, user::add, page::add].into_iter().fold(entities(), |app, add| add(app))
}
