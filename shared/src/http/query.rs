//! The parameters of a query: each known, and given once.

use crate::http::problem::Problem;
use crate::limits;

/// The parameters that a request gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query that may have these parameters.
    ///
    /// # Errors
    /// A problem when a parameter is unknown or given twice.
    pub fn read(query: &str, names: &[&str]) -> Result<Self, Problem> {
        let mut given: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !names.contains(&&*name) {
                return Err(unknown(&name, names));
            }
            if given.iter().any(|(other, _)| *other == name) {
                return Err(Problem::invalid(format!("`{name}` is given more than once")));
            }
            given.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(given))
    }

    /// A parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// How many items a page may have.
    ///
    /// # Errors
    /// A problem when that is no number, or too large a one.
    pub fn limit(&self) -> Result<usize, Problem> {
        let Some(text) = self.get("limit") else {
            return Ok(limits::PAGE);
        };
        let number = text.parse().ok().filter(|number| (1..=limits::PAGE_MOST).contains(number));
        number.ok_or_else(|| Problem::invalid(format!("`limit` takes a number from 1 to {}", limits::PAGE_MOST)))
    }
}

fn unknown(name: &str, names: &[&str]) -> Problem {
    let name: String = name.chars().take(40).collect();
    Problem::invalid(match names {
        [] => format!("this route takes no parameters in the query, `{name}` neither"),
        names => format!("there is no parameter `{name}`; there are {}", names.join(", ")),
    })
}
