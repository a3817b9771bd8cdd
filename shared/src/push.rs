//! Pushes to connections, through the management API of an API Gateway WebSocket API.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{Region, SdkConfig};
use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::{Builder, Config};
use aws_sdk_apigatewaymanagement::error::SdkError;
use aws_sdk_apigatewaymanagement::operation::post_to_connection::PostToConnectionError;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How long a push may take. Whoever waits for one gives up sooner.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where messages to WebSocket connections go.
#[derive(Clone, Debug)]
pub enum Pushes {
    /// To the management endpoint of a WebSocket API.
    Gateway(Client),
    /// To where the connection's id says: each development server has a management endpoint of its own, on loopback.
    ByConnection(Client),
    /// Nowhere: this deployment has no sockets.
    Nowhere,
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The connection's gateway has taken it.
    Arrived,
    /// There is no such connection.
    Gone,
    /// It may have arrived or not.
    Unknown,
}

impl Pushes {
    /// Pushes to the endpoints that connections name. They are this machine's own and ask for no signature, so no
    /// credentials are shown to them.
    #[must_use]
    pub fn by_connection(sdk: &SdkConfig) -> Self {
        let unsigned = sdk.to_builder().region(Region::from_static("local"));
        let mut unsigned = unsigned.endpoint_url("http://127.0.0.1:9");
        unsigned.set_credentials_provider(None);
        let settings = Builder::from(&unsigned.build()).allow_no_auth().retry_config(RetryConfig::disabled());
        Self::ByConnection(Client::from_conf(settings.build()))
    }

    /// Pushes one message to a connection. It is best effort: a connection that is gone, or an endpoint that does not
    /// answer within two seconds, costs the message and nothing else. Whoever no longer waits for it takes nothing
    /// back: it goes on by itself, as far as the process does.
    pub async fn push(&self, connection: &str, message: &str) -> Pushed {
        let pushed = match self {
            Self::Gateway(client) => post(client, connection, message, None).await,
            Self::ByConnection(client) => match endpoint(connection) {
                Some(address) => post(client, connection, message, Some(address)).await,
                None => Pushed::Gone,
            },
            Self::Nowhere => Pushed::Unknown,
        };
        if pushed != Pushed::Arrived {
            tracing::debug!(connection, ?pushed, "a push did not arrive");
        }
        pushed
    }
}

/// The id of a connection of the development server whose management endpoint is here; `unique` is what nobody guesses.
#[must_use]
pub fn connection_at(endpoint: SocketAddr, unique: u128) -> String {
    format!("{}~{unique:032x}", URL_SAFE_NO_PAD.encode(endpoint.to_string()))
}

/// The endpoint that an id names. What is not on loopback is no development server of this machine, whoever wrote the id.
fn endpoint(connection: &str) -> Option<SocketAddr> {
    let (endpoint, _) = connection.split_once('~')?;
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(endpoint).ok()?).ok()?;
    text.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback())
}

/// Posts to the client's own endpoint, or to a server of this machine.
async fn post(client: &Client, connection: &str, message: &str, server: Option<SocketAddr>) -> Pushed {
    let request = client.post_to_connection().connection_id(connection).data(Blob::new(message)).customize();
    let request = match server {
        Some(address) => request.config_override(Config::builder().endpoint_url(format!("http://{address}"))),
        None => request,
    };
    // A task of its own: what is slow arrives late, and not never.
    let sent = tokio::spawn(tokio::time::timeout(PATIENCE, request.send()));
    let Ok(sent) = sent.await else { return Pushed::Unknown };
    match sent {
        Ok(Ok(_)) => Pushed::Arrived,
        Ok(Err(error)) if error.as_service_error().is_some_and(PostToConnectionError::is_gone_exception) => {
            Pushed::Gone
        }
        // The server that had the connection is no more. Of an endpoint on the network it would say nothing.
        Ok(Err(error)) if server.is_some() && was_refused(&error) => Pushed::Gone,
        Ok(Err(_)) | Err(_) => Pushed::Unknown,
    }
}

fn was_refused<R: std::fmt::Debug + Send + Sync + 'static>(error: &SdkError<PostToConnectionError, R>) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = match error {
        SdkError::DispatchFailure(failure) => failure.as_connector_error().and_then(Error::source),
        _ => None,
    };
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_names_an_endpoint_of_this_machine_or_none() {
        for here in ["127.0.0.1:3001", "[::1]:65535", "127.1.2.3:1"] {
            let here: SocketAddr = here.parse().unwrap();
            let connection = connection_at(here, 7);
            assert_eq!(endpoint(&connection), Some(here), "{connection}");
            assert!(connection.ends_with("~00000000000000000000000000000007"));
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_~".contains(c);
            assert!(connection.chars().all(plain), "{connection}");
        }
        let elsewhere = ["10.0.0.1:80", "169.254.169.254:80", "0.0.0.0:80", "[::]:80", "[::ffff:10.0.0.1]:80"];
        for there in elsewhere {
            assert_eq!(endpoint(&connection_at(there.parse().unwrap(), 7)), None, "{there}");
        }
        let named = format!("{}~0", URL_SAFE_NO_PAD.encode("localhost:80"));
        for malformed in ["", "~", "~0", "c-1", "L0aaaaaaaaaaaaa=", "%%~0", "_w~0", &named] {
            assert_eq!(endpoint(malformed), None, "{malformed}");
        }
    }
}
