//! Wakes through SQS.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use shared::limits;
use shared::store::dynamodb::told;
use shared::wake::{Wake, WakeError, Wakes};

/// The longest delay that SQS takes, in seconds.
const DELAY: u64 = limits::WAKE_MS / 1000;

/// The queue that wakes go through.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// The queue at a URL, as the functions reach it.
    #[must_use]
    pub fn of(sdk: &SdkConfig, url: String) -> Self {
        Self::new(Client::new(sdk), url)
    }

    /// The queue at a URL.
    #[must_use]
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }
}

impl Wakes for Queue {
    async fn wake(&self, wake: &Wake, delay_ms: u64) -> Result<(), WakeError> {
        let body = serde_json::to_string(wake).map_err(|error| WakeError(error.to_string()))?;
        // Rounded up: a wake that comes before the lease's end would only be sent again.
        let seconds = Duration::from_millis(delay_ms).as_millis().div_ceil(1000).min(u128::from(DELAY));
        let request = self.client.send_message().queue_url(&self.url).message_body(body);
        let request = request.delay_seconds(i32::try_from(seconds).unwrap_or(i32::MAX));
        request.send().await.map(drop).map_err(|error| WakeError(told(&error)))
    }
}
