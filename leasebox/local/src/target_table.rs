//! The table that a command works on: that of a running server, or any other.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;

use aws_config::SdkConfig;
use clap::Args;
use shared::limits::Settings;
use shared::live::{Clock, Live};
use shared::push::Pushes;
use shared::registry::Registry;
use shared::store::dynamodb::DynamoDb;

use crate::data_dir;
use crate::door::shown;

/// The options that name it.
#[derive(Debug, Args)]
pub struct TableOptions {
    /// The DynamoDB that has the table. Without it: the one of the development server that serves the data directory.
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL_DYNAMODB", global = true)]
    endpoint: Option<String>,
    /// The data directory of the development server.
    #[arg(long, value_name = "DIR", default_value = ".leasebox/data", global = true)]
    data: PathBuf,
    /// DynamoDB on AWS, with the credentials and the region of the environment or the profile.
    #[arg(long, conflicts_with_all = ["endpoint", "data"], global = true)]
    aws: bool,
    /// The table's name.
    #[arg(long, value_name = "NAME", default_value = "leasebox", global = true)]
    table: String,
}

/// Why a command cannot work on its table.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It is not said which, and there is no server whose it could be.
    #[error(
        "no development server has served {}: {cause}; start one, pass --data with its directory, or pass --endpoint \
         or --aws",
        directory.display()
    )]
    NoEndpoint {
        /// The data directory that was looked into.
        directory: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The database did not answer.
    #[error("{} did not answer; is its server running? To repeat the command is safe", shown(endpoint))]
    NoAnswer {
        /// Where it was asked.
        endpoint: String,
    },
}

/// A table, and the world around it with the app's own kinds.
pub struct TargetTable {
    /// The host that commands run on: the table, its clock and the app's kinds.
    pub host: Live<DynamoDb>,
    endpoint: Option<String>,
}

impl TargetTable {
    /// Finds the table that the options name. `connect` makes the SDK's configuration for an endpoint, or for AWS.
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// When no endpoint is given and no server has left one.
    pub async fn find(
        options: TableOptions,
        registry: &Registry,
        connect: impl AsyncFn(Option<&str>) -> SdkConfig,
    ) -> Result<Self, TargetError> {
        let endpoint = match (options.endpoint, options.aws) {
            (_, true) => None,
            (Some(endpoint), false) => Some(endpoint),
            (None, false) => Some(data_dir::read_endpoint(&options.data).map_err(|cause| {
                let directory = options.data.clone();
                TargetError::NoEndpoint { directory, cause }
            })?),
        };
        let config = connect(endpoint.as_deref()).await;
        let store = DynamoDb::new(&config, &options.table);
        let host = Live::new(store, registry.clone(), Settings::default(), Pushes::Nowhere, Clock::machine());
        Ok(Self { host, endpoint })
    }

    /// What is said when its database did not answer.
    pub fn no_answer(&self, error: impl Display) -> TargetError {
        tracing::warn!(%error, "the database did not answer");
        let endpoint = self.endpoint.clone().unwrap_or_else(|| "DynamoDB on AWS".to_owned());
        TargetError::NoAnswer { endpoint }
    }
}
