//! The SDK's settings, for everything that this project asks of AWS.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader};
use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

use crate::store::dynamodb::whole::Whole;

/// Time to establish a connection. A healthy endpoint needs milliseconds.
const CONNECT: Duration = Duration::from_secs(1);
/// Time for one attempt. The SDK has no such limit of its own, so one lost packet could hold a lease to its end.
pub const ATTEMPT: Duration = Duration::from_secs(3);
/// Time for all attempts of one call, well within a function's timeout.
pub const OPERATION: Duration = Duration::from_secs(10);
/// Attempts of one call. Every write of the protocol recognises its own retry.
pub const ATTEMPTS: u32 = 4;
/// The first backoff, where the SDK's own would be a second.
const BACKOFF: Duration = Duration::from_millis(50);
/// The longest backoff.
const BACKOFF_MOST: Duration = Duration::from_secs(1);
/// How long an idle connection is kept: a frozen function's connections are dead after the thaw sooner or later.
const POOL_IDLE: Duration = Duration::from_secs(60);
/// Idle connections kept.
const POOL: usize = 256;
/// The certificates of Amazon Trust Services: Amazon Root CA 1 to 4, and the older one of Starfield.
const AMAZON_ROOTS: &[u8] = include_bytes!("../amazon-roots.pem");

/// The SDK's configuration with this project's settings; a caller may add an endpoint or credentials.
#[must_use]
pub fn settings() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client(Roots::System))
        .retry_config(retries())
        .timeout_config(timeouts())
}

/// How often and how soon a call is tried again.
#[must_use]
pub fn retries() -> RetryConfig {
    let retry = RetryConfig::standard().with_max_attempts(ATTEMPTS);
    retry.with_initial_backoff(BACKOFF).with_max_backoff(BACKOFF_MOST)
}

/// How long a call may take.
#[must_use]
pub fn timeouts() -> TimeoutConfig {
    let timeout = TimeoutConfig::builder().connect_timeout(CONNECT);
    timeout.operation_attempt_timeout(ATTEMPT).operation_timeout(OPERATION).build()
}

/// Whose certificates are trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Those of whom the system trusts.
    System,
    /// Those of Amazon Trust Services, which sign the endpoints of AWS.
    Amazon,
}

/// What makes the connections of every service.
#[must_use]
pub fn http_client(roots: Roots) -> SharedHttpClient {
    let trusted = match roots {
        Roots::System => TrustStore::default(),
        Roots::Amazon => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
    };
    // What can be wrong with a context are names that it does not have.
    let context = TlsContext::builder().with_trust_store(trusted).build().unwrap_or_default();
    let client = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(context)
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(POOL)
        .build_https();
    SharedHttpClient::new(Whole(client))
}
