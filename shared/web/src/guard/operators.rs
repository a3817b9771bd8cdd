//! How operators are told from others: by a signature that the API has checked, or by a token.

use std::fmt;

use subtle::ConstantTimeEq;

use crate::problem::Problem;
use shared::envelope::Malformed;

/// The shortest token, in bytes.
const TOKEN_BYTES: usize = 16;
/// The longest token, in bytes.
const TOKEN_BYTES_MOST: usize = 512;

/// How operators are told from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operators {
    /// The API has checked a signature (AWS_IAM), and says whose it was.
    Iam,
    /// They know a token.
    Token(Token),
}

/// A token that operators send as `Authorization: Bearer`. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Checks the length and the alphabet.
    ///
    /// # Errors
    /// When it is too short to be a secret, or could not be sent in a header.
    pub fn new(text: &str) -> Result<Self, Malformed> {
        if !(TOKEN_BYTES..=TOKEN_BYTES_MOST).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Malformed(format!(
                "an operator token is {TOKEN_BYTES} to {TOKEN_BYTES_MOST} visible ASCII characters without spaces"
            )));
        }
        Ok(Self(text.to_owned()))
    }

    /// Compares in a time that does not depend on where the two differ.
    fn is(&self, given: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(given).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Operators {
    /// Admits an operator: `signer` is whose signature the API has checked, `authorization` what the request says.
    ///
    /// # Errors
    /// The problem to answer with.
    pub fn admit(&self, signer: Option<&str>, authorization: Option<&[u8]>) -> Result<(), Problem> {
        match self {
            Self::Iam => match signer {
                Some(_) => Ok(()),
                None => Err(Problem::unsigned()),
            },
            Self::Token(token) => match authorization.and_then(bearer) {
                Some(given) if token.is(given) => Ok(()),
                Some(_) => Err(Problem::unauthorized("the operator token is wrong")),
                None => Err(Problem::unauthorized("operators send their token as `Authorization: Bearer TOKEN`")),
            },
        }
    }
}

/// What follows the scheme of an `Authorization: Bearer`; the scheme may be written in any case (RFC 9110).
#[must_use]
pub fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_needed_whole() {
        let operators = Operators::Token(Token::new("0123456789abcdef").unwrap());
        assert!(operators.admit(None, Some(b"Bearer 0123456789abcdef")).is_ok());
        assert!(operators.admit(None, Some(b"bearer  0123456789abcdef")).is_ok());
        for wrong in ["", "Bearer", "Bearer ", "Bearer 0123456789abcde", "Bearer 0123456789abcdeg", "0123456789abcdef"]
        {
            assert!(operators.admit(None, Some(wrong.as_bytes())).is_err(), "{wrong}");
        }
        assert!(operators.admit(Some("arn:aws:iam::1:user/a"), None).is_err(), "a signature is for another guard");
    }

    #[test]
    fn under_iam_a_signature_is_needed_and_no_token_helps() {
        assert!(Operators::Iam.admit(Some("arn:aws:iam::1:user/a"), None).is_ok());
        assert!(Operators::Iam.admit(None, Some(b"Bearer 0123456789abcdef")).is_err());
    }

    #[test]
    fn a_token_is_long_enough_and_never_shown() {
        for wrong in ["", "short", "0123456789 abcdef", "0123456789abcde\n"] {
            assert!(Token::new(wrong).is_err(), "{wrong}");
        }
        assert_eq!(format!("{:?}", Token::new("0123456789abcdef").unwrap()), "Token");
    }
}
