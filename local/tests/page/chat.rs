//! Two people, two windows, one conversation.

use reqwest::Client;
use serde_json::json;

use crate::browser::Driver;
use crate::people::send;
use crate::server::Server;

const NOTHING: [&str; 0] = [];

#[tokio::test(flavor = "multi_thread")]
async fn a_message_arrives_is_unread_and_is_read() {
    let (server, driver) = (Server::start(&["--ephemeral"]), Driver::start());
    let alice = driver.person(server.url(), "alice").await;
    let bob = driver.person(server.url(), "bob").await;
    alice.begin("bob").await;
    alice.say("Hello, bob").await;
    alice.acknowledged(1).await;
    bob.unread("alice", "1").await;
    bob.until("document.title.startsWith('(1) ')").await;
    alice.say("Are you there?").await;
    bob.unread("alice", "2").await;
    bob.choose("alice").await;
    bob.reads(&["Hello, bob", "Are you there?"]).await;
    bob.unread("alice", "").await;
    // Whoever looks at a conversation reads what comes in it.
    alice.say("I'll wait.").await;
    bob.reads(&["Hello, bob", "Are you there?", "I'll wait."]).await;
    bob.unread("alice", "").await;
    // The server knows it too: another window of bob's starts with nothing unread.
    let elsewhere = driver.open(&format!("{}/?user=bob", server.url())).await;
    elsewhere.says("#conversations li[data-with=alice] .preview", "I'll wait.").await;
    elsewhere.unread("alice", "").await;
    // And shows what he sends from the first.
    bob.say("Here I am").await;
    alice.reads(&["Hello, bob", "Are you there?", "I'll wait.", "Here I am"]).await;
    elsewhere.says("#conversations li[data-with=alice] .preview", "You: Here I am").await;
    for window in [&alice, &bob, &elsewhere] {
        assert_eq!(window.complaints().await, NOTHING);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_there_and_who_writes_is_seen() {
    let (server, driver) = (Server::start(&["--ephemeral"]), Driver::start());
    let alice = driver.person(server.url(), "alice").await;
    let bob = driver.person(server.url(), "bob").await;
    // Somebody who is online can be written to without knowing how to spell them.
    alice.click("#people li button").await;
    alice.says("#with", "bob").await;
    alice.sees("bob", "true").await;
    alice.says("#presence", "online").await;
    // Typing is told to whom one has written with before.
    alice.say("Are you there?").await;
    alice.acknowledged(1).await;
    bob.begin("alice").await;
    bob.write("#compose", "I am still thinki").await;
    alice.says("#typing", "bob is typing…").await;
    alice.says("#typing", "").await;
    bob.close().await;
    alice.sees("bob", "false").await;
    alice.says("#presence", "offline").await;
    let bob = driver.person(server.url(), "bob").await;
    alice.sees("bob", "true").await;
    drop(bob);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_write_is_text() {
    let (server, driver) = (Server::start(&["--ephemeral"]), Driver::start());
    let (alice, bob) = (driver.person(server.url(), "alice").await, driver.person(server.url(), "bob").await);
    let texts = [
        "<img src=x onerror=alert(1)><script>alert(2)</script>",
        "<b>bold</b> & \"quoted\" 'too' {{ 1 + 1 }} ${1 + 1}",
        "שלום, مرحبا, 你好, ünïcödé",
    ];
    alice.begin("bob").await;
    for (sent, text) in texts.iter().enumerate() {
        alice.say(text).await;
        alice.acknowledged(sent + 1).await;
    }
    bob.choose("alice").await;
    bob.reads(&texts).await;
    for window in [&alice, &bob] {
        assert_eq!(window.value("document.querySelectorAll('#chat :is(img, script, b)').length").await, json!(0));
        assert_eq!(window.complaints().await, NOTHING);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_and_the_message_can_be_changed() {
    let (server, driver) = (Server::start(&["--ephemeral"]), Driver::start());
    let alice = driver.person(server.url(), "alice").await;
    alice.begin("no such name").await;
    alice.say("Hello?").await;
    alice.shows("#messages li[data-state=failed] .problem", 1).await;
    alice.until("document.querySelector('#messages .problem').textContent.length > 10").await;
    alice.click("#messages .edit").await;
    alice.shows("#messages li[data-n]", 0).await;
    alice.until("document.querySelector('#compose').value === 'Hello?'").await;
    alice.until("document.activeElement.id === 'compose'").await;
    // What is too long is not even sent, and stays where it can be shortened.
    alice.begin("bob").await;
    alice.value("void (document.querySelector('#compose').value = 'ü'.repeat(4097))").await;
    alice.click("#send").await;
    alice.until("document.querySelector('#compose-problem').textContent.startsWith('8194 bytes')").await;
    alice.until("document.querySelector('#compose').value.length === 4097").await;
    // So is a name that is none.
    let nobody = driver.open(&format!("{}/?user=no+name", server.url())).await;
    nobody.until("document.querySelector('#sign-in-problem').textContent.includes('no name')").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn older_messages_come_when_they_are_wanted() {
    let (server, driver, http) = (Server::start(&["--ephemeral"]), Driver::start(), Client::new());
    let texts: Vec<String> = (1..=75).map(|number| format!("message {number}")).collect();
    for text in &texts {
        send(&http, server.url(), "alice", "bob", text).await;
    }
    let bob = driver.open(&format!("{}/?user=bob&with=alice", server.url())).await;
    bob.shows("#messages li[data-n]", 30).await;
    assert_eq!(bob.messages().await, texts[45..]);
    bob.until("document.querySelector('#messages li:last-child').getBoundingClientRect().bottom < innerHeight").await;
    bob.value("document.querySelector('#older').scrollIntoView()").await;
    bob.until("document.querySelectorAll('#messages li[data-n]').length > 30").await;
    // Where one was reading one still is: what came is above.
    bob.until("document.querySelector('#scroller').scrollTop > 200").await;
    bob.value("document.querySelector('#scroller').scrollTo(0, 0)").await;
    bob.shows("#messages li[data-n]", 75).await;
    assert_eq!(bob.messages().await, texts);
    bob.shows("#older", 0).await;
}
