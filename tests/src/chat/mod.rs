//! The chat: durable messages in order, conversations with unread counts, presence, and sockets.

mod conversations;
mod cost;
mod crash;
mod damage;
mod decoders;
mod journey;
mod late;
mod pushes;

use kinds::user::KIND;
use serde_json::{Value, json};
use shared::envelope::EntityId;

use crate::world::{Reply, World, entity};

/// A user.
pub fn user(id: &str) -> EntityId {
    entity(KIND, id)
}

/// An event of a socket as API Gateway sends it, of this type and on this connection of this user.
pub fn socket_event(event_type: &str, user: &str, connection: &str, body: &str) -> Value {
    let route = match event_type {
        "CONNECT" => "$connect",
        "DISCONNECT" => "$disconnect",
        _ => "$default",
    };
    json!({
        "requestContext": {
            "routeKey": route, "eventType": event_type, "connectionId": connection, "stage": "live",
            "authorizer": {"principalId": user, "user": user}, "messageId": "m", "requestTimeEpoch": 1_790_000_000_000_u64,
            "connectedAt": 1_790_000_000_000_u64, "requestId": "r", "extendedRequestId": "r", "apiId": "a",
            "domainName": "a.execute-api.eu-central-1.amazonaws.com", "messageDirection": "IN",
            "requestTime": "21/Nov/2026:12:00:00 +0000", "identity": {"sourceIp": "127.0.0.1"}
        },
        "body": body, "isBase64Encoded": false
    })
}

impl World {
    /// Hands an event of a socket to its function.
    pub async fn socket(&self, event_type: &str, user: &str, connection: &str, body: &str) -> Reply {
        let event = socket_event(event_type, user, connection, body).to_string();
        self.hear(&event).await
    }

    /// Opens a connection.
    pub async fn connect(&self, user: &str, connection: &str) {
        let reply = self.socket("CONNECT", user, connection, "").await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    /// What a frame is answered with; null when it is nothing.
    pub async fn frame(&self, user: &str, connection: &str, frame: &Value) -> Value {
        let reply = self.socket("MESSAGE", user, connection, &frame.to_string()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body
    }

    /// Sends a message by HTTP.
    pub async fn say(&self, from: &str, to: &str, content: &str) -> Reply {
        let reply =
            self.post(&format!("/users/{from}/messages"), &json!({"to": to, "content": content}).to_string()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply
    }

    /// The conversations of a user as (with, unread, number of the last message), all pages, newest first.
    pub async fn conversations(&self, user: &str, limit: usize) -> Vec<(String, u64, u64)> {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/users/{user}/conversations?limit={limit}{cursor}")).await;
            assert_eq!(page.status, 200, "{page:?}");
            for item in page.body["items"].as_array().unwrap() {
                let number = |value: &Value| value.as_u64().unwrap();
                found.push((
                    item["with"].as_str().unwrap().to_owned(),
                    number(&item["unread"]),
                    number(&item["last"]["n"]),
                ));
            }
            match page.body["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
    }

    /// The whole log of a user, in parts.
    pub async fn log(&self, user: &str, limit: usize) -> Vec<Value> {
        let (mut found, mut since) = (Vec::new(), 0);
        loop {
            let part = self.get(&format!("/users/{user}/messages?since={since}&limit={limit}")).await;
            assert_eq!(part.status, 200, "{part:?}");
            found.extend(part.body["items"].as_array().unwrap().iter().cloned());
            since = part.body["since"].as_u64().unwrap();
            if part.body["complete"] == true {
                return found;
            }
        }
    }
}
