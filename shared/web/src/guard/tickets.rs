//! Tickets: what opens a socket, signed by this service and good for a minute. A browser cannot send a header with a
//! socket, and a token that is good for longer has no place in a URL.

use std::fmt;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use crate::guard::{UserId, signatures};
use shared::envelope::{Malformed, Millis};
use shared::limits;
use shared::log::quiet;

/// Whom a ticket is for: a token for anything else that is signed with the same key is none.
const AUDIENCE: &str = "leasebox-socket";

/// What signs tickets, and verifies them.
#[derive(Clone)]
pub struct Tickets {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
}

/// A ticket that opens a socket for one user, for 60 seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// What the socket is opened with.
    pub text: String,
    /// When it is good for nothing any more.
    pub expires_at: Millis,
}

/// Why a ticket opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Its time is over.
    #[error("the ticket has expired; get another with POST /users/{{id}}/tickets, and use it within a minute")]
    Expired,
    /// This service did not sign it, or not as a ticket.
    #[error("this is no ticket of this service; get one with POST /users/{{id}}/tickets")]
    Forged,
    /// It could not be signed.
    #[error("the ticket could not be signed")]
    Unsigned,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    aud: String,
    iat: u64,
    exp: u64,
    jti: String,
}

impl Tickets {
    /// Tickets that are signed with a secret key.
    ///
    /// # Errors
    /// When it is too short to be one.
    pub fn new(key: &[u8]) -> Result<Self, Malformed> {
        if key.len() < limits::TICKET_KEY_BYTES {
            let least = limits::TICKET_KEY_BYTES;
            return Err(Malformed(format!("a ticket key has at least {least} bytes; this has {}", key.len())));
        }
        signatures::install();
        let mut validation = Validation::new(Algorithm::HS256);
        // The library would ask the machine's clock, with a minute's leeway; the time is held against `now` instead.
        validation.validate_exp = false;
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["aud", "exp", "sub"]);
        Ok(Self { signing: EncodingKey::from_secret(key), verifying: DecodingKey::from_secret(key), validation })
    }

    /// A ticket for a user; `chance` tells it from others of the same second.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn issue(&self, user: &UserId, chance: u64, now: Millis) -> Result<Ticket, TicketError> {
        let iat = now.0 / 1000;
        let exp = iat.saturating_add(limits::TICKET_SECONDS);
        let (sub, aud, jti) = (user.to_string(), AUDIENCE.to_owned(), format!("{chance:016x}"));
        let claims = Claims { sub, aud, iat, exp, jti };
        let text = encode(&Header::new(Algorithm::HS256), &claims, &self.signing).map_err(|_| TicketError::Unsigned)?;
        Ok(Ticket { text, expires_at: Millis(exp.saturating_mul(1000)) })
    }

    /// Whose ticket this is.
    ///
    /// # Errors
    /// When it is nobody's, or not any more.
    pub fn verify(&self, ticket: &str, now: Millis) -> Result<UserId, TicketError> {
        let Claims { sub, exp, .. } = match decode::<Claims>(ticket, &self.verifying, &self.validation) {
            Ok(token) => token.claims,
            Err(error) => {
                tracing::debug!(error = quiet(&error), "a ticket was refused");
                return Err(match error.kind() {
                    ErrorKind::ExpiredSignature => TicketError::Expired,
                    _ => TicketError::Forged,
                });
            }
        };
        if now.0 >= exp.saturating_mul(1000) {
            return Err(TicketError::Expired);
        }
        UserId::new(&sub).map_err(|_| TicketError::Forged)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"a key of thirty-two bytes or more";
    const NOW: Millis = Millis(1_800_000_000_123);

    fn tickets() -> Tickets {
        Tickets::new(KEY).unwrap()
    }

    fn alice() -> UserId {
        UserId::new("alice").unwrap()
    }

    /// A token of these claims, signed with this key.
    fn signed(claims: &serde_json::Value, key: &[u8]) -> String {
        signatures::install();
        encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(key)).unwrap()
    }

    fn claims() -> serde_json::Value {
        let seconds = NOW.0 / 1000;
        serde_json::json!({"sub": "alice", "aud": AUDIENCE, "iat": seconds, "exp": seconds + 60, "jti": "1"})
    }

    #[test]
    fn a_ticket_is_good_for_its_user_and_for_a_minute() {
        let ticket = tickets().issue(&alice(), 7, NOW).unwrap();
        assert_eq!(ticket.expires_at, Millis(1_800_000_060_000));
        assert_eq!(tickets().verify(&ticket.text, NOW), Ok(alice()));
        assert_eq!(tickets().verify(&ticket.text, Millis(ticket.expires_at.0 - 1)), Ok(alice()));
        assert_eq!(tickets().verify(&ticket.text, ticket.expires_at), Err(TicketError::Expired));
        assert_ne!(tickets().issue(&alice(), 8, NOW).unwrap(), ticket);
    }

    #[test]
    fn what_this_key_did_not_sign_as_a_ticket_is_none() {
        assert!(tickets().verify(&signed(&claims(), KEY), NOW).is_ok());
        let other = Tickets::new(b"another key of thirty-two bytes or more").unwrap();
        let foreign = other.issue(&alice(), 7, NOW).unwrap().text;
        let mut forged = vec![foreign, String::new(), "a.b.c".to_owned(), "..".to_owned()];
        for (name, value) in [
            ("aud", serde_json::json!("leasebox")),
            ("aud", serde_json::json!(null)),
            ("sub", serde_json::json!("alice/bob")),
            ("sub", serde_json::json!(null)),
            ("exp", serde_json::json!(null)),
            ("exp", serde_json::json!("1800000060")),
            ("exp", serde_json::json!(-1)),
        ] {
            let mut changed = claims();
            changed[name] = value;
            forged.push(signed(&changed, KEY));
        }
        let ticket = tickets().issue(&alice(), 7, NOW).unwrap().text;
        let parts: Vec<&str> = ticket.split('.').collect();
        // {"typ":"JWT","alg":"none"}, with no signature and with the one of the ticket.
        let none = "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0";
        forged.push(format!("{none}.{}.", parts[1]));
        forged.push(format!("{none}.{}.{}", parts[1], parts[2]));
        let bob = signed(&serde_json::json!({"sub": "bob"}), KEY);
        forged.push(format!("{}.{}.{}", parts[0], bob.split('.').nth(1).unwrap(), parts[2]));
        forged.push(format!("{}.{}.", parts[0], parts[1]));
        for text in forged {
            assert_eq!(tickets().verify(&text, NOW), Err(TicketError::Forged), "{text}");
        }
    }

    #[test]
    fn a_key_is_long_enough_and_never_shown() {
        assert!(Tickets::new(&KEY[..31]).is_err());
        assert_eq!(format!("{:?}", tickets()), "Tickets");
    }
}
