//! Every route, by every kind of caller.

use http::HeaderMap;
use serde_json::{Map, Value, json};
use shared::envelope::Millis;
use web::guard::operators::Token;
use web::guard::origins::Page;
use web::guard::tickets::Tickets;
use web::guard::{Connecting, Guard, UserId, Users, Verified};
use web::route::Access;
use web::routing::Found;

use crate::app;

const TOKEN: &str = "0123456789abcdef";
const NOW: Millis = Millis(1_800_000_000_000);

fn guard(users: Users) -> Guard {
    let tickets = Tickets::new(&[7; 32]).unwrap();
    Guard::direct(Token::new(TOKEN).unwrap(), users, Vec::new(), tickets)
}

fn deployed(users: &str) -> Guard {
    Guard::gateway(users, "https://chat.example.com", None).unwrap()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect()
}

fn operator() -> HeaderMap {
    headers(&[("authorization", "Bearer 0123456789abcdef")])
}

/// What the guard says to a request; nothing when it is admitted.
fn asked(guard: &Guard, headers: &HeaderMap, verified: &Verified, method: &str, path: &str) -> Option<u16> {
    // A path with its variables in braces stands for one with any ids in their places.
    let path = path.replace(['{', '}'], "");
    let Found::Route(route, params) = app::service().routes.find(method, &path) else { panic!("{method} {path}") };
    guard.check(headers, verified, &route, &params).err().map(|problem| problem.answer().status)
}

/// A user whose token was verified, if its claim is a user's.
fn user(sub: impl Into<Value>) -> Verified {
    let claims = [("sub".to_owned(), sub.into())].into_iter().collect();
    Verified { user: UserId::claimed(&claims), ..Verified::default() }
}

fn signed() -> Verified {
    Verified { signer: Some("arn:aws:iam::1:user/backend".to_owned()), ..Verified::default() }
}

#[test]
fn a_claim_that_is_no_users_id_makes_a_token_nobodys() {
    let guard = deployed("verified");
    let long = "x".repeat(129);
    for sub in [Value::Null, true.into(), 12.into(), json!(["alice"]), json!({}), json!(""), json!("a/b"), json!(long)]
    {
        let verified = user(sub.clone());
        assert_eq!(verified.user, None, "{sub}");
        for path in ["/users/null/messages", "/users/true/messages", "/users/12/messages", "/presence"] {
            assert_eq!(asked(&guard, &HeaderMap::new(), &verified, "GET", path), Some(401), "{sub} {path}");
        }
    }
    assert_eq!(UserId::claimed(&Map::new()), None);
    assert_eq!(asked(&guard, &HeaderMap::new(), &user("12"), "GET", "/users/12/messages"), None);
}

#[test]
fn a_user_reaches_their_own_path_and_no_other() {
    let (mut own, none) = (0, HeaderMap::new());
    for route in app::routes().filter(|route| route.path.starts_with("/users/")) {
        let path = route.path.replace("{id}", "alice").replace("{other}", "bob");
        let anothers = route.path.replace("{id}", "bob").replace("{other}", "alice");
        for guard in [guard(Users::Verified), deployed("verified")] {
            assert_eq!(asked(&guard, &none, &user("alice"), route.method, &path), None, "{path}");
            for (sub, status) in [("bob", 403), ("Alice", 403), ("alice ", 401), ("", 401), ("al%69ce", 401)] {
                assert_eq!(asked(&guard, &none, &user(sub), route.method, &path), Some(status), "{sub} {path}");
            }
            assert_eq!(asked(&guard, &none, &user("alice"), route.method, &anothers), Some(403), "{anothers}");
            assert_eq!(asked(&guard, &none, &Verified::default(), route.method, &path), Some(401), "{path}");
        }
        assert_eq!(asked(&guard(Users::Verified), &operator(), &Verified::default(), route.method, &path), None);
        assert_eq!(asked(&deployed("verified"), &none, &signed(), route.method, &path), None, "{path}");
        assert_eq!(asked(&deployed("verified"), &operator(), &Verified::default(), route.method, &path), Some(401));
        own += 1;
    }
    assert_eq!(own, 7);
    let encoded = "/users/%61lice/presence";
    assert_eq!(asked(&guard(Users::Verified), &none, &user("alice"), "GET", encoded), None);
    assert_eq!(asked(&guard(Users::Verified), &none, &user("bob"), "GET", "/presence"), None);
    assert_eq!(asked(&guard(Users::Verified), &none, &Verified::default(), "GET", "/presence"), Some(401));
}

#[test]
fn what_is_no_users_is_for_operators_once_users_are_verified() {
    for route in app::routes() {
        let ask = |guard: &Guard, headers: &HeaderMap, verified: &Verified| {
            asked(guard, headers, verified, route.method, route.path)
        };
        let (none, nobody) = (HeaderMap::new(), &Verified::default());
        let expected = match route.access {
            Access::Owner(_) | Access::User => continue,
            Access::Open => (None, None),
            Access::Operator => (Some(401), Some(401)),
            Access::Signed => (None, Some(401)),
        };
        let (open, verified) = (guard(Users::Open), guard(Users::Verified));
        assert_eq!((ask(&open, &none, nobody), ask(&verified, &none, nobody)), expected, "{route:?}");
        assert_eq!(ask(&verified, &none, &user("alice")), expected.1, "{route:?}");
        assert_eq!((ask(&open, &operator(), nobody), ask(&verified, &operator(), nobody)), (None, None), "{route:?}");
        let forbidden = |status: Option<u16>| status.map(|_| 403);
        let expected = (forbidden(expected.0), forbidden(expected.1));
        let (open, verified) = (deployed("open"), deployed("verified"));
        assert_eq!((ask(&open, &none, nobody), ask(&verified, &none, nobody)), expected, "{route:?}");
        assert_eq!((ask(&open, &none, &signed()), ask(&verified, &none, &signed())), (None, None), "{route:?}");
    }
}

#[test]
fn a_foreign_page_writes_nothing_whoever_looks_at_it() {
    let domain = &Verified { domain: Some("x.execute-api.amazonaws.com".to_owned()), ..signed() };
    let authorization = ("authorization", "Bearer 0123456789abcdef");
    for route in app::routes() {
        let writes = route.method != "GET" || route.path == "/webhook";
        for foreign in [
            headers(&[authorization, ("host", "localhost:3000"), ("origin", "http://localhost:5173")]),
            headers(&[authorization, ("host", "localhost:3000"), ("origin", "null")]),
            headers(&[authorization, ("host", "localhost:3000"), ("sec-fetch-site", "cross-site")]),
        ] {
            let refused = writes.then_some(403);
            let (local, gateway) = (guard(Users::Open), deployed("open"));
            assert_eq!(asked(&local, &foreign, &Verified::default(), route.method, route.path), refused, "{route:?}");
            assert_eq!(asked(&gateway, &foreign, domain, route.method, route.path), refused, "{route:?}");
        }
        let own = headers(&[authorization, ("host", "localhost:3000"), ("origin", "http://localhost:3000")]);
        assert_eq!(asked(&guard(Users::Open), &own, &Verified::default(), route.method, route.path), None);
        for origin in ["https://x.execute-api.amazonaws.com", "https://chat.example.com"] {
            let own = headers(&[("host", "whatever"), ("origin", origin)]);
            assert_eq!(asked(&deployed("open"), &own, domain, route.method, route.path), None, "{route:?}");
        }
        let rebound = headers(&[authorization, ("host", "evil.example:3000")]);
        let refused = Some(403);
        assert_eq!(asked(&guard(Users::Open), &rebound, &Verified::default(), route.method, route.path), refused);
    }
    let twice = headers(&[("origin", "https://chat.example.com"), ("origin", "https://evil.example")]);
    assert_eq!(asked(&deployed("open"), &twice, domain, "POST", "/transfers"), Some(403));
}

#[test]
fn a_get_that_writes_needs_a_host_for_which_browsers_say_whose_page_asks() {
    let ask = |guard: &Guard, host: &str, site: Option<&str>, method: &str| {
        let pairs: Vec<_> = [("host", host)].into_iter().chain(site.map(|site| ("sec-fetch-site", site))).collect();
        asked(guard, &headers(&pairs), &Verified::default(), method, "/webhook")
    };
    let open = guard(Users::Open);
    for (host, get, post) in [
        ("localhost:3000", None, None),
        ("LOCALHOST", None, None),
        ("127.0.0.1:3000", None, None),
        ("127.3.2.1:3000", None, None),
        ("[::1]:3000", None, None),
        ("192.0.2.7:3000", Some(403), None),
        ("[2001:db8::7]:3000", Some(403), None),
        ("[::127.0.0.1]:3000", Some(403), None),
        ("0.0.0.0:3000", Some(403), Some(403)),
        ("0.0.0.0", Some(403), Some(403)),
        ("[::]:3000", Some(403), Some(403)),
        ("[::ffff:127.0.0.1]:3000", Some(403), Some(403)),
        ("[::ffff:7f00:1]:3000", Some(403), Some(403)),
        ("[::ffff:0.0.0.0]:3000", Some(403), Some(403)),
        ("[::ffff:192.0.2.7]:3000", Some(403), Some(403)),
        ("0:3000", Some(403), Some(403)),
        ("127.1:3000", Some(403), Some(403)),
        ("localhost.:3000", Some(403), Some(403)),
        ("evil.localhost:3000", Some(403), Some(403)),
    ] {
        assert_eq!((ask(&open, host, None, "GET"), ask(&open, host, None, "POST")), (get, post), "{host}");
        assert_eq!(ask(&open, host, Some("cross-site"), "GET"), Some(403), "{host}");
        // Where a browser does say it, the address does not matter; but no server has the refused ones.
        assert_eq!(ask(&open, host, Some("same-origin"), "GET"), post, "{host}");
    }
    let gateway = deployed("open");
    assert_eq!(ask(&gateway, "192.0.2.7", None, "GET"), None, "an API is called by https");
}

#[test]
fn a_socket_is_whose_the_ticket_says_or_where_it_is_open_whose_it_says() {
    let (open, verified) = (guard(Users::Open), guard(Users::Verified));
    let alice = UserId::new("alice").unwrap();
    let ticket = verified.tickets.as_ref().unwrap().issue(&alice, 1, NOW).unwrap();
    let named = Connecting { user_id: Some("bob"), ..Connecting::default() };
    let with = Connecting { ticket: Some(&ticket.text), ..named };
    assert_eq!(open.connect(&named, NOW), Ok(UserId::new("bob").unwrap()));
    assert_eq!(open.connect(&with, NOW), Ok(alice.clone()), "the ticket says more");
    assert_eq!(verified.connect(&with, NOW), Ok(alice));
    let status = |guard: &Guard, connecting: &Connecting<'_>, now| {
        guard.connect(connecting, now).map_err(|problem| problem.answer().status)
    };
    assert_eq!(status(&verified, &named, NOW), Err(401));
    assert_eq!(status(&verified, &with, ticket.expires_at), Err(401));
    assert_eq!(status(&verified, &Connecting { ticket: Some(""), ..named }, NOW), Err(401));
    assert_eq!(status(&verified, &Connecting::default(), NOW), Err(401));
    assert_eq!(status(&open, &Connecting::default(), NOW), Err(401));
    assert_eq!(status(&open, &Connecting { user_id: Some("a/b"), ..Connecting::default() }, NOW), Err(400));
    let foreign = Page { origin: Some("https://evil.example"), host: Some("localhost:3000"), ..Page::default() };
    assert_eq!(status(&open, &Connecting { page: foreign, ..named }, NOW), Err(403));
    assert_eq!(status(&verified, &Connecting { page: foreign, ..with }, NOW), Err(403));
    let own = Page { origin: Some("http://localhost:3000"), ..foreign };
    assert!(status(&verified, &Connecting { page: own, ..with }, NOW).is_ok());
    let rebound = Page { origin: Some("http://evil.example"), host: Some("evil.example"), ..Page::default() };
    assert_eq!(status(&open, &Connecting { page: rebound, ..named }, NOW), Err(403));
}

#[test]
fn nothing_but_the_word_opens_a_deployment() {
    for other in ["", "Open", "OPEN_TO_EVERYONE", "true", "none"] {
        assert!(Users::new(other).is_err() && Guard::gateway(other, "", None).is_err(), "{other}");
    }
    assert!(Guard::gateway("open", "*", None).is_err());
    assert!(Guard::gateway("verified", "", Some("short")).is_err());
}
