//! A request as its handler sees it: of this route, let in, and with nothing in its query that the route does not know.

use std::str::FromStr;
use std::sync::Arc;

use http::HeaderMap;
use serde::de::DeserializeOwned;
use shared::actor::Actor;
use shared::envelope::{EntityId, Millis};
use shared::limits;
use shared::trace::Trace;

use crate::body;
use crate::guard::{Guard, UserId};
use crate::incoming::Incoming;
use crate::problem::Problem;
use crate::query::Query;
use crate::route::{Function, Route};
use crate::routing::Params;

/// A request to a route that was let in, as the route's handler gets it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The route that it belongs to.
    pub route: Arc<Route>,
    /// The headers as they came.
    pub headers: HeaderMap,
    /// The parameters of its query.
    pub query: Query,
    /// The user whose token was verified, if one was.
    pub user: Option<UserId>,
    /// Who signed it, where that was checked.
    pub signer: Option<String>,
    /// Its path as it came, to be shown only.
    pub path: String,
    /// When the invocation ends, after which nothing can be answered.
    pub deadline: Millis,
    /// The trace that what it causes is part of.
    pub trace: Option<Trace>,
    /// How this deployment tells users from one another, and where its sockets are.
    pub guard: Arc<Guard>,
    pub(crate) body: Vec<u8>,
    params: Params,
}

impl Request {
    /// A request that was let in.
    ///
    /// # Errors
    /// A problem when its body is too large, or its query has a parameter that the route does not know.
    pub fn new(
        incoming: Incoming,
        (route, params): (Arc<Route>, Params),
        guard: &Arc<Guard>,
        (deadline, trace): (Millis, Option<Trace>),
    ) -> Result<Self, Problem> {
        if route.function == Function::Ingest && incoming.body.len() > limits::BODY_BYTES {
            return Err(Problem::too_large("the body", incoming.body.len(), limits::BODY_BYTES));
        }
        let query = match route.ignores_query {
            true => Query::default(),
            false => Query::read(&incoming.query, &route.query)?,
        };
        let Incoming { headers, body, verified, path, .. } = incoming;
        let (user, signer, guard) = (verified.user, verified.signer, Arc::clone(guard));
        Ok(Self { route, headers, query, user, signer, path, deadline, trace, guard, body, params })
    }

    /// A variable of the path, which has the characters of an id; empty when the path has none of that name.
    #[must_use]
    pub fn id(&self, name: &str) -> &str {
        if !self.route.variables().any(|variable| variable == name) {
            tracing::error!(route = ?self.route, name, "the route has no such variable: its handler asks for what is not there");
        }
        self.params.get(name)
    }

    /// A variable of the path that is a number of any integer type.
    ///
    /// # Errors
    /// A problem when it is none, or out of the type's range.
    pub fn number<N: FromStr>(&self, name: &str) -> Result<N, Problem> {
        let wrong = || Problem::invalid(format!("`{}` in the path is not an integer that fits here", self.id(name)));
        self.id(name).parse().map_err(|_| wrong().with("variable", name))
    }

    /// The entity of the kind `A` that a variable of the path names.
    ///
    /// # Errors
    /// A problem when the variable is longer than an id may be.
    pub fn entity<A: Actor>(&self, name: &str) -> Result<EntityId, Problem> {
        Ok(EntityId::new(A::KIND, self.id(name))?)
    }

    /// The entity that the variables `kind` and `id` name; its kind may be one that this program does not know.
    pub(crate) fn named(&self) -> Result<EntityId, Problem> {
        Ok(self.params.entity()?)
    }

    /// The body as JSON, as a [`Route::act`] reads it.
    ///
    /// # Errors
    /// A problem when it is not what `B` is read from.
    pub fn body<B: DeserializeOwned>(&self) -> Result<B, Problem> {
        body::read(&self.body, self.route.example)
    }

    /// The body as it came.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.body
    }
}
