//! An app: kinds of entity and routes, and what belongs to them.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use schemars::JsonSchema;
use shared::actor::Actor;
use shared::registry::{Kind, Registry};

use crate::generic;
use crate::openapi::{self, KindSchemas};
use crate::operation::{Demo, Operation};
use crate::role::Role;
use crate::route::Route;
use crate::routing::{Misrouted, Routes};
use crate::socket::Sockets;

/// What is deployed, or run: an app while it is put together, for a program of the role `R`.
pub struct App<R> {
    kinds: Vec<Kind>,
    schemas: Vec<KindSchemas>,
    routes: Vec<Route>,
    has_sockets: bool,
    sockets: Option<Arc<dyn Sockets>>,
    operations: Vec<Operation>,
    demos: Vec<Demo>,
    hints: Vec<&'static str>,
    role: PhantomData<fn() -> R>,
}

/// Why an app cannot be run: its kinds or routes do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misbuilt {
    /// Two kinds would be told apart by nothing.
    #[error("there are two kinds `{0}`; give one of them another KIND")]
    TwoKinds(&'static str),
    /// A kind's name is no name.
    #[error("{0}")]
    Kind(String),
    /// A route is wrong.
    #[error(transparent)]
    Route(#[from] Misrouted),
}

/// An app that is complete: what the functions and the development server run.
pub struct Service {
    /// The kinds of entity.
    pub registry: Registry,
    /// All routes: those of every app, and its own.
    pub routes: Routes,
    /// What answers sockets, if the app has any and the program serves them.
    pub sockets: Option<Arc<dyn Sockets>>,
    /// The commands of operators that the app brings.
    pub operations: Vec<Operation>,
    /// The demonstrations that the app brings.
    pub demos: Vec<Demo>,
    /// What to type first.
    pub hints: Vec<&'static str>,
    schemas: Vec<KindSchemas>,
    document: OnceLock<String>,
}

impl<R> Default for App<R> {
    fn default() -> Self {
        Self {
            kinds: Vec::new(),
            schemas: Vec::new(),
            routes: Vec::new(),
            has_sockets: false,
            sockets: None,
            operations: Vec::new(),
            demos: Vec::new(),
            hints: Vec::new(),
            role: PhantomData,
        }
    }
}

impl<R: Role> App<R> {
    /// Begins an app without any kinds or routes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind of entity. Generic routes, the OpenAPI document, metrics and the operator's commands follow from it.
    #[must_use]
    pub fn kind<A>(mut self) -> Self
    where
        A: Actor<State: JsonSchema, Command: JsonSchema, Reply: JsonSchema>,
    {
        self.kinds.push(Kind::of::<A>());
        if R::READS {
            self.schemas.push(KindSchemas::of::<R, A>());
        }
        self
    }

    /// Adds a route that was made with [`Route`].
    #[must_use]
    pub fn route(mut self, route: Route<R>) -> Self {
        if R::SERVES {
            self.routes.push(route.listed());
        }
        self
    }

    /// Adds WebSockets: what is done when one was opened, said something, or was closed.
    #[must_use]
    pub fn sockets(mut self, sockets: impl Sockets) -> Self {
        self.has_sockets = true;
        if R::POSTS {
            self.sockets = Some(Arc::new(sockets));
        }
        self
    }

    /// Adds a command of operators to the development server.
    #[must_use]
    pub fn operation(mut self, operation: Operation) -> Self {
        if R::DEVELOPS {
            self.operations.push(operation);
        }
        self
    }

    /// Adds a demonstration to the development server.
    #[must_use]
    pub fn demo(mut self, demo: Demo) -> Self {
        if R::DEVELOPS {
            self.demos.push(demo);
        }
        self
    }

    /// Adds a line to what the development server tells to type first; `{base}` is its URL.
    #[must_use]
    pub fn hint(mut self, hint: &'static str) -> Self {
        if R::DEVELOPS {
            self.hints.push(hint);
        }
        self
    }

    /// The kinds of the app alone, which is all that `drain` needs.
    ///
    /// # Errors
    /// When two kinds have one name, or one has a name that is none.
    pub fn registry(self) -> Result<Registry, Misbuilt> {
        checked(self.kinds)
    }

    /// Checks that kinds and routes go together, and makes of them what the functions run.
    ///
    /// # Errors
    /// When two kinds have one name, or the routes cannot be told apart.
    pub fn build(self) -> Result<Service, Misbuilt> {
        let Self { kinds, schemas, routes, has_sockets, sockets, operations, demos, hints, role: _ } = self;
        let registry = checked(kinds)?;
        let own = generic::routes::<R>(has_sockets).into_iter().map(Route::listed);
        let routes = Routes::new(own.chain(routes))?;
        let document = OnceLock::new();
        Ok(Service { registry, routes, sockets, operations, demos, hints, schemas, document })
    }
}

/// A registry of kinds of different names.
fn checked(kinds: Vec<Kind>) -> Result<Registry, Misbuilt> {
    for (place, kind) in kinds.iter().enumerate() {
        if kinds[..place].iter().any(|other| other.name == kind.name) {
            return Err(Misbuilt::TwoKinds(kind.name));
        }
        shared::envelope::check_kind(kind.name).map_err(|malformed| Misbuilt::Kind(malformed.0))?;
    }
    Ok(Registry::new(kinds))
}

impl Service {
    /// The OpenAPI document, as JSON.
    pub fn document(&self) -> &str {
        self.document.get_or_init(|| format!("{}\n", openapi::document(&self.routes, &self.schemas)))
    }
}

impl<R> fmt::Debug for App<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.name).collect();
        f.debug_struct("App").field("kinds", &kinds).field("routes", &self.routes).finish_non_exhaustive()
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("registry", &self.registry)
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}
