//! What a deployed function starts with: the SDK and a connection to the table, from the environment that Lambda
//! gives it.
//!
//! The SDK's own loader also looks for profiles, roles and containers, of which there are none on Lambda; what it has for them
//! is started with every function. The development server, which runs anywhere, uses it (`dynamodb::settings`).

use std::env;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::identity::IdentityCache;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::SharedCredentialsProvider;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::limits::Settings;
use crate::live::{Clock, Config, Live, pushes};
use crate::log::quiet;
use crate::registry::Registry;
use crate::store::StoreError;
use crate::store::dynamodb::{self, DynamoDb, Roots};

/// What a certificate that no trusted authority has signed is called, somewhere in the text of an error.
const UNTRUSTED: &str = "invalid peer certificate";

/// The host of a deployed function, with its connection to the table already made, and the SDK for whatever else it asks.
///
/// It trusts the authorities that sign AWS's certificates: to read the system's hundred and fifty takes longer than
/// everything else at a start. In China, where the environment names others (`SSL_CERT_FILE`, `SSL_CERT_DIR`), and when the
/// table's certificate is of somebody else, it trusts what the system does.
pub async fn connect(config: Config, registry: Registry) -> (SdkConfig, Live<DynamoDb>) {
    let named = variable("SSL_CERT_FILE").or_else(|| variable("SSL_CERT_DIR")).is_some();
    let others = named || variable("AWS_REGION").is_some_and(|region| region.starts_with("cn-"));
    let mut sdk = sdk(if others { Roots::System } else { Roots::Amazon });
    let mut store = DynamoDb::new(&sdk, &config.table);
    let mut warm = store.warm_up().await;
    if matches!(&warm, Err(StoreError::Unknown(text)) if !others && text.contains(UNTRUSTED)) {
        tracing::info!("the table's certificate is not of Amazon's authorities: trusting the system's");
        sdk = self::sdk(Roots::System);
        store = DynamoDb::new(&sdk, &config.table);
        warm = store.warm_up().await;
    }
    if let Err(error) = warm {
        // The first request will say it again, to somebody who waits for an answer.
        tracing::warn!(error = quiet(error), "the table does not answer yet");
    }
    let (direct, consumption) = (config.direct, config.consumption);
    let mut settings = Settings { direct, consumption, ..Settings::default() };
    if let Some(seconds) = config.lease_seconds {
        settings.lease_ms = seconds.saturating_mul(1000);
    }
    let pushes = pushes(&sdk, &config);
    (sdk, Live::new(store, registry, settings, pushes, Clock::machine()))
}

/// The SDK with this project's settings and the function's own credentials.
fn sdk(roots: Roots) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(variable("AWS_REGION").map(Region::new))
        .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
        .identity_cache(IdentityCache::lazy().build())
        .http_client(dynamodb::http_client(roots))
        .retry_config(dynamodb::retries())
        .timeout_config(dynamodb::timeouts())
        .service_config(Environment)
        .build()
}

/// Settings of one service, such as `AWS_ENDPOINT_URL_DYNAMODB`.
#[derive(Debug)]
struct Environment;

impl LoadServiceConfig for Environment {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().replace(' ', "_").to_uppercase();
        variable(&format!("{}_{service}", key.env())).or_else(|| variable(key.env()))
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazons_certificates_can_be_read() {
        // To make a client reads them, and panics at one that is none.
        let _ = DynamoDb::new(&sdk(Roots::Amazon), "leasebox");
    }
}
