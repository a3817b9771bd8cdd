//! The parameters of a query: each known, and given once.

use crate::problem::Problem;
use shared::envelope::Millis;
use shared::limits;
use shared::moment::read_rfc3339;

/// A parameter that the query of a route may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in the query.
    pub name: &'static str,
    /// What values it takes.
    pub takes: Takes,
}

/// What values a parameter takes; any other is a 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Any text, also an empty one.
    Text,
    /// A number of 64 bits that is not negative.
    Number,
    /// An integer of 64 bits, which may be negative.
    Integer,
    /// How many items a page has at most: a number up to `most`, and `default` when it is left out.
    Limit {
        /// What it is when it is left out.
        default: usize,
        /// The greatest number that is taken.
        most: usize,
    },
    /// A point in time, as RFC 3339 has it.
    Time,
}

impl Parameter {
    /// The parameter of this name that takes any text.
    #[must_use]
    pub const fn text(name: &'static str) -> Self {
        Self { name, takes: Takes::Text }
    }

    /// The parameter of this name that takes a number of 64 bits from 0 on: [`Query::number`].
    #[must_use]
    pub const fn number(name: &'static str) -> Self {
        Self { name, takes: Takes::Number }
    }

    /// The parameter of this name that takes an integer of 64 bits, also below 0.
    #[must_use]
    pub const fn integer(name: &'static str) -> Self {
        Self { name, takes: Takes::Integer }
    }

    /// The parameter of this name that takes a point in time: [`Query::time`].
    #[must_use]
    pub const fn time(name: &'static str) -> Self {
        Self { name, takes: Takes::Time }
    }

    /// `limit`, of a list that has limits of its own: [`Query::limit_of`].
    #[must_use]
    pub const fn limit(default: usize, most: usize) -> Self {
        Self { name: "limit", takes: Takes::Limit { default, most } }
    }
}

/// `limit`, as lists have it: [`Query::limit`].
pub const LIMIT: Parameter = Parameter::limit(limits::PAGE, limits::PAGE_MOST);
/// `cursor`, where the page before has ended.
pub const CURSOR: Parameter = Parameter::text("cursor");

/// The parameters that a request gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query that may have these parameters.
    ///
    /// # Errors
    /// A problem when a parameter is unknown or given twice.
    pub fn read(query: &str, parameters: &[Parameter]) -> Result<Self, Problem> {
        let mut given: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !parameters.iter().any(|parameter| parameter.name == name) {
                return Err(unknown(&name, parameters));
            }
            if given.iter().any(|(other, _)| *other == name) {
                return Err(Problem::invalid(format!("`{name}` is given more than once")));
            }
            given.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(given))
    }

    /// The value of a parameter as it was given; none when it was not.
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

    /// How many items a page may have, for a list with limits of its own.
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

fn unknown(name: &str, parameters: &[Parameter]) -> Problem {
    let name: String = name.chars().take(40).collect();
    let names: Vec<&str> = parameters.iter().map(|parameter| parameter.name).collect();
    Problem::invalid(match &names[..] {
        [] => format!("this route takes no parameters in the query, `{name}` neither"),
        names => format!("there is no parameter `{name}`; there are {}", names.join(", ")),
    })
}
