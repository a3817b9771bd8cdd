//! Commands that an app adds to those of its development server: for its operators, and for whoever wants to see it.

use std::error::Error;
use std::io::Write;

use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use shared::client::Client;
use shared::erased::AnyHost;
use shared::operator::OperatorError;

/// Does what a command of operators is for, with a client of the table's entities and the command's argument.
pub type Operate = fn(Client<AnyHost>, String) -> BoxFuture<'static, Result<Report, OperatorError>>;

/// A command of operators that takes one argument: `operator refill alice`.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, on one line.
    pub about: &'static str,
    /// The name of its argument, and what that is.
    pub argument: (&'static str, &'static str),
    /// The function that does it.
    pub run: Operate,
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
