//! `leasebox template`: the routes of an app, written into its SAM template between two marks.
//!
//! Every route has its name there, and none takes whatever comes below a path. API Gateway hands a function the decoded path,
//! where `%2F` is a `/`: a function behind a catch-all would have to guess from it which route was meant. And who may ask is
//! chosen by API Gateway itself, for each route that it knows. So a route of one's own has to be in the template; a kind has
//! not, because the routes that every app has take any kind.
//!
//! They are operations of the API's OpenAPI document and no events of the functions: SAM makes a permission of each event, and
//! about fifty of them fill the 20 KB that a function's policy may have. What is left is the quota of API Gateway, [`MOST`].

mod rendered;

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use web::route::Route;
use web::routing::Routes;

/// The mark before the routes; what follows it on its line is for the reader.
pub const BEGIN: &str = "# routes: begin";

/// The mark after the routes.
pub const END: &str = "# routes: end";

/// How many routes an API of API Gateway may have, and integrations, of which each route brings its own.
pub const MOST: usize = 300;

/// The options of `leasebox template`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The file of the template that is to be written.
    #[arg(value_name = "FILE", default_value = "template.yaml")]
    pub file: PathBuf,
    /// Change nothing, and fail if something would have to be changed.
    #[arg(long)]
    pub check: bool,
}

/// Why a template was not written, or is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// There is no template, or none that can be read.
    #[error("{} cannot be read: {cause}; run this in the template's directory, or name the file", path.display())]
    Unreadable {
        /// The file that was to be read or written.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The template cannot be written.
    #[error("{} cannot be written: {cause}", path.display())]
    Unwritable {
        /// The file that was to be read or written.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It does not say where the routes stand.
    #[error("{}: {cause}", path.display())]
    Marks {
        /// The file that was to be read or written.
        path: PathBuf,
        /// What is wrong with the marks.
        cause: MarksError,
    },
    /// API Gateway has no such route.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The routes in it are not those of the app.
    #[error("{} does not have the routes of the app; `{command}` writes them:\n{changes}", path.display())]
    Stale {
        /// The file that was to be read or written.
        path: PathBuf,
        /// The command that mends it.
        command: String,
        /// What that would change.
        changes: Changes,
    },
}

/// Why a text does not say where the routes stand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarksError {
    /// One of the marks is not there.
    #[error(
        "no line is the mark `{0}`; put `{BEGIN}` and `{END}` around the routes, below `paths:` and indented as they are"
    )]
    Missing(&'static str),
    /// One of the marks is there more than once.
    #[error("the lines {first} and {second} are both the mark `{mark}`; leave one of them")]
    Doubled {
        /// The mark as it stands in the file.
        mark: &'static str,
        /// The line on which it is first.
        first: usize,
        /// The line on which it is again.
        second: usize,
    },
    /// They are the wrong way round.
    #[error("the mark `{END}` on line {end} stands before `{BEGIN}` on line {begin}; it goes after the routes")]
    Reversed {
        /// The line on which the routes are said to begin.
        begin: usize,
        /// The line on which they are said to end.
        end: usize,
    },
}

/// Why API Gateway cannot have a route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("API Gateway has no such route as {route}: {wrong}")]
pub struct RouteError {
    /// Its method and path.
    pub route: String,
    /// What is wrong, and what would be right.
    pub wrong: &'static str,
}

/// What differs between the routes of a template and those of an app, a line for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(Vec<String>);

impl Changes {
    /// Whether there is nothing that differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(|line| format!("  {line}")).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// A template with the routes of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The whole text of the file as it is to be.
    pub text: String,
    /// How it differs from what it was.
    pub changes: Changes,
}

/// Writes the routes of an app into a template, or only looks whether they are there; says what it did.
///
/// # Errors
/// When it could not be done. Nothing was changed.
pub fn run(options: &Options, routes: &Routes) -> Result<String, TemplateError> {
    let path = || options.file.clone();
    check(routes)?;
    let text = fs::read_to_string(&options.file).map_err(|cause| TemplateError::Unreadable { path: path(), cause })?;
    let Rewritten { text, changes } =
        rewritten(&text, routes).map_err(|cause| TemplateError::Marks { path: path(), cause })?;
    let (file, count) = (options.file.display(), routes.iter().count());
    let mut said = match (changes.is_empty(), options.check) {
        (true, _) => format!("{file} has the {count} routes of the app.\n"),
        (false, true) => {
            let command = match options.file.to_str() {
                Some("template.yaml") => "cargo run -- template".to_owned(),
                _ => format!("cargo run -- template {file}"),
            };
            return Err(TemplateError::Stale { path: path(), command, changes });
        }
        (false, false) => {
            fs::write(&options.file, text).map_err(|cause| TemplateError::Unwritable { path: path(), cause })?;
            format!("{file} now has the {count} routes of the app:\n{changes}\n")
        }
    };
    // The API has one more, for what is no route.
    if count >= MOST {
        said += &format!("An API takes {MOST} routes, `$default` among them; these are too many to deploy.\n");
    }
    Ok(said)
}

/// Checks that API Gateway can have all routes of an app.
///
/// # Errors
/// The first that it cannot.
pub fn check(routes: &Routes) -> Result<(), RouteError> {
    let refuse = |route: &Route, wrong| RouteError { route: format!("{route:?}"), wrong };
    routes.iter().try_for_each(|route| rendered::deployable(route).map_err(|wrong| refuse(route, wrong)))
}

/// A template with these routes between its marks, and how that differs. The order is the app's; the routes of one path stand
/// together. Everything outside of the marks stays as it is.
///
/// # Errors
/// When it does not say where they stand.
pub fn rewritten(template: &str, routes: &Routes) -> Result<Rewritten, MarksError> {
    let lines: Vec<&str> = template.split_inclusive('\n').collect();
    let (begin, end) = marks(&lines)?;
    let indent = &lines[begin][..lines[begin].len() - lines[begin].trim_start().len()];
    let old = lines[begin + 1..end].concat();
    let mut new = rendered::block(routes, indent);
    if lines[begin].ends_with("\r\n") {
        new = new.replace('\n', "\r\n");
    }
    let text = [&lines[..=begin].concat(), &new, &lines[end..].concat()].map(String::as_str).concat();
    Ok(Rewritten { text, changes: changes(&old, &new) })
}

/// The places of the two marks among the lines.
fn marks(lines: &[&str]) -> Result<(usize, usize), MarksError> {
    let (begin, end) = (place(lines, BEGIN)?, place(lines, END)?);
    match begin < end {
        true => Ok((begin, end)),
        false => Err(MarksError::Reversed { begin: begin + 1, end: end + 1 }),
    }
}

fn place(lines: &[&str], mark: &'static str) -> Result<usize, MarksError> {
    let is_mark = |line: &str| {
        line.trim().strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
    };
    let mut places = (0..lines.len()).filter(|place| is_mark(lines[*place]));
    match (places.next(), places.next()) {
        (None, _) => Err(MarksError::Missing(mark)),
        (Some(place), None) => Ok(place),
        (Some(first), Some(second)) => Err(MarksError::Doubled { mark, first: first + 1, second: second + 1 }),
    }
}

fn changes(old: &str, new: &str) -> Changes {
    if old == new {
        return Changes::default();
    }
    let (before, after) = (rendered::operations(old), rendered::operations(new));
    let find = |among: &[rendered::Operation], name: &str| among.iter().find(|other| other.name == name).cloned();
    let gone = before.iter().filter(|operation| find(&after, &operation.name).is_none());
    let gone = gone.map(|operation| format!("- {}", operation.name));
    let come = after.iter().filter_map(|operation| match find(&before, &operation.name) {
        None => Some(format!("+ {}", operation.name)),
        Some(was) if was != *operation => Some(format!("~ {}", operation.name)),
        Some(_) => None,
    });
    let mut changes: Vec<String> = gone.chain(come).collect();
    if changes.is_empty() {
        changes.push("the order of the routes, or how they are written".to_owned());
    }
    Changes(changes)
}

#[cfg(test)]
mod tests;
