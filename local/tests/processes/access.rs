//! Who may speak to the server: with the switch on, each user for themselves, and operators; and no foreign page ever.

use std::io::{Read, Write};

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use shared::live::machine_time;
use tempfile::TempDir;
use web::guard::tickets::Tickets;
use web::route::Access;

use crate::issuer::{AUDIENCE, ISSUER, Signer, claims};
use crate::server::{Server, run};

const OPERATOR: &str = "a-token-that-the-test-gives";
const KEY: &str = "a ticket key that the test gives to its servers";

/// A directory with the issuer's keys, and the options that turn the checks on.
fn switched_on() -> (TempDir, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("jwks.json");
    Signer::issuer().publish(&keys);
    let keys = keys.to_str().unwrap();
    let options = ["--jwt-keys", keys, "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE];
    (dir, options.map(str::to_owned).to_vec())
}

fn verified() -> (TempDir, Server) {
    let (dir, mut options) = switched_on();
    options.extend(["--ephemeral", "--operator-token", OPERATOR, "--ticket-key", KEY].map(str::to_owned));
    (dir, Server::start(&options))
}

fn seconds() -> u64 {
    machine_time().0 / 1000
}

/// Status, challenge and body of an answer.
async fn asked(request: RequestBuilder) -> (StatusCode, String, Value) {
    let answer = request.send().await.unwrap();
    let challenge = answer.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    (answer.status(), challenge.unwrap_or_default(), answer.json().await.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_token_reaches_what_is_its_users() {
    let (_dir, server) = verified();
    let (http, url, now) = (Client::new(), format!("{}/users/alice/tickets", server.url()), seconds());
    let mut good = vec![Signer::issuer().token("RS384", &claims("alice", now))];
    good.push(Signer::issuer().token("RS512", &claims("alice", now)));
    for (name, value) in [
        ("aud", json!(["another", AUDIENCE])),
        ("aud", json!(AUDIENCE)),
        ("nbf", json!(now)),
        ("exp", json!(now as f64 + 60.5)),
        ("scope", json!("openid profile")),
        ("roles", json!(["reader"])),
    ] {
        let mut claims = claims("alice", now);
        claims[name] = value;
        good.push(Signer::issuer().token("RS256", &claims));
    }
    let mut client_id = claims("alice", now);
    client_id.as_object_mut().unwrap().remove("aud");
    client_id["client_id"] = json!(AUDIENCE);
    good.push(Signer::issuer().token("RS256", &client_id));
    for token in good {
        let (status, _, body) = asked(http.post(&url).bearer_auth(&token)).await;
        assert_eq!(status, StatusCode::OK, "{token}: {body}");
        let ticket = Tickets::new(KEY.as_bytes()).unwrap().verify(body["ticket"].as_str().unwrap(), machine_time());
        assert_eq!(ticket.unwrap().as_str(), "alice");
    }
    let (status, _, _) = asked(http.post(&url).bearer_auth(OPERATOR)).await;
    assert_eq!(status, StatusCode::OK, "an operator acts for anyone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_token_is_refused_as_api_gateway_refuses_it() {
    let (_dir, server) = verified();
    let (http, url, now) = (Client::new(), format!("{}/users/alice/tickets", server.url()), seconds());
    let (issuer, good) = (Signer::issuer(), claims("alice", now));
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        issuer.token("RS256", &claims)
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        issuer.token("RS256", &claims)
    };
    let fine = issuer.token("RS256", &good);
    let parts: Vec<&str> = fine.split('.').collect();
    let bobs = issuer.token("RS256", &claims("bob", now));
    let bobs: Vec<&str> = bobs.split('.').collect();
    for (why, token) in [
        ("expired", with("exp", json!(now - 1))),
        ("expired this second", with("exp", json!(now))),
        ("without an end", without("exp")),
        ("an end that is no time", with("exp", json!("never"))),
        ("not yet valid", with("nbf", json!(now + 600))),
        ("from the future", with("iat", json!(now + 600))),
        ("wrong audience", with("aud", json!("another"))),
        ("no audience", without("aud")),
        ("wrong audience, right client", with("aud", json!([]))),
        ("wrong issuer", with("iss", json!("https://issuer.example.com"))),
        ("several issuers", with("iss", json!([ISSUER, "https://evil.example/"]))),
        ("no issuer", without("iss")),
        ("wrong key", Signer::stranger().token("RS256", &good)),
        ("another's claims under its signature", format!("{}.{}.{}", bobs[0], parts[1], bobs[2])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("alg: none", issuer.token("none", &good)),
        ("alg: None", issuer.token("None", &good)),
        ("alg: HS256 with the public key", issuer.token("HS256", &good)),
        ("alg: HS256 with the modulus", issuer.by_modulus(&good)),
        ("an algorithm that API Gateway does not take", issuer.token("ES256", &good)),
        ("no key named", issuer.signed(&json!({"alg": "RS256"}), &good)),
        ("another key named", issuer.signed(&json!({"alg": "RS256", "kid": "another"}), &good)),
        ("no token", "gibberish".to_owned()),
        ("almost the operator's", format!("{OPERATOR}x")),
    ] {
        let (status, challenge, body) = asked(http.post(&url).bearer_auth(&token)).await;
        assert_eq!((status, &body), (StatusCode::UNAUTHORIZED, &json!({"message": "Unauthorized"})), "{why}");
        assert!(
            challenge.starts_with("Bearer ") && challenge.contains(r#"error="invalid_token""#),
            "{why}: {challenge}"
        );
    }
    let (status, _, _) = asked(http.post(&url).basic_auth("alice", Some("secret"))).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let (status, _, _) = asked(http.post(&url).bearer_auth(&fine)).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_whose_sub_is_no_users_id_is_nobodys() {
    let (_dir, server) = verified();
    let (http, now) = (Client::new(), seconds());
    let paths = ["/users/null/messages", "/users/true/messages", "/users/12/messages", "/presence?online=true"];
    let mut subs = vec![json!(null), json!(true), json!(12), json!(1.5), json!(["alice"]), json!({"id": "alice"})];
    subs.extend(["", "a/b", "auth0|alice", "..", &"x".repeat(129)].map(|sub| json!(sub)));
    for sub in subs {
        let mut claims = claims("alice", now);
        claims["sub"] = sub.clone();
        let token = Signer::issuer().token("RS256", &claims);
        for path in paths {
            let (status, challenge, _) = asked(http.get(format!("{}{path}", server.url())).bearer_auth(&token)).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{sub} {path}");
            // What is neither a text nor a number, the library already takes for no token.
            let told = sub.is_array() || sub.is_object() || challenge.contains("a JSON string in the form of an id");
            assert!(told, "{sub} {path}: {challenge}");
        }
    }
    let mut without = claims("alice", now);
    without.as_object_mut().unwrap().remove("sub");
    let token = Signer::issuer().token("RS256", &without);
    let (status, _, _) = asked(http.get(format!("{}/presence?online=true", server.url())).bearer_auth(&token)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    // As a text it is an id like others.
    let token = Signer::issuer().token("RS256", &claims("12", now));
    let (status, _, _) = asked(http.get(format!("{}/users/12/messages", server.url())).bearer_auth(&token)).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reaches_another_users_path_and_the_general_routes_are_for_operators() {
    let (_dir, server) = verified();
    let (http, token) = (Client::new(), Signer::issuer().token("RS256", &claims("alice", seconds())));
    let mut seen = [0; 3];
    for route in kinds::app().service().unwrap().routes.iter() {
        let path = ["{kind}", "{id}", "{other}", "{event_id}", "{name}"];
        let path = path.iter().fold(route.path.to_owned(), |path, name| path.replace(name, "counter"));
        let method = Method::from_bytes(route.method.as_bytes()).unwrap();
        let request = || http.request(method.clone(), format!("{}{path}", server.url()));
        let (nobody, challenge, problem) = asked(request()).await;
        let (alice, _, refused) = asked(request().bearer_auth(&token)).await;
        let (operator, _, _) = asked(request().bearer_auth(OPERATOR)).await;
        assert!(![401, 403].contains(&operator.as_u16()), "{route:?}: {operator}");
        match route.access {
            Access::Owner(_) => {
                assert_eq!((nobody, alice), (StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN), "{route:?}");
                assert_eq!(
                    (problem["type"].as_str(), challenge.as_str()),
                    (Some("urn:leasebox:unauthenticated"), "Bearer")
                );
                assert_eq!(refused["type"], "urn:leasebox:another-user", "{route:?}");
                seen[0] += 1;
            }
            Access::User => {
                assert_eq!(nobody, StatusCode::UNAUTHORIZED, "{route:?}");
                assert!(![401, 403].contains(&alice.as_u16()), "{route:?}: any user may ask who is there");
            }
            Access::Open => {
                assert!(![401, 403].contains(&nobody.as_u16()), "{route:?}");
                seen[1] += 1;
            }
            Access::Signed | Access::Operator => {
                assert_eq!((nobody, alice), (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED), "{route:?}");
                seen[2] += 1;
            }
        }
    }
    assert_eq!(seen, [7, 6, 25]);
    // Nothing else leads there: not another spelling of the path, and not what the client says of itself.
    for path in ["/users/%62ob/tickets", "/users/bob/tickets?user_id=alice", "/users/bob/tickets?sub=alice"] {
        let request = http.post(format!("{}{path}", server.url())).bearer_auth(&token).header("x-user-id", "alice");
        let (status, _, _) = asked(request).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_changes_nothing_on_loopback_either() {
    let server = Server::start(&["--ephemeral", "--allow-origin", "http://localhost:5173"]);
    let (http, port) = (Client::new(), server.address().rsplit_once(':').unwrap().1.to_owned());
    let (local, number) = (format!("http://localhost:{port}"), format!("http://127.0.0.1:{port}"));
    let post = |base: &str| http.post(format!("{base}/counter/a/increment"));
    let get = |base: &str| http.get(format!("{base}/webhook?user_id=a&delta=1"));
    let evil = format!("http://evil.example:{port}");
    for origin in ["https://evil.example", &evil, "http://localhost:5174", "http://localhost", "null", &number, ""] {
        let (status, _, body) = asked(post(&local).header("origin", origin)).await;
        assert_eq!((status, &body["type"]), (StatusCode::FORBIDDEN, &json!("urn:leasebox:foreign-origin")), "{origin}");
        assert!(body["detail"].as_str().unwrap().contains("this server's own pages may"), "{body}");
        let (status, _, _) = asked(get(&local).header("origin", origin)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{origin}");
    }
    for site in ["cross-site", "same-site"] {
        let (status, _, _) = asked(get(&local).header("sec-fetch-site", site)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "an image that is a request");
        let (status, _, _) = asked(post(&local).header("sec-fetch-site", site)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{site}");
    }
    // A name that somebody made lead here: their page takes itself for ours.
    let rebound = format!("evil.example:{port}");
    for request in [post(&local).header("origin", &evil), get(&local), http.get(format!("{local}/counter/a"))] {
        let (status, _, body) = asked(request.header("host", &rebound)).await;
        assert_eq!((status, &body["type"]), (StatusCode::FORBIDDEN, &json!("urn:leasebox:foreign-host")));
    }
    let (_, _, counter) = asked(http.get(format!("{local}/counter/a"))).await;
    assert_eq!(counter["value"], 0, "none of it was done");

    let mut value = 0;
    for request in [
        post(&local),
        get(&number),
        post(&local).header("origin", &local).header("sec-fetch-site", "same-origin"),
        post(&number).header("origin", &number),
        post(&number).header("origin", "http://localhost:5173").header("sec-fetch-site", "cross-site"),
        get(&local).header("sec-fetch-site", "none"),
        get(&local).header("sec-fetch-site", "same-origin"),
    ] {
        assert_eq!(asked(request).await.0, StatusCode::OK);
        value += 1;
    }
    let (_, _, counter) = asked(http.get(format!("{local}/counter/a"))).await;
    assert_eq!(counter["value"], value);
    let (status, _, _) = asked(http.get(format!("{local}/counter/a")).header("origin", "https://evil.example")).await;
    assert_eq!(status, StatusCode::OK, "what only reads is kept from a foreign page by its browser");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_writes_by_no_spelling_of_the_address_that_its_browser_does_not_know() {
    let server = Server::start(&["--ephemeral"]);
    let (http, port) = (Client::new(), server.address().rsplit_once(':').unwrap().1.to_owned());
    let local = format!("http://127.0.0.1:{port}");
    // What a browser sends for an image: no Origin, and to these hosts no Sec-Fetch-Site.
    let image = |base: &str| http.get(format!("{base}/webhook?user_id=a&delta=1"));
    let (status, _, body) = asked(image(&format!("http://0.0.0.0:{port}"))).await;
    assert_eq!((status, &body["type"]), (StatusCode::FORBIDDEN, &json!("urn:leasebox:foreign-host")), "by its socket");
    for host in ["0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:0.0.0.0]"] {
        let (status, _, body) = asked(image(&local).header("host", format!("{host}:{port}"))).await;
        assert_eq!((status, &body["type"]), (StatusCode::FORBIDDEN, &json!("urn:leasebox:foreign-host")), "{host}");
    }
    let elsewhere = format!("192.0.2.7:{port}");
    let (status, _, body) = asked(image(&local).header("host", &elsewhere)).await;
    assert_eq!((status, &body["type"]), (StatusCode::FORBIDDEN, &json!("urn:leasebox:foreign-origin")));
    assert!(body["detail"].as_str().unwrap().contains("POST it instead"), "{body}");
    let (_, _, counter) = asked(http.get(format!("{local}/counter/a"))).await;
    assert_eq!(counter["value"], 0, "none of it was done");
    let post = http.post(format!("{local}/webhook?user_id=a&delta=1")).header("host", &elsewhere);
    assert_eq!(asked(post).await.0, StatusCode::OK, "a page's POST would have an Origin");
    for host in ["127.0.0.1", "127.0.0.2", "localhost"] {
        assert_eq!(asked(image(&local).header("host", format!("{host}:{port}"))).await.0, StatusCode::OK, "{host}");
    }
    let (_, _, counter) = asked(http.get(format!("{local}/counter/a"))).await;
    assert_eq!(counter["value"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_on_the_wire_is_what_it_is() {
    let server = Server::start(&["--ephemeral", "--operator-token", OPERATOR]);
    for (path, status) in [
        ("/counter/..%5Coperator%5Csweep%23/increment", 400),
        ("/counter/..%2Foperator%2Fsweep/increment", 400),
        ("/counter/../operator/sweep", 404),
        ("/counter/%2e%2e/increment", 400),
        ("/users/alice/..%5Cbob/messages", 404),
        ("/users/alice%2F..%5Cbob/messages", 400),
        ("/operator%2Fsweep", 404),
        ("/%6Fperator/sweep", 404),
        ("/counter/a%2Fb/increment", 400),
        ("/counter/a/increment", 200),
    ] {
        // Raw, since a client would remove the dots: with the operator's token, so that it would be let in anywhere.
        let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {OPERATOR}\r\n", server.address());
        stream.write_all(format!("{head}Connection: close\r\nContent-Length: 0\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_others_reach_is_not_open_unless_it_is_said() {
    let bind = ["--ephemeral", "--bind", "0.0.0.0", "--port", "0"];
    let refused = run(&bind);
    assert!(refused.code == Some(1) && refused.stderr.contains("--open-to-everyone"), "{refused:?}");
    assert!(refused.stderr.contains("--jwt-keys") && refused.stderr.contains("any user"), "{refused:?}");
    let http = Client::new();
    let reaches = async |server: &Server| {
        let port = server.address().rsplit_once(':').unwrap().1.to_owned();
        let post = http.post(format!("http://127.0.0.1:{port}/counter/a/increment"));
        asked(post).await.0
    };
    let open = Server::start(&["--ephemeral", "--bind", "0.0.0.0", "--open-to-everyone"]);
    assert_eq!(reaches(&open).await, StatusCode::OK);
    drop(open);
    let (_dir, keys) = switched_on();
    let mut options = keys.clone();
    options.extend(["--ephemeral", "--bind", "0.0.0.0"].map(str::to_owned));
    assert_eq!(reaches(&Server::start(&options)).await, StatusCode::UNAUTHORIZED);

    for wrong in [&keys[..2], &keys[..4], &keys[2..], &[&keys[..], &["--open-to-everyone".to_owned()]].concat()] {
        assert_eq!(run(wrong).code, Some(2), "{wrong:?}");
    }
    assert_eq!(run(&["--allow-origin", "*"]).code, Some(2));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.json");
    let secret = json!({"keys": [{"kty": "oct", "kid": "a", "k": "c2VjcmV0"}]}).to_string();
    for (text, told) in [("x", "no JWKS"), (r#"{"keys":[]}"#, "RSA key"), (secret.as_str(), "RSA key")] {
        std::fs::write(&file, text).unwrap();
        let path = file.to_str().unwrap();
        let options = ["--ephemeral", "--jwt-keys", path, "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE];
        let said = run(&[&options[..], &["--port", "0"]].concat());
        assert!(said.code == Some(1) && said.stderr.contains(told), "{text}: {said:?}");
    }
    let short = run(&["--ephemeral", "--port", "0", "--ticket-key", "short"]);
    assert!(short.code == Some(1) && short.stderr.contains("--ticket-key"), "{short:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_tickets_is_kept_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (http, dir) = (Client::new(), tempfile::tempdir().unwrap());
    let mut kept = String::new();
    for _ in 0..2 {
        let server = Server::start(&["--data", dir.path().to_str().unwrap()]);
        let file = dir.path().join("ticket-key");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let key = std::fs::read_to_string(&file).unwrap().trim().to_owned();
        assert!(kept.is_empty() || kept == key, "it is the same after a restart");
        let (status, _, body) = asked(http.post(format!("{}/users/bob/tickets", server.url()))).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let ticket = Tickets::new(key.as_bytes()).unwrap().verify(body["ticket"].as_str().unwrap(), machine_time());
        assert_eq!(ticket.unwrap().as_str(), "bob");
        kept = key;
        server.stop().await;
    }
}
