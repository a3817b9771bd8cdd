//! The socket's route beside the others: who is let in is the authorizer's to say.

use reqwest::Client;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;

use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn sockets_are_asked_for_where_everything_else_is() {
    let server = Server::start(&["--ephemeral"]);
    let nobody = connect_async(format!("ws://{}/ws", server.address())).await.map(|_| ()).unwrap_err();
    let Error::Http(refusal) = nobody else { panic!("{nobody}") };
    assert_eq!(
        (refusal.status().as_u16(), &refusal.headers()["content-type"]),
        (403, &"application/problem+json".parse().unwrap())
    );
    let http = Client::new();
    assert_eq!(http.get(format!("{}/ws?user_id=alice", server.url())).send().await.unwrap().status().as_u16(), 426);
    assert_eq!(http.get(format!("{}/health", server.url())).send().await.unwrap().status().as_u16(), 200);
    assert!(server.stop().await.success());
}
