//! The list of routes, and to which of them a request belongs: by its path on the wire, or by the word of the API that it
//! came through.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::Request;
use percent_encoding::percent_decode_str;
use shared::envelope::{EntityId, Malformed, check_part};

use crate::guard::Verified;
use crate::incoming::Incoming;
use crate::problem::Problem;
use crate::route::{Access, Route};

/// Where a request belongs.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// To this route, with the variables of its path.
    Route(Arc<Route>, Params),
    /// To a path that takes only these methods.
    WrongMethod(String),
    /// To no route at all.
    Nowhere,
    /// Nowhere, and this is why.
    Refused(Problem),
}

impl Found {
    /// Its route and the variables of its path; `method` and `path` are what was asked for.
    ///
    /// # Errors
    /// The problem to answer with when it belongs to none.
    pub fn route(&self, method: &str, path: &str) -> Result<(&Arc<Route>, &Params), Problem> {
        match self {
            Self::Route(route, params) => Ok((route, params)),
            Self::WrongMethod(allowed) => Err(Problem::wrong_method(method, allowed)),
            Self::Nowhere => Err(Problem::unknown_path(path)),
            Self::Refused(problem) => Err(problem.clone()),
        }
    }
}

/// The variables of a path, decoded, each of the characters that ids have: no slash and no dots can be in one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(&'static str, String)>);

impl Params {
    /// Takes the variables of a route from where they are, and nothing else.
    fn of<'a>(route: &Route, value: impl Fn(&str) -> Option<Cow<'a, str>>) -> Result<Self, Problem> {
        let read = |name: &'static str| {
            let value = value(name).unwrap_or_default();
            let wrong = |malformed: Malformed| Problem::from(malformed).with("variable", name);
            check_part(&value).map_err(wrong)?;
            Ok((name, value.into_owned()))
        };
        route.variables().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// A variable; empty when the route has none of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The entity that `kind` and `id` name; its kind may be one that this program does not know.
    ///
    /// # Errors
    /// When one of them is malformed.
    pub fn entity(&self) -> Result<EntityId, Malformed> {
        EntityId::new(self.get("kind"), self.get("id"))
    }
}

/// Why a list of routes is none: what is wrong with which of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the route {route}: {wrong}")]
pub struct Misrouted {
    /// Its method and path.
    pub route: String,
    /// What is wrong, and what would be right.
    pub wrong: String,
}

/// The key of what an API's routes do not take.
const OTHERWISE: &str = "$default";

/// Every route of an app.
#[derive(Debug)]
pub struct Routes {
    list: Vec<Arc<Route>>,
    router: matchit::Router<&'static str>,
}

impl Routes {
    /// Checks that a list of routes is one.
    ///
    /// # Errors
    /// When two are the same, two paths cannot be told apart, or an owner is no variable of the path.
    pub fn new(list: impl IntoIterator<Item = Route>) -> Result<Self, Misrouted> {
        let mut routes = Self { list: Vec::new(), router: matchit::Router::new() };
        for route in list {
            routes.add(route)?;
        }
        Ok(routes)
    }

    fn add(&mut self, route: Route) -> Result<(), Misrouted> {
        let wrong = |wrong: String| Misrouted { route: format!("{route:?}"), wrong };
        if self.list.iter().any(|other| **other == route) {
            return Err(wrong("there are two of it; take one out (those of /entities, /operator, /health and /openapi.json are every app's)".to_owned()));
        }
        if !route.path.starts_with('/') {
            return Err(wrong(format!("a path begins with a slash: /{}", route.path)));
        }
        if let Some(part) = route.path.split('/').find(|part| part.starts_with([':', '*'])) {
            let name = part.trim_start_matches([':', '*']);
            return Err(wrong(format!("a variable of a path stands in braces: {{{name}}}")));
        }
        if let Access::Owner(name) = route.access
            && !route.variables().any(|variable| variable == name)
        {
            return Err(wrong(format!("its owner is `{name}`, which is no variable of the path: {{{name}}}")));
        }
        if self.at(route.path).next().is_none() {
            let told = |error: matchit::InsertError| match error {
                matchit::InsertError::Conflict { with } => {
                    wrong(format!("it cannot be told from {with}; call the variable in the same place by one name"))
                }
                error => wrong(error.to_string()),
            };
            self.router.insert(route.path, route.path).map_err(told)?;
        }
        self.list.push(Arc::new(route));
        Ok(())
    }

    /// The routes, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.list.iter()
    }

    /// The routes with this path, which has its variables in braces.
    fn at(&self, path: &str) -> impl Iterator<Item = &Arc<Route>> + Clone {
        self.list.iter().filter(move |route| route.path == path)
    }

    /// A request from the wire, with nothing between that would have verified anything: its path is still percent-encoded.
    pub fn incoming<B: Into<Vec<u8>>>(&self, request: Request<B>) -> Incoming {
        let (parts, body) = request.into_parts();
        let found = self.find(parts.method.as_str(), parts.uri.path());
        Incoming {
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            method: parts.method,
            headers: parts.headers,
            body: body.into(),
            found,
            verified: Verified::default(),
            xray: None,
        }
    }

    /// Finds the route of a request by its path as it came, percent-encoded: there `%2F` is no `/`. `HEAD` goes where a
    /// `GET` that only reads goes.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Found {
        let Ok(matched) = self.router.at(path) else {
            return Found::Nowhere;
        };
        let routes = self.at(matched.value);
        let wanted = |route: &&Arc<Route>| route.method == method || (method == "HEAD" && route.has_head());
        let Some(route) = routes.clone().find(wanted) else {
            let head = routes.clone().any(|route| route.has_head()).then_some("HEAD");
            let methods = routes.map(|route| route.method).chain(head);
            return Found::WrongMethod(methods.collect::<Vec<_>>().join(", "));
        };
        let value = |name: &str| matched.params.get(name).map(|value| percent_decode_str(value).decode_utf8_lossy());
        Params::of(route, value).map_or_else(Found::Refused, |params| Found::Route(Arc::clone(route), params))
    }

    /// Finds the route of a request that came by an API: the API has chosen it, checked who may ask it, and says which it is
    /// (`key`) and what the variables are. The path is never asked for the route, because it arrives decoded: `%2F` is a
    /// `/` in it by then. It is only held against the route: who may ask the one may not be led to the other.
    #[must_use]
    pub fn routed(
        &self,
        key: Option<&str>,
        variables: &BTreeMap<String, String>,
        (method, path): (&str, &str),
    ) -> Found {
        if key == Some(OTHERWISE) {
            return self.otherwise(method, path);
        }
        let keyed =
            |route: &&Arc<Route>| key.is_some_and(|key| key.split_once(' ') == Some((route.method, route.path)));
        let Some(route) = self.list.iter().find(keyed) else {
            let how = format!("by `{}`, which is no route", key.unwrap_or_default());
            return Found::Refused(Problem::misrouted(&how));
        };
        let elsewhere = |path: &str| self.at(path).any(|other| other.access != route.access);
        if route.method != method || self.router.at(path).is_ok_and(|matched| elsewhere(matched.value)) {
            let how = format!("by `{route:?}`, which is not for {method} {path:.100}");
            return Found::Refused(Problem::misrouted(&how));
        }
        let value = |name: &str| variables.get(name).map(|value| Cow::Borrowed(value.as_str()));
        Params::of(route, value).map_or_else(Found::Refused, |params| Found::Route(Arc::clone(route), params))
    }

    /// What an API's routes do not take leads to no route here either, whatever its path is: no `HEAD`, which an API does
    /// not take for a `GET`, and nothing of a route that the API lacks.
    fn otherwise(&self, method: &str, path: &str) -> Found {
        let methods: Vec<&str> = match self.router.at(path) {
            Ok(matched) => self.at(matched.value).map(|route| route.method).collect(),
            Err(_) => Vec::new(),
        };
        if methods.is_empty() || methods.contains(&method) {
            return Found::Nowhere;
        }
        Found::WrongMethod(methods.join(", "))
    }
}
