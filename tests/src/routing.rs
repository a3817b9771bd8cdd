//! Every route, by its path on the wire and by each word that an API could say.

use std::collections::BTreeMap;

use web::route::{Access, Route};
use web::routing::{Found, Routes};

use crate::app;

fn find(method: &str, path: &str) -> Found {
    app::service().routes.find(method, path)
}

fn routed(key: Option<&str>, variables: &BTreeMap<String, String>, method: &str, path: &str) -> Found {
    app::service().routes.routed(key, variables, (method, path))
}

/// A path of a route, with an id that every variable may be.
fn filled(route: &Route) -> String {
    route.variables().fold(route.path.to_owned(), |path, name| path.replace(&format!("{{{name}}}"), "a"))
}

fn variables(route: &Route) -> BTreeMap<String, String> {
    route.variables().map(|name| (name.to_owned(), "a".to_owned())).collect()
}

fn key(route: &Route) -> String {
    format!("{} {}", route.method, route.path)
}

/// The status that a request of no route is answered with.
fn status(found: &Found) -> Option<u16> {
    found.route("GET", "/").err().map(|problem| problem.answer().status)
}

#[test]
fn every_route_is_found_by_its_own_path() {
    for route in app::routes() {
        assert!(
            matches!(find(route.method, &filled(route)), Found::Route(found, params) if found == *route && route.variables().all(|name| params.get(name) == "a")),
            "{route:?}"
        );
    }
}

#[test]
fn variables_are_decoded_and_have_the_form_of_an_id() {
    let Found::Route(_, params) = find("GET", "/entities/counter/a%40b") else { panic!("not found") };
    assert_eq!((params.get("kind"), params.get("id"), params.get("none")), ("counter", "a@b", ""));
    // The name of a transfer is longer than an id, and has no other characters.
    let name = format!("{}~18446744073709551615-000102030405060708090a0b", "x".repeat(128));
    let found = find("GET", &format!("/transfers/{name}"));
    assert!(matches!(found, Found::Route(_, params) if params.get("id") == name));
    for path in
        ["/counter/a%2Fb", "/counter/..", "/counter/%2e%2e", "/counter/..%5coperator", "/counter/a%23", "/counter/%ff"]
    {
        let Found::Refused(problem) = find("GET", path) else { panic!("{path}") };
        let body: serde_json::Value = serde_json::from_str(&problem.answer().body).unwrap();
        assert_eq!((&body["status"], &body["variable"]), (&400.into(), &"id".into()), "{path}");
        assert!(body["detail"].as_str().unwrap().contains("letters, digits and"), "{body}");
    }
}

#[test]
fn wrong_methods_name_the_right_ones() {
    assert_eq!(find("DELETE", "/webhook"), Found::WrongMethod("GET, POST".to_owned()));
    assert_eq!(find("GET", "/counter/a/increment"), Found::WrongMethod("POST".to_owned()));
    assert_eq!(find("GET", "/counter/a/"), Found::Nowhere);
    assert_eq!(find("POST", "/health"), Found::WrongMethod("GET, HEAD".to_owned()));
    assert!(matches!(find("HEAD", "/health"), Found::Route(..)));
}

#[test]
fn by_an_api_a_request_takes_the_route_of_its_key_and_no_other() {
    for route in app::routes() {
        let (own, path) = (key(route), filled(route));
        let ask = |key: Option<&str>| routed(key, &variables(route), route.method, &path);
        assert!(matches!(ask(Some(&own)), Found::Route(found, _) if found == *route), "{route:?}");
        assert_eq!(ask(Some("$default")), Found::Nowhere, "{route:?}");
        let lower = own.to_lowercase();
        let unknown = [
            None,
            Some(""),
            Some(route.path),
            Some(&*lower),
            Some("$connect"),
            Some("ANY /{proxy+}"),
            Some("GET /none"),
        ];
        for key in unknown.into_iter().filter(|key| *key != Some(&*own)) {
            assert_eq!(status(&ask(key)), Some(403), "{route:?} by {key:?}");
        }
        for other in app::routes().filter(|other| *other != route) {
            match ask(Some(&key(other))) {
                // The API has checked who may ask this one, and it is the one that is taken.
                Found::Route(taken, _) => {
                    assert!(taken == *other && other.access == route.access, "{route:?} by {other:?}");
                }
                refused => assert!(matches!(status(&refused), Some(400 | 403)), "{route:?} by {other:?}: {refused:?}"),
            }
            if (other.access == Access::Operator) != (route.access == Access::Operator) {
                assert_eq!(status(&ask(Some(&key(other)))), Some(403), "{route:?} by {other:?}");
            }
        }
    }
}

#[test]
fn what_no_route_of_the_api_takes_is_not_found_or_has_the_wrong_method() {
    let none = BTreeMap::new();
    for route in app::routes() {
        for method in ["GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT"] {
            match routed(Some("$default"), &variables(route), method, &filled(route)) {
                Found::Nowhere => {}
                Found::WrongMethod(allowed) => {
                    assert!(!allowed.contains(method) && !allowed.contains("HEAD"), "{route:?} {allowed}")
                }
                found => panic!("{route:?}: {found:?}"),
            }
        }
    }
    assert_eq!(routed(Some("$default"), &none, "DELETE", "/webhook"), Found::WrongMethod("GET, POST".to_owned()));
    assert_eq!(routed(Some("$default"), &none, "HEAD", "/health"), Found::WrongMethod("GET".to_owned()));
    assert_eq!(routed(Some("$default"), &none, "GET", "/live/health"), Found::Nowhere);
}

#[test]
fn by_an_api_the_variables_are_the_ones_that_it_tells() {
    let ask = |id: Option<&str>, path: &str| {
        let variables = id.map(|id| ("id".to_owned(), id.to_owned())).into_iter().collect();
        routed(Some("POST /counter/{id}/increment"), &variables, "POST", path)
    };
    // The path is not read: it is decoded, and has the name of a stage before it that has one.
    for path in ["/counter/alice/increment", "/live/counter/alice/increment", "/counter/al%69ce/increment", ""] {
        let Found::Route(_, params) = ask(Some("alice"), path) else { panic!("{path}") };
        assert_eq!(params.get("id"), "alice");
    }
    for id in [
        None,
        Some(""),
        Some(".."),
        Some("a/b"),
        Some("..\\operator\\sweep#"),
        Some("a%2Fb"),
        Some("a b"),
        Some("\u{e9}"),
    ] {
        assert_eq!(status(&ask(id, "/counter/alice/increment")), Some(400), "{id:?}");
    }
    for path in ["/operator/sweep", "/users/bob/messages", "/health"] {
        assert_eq!(status(&ask(Some("alice"), path)), Some(403), "{path}");
    }
}

#[test]
fn a_list_that_cannot_be_told_apart_is_none() {
    let page = |path| Route::file(path, "text/plain", "");
    let wrong = |list: Vec<Route>| Routes::new(list).unwrap_err().to_string();
    assert!(Routes::new([page("/a/{id}"), page("/a/b"), page("/a/{id}/c"), page("/")]).is_ok());
    assert_eq!(
        wrong(vec![page("/a"), page("/a")]),
        "the route GET /a: there are two of it; take one out (those of /entities, /operator, /health and /openapi.json are every app's)"
    );
    let twice = wrong(vec![page("/a/{id}"), page("/a/{name}")]);
    assert!(twice.starts_with("the route GET /a/{name}: it cannot be told from /a/{id}; "), "{twice}");
    assert!(wrong(vec![page("a")]).contains("begins with a slash: /a"));
    assert!(wrong(vec![page("/a/:id")]).contains("stands in braces: {id}"));
    let owner = Route::get("/a/{id}", Access::Owner("user"), async |_, _| Ok(1_u8));
    assert!(wrong(vec![owner]).contains("`user`, which is no variable of the path"));
}
