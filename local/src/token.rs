//! The operator token: given, kept from an earlier start, or made.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use shared::envelope::Malformed;
use shared::http::guard::Token;

/// The file in the data directory that keeps a token that was made.
const FILE: &str = "operator-token";

/// A token, and where its user finds it.
#[derive(Debug)]
pub struct Found {
    /// The token.
    pub token: Token,
    /// Where it is told.
    pub told: Told,
}

/// Where a token is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// Whoever started the server gave it.
    Given,
    /// In this file, which only its owner may read.
    In(PathBuf),
    /// Nowhere but on the screen: nothing is kept.
    Shown(String),
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The one that was given is none.
    #[error("--operator-token: {0}")]
    Malformed(#[from] Malformed),
    /// The file cannot be read or written.
    #[error("the operator token in {} cannot be used: {cause}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// The token that is given; or else the one that the directory keeps, or a new one, which the directory keeps from then
/// on if there is one.
pub fn find(given: Option<&str>, directory: Option<&Path>) -> Result<Found, TokenError> {
    if let Some(given) = given {
        return Ok(Found { token: Token::new(given)?, told: Told::Given });
    }
    let Some(directory) = directory else {
        let text = fresh();
        return Ok(Found { token: Token::new(&text)?, told: Told::Shown(text) });
    };
    let path = directory.join(FILE);
    let unusable = |cause| TokenError::Unusable { path: path.clone(), cause };
    let kept = match std::fs::read_to_string(&path) {
        Ok(text) => Token::new(text.trim()).ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(cause) => return Err(unusable(cause)),
    };
    let token = match kept {
        Some(token) => token,
        None => {
            let text = fresh();
            keep(&path, &text).map_err(unusable)?;
            Token::new(&text)?
        }
    };
    Ok(Found { token, told: Told::In(path) })
}

/// 256 bits that nobody can guess.
fn fresh() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

/// Writes the file anew, so that it is its owner's alone from its first byte on.
fn keep(path: &Path, text: &str) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = create(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

#[cfg(unix)]
fn create(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_was_made_is_kept_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let made = find(None, Some(directory.path())).unwrap();
        let again = find(None, Some(directory.path())).unwrap();
        assert_eq!(made.token, again.token);
        let Told::In(path) = made.told else { panic!("{:?}", made.told) };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(&path, "").unwrap();
        assert_ne!(find(None, Some(directory.path())).unwrap().token, made.token, "a torn file is written anew");
    }

    #[test]
    fn a_token_that_is_given_is_taken_or_refused() {
        let given = find(Some("given-by-somebody"), None).unwrap();
        assert_eq!((given.token, given.told), (Token::new("given-by-somebody").unwrap(), Told::Given));
        assert!(find(Some("short"), None).unwrap_err().to_string().contains("--operator-token"));
    }

    #[test]
    fn without_a_directory_each_start_makes_its_own() {
        let (one, other) = (find(None, None).unwrap(), find(None, None).unwrap());
        assert_ne!(one.token, other.token);
        let Told::Shown(text) = one.told else { panic!("{:?}", one.told) };
        assert_eq!(one.token, Token::new(&text).unwrap());
    }
}
