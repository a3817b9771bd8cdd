//! The counter: its value, its queue and its lease while many add to it.

use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Client;
use serde_json::json;

use crate::browser::{Driver, Window};
use crate::server::Server;

/// More at once than one visit takes, so that there is always somebody who waits.
const CLIENTS: usize = 16;

/// Adds to a counter from all sides while something else is done; brings how much was added.
pub async fn under_load(server: &str, counter: &str, meanwhile: impl Future<Output = ()>) -> i64 {
    let (http, done) = (Client::new(), AtomicBool::new(false));
    let url = format!("{server}/counter/{counter}/increment");
    let add = async |amount: i64| {
        let mut added = 0;
        while !done.load(Ordering::Relaxed) {
            let request = http.post(&url).header("prefer", "respond-async").json(&json!({ "amount": amount }));
            let answer = request.send().await.unwrap();
            if answer.status().is_success() {
                added += amount;
            }
        }
        added
    };
    let clients = futures::future::join_all((0..CLIENTS).map(|client| add(1 + (client as i64) % 5)));
    let (added, ()) = tokio::join!(clients, async {
        meanwhile.await;
        done.store(true, Ordering::Relaxed);
    });
    added.into_iter().sum()
}

impl Window {
    /// Waits until a busy counter is seen, with what waits and who holds it.
    pub async fn sees_a_busy_counter(&self) {
        self.until("document.querySelectorAll('#counter-queue li').length > 1 && document.querySelector('#counter-lease').dataset.held === 'true'").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn value_queue_and_lease_are_live() {
    let (server, driver) = (Server::start(&["--ephemeral"]), Driver::start());
    let window = driver.open(&format!("{}/?tab=counter&counter=clicks", server.url())).await;
    // What was never posted to counts from 0.
    window.says("#counter-value", "0").await;
    window.says("#counter-lease", "free").await;
    for (button, value) in [("#counter-plus", "1"), ("#counter-plus-5", "6"), ("#counter-minus", "5")] {
        window.click(button).await;
        window.says("#counter-value", value).await;
    }
    let added = under_load(server.url(), "clicks", window.sees_a_busy_counter()).await;
    // It comes to rest, and nothing was lost.
    window.says("#counter-value", &(5 + added).to_string()).await;
    window.says("#counter-lease", "free").await;
    window.shows("#counter-queue li", 0).await;
    window.shows("#counter-problem", 0).await;
    // Refusals are told: by the page, and by the server.
    window.enter("#counter-amount", "many").await;
    window.until("document.querySelector('#counter-problem').textContent.includes('whole number')").await;
    window.click("#counter-plus").await;
    window.shows("#counter-problem", 0).await;
    window.write("#counter-name", " no name").await;
    window.click("#counter-plus").await;
    window.until("document.querySelector('#counter-problem').textContent.includes('clicks no name')").await;
}
