//! The management API, as the SDK uses it.

use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::{Builder, Region};
use aws_sdk_apigatewaymanagement::error::SdkError;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use shared::push::{Pushed, connection_at};
use shared::store::dynamodb;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::sockets::tests::world::{World, pushes, until};

/// A client that signs, with an endpoint of its own, as a deployed function has it.
async fn sdk(world: &World) -> Client {
    let credentials = aws_credential_types::Credentials::from_keys("some", "body", None);
    let settings = dynamodb::settings().load().await;
    let settings = Builder::from(&settings).region(Region::new("eu-west-1")).credentials_provider(credentials);
    Client::from_conf(settings.endpoint_url(format!("http://{}", world.management)).build())
}

#[tokio::test]
async fn pushes_reach_a_connection_from_wherever_they_come() {
    let (here, there) = (World::new().await, World::new().await);
    let (mut alice, mut bob) = (here.open("alice").await, there.open("bob").await);
    for from in [&here.pushes, &there.pushes, &pushes().await] {
        assert_eq!(from.push(&here.id(), "to alice, \u{e4}").await, Pushed::Arrived);
        assert_eq!(from.push(&there.id(), "to bob").await, Pushed::Arrived);
        assert_eq!(alice.hear().await, "to alice, \u{e4}");
        assert_eq!(bob.hear().await, "to bob");
    }
}

#[tokio::test]
async fn pushes_come_in_their_order_and_before_the_end() {
    let world = World::new().await;
    let mut alice = world.open("alice").await;
    for index in 0..100 {
        assert_eq!(world.pushes.push(&world.id(), &index.to_string()).await, Pushed::Arrived);
    }
    sdk(&world).await.delete_connection().connection_id(world.id()).send().await.unwrap();
    for index in 0..100 {
        assert_eq!(alice.hear().await, index.to_string());
    }
    assert_eq!(alice.farewell().await.unwrap().code, CloseCode::Normal);
    assert_eq!(world.left().await.0, 1000);
    assert_eq!(world.pushes.push(&world.id(), "late").await, Pushed::Gone);
}

#[tokio::test]
async fn a_push_comes_through_as_soon_as_the_handlers_know_the_connection() {
    let world = World::new().await;
    let (opened, pushed) = tokio::join!(world.try_open("?user_id=slow"), async {
        until("a $connect", || !world.seen("CONNECT").is_empty()).await;
        let pushed = world.pushes.push(&world.id(), "early").await;
        world.fake.gate.add_permits(1);
        pushed
    });
    assert_eq!(pushed, Pushed::Arrived);
    assert_eq!(opened.unwrap().hear().await, "early");
}

#[tokio::test]
async fn what_is_not_there_is_gone_and_what_does_not_answer_is_unknown() {
    let world = World::new().await;
    let _alice = world.open("alice").await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let unknown = [connection_at(world.management, 1), connection_at(closed, 1), "c-1".to_owned(), String::new()];
    for connection in unknown {
        assert_eq!(world.pushes.push(&connection, "x").await, Pushed::Gone, "{connection}");
    }
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connection = connection_at(silent.local_addr().unwrap(), 1);
    assert_eq!(world.pushes.push(&connection, "x").await, Pushed::Unknown);
}

#[tokio::test]
async fn the_sdk_understands_every_answer() {
    let world = World::new().await;
    let (mut alice, sdk) = (world.open("alice").await, sdk(&world).await);
    let id = world.id();
    let post = |id: &str, bytes: Vec<u8>| sdk.post_to_connection().connection_id(id).data(Blob::new(bytes)).send();
    post(&id, b"hello".to_vec()).await.unwrap();
    assert_eq!(alice.hear().await, "hello");
    post(&id, vec![b'x'; 128 * 1024]).await.unwrap();
    assert_eq!(alice.hear().await.len(), 128 * 1024);
    let large = post(&id, vec![b'x'; 128 * 1024 + 1]).await.unwrap_err();
    assert!(large.as_service_error().unwrap().is_payload_too_large_exception(), "{large:?}");
    let binary = post(&id, vec![0xff]).await.unwrap_err();
    assert!(matches!(&binary, SdkError::ServiceError(error) if error.raw().status().as_u16() == 400), "{binary:?}");

    let shown = sdk.get_connection().connection_id(&id).send().await.unwrap();
    let (connected, active) = (shown.connected_at().unwrap(), shown.last_active_at().unwrap());
    assert!(connected <= active && active.secs() - connected.secs() < 60, "{shown:?}");
    assert_eq!(shown.identity().unwrap().source_ip(), Some("127.0.0.1"));

    let nobody = connection_at(world.management, 0);
    let gone = post(&nobody, b"x".to_vec()).await.unwrap_err();
    assert!(gone.as_service_error().unwrap().is_gone_exception(), "{gone:?}");
    let gone = sdk.get_connection().connection_id(&nobody).send().await.unwrap_err();
    assert!(gone.as_service_error().unwrap().is_gone_exception(), "{gone:?}");
    let gone = sdk.delete_connection().connection_id(&nobody).send().await.unwrap_err();
    assert!(gone.as_service_error().unwrap().is_gone_exception(), "{gone:?}");
}

#[tokio::test]
async fn pages_in_a_browser_are_refused() {
    let world = World::new().await;
    let _alice = world.open("alice").await;
    let url = format!("http://{}/@connections/{}", world.management, world.id());
    let http = reqwest::Client::new();
    for (name, value) in
        [("origin", "http://localhost:3000"), ("sec-fetch-site", "cross-site"), ("host", "evil.example")]
    {
        let page = http.post(&url).header(name, value).body("x").send().await.unwrap();
        assert_eq!(
            (page.status().as_u16(), &page.headers()["x-amzn-errortype"]),
            (403, &"ForbiddenException".parse().unwrap()),
            "{name}"
        );
    }
    assert_eq!(http.post(&url).body("x").send().await.unwrap().status().as_u16(), 200);
}
