//! Pictures of the page for its documentation, made when `LEASEBOX_SCREENSHOTS` names a directory for them.

use std::path::{Path, PathBuf};

use reqwest::Client;

use crate::browser::{Driver, Window};
use crate::counter::under_load;
use crate::people::send;
use crate::server::Server;

/// A picture that a reader of the documentation waits for.
const LARGEST: usize = 150 * 1024;

async fn take(window: &Window, dir: &Path, name: &str) {
    let picture = window.picture().await;
    assert!(picture.len() < LARGEST, "{name} has {} bytes", picture.len());
    std::fs::write(dir.join(name), picture).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_a_lively_conversation() {
    let Some(dir) = std::env::var_os("LEASEBOX_SCREENSHOTS").map(PathBuf::from) else {
        println!("LEASEBOX_SCREENSHOTS names no directory");
        return;
    };
    std::fs::create_dir_all(&dir).unwrap();
    let (server, driver, http) = (Server::start(&["--ephemeral"]), Driver::start(), Client::new());
    for (from, text) in [
        ("team-lead", "Stand-up moves to 9:45 tomorrow"),
        ("jonas", "Merged. Thanks for the review!"),
        ("zoe", "See you there"),
        ("mira", "The venue confirmed for Thursday."),
        ("mira", "Can you bring the projector?"),
    ] {
        send(&http, server.url(), from, "alice", text).await;
    }
    let alice = driver.person(server.url(), "alice").await;
    let (mira, bob) = (driver.person(server.url(), "mira").await, driver.person(server.url(), "bob").await);
    alice.choose("zoe").await;
    alice.unread("zoe", "").await;
    bob.begin("alice").await;
    bob.say("Morning! Did the takeover drill go through last night?").await;
    alice.choose("bob").await;
    let mut count = 1;
    for (person, other, text) in [
        (
            &alice,
            &bob,
            "It did. We killed the holder in the middle of a batch, and the next one went on where it had stopped.",
        ),
        (&alice, &bob, "Not a message lost, not one doubled."),
        (&bob, &alice, "And the clients?"),
        (&bob, &alice, "They were without a server for ten seconds, weren't they?"),
        (&alice, &bob, "Back by themselves. What I wrote meanwhile waited in the outbox and arrived once."),
    ] {
        person.say(text).await;
        count += 1;
        other.shows("#messages li[data-n]", count).await;
    }
    alice.acknowledged(3).await;
    alice.sees("mira", "true").await;
    alice.until("document.querySelector('#presence').textContent === 'online'").await;
    bob.write("#compose", "Show me").await;
    alice.says("#typing", "bob is typing…").await;
    alice.prefer("light").await;
    take(&alice, &dir, "chat-light.png").await;
    bob.write("#compose", " tomorrow").await;
    alice.prefer("dark").await;
    take(&alice, &dir, "chat-dark.png").await;
    alice.prefer("light").await;
    alice.click("#tab-counter").await;
    let counter = async {
        alice.until("Number(document.querySelector('#counter-value').textContent) > 100").await;
        alice.sees_a_busy_counter().await;
        take(&alice, &dir, "counter.png").await;
    };
    under_load(server.url(), "my-counter", counter).await;
    drop(mira);
}
