//! Where users are verified: a token for what is asked, and a ticket for each socket.

use serde_json::json;
use shared::live::machine_time;

use crate::browser::{Driver, Window};
use crate::issuer::{AUDIENCE, ISSUER, Signer, claims};
use crate::server::Server;

fn token(user: &str) -> String {
    Signer::issuer().token("RS256", &claims(user, machine_time().0 / 1000))
}

impl Window {
    async fn sign_in(&self, user: &str, token: &str) {
        self.value("void (document.querySelector('#user').value = document.querySelector('#token').value = '')").await;
        self.write("#user", user).await;
        self.write("#token", token).await;
        self.click("#connect").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_token_gets_in_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("jwks.json");
    Signer::issuer().publish(&keys);
    let keys = keys.to_str().unwrap();
    let checks = ["--ephemeral", "--jwt-keys", keys, "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE];
    let (server, driver) = (Server::start(&checks), Driver::start());
    let (alice, bob) = (driver.open(server.url()).await, driver.open(server.url()).await);
    for wrong in ["", "gibberish", &token("bob")] {
        alice.sign_in("alice", wrong).await;
        alice.until("document.querySelector('#sign-in-problem').textContent.length > 10").await;
        alice.shows("#sign-in", 1).await;
    }
    for (window, user) in [(&alice, "alice"), (&bob, "bob")] {
        window.sign_in(user, &token(user)).await;
        window.says("#state", "online").await;
    }
    alice.begin("bob").await;
    alice.say("Who are you?").await;
    bob.unread("alice", "1").await;
    alice.sees("bob", "true").await;
    // A reload needs no sign-in; nothing of the token is in the address, or in what outlives the window.
    let place = alice.value("location.href").await;
    assert!(!place.as_str().unwrap().contains("ey"), "{place}");
    alice.go(place.as_str().unwrap()).await;
    alice.says("#state", "online").await;
    alice.reads(&["Who are you?"]).await;
    assert_eq!(alice.value("Object.keys(localStorage)").await, json!([]));
}
