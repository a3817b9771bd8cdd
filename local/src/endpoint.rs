//! Where a database answers, and the key that it wants requests signed with.

use std::fmt;

use aws_credential_types::Credentials;

use crate::secret;

/// The access key id of every embedded database; the secret access key is what tells them apart.
pub const KEY_ID: &str = "leasebox";
/// The region that requests to an embedded database are signed for. It takes any.
pub const REGION: &str = "us-east-1";

/// The variables that AWS's own tools read, and this project's commands.
const URL: &str = "AWS_ENDPOINT_URL_DYNAMODB";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";

/// The secret access key of an embedded database: whoever has it may do everything there.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// One that nobody knows.
    pub fn fresh() -> Self {
        Self(secret::fresh())
    }

    /// One that was made earlier; a torn one is none.
    fn read(text: &str) -> Option<Self> {
        let whole = text.len() == 2 * secret::BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        whole.then(|| Self(text.to_owned()))
    }

    /// As the SDK takes it.
    pub fn credentials(&self) -> Credentials {
        Credentials::from_keys(KEY_ID, &self.0, None)
    }
}

/// Where a database answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its URL.
    pub url: String,
    /// The key that it wants, when it is an embedded one whose key is known.
    pub key: Option<Key>,
}

impl Endpoint {
    /// One whose credentials, if it wants any, come from elsewhere.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), key: None }
    }

    /// The environment variables by which AWS's tools, the functions and this project's commands reach it.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![(URL, self.url.clone())];
        if let Some(Key(secret)) = &self.key {
            variables.push(("AWS_REGION", REGION.to_owned()));
            variables.push(("AWS_ACCESS_KEY_ID", KEY_ID.to_owned()));
            variables.push((SECRET, secret.clone()));
        }
        variables
    }

    /// The variables as lines that a shell reads.
    pub fn to_lines(&self) -> String {
        self.variables().iter().map(|(name, value)| format!("{name}={value}\n")).collect()
    }

    /// Reads the lines again; none when they name no endpoint.
    pub fn from_lines(text: &str) -> Option<Self> {
        let value = |name| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        Some(Self { url: value(URL)?.to_owned(), key: value(SECRET).and_then(Key::read) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_for_a_shell_is_read_again() {
        let embedded = Endpoint { key: Some(Key::fresh()), ..Endpoint::at("http://127.0.0.1:8000") };
        assert_eq!(Endpoint::from_lines(&embedded.to_lines()).unwrap(), embedded);
        let other = Endpoint::at("http://127.0.0.1:8000");
        assert_eq!(Endpoint::from_lines(&other.to_lines()).unwrap(), other);
        let torn = embedded.to_lines();
        assert_eq!(Endpoint::from_lines(&torn[..torn.len() - 9]).unwrap().key, None);
        assert_eq!(Endpoint::from_lines(""), None);
        assert!(!format!("{embedded:?}").contains(&embedded.variables()[3].1));
    }
}
