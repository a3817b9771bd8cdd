//! What a failed call means: the one place where the SDK's errors get their meaning, and whether a try of a write may
//! have been applied.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::{BoxError, ProvideErrorMetadata, SdkError};

use crate::log::quiet;
use crate::store::StoreError;

/// An error of the SDK in words: what it says, and what each of its causes says. The SDK's own form of this goes on with the
/// whole response, and in an answer that broke off lies an item.
#[must_use]
pub fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// What a call failed of, by its last answer.
pub(super) fn classify<E: ProvideErrorMetadata + std::error::Error + 'static>(error: &SdkError<E>) -> StoreError {
    let text = told(error);
    tracing::debug!(error = quiet(&text), "a store call failed");
    let service = match error {
        SdkError::ServiceError(service) => service,
        SdkError::ConstructionFailure(_) => return StoreError::Invalid(text),
        _ => return StoreError::Unknown(text),
    };
    match refusal(service.raw().status().as_u16(), service.err()) {
        None => StoreError::Unknown(text),
        Some(
            "ProvisionedThroughputExceededException" | "RequestLimitExceeded" | "ThrottlingException" | "Throttling",
        ) => StoreError::Throttled(text),
        Some(
            "TransactionConflictException"
            | "ReplicatedWriteConflictException"
            | "IdempotentParameterMismatchException",
        ) => StoreError::Conflict(text),
        Some("ValidationException") => StoreError::Refused(text),
        Some("ResourceNotFoundException") => StoreError::Invalid("there is no such table".to_owned()),
        Some(_) => StoreError::Invalid(text),
    }
}

/// The code by which DynamoDB says that it applied nothing: the status of a client's error, and a name of the error that
/// was read from the body. A status alone may be anybody's between here and there, and says nothing of what was done.
fn refusal(status: u16, error: &impl ProvideErrorMetadata) -> Option<&str> {
    error.code().filter(|_| (400..500).contains(&status))
}

/// Watches the attempts of one call: whether one of them may have been applied without saying so.
pub(super) struct Attempts<E> {
    unknown: Arc<AtomicBool>,
    of: PhantomData<fn(E)>,
}

impl<E> Attempts<E> {
    /// Whether every attempt that failed said for sure that it was not applied.
    pub(super) fn clean(&self) -> bool {
        !self.unknown.load(Ordering::Relaxed)
    }

    /// What a call failed of. The last attempt's answer says nothing of those before it.
    pub(super) fn error(&self, error: StoreError) -> StoreError {
        if self.clean() { error } else { StoreError::Unknown(error.to_string()) }
    }
}

impl<E> Intercept for Attempts<E>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let error = context.output_or_error().and_then(|ended| ended.err()?.as_operation_error()?.downcast_ref::<E>());
        let status = context.response().map(|response| response.status().as_u16());
        let said = error.zip(status).is_some_and(|(error, status)| refusal(status, error).is_some());
        // What succeeded is the last attempt, and says so itself.
        if !said && !matches!(context.output_or_error(), Some(Ok(_))) {
            self.unknown.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl<E> Default for Attempts<E> {
    fn default() -> Self {
        Self { unknown: Arc::default(), of: PhantomData }
    }
}

impl<E> Clone for Attempts<E> {
    fn clone(&self) -> Self {
        Self { unknown: Arc::clone(&self.unknown), of: PhantomData }
    }
}

impl<E> fmt::Debug for Attempts<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Attempts").field(&self.unknown).finish()
    }
}
