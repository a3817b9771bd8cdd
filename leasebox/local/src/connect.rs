//! How this process reaches a DynamoDB, by the same settings as the functions.

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use shared::store::dynamodb;

use crate::pump::Clients;
use crate::serve::Connection;

/// Whose credentials are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Those that the environment gives.
    Environment,
    /// Made-up ones: a local database takes any.
    Anyone,
}

/// A connection to an endpoint.
pub async fn connect(endpoint: &str, identity: Identity) -> Connection {
    let config = config(endpoint, identity).await;
    let clients = Clients {
        dynamodb: aws_sdk_dynamodb::Client::new(&config),
        streams: aws_sdk_dynamodbstreams::Client::new(&config),
    };
    Connection { config, clients }
}

/// The configuration of an endpoint; without one, of AWS as the environment or the profile describes it.
pub async fn config_of(endpoint: Option<&str>, identity: Identity) -> SdkConfig {
    match endpoint {
        Some(endpoint) => config(endpoint, identity).await,
        None => dynamodb::settings().load().await,
    }
}

async fn config(endpoint: &str, identity: Identity) -> SdkConfig {
    let settings = dynamodb::settings().endpoint_url(endpoint);
    match identity {
        Identity::Environment => settings.load().await,
        Identity::Anyone => {
            let credentials = Credentials::from_keys("local", "local", None);
            settings.region(Region::from_static("us-east-1")).credentials_provider(credentials).load().await
        }
    }
}
