//! Commands that an app adds to those of its development server: for its operators, and for whoever wants to see it.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io::Write;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use shared::client::Client;
use shared::erased::AnyHost;
use shared::operator::OperatorError;

type Run = dyn Fn(Client<AnyHost>, String) -> BoxFuture<'static, Result<Report, OperatorError>> + Send + Sync;

/// A command of operators that takes one argument: `operator refill alice`.
#[derive(Clone)]
pub struct Operation {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, on one line.
    pub about: &'static str,
    /// The name of its argument, and what that is.
    pub argument: (&'static str, &'static str),
    pub(crate) run: Arc<Run>,
}

/// What an [`Operation`] did, in two forms: for programs and for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The result for a program: what `--json` prints.
    pub json: Value,
    /// The result for a person, as text.
    pub text: String,
    /// What is left to do by hand, if anything is: the command fails then.
    pub left: Option<String>,
}

impl Report {
    /// A report with nothing left to do.
    pub fn new<T: Serialize>(json: &T, text: impl Into<String>) -> Self {
        // A report consists of what JSON can hold.
        Self { json: serde_json::to_value(json).unwrap_or_default(), text: text.into(), left: None }
    }
}

impl Operation {
    /// Makes a command of a name, a line about it, its argument (name and meaning) and what it does. `run` has a client
    /// of the table's entities, and the argument.
    pub fn new<F, R>(name: &'static str, about: &'static str, argument: (&'static str, &'static str), run: F) -> Self
    where
        F: Fn(Client<AnyHost>, String) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Report, OperatorError>> + Send + 'static,
    {
        let run = move |client: Client<AnyHost>, argument: String| run(client, argument).boxed();
        Self { name, about, argument, run: Arc::new(run) }
    }

    /// Runs the command with its argument.
    ///
    /// # Errors
    /// When it cannot be done.
    pub async fn run(&self, client: Client<AnyHost>, argument: String) -> Result<Report, OperatorError> {
        (self.run)(client, argument).await
    }
}

/// Plays a demonstration, and prints to what it is given.
pub type Play = for<'a> fn(Client<AnyHost>, &'a mut (dyn Write + Send)) -> BoxFuture<'a, Result<(), PlayError>>;
/// Why a demonstration broke off: any error.
pub type PlayError = Box<dyn Error + Send + Sync>;

/// A demonstration, on a database in memory that is gone at its end: `demo accounts`.
#[derive(Clone, Copy, Debug)]
pub struct Demo {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows, on one line.
    pub about: &'static str,
    /// The function that plays it.
    pub play: Play,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Operation({})", self.name)
    }
}
