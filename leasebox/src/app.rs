//! The app: what another repository writes down, once, and runs as three functions and as a development server.

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use shared::actor::Actor;
use shared::erased::Reader;
use web::app::{Misbuilt, Service};
use web::operation::{Demo, Operation};
use web::post::Post;
use web::problem::Problem;
use web::request::Request;
use web::role::{Drain, Ingest, Role, Status, Whole};
use web::route::{Access, Answers, Route};
use web::socket::Sockets;

use crate::functions;

/// How a program ended: what `main` returns.
pub type Exit = ExitCode;

/// Kinds of entity and routes: everything that an app of its own has. It is put together once, for the program that runs
/// it: `R` says which, and what that program never does is not in it.
#[derive(Debug)]
#[must_use]
pub struct App<R: Role>(web::app::App<R>);

impl<R: Role> Default for App<R> {
    fn default() -> Self {
        Self(web::app::App::new())
    }
}

impl<R: Role> App<R> {
    /// Begins an app without any kinds or routes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind of entity. Generic routes, the OpenAPI document, metrics and the operator's commands follow from it.
    pub fn kind<A>(self) -> Self
    where
        A: Actor<State: JsonSchema, Command: JsonSchema, Reply: JsonSchema>,
    {
        Self(self.0.kind::<A>())
    }

    /// Adds a `POST` that posts an event, as [`Route::post`] says.
    pub fn post<B, T, F>(self, path: &'static str, access: Access, post: F) -> Self
    where
        B: DeserializeOwned + JsonSchema + 'static,
        T: JsonSchema + 'static,
        F: Fn(&Request, B) -> Result<Post<T>, Problem> + Send + Sync + 'static,
    {
        self.route(Route::post(path, access, post))
    }

    /// Adds a `GET` that reads, as [`Route::get`] says.
    pub fn get<T, F, U>(self, path: &'static str, access: Access, read: F) -> Self
    where
        T: Answers,
        F: Fn(Reader, Request) -> U + Send + Sync + 'static,
        U: Future<Output = Result<T, Problem>> + Send + 'static,
    {
        self.route(Route::get(path, access, read))
    }

    /// Adds a route that was made with [`Route`].
    pub fn route(self, route: Route<R>) -> Self {
        Self(self.0.route(route))
    }

    /// Adds WebSockets: what is done when one was opened, said something, or was closed.
    pub fn sockets(self, sockets: impl Sockets) -> Self {
        Self(self.0.sockets(sockets))
    }

    /// Adds a command of operators to the development server.
    pub fn operation(self, operation: Operation) -> Self {
        Self(self.0.operation(operation))
    }

    /// Adds a demonstration to the development server.
    pub fn demo(self, demo: Demo) -> Self {
        Self(self.0.demo(demo))
    }

    /// Adds a line to what the development server tells to type first; `{base}` in it is the server's URL.
    pub fn hint(self, hint: &'static str) -> Self {
        Self(self.0.hint(hint))
    }
}

impl App<Ingest> {
    /// Runs as the function that takes events in, in the runtime that Lambda gives it.
    pub fn ingest(self) -> Exit {
        functions::run(self.0.build(), functions::ingest)
    }
}

impl App<Drain> {
    /// Runs as the function that the stream and the wakes call. Only the kinds of the app matter to it.
    pub fn drain(self) -> Exit {
        functions::run(self.0.registry(), functions::drain)
    }
}

impl App<Status> {
    /// Runs as the function that reads.
    pub fn status(self) -> Exit {
        functions::run(self.0.build(), functions::status)
    }
}

impl App<Whole> {
    /// The app, complete: what the development server and tests run.
    ///
    /// # Errors
    /// When two kinds have one name, or routes cannot be told apart.
    pub fn service(self) -> Result<Service, Misbuilt> {
        self.0.build()
    }

    /// Runs as the development server, or one of its commands, by the arguments of the command line.
    #[cfg(feature = "dev")]
    pub fn dev(self) -> Exit {
        match self.service() {
            Ok(service) => local::main(service),
            Err(misbuilt) => functions::refuse(&misbuilt),
        }
    }
}

impl TryFrom<App<Whole>> for Service {
    type Error = Misbuilt;

    fn try_from(app: App<Whole>) -> Result<Self, Misbuilt> {
        app.service()
    }
}
