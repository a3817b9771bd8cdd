//! Everything without the mouse, and everything with a name for those who do not see it.

use fantoccini::key::Key;
use serde_json::json;

use crate::browser::{Driver, Window};
use crate::server::Server;

impl Window {
    /// Presses the tabulator until the focus is on this element.
    async fn tab_to(&self, css: &str) {
        for _ in 0..30 {
            if self.value(&format!("document.activeElement.matches({css:?})")).await == json!(true) {
                return;
            }
            self.press([Key::Tab.into()]).await;
        }
        panic!("{css} is not to be reached by the keyboard");
    }

    /// Waits until the focus is on this element by itself.
    async fn focused(&self, css: &str) {
        self.until(&format!("document.activeElement.matches({css:?})")).await;
    }

    /// Types, and then presses Enter.
    async fn type_in(&self, text: &str) {
        self.press(text.chars().chain([Key::Enter.into()])).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_needs_no_mouse() {
    let (server, driver) = (Server::start(&["--ephemeral"]), Driver::start());
    let (alice, bob) = (driver.open(server.url()).await, driver.open(server.url()).await);
    for (window, name) in [(&alice, "alice"), (&bob, "bob")] {
        window.focused("#user").await;
        window.type_in(name).await;
        window.says("#state", "online").await;
        window.focused("#peer").await;
    }
    alice.type_in("bob").await;
    alice.focused("#compose").await;
    alice.type_in("No mouse here").await;
    bob.unread("alice", "1").await;
    bob.tab_to("#conversations li[data-with=alice] button").await;
    bob.press([Key::Enter.into()]).await;
    bob.reads(&["No mouse here"]).await;
    bob.focused("#compose").await;
    bob.type_in("Nor here").await;
    alice.reads(&["No mouse here", "Nor here"]).await;
    // A new line, and no message yet.
    alice.press("two".chars()).await;
    alice.press_with(Key::Shift.into(), Key::Enter.into()).await;
    alice.type_in("lines").await;
    bob.reads(&["No mouse here", "Nor here", "two\nlines"]).await;
    // Back to the list, to where one came from; the arrows go through it.
    bob.press([Key::Escape.into()]).await;
    bob.focused("#conversations li[data-with=alice] button").await;
    bob.press([Key::Escape.into()]).await;
    bob.begin("carol").await;
    bob.type_in("Hello").await;
    bob.acknowledged(1).await;
    bob.press([Key::Escape.into()]).await;
    bob.focused("#conversations li[data-with=carol] button").await;
    bob.press([Key::Down.into()]).await;
    bob.focused("#conversations li[data-with=alice] button").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counter_needs_no_mouse() {
    let (server, driver) = (Server::start(&["--ephemeral"]), Driver::start());
    let window = driver.open(server.url()).await;
    window.focused("#user").await;
    window.press_with(Key::Shift.into(), Key::Tab.into()).await;
    window.focused("#tab-chat").await;
    window.press([Key::Right.into()]).await;
    window.focused("#tab-counter[aria-selected=true]").await;
    window.shows("#panel-counter", 1).await;
    window.shows("#panel-chat", 0).await;
    window.tab_to("#counter-plus").await;
    window.press([Key::Enter.into()]).await;
    window.says("#counter-value", "1").await;
    window.press([Key::Space.into()]).await;
    window.says("#counter-value", "2").await;
    window.tab_to("#counter-amount").await;
    window.type_in("-40").await;
    window.says("#counter-value", "-38").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_can_be_used_has_a_name() {
    let (server, driver) = (Server::start(&["--ephemeral"]), Driver::start());
    let alice = driver.person(server.url(), "alice").await;
    let used = ["button", "textbox", "tab", "link", "region", "tabpanel", "navigation", "progressbar", "tablist"];
    for tab in ["#tab-chat", "#tab-counter"] {
        if tab == "#tab-chat" {
            alice.begin("bob").await;
            alice.say("Hello").await;
            alice.acknowledged(1).await;
        }
        alice.click(tab).await;
        let tree = alice.devtools("Accessibility.getFullAXTree", json!({})).await;
        let (mut named, mut unnamed) = (0, Vec::new());
        for node in tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] == false) {
            let role = node["role"]["value"].as_str().unwrap_or_default();
            if !used.contains(&role) {
                continue;
            }
            match node["name"]["value"].as_str().unwrap_or_default() {
                "" => unnamed.push(node.to_string()),
                _ => named += 1,
            }
        }
        assert!(unnamed.is_empty(), "on {tab}: {unnamed:?}");
        assert!(named > 5, "on {tab}: {named}");
    }
}
