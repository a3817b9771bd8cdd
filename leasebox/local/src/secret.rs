//! Secrets of a server: given, kept from an earlier start, or made.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use shared::envelope::Malformed;

use crate::private;

/// The length of a secret that is made, in bytes.
pub const BYTES: usize = 32;

/// One of a server's secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The token that operators send as `Authorization: Bearer TOKEN`.
    OperatorToken,
    /// What signs the tickets of sockets.
    TicketKey,
}

impl Secret {
    /// The option that gives it.
    fn option(self) -> &'static str {
        match self {
            Self::OperatorToken => "--operator-token",
            Self::TicketKey => "--ticket-key",
        }
    }

    /// The file in the data directory that keeps one that was made.
    fn file(self) -> &'static str {
        match self {
            Self::OperatorToken => "operator-token",
            Self::TicketKey => "ticket-key",
        }
    }
}

/// A secret as it is used, and where its user finds it.
#[derive(Debug)]
pub struct Found<T> {
    /// The secret, ready to be used.
    pub secret: T,
    /// Where it is told.
    pub told: Told,
}

/// Where a secret is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// Whoever started the server gave it.
    Given,
    /// In this file, which only its owner may read.
    In(PathBuf),
    /// Nowhere but on the screen: nothing is kept.
    Shown(String),
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The one that was given is none.
    #[error("{option}: {cause}")]
    Malformed {
        /// The option that gave it.
        option: &'static str,
        /// What is wrong with it.
        cause: Malformed,
    },
    /// The file cannot be read or written.
    #[error("the secret in {} cannot be used: {cause}", path.display())]
    Unusable {
        /// The file that cannot be used.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// The secret that is given; or else the one that the directory keeps, or a new one, which the directory keeps from then
/// on if there is one. `read` makes of its text what is used.
pub fn find<T>(
    secret: Secret,
    read: impl Fn(&str) -> Result<T, Malformed>,
    given: Option<&str>,
    directory: Option<&Path>,
) -> Result<Found<T>, SecretError> {
    let checked = |text: &str| read(text).map_err(|cause| SecretError::Malformed { option: secret.option(), cause });
    if let Some(given) = given {
        return Ok(Found { secret: checked(given)?, told: Told::Given });
    }
    let Some(directory) = directory else {
        let text = fresh();
        return Ok(Found { secret: checked(&text)?, told: Told::Shown(text) });
    };
    let path = directory.join(secret.file());
    Ok(Found { secret: kept(&path, &read)?, told: Told::In(path) })
}

/// The secret that a file keeps, or a new one, which it keeps from then on.
pub fn kept<T>(path: &Path, read: impl Fn(&str) -> Result<T, Malformed>) -> Result<T, SecretError> {
    let unusable = |cause| SecretError::Unusable { path: path.to_owned(), cause };
    let kept = match std::fs::read_to_string(path) {
        Ok(text) => read(text.trim()).ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(cause) => return Err(unusable(cause)),
    };
    if let Some(secret) = kept {
        return Ok(secret);
    }
    let text = fresh();
    let secret = read(&text).map_err(|cause| unusable(io::Error::other(cause.to_string())))?;
    keep(path, &text).map_err(unusable)?;
    Ok(secret)
}

/// 256 bits that nobody can guess.
pub fn fresh() -> String {
    hex::encode(rand::random::<[u8; BYTES]>())
}

/// Writes the file anew, so that it is its owner's alone from its first byte on.
fn keep(path: &Path, text: &str) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private::options().write(true).create_new(true).open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use web::guard::operators::Token;

    use super::*;

    fn token(given: Option<&str>, directory: Option<&Path>) -> Result<Found<Token>, SecretError> {
        find(Secret::OperatorToken, Token::new, given, directory)
    }

    #[test]
    fn a_token_that_was_made_is_kept_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let made = token(None, Some(directory.path())).unwrap();
        let again = token(None, Some(directory.path())).unwrap();
        assert_eq!(made.secret, again.secret);
        let Told::In(path) = made.told else { panic!("{:?}", made.told) };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(&path, "").unwrap();
        assert_ne!(token(None, Some(directory.path())).unwrap().secret, made.secret, "a torn file is written anew");
    }

    #[test]
    fn each_secret_is_one_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let text = |secret| find(secret, |text| Ok(text.to_owned()), None, Some(directory.path())).unwrap().secret;
        let (operators, tickets) = (text(Secret::OperatorToken), text(Secret::TicketKey));
        assert_ne!(operators, tickets);
        assert_eq!((text(Secret::OperatorToken), text(Secret::TicketKey)), (operators, tickets));
    }

    #[test]
    fn a_token_that_is_given_is_taken_or_refused() {
        let given = token(Some("given-by-somebody"), None).unwrap();
        assert_eq!((given.secret, given.told), (Token::new("given-by-somebody").unwrap(), Told::Given));
        assert!(token(Some("short"), None).unwrap_err().to_string().contains("--operator-token"));
    }

    #[test]
    fn without_a_directory_each_start_makes_its_own() {
        let (one, other) = (token(None, None).unwrap(), token(None, None).unwrap());
        assert_ne!(one.secret, other.secret);
        let Told::Shown(text) = one.told else { panic!("{:?}", one.told) };
        assert_eq!(one.secret, Token::new(&text).unwrap());
    }
}
