//! To which route a request belongs, by its path on the wire or by the word of the API that it came through.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use percent_encoding::percent_decode_str;

use crate::envelope::{EntityId, Malformed, check_part};
use crate::http::problem::Problem;
use crate::http::routes::{ROUTES, Route, at};

/// Where a request belongs.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// To this route.
    Route(&'static Route, Params),
    /// To a path that takes only these methods.
    WrongMethod(String),
    /// Nowhere.
    Nowhere,
    /// Nowhere, and this is why.
    Refused(Problem),
}

impl Found {
    /// Its route and the variables of its path; `method` and `path` are what was asked for.
    ///
    /// # Errors
    /// The problem to answer with when it belongs to none.
    pub fn route(&self, method: &str, path: &str) -> Result<(&'static Route, &Params), Problem> {
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
    fn of<'a>(route: &'static Route, value: impl Fn(&str) -> Option<Cow<'a, str>>) -> Result<Self, Problem> {
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

static ROUTER: LazyLock<matchit::Router<&'static str>> = LazyLock::new(|| {
    let mut router = matchit::Router::new();
    for route in &ROUTES {
        // A path of several methods is inserted once; a test holds that no other insertion fails.
        let _ = router.insert(route.path, route.path);
    }
    router
});

/// Finds the route of a request by its path as it came, percent-encoded: there `%2F` is no `/`. `HEAD` goes where a `GET`
/// that only reads goes.
#[must_use]
pub fn find(method: &str, path: &str) -> Found {
    let Ok(matched) = ROUTER.at(path) else {
        return Found::Nowhere;
    };
    let routes = at(matched.value);
    let wanted = |route: &&Route| route.method == method || (method == "HEAD" && route.has_head());
    let Some(route) = routes.clone().find(wanted) else {
        let head = routes.clone().any(Route::has_head).then_some("HEAD");
        let methods = routes.map(|route| route.method).chain(head);
        return Found::WrongMethod(methods.collect::<Vec<_>>().join(", "));
    };
    let value = |name: &str| matched.params.get(name).map(|value| percent_decode_str(value).decode_utf8_lossy());
    Params::of(route, value).map_or_else(Found::Refused, |params| Found::Route(route, params))
}

/// Finds the route of a request that came by an API: the API has chosen it, checked who may ask it, and says which it is
/// (`key`) and what the variables are. The path is never asked for the route, because it arrives decoded: `%2F` is a `/`
/// in it by then. It is only held against the route: who may ask the one may not be led to the other.
#[must_use]
pub fn routed(key: Option<&str>, variables: &BTreeMap<String, String>, method: &str, path: &str) -> Found {
    if key == Some(OTHERWISE) {
        return otherwise(method, path);
    }
    let keyed = |route: &&Route| key.is_some_and(|key| key.split_once(' ') == Some((route.method, route.path)));
    let Some(route) = ROUTES.iter().find(keyed) else {
        return Found::Refused(Problem::misrouted(&format!("by `{}`, which is no route", key.unwrap_or_default())));
    };
    let elsewhere = |path: &str| at(path).any(|other| other.access() != route.access());
    if route.method != method || ROUTER.at(path).is_ok_and(|matched| elsewhere(matched.value)) {
        let how = format!("by `{} {}`, which is not for {method} {path:.100}", route.method, route.path);
        return Found::Refused(Problem::misrouted(&how));
    }
    let value = |name: &str| variables.get(name).map(|value| Cow::Borrowed(value.as_str()));
    Params::of(route, value).map_or_else(Found::Refused, |params| Found::Route(route, params))
}

/// The key of what an API's routes do not take.
const OTHERWISE: &str = "$default";

/// What an API's routes do not take leads to no route here either, whatever its path is: no `HEAD`, which an API does not
/// take for a `GET`, and nothing of a route that the API lacks.
fn otherwise(method: &str, path: &str) -> Found {
    let methods: Vec<&str> =
        ROUTER.at(path).map(|matched| at(matched.value).map(|route| route.method).collect()).unwrap_or_default();
    if methods.is_empty() || methods.contains(&method) {
        return Found::Nowhere;
    }
    Found::WrongMethod(methods.join(", "))
}

#[cfg(test)]
mod tests;
