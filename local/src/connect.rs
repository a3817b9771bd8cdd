//! How this process reaches a DynamoDB, by the same settings as the functions.

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use shared::store::dynamodb;

use crate::endpoint::{Endpoint, REGION};
use crate::pump::Clients;
use crate::serve::Connection;

/// Whose credentials are used where an endpoint has no key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Those that the environment gives.
    Environment,
    /// Made-up ones: a local database takes any.
    Anyone,
}

/// A connection to an endpoint.
pub async fn connect(endpoint: &Endpoint, identity: Identity) -> Connection {
    let config = config(endpoint, identity).await;
    let clients = Clients {
        dynamodb: aws_sdk_dynamodb::Client::new(&config),
        streams: aws_sdk_dynamodbstreams::Client::new(&config),
    };
    Connection { config, clients }
}

/// The configuration of an endpoint; without one, of AWS as the environment or the profile describes it.
pub async fn config_of(endpoint: Option<&Endpoint>, identity: Identity) -> SdkConfig {
    match endpoint {
        Some(endpoint) => config(endpoint, identity).await,
        None => dynamodb::settings().load().await,
    }
}

async fn config(endpoint: &Endpoint, identity: Identity) -> SdkConfig {
    let settings = dynamodb::settings().endpoint_url(&endpoint.url);
    let credentials = match (&endpoint.key, identity) {
        (Some(key), _) => key.credentials(),
        (None, Identity::Anyone) => Credentials::from_keys("local", "local", None),
        (None, Identity::Environment) => return settings.load().await,
    };
    settings.region(Region::from_static(REGION)).credentials_provider(credentials).load().await
}
