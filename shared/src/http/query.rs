//! The parameters of a query: each known, and given once.

use crate::envelope::Millis;
use crate::http::problem::Problem;
use crate::limits;
use crate::moment::read_rfc3339;

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
        self.limit_of(limits::PAGE, limits::PAGE_MOST)
    }

    /// The same for a list with limits of its own.
    ///
    /// # Errors
    /// A problem when it is no number, or too large a one.
    pub fn limit_of(&self, default: usize, most: usize) -> Result<usize, Problem> {
        let Some(text) = self.get("limit") else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|number| (1..=most).contains(number));
        number.ok_or_else(|| Problem::invalid(format!("`limit` takes a number from 1 to {most}")))
    }

    /// A number of 64 bits that is not negative, when it is given.
    ///
    /// # Errors
    /// A problem when it is something else.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let number =
            |text: &str| text.parse().map_err(|_| Problem::invalid(format!("`{name}` takes a number from 0 on")));
        self.get(name).map(number).transpose()
    }

    /// A point in time, when it is given.
    ///
    /// # Errors
    /// A problem when it is not of the form of RFC 3339, or before 1970.
    pub fn time(&self, name: &str) -> Result<Option<Millis>, Problem> {
        let time = |text: &str| {
            // A `+` that was not encoded arrives as a space, and no other space can be in such a time.
            let millis = read_rfc3339(&text.replace(' ', "+"));
            let wrong = || Problem::invalid(format!("`{name}` takes a time of RFC 3339, such as 2026-11-21T12:00:00Z"));
            millis.ok_or_else(wrong)
        };
        self.get(name).map(time).transpose()
    }
}

fn unknown(name: &str, names: &[&str]) -> Problem {
    let name: String = name.chars().take(40).collect();
    Problem::invalid(match names {
        [] => format!("this route takes no parameters in the query, `{name}` neither"),
        names => format!("there is no parameter `{name}`; there are {}", names.join(", ")),
    })
}
