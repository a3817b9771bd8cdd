//! People at the page, and what they do there.

use reqwest::Client;
use serde_json::{Value, json};

use crate::browser::{Driver, Window};

impl Driver {
    /// Somebody who has said who they are, and is online.
    pub async fn person(&self, server: &str, name: &str) -> Window {
        let window = self.open(server).await;
        window.write("#user", name).await;
        window.click("#connect").await;
        window.says("#state", "online").await;
        window
    }
}

impl Window {
    /// Begins a conversation with somebody by name.
    pub async fn begin(&self, peer: &str) {
        self.write("#peer", peer).await;
        self.click("#start").await;
        self.says("#with", peer).await;
    }

    /// Opens a conversation of the list.
    pub async fn choose(&self, peer: &str) {
        self.click(&format!("#conversations li[data-with={peer:?}] button")).await;
        self.says("#with", peer).await;
    }

    /// Sends a message in the open conversation.
    pub async fn say(&self, text: &str) {
        self.write("#compose", text).await;
        self.click("#send").await;
    }

    /// Waits until all own messages of the open conversation are acknowledged, and there are so many.
    pub async fn acknowledged(&self, count: usize) {
        self.shows("#messages li[data-state=sent]", count).await;
        self.shows("#messages li[data-state=pending]", 0).await;
    }

    /// The messages that are shown, in their order.
    pub async fn messages(&self) -> Vec<String> {
        let texts = "[...document.querySelectorAll('#messages li[data-n] .text')].map((one) => one.textContent)";
        serde_json::from_value(self.value(texts).await).unwrap()
    }

    /// Waits until exactly these messages are shown, in this order.
    pub async fn reads(&self, texts: &[&str]) {
        self.shows("#messages li[data-n]", texts.len()).await;
        assert_eq!(self.messages().await, texts);
    }

    /// Waits until the list shows this unread count; an empty one where everything is read.
    pub async fn unread(&self, peer: &str, count: &str) {
        self.says(&format!("#conversations li[data-with={peer:?}] .unread"), count).await;
    }

    /// Waits until the list shows somebody as `true`, online, or `false`.
    pub async fn sees(&self, peer: &str, online: &str) {
        self.shows(&format!("#conversations li[data-with={peer:?}][data-online={online:?}]"), 1).await;
    }

    /// Waits until the state of the connection is another one.
    pub async fn loses_the_server(&self) {
        self.until("document.querySelector('#state').textContent !== 'online'").await;
        self.shows("#notice", 1).await;
    }
}

/// Somebody sends a message without the page.
pub async fn send(http: &Client, server: &str, from: &str, to: &str, content: &str) {
    let request = http.post(format!("{server}/users/{from}/messages")).json(&json!({ "to": to, "content": content }));
    request.send().await.unwrap().error_for_status().unwrap();
}

/// All messages of a user's log, by their numbers.
pub async fn log(http: &Client, server: &str, user: &str) -> Vec<Value> {
    let (mut all, mut since) = (Vec::new(), 0);
    loop {
        let url = format!("{server}/users/{user}/messages?since={since}&limit=100");
        let page: Value = http.get(url).send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        since = page["since"].as_u64().unwrap();
        if page["complete"] == true {
            return all;
        }
    }
}
