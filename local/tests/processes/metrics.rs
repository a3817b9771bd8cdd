//! The metrics of a running server, as Prometheus gets them.

use std::net::TcpListener;

use reqwest::Client;

use crate::server::Server;

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn scrape(http: &Client, port: u16) -> reqwest::Response {
    http.get(format!("http://127.0.0.1:{port}/metrics")).send().await.unwrap()
}

#[tokio::test]
async fn a_server_tells_what_it_did() {
    let port = free_port();
    let server = Server::start(&["--ephemeral", "--metrics-port", &port.to_string()]);
    let http = Client::new();
    for _ in 0..5 {
        let url = format!("{}/counter/seen/increment", server.url());
        assert_eq!(http.post(url).send().await.unwrap().status(), 200);
    }
    let page = scrape(&http, port).await;
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    let text = page.text().await.unwrap();
    for line in [
        "# TYPE leasebox_posts_total counter",
        "leasebox_posts_total{kind=\"counter\",outcome=\"ran\"} 5",
        "leasebox_turns_total{kind=\"counter\",outcome=\"replied\"} 5",
        "leasebox_batch_size_bucket{kind=\"counter\",le=\"1\"} 5",
        // Two for each event, and one for the entry of a new entity in the directory.
        "leasebox_write_units_total{kind=\"counter\",operation=\"update\"} 11",
    ] {
        assert!(text.lines().any(|there| there == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("# HELP leasebox_handler_seconds "), "{text}");
}

#[tokio::test]
async fn a_port_that_is_taken_keeps_nobody_from_the_server() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let server = Server::start(&["--ephemeral", "--metrics-port", &port.to_string()]);
    let http = Client::new();
    assert_eq!(http.get(format!("{}/health", server.url())).send().await.unwrap().status(), 200);
    let said = server.said();
    assert!(said.contains("there are no metrics") && said.contains("--metrics-port"), "{said}");
}
