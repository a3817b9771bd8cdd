//! Pushes to connections, through the management API of an API Gateway WebSocket API.

use std::time::Duration;

use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::primitives::Blob;

/// Where pushes go.
#[derive(Clone, Debug)]
pub enum Pushes {
    /// To the management endpoint of a WebSocket API.
    Gateway(Client),
    /// Nowhere: this deployment has no sockets.
    Nowhere,
}

impl Pushes {
    /// Pushes one message. It is best effort: a connection that is gone, or an endpoint that does not answer within
    /// two seconds, costs the message and nothing else.
    pub async fn push(&self, connection: &str, message: &str) {
        let Self::Gateway(client) = self else {
            tracing::debug!(connection, "a push was dropped: there is no management endpoint");
            return;
        };
        let request = client.post_to_connection().connection_id(connection).data(Blob::new(message)).send();
        match tokio::time::timeout(Duration::from_secs(2), request).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                let gone = error.as_service_error().is_some_and(|error| error.is_gone_exception());
                tracing::debug!(connection, gone, "a push did not arrive");
            }
            Err(_) => tracing::debug!(connection, "a push took too long"),
        }
    }
}
