//! What the JWT authorizer of an HTTP API does, before the handlers see a request: it verifies the user's token and puts
//! its claims where they look for them.
//!
//! As there: tokens are signed with RS256, RS384 or RS512 by a key that the header names (`kid`); `iss` is the issuer,
//! `aud`, or without one `client_id`, has the audience; `exp` has not passed, `nbf` and `iat` have. And only routes of
//! users are asked for one. (AWS says that only algorithms based on RSA are supported.)

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use axum::http::header::{AUTHORIZATION, HeaderValue};
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value, json};
use shared::envelope::Millis;
use web::answer::Answer;
use web::guard::operators::bearer;
use web::guard::{Guard, UserId, signatures};
use web::incoming::Incoming;
use web::route::Access;

/// Verifies users' tokens (JWT), as API Gateway's authorizer does.
pub struct Authorizer {
    keys: HashMap<String, DecodingKey>,
    validation: Validation,
    issuer: String,
    audience: String,
}

/// Why tokens cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum JwtError {
    /// The file cannot be read.
    #[error("--jwt-keys: {} cannot be read: {cause}", path.display())]
    Unreadable {
        /// The file that cannot be read.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It is no set of keys.
    #[error("--jwt-keys: {} is no JWKS, {{\"keys\":[…]}}: {cause}", path.display())]
    Malformed {
        /// The file that is no JWKS.
        path: PathBuf,
        /// What is wrong with it.
        cause: serde_json::Error,
    },
    /// None of its keys is of use.
    #[error("--jwt-keys: no key has a `kid` and is an RSA key for signatures, and API Gateway takes no others")]
    NoKey,
}

/// Why a token was refused, as API Gateway says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(&'static str);

impl Authorizer {
    /// Reads the keys from a file.
    ///
    /// # Errors
    /// When there are none that could have signed a token.
    pub fn read(path: &Path, issuer: &str, audience: &str) -> Result<Self, JwtError> {
        let text = std::fs::read(path).map_err(|cause| JwtError::Unreadable { path: path.to_owned(), cause })?;
        let set: JwkSet =
            serde_json::from_slice(&text).map_err(|cause| JwtError::Malformed { path: path.to_owned(), cause })?;
        Self::new(&set, issuer, audience)
    }

    /// What verifies tokens that an issuer signed with one of these keys for an audience.
    ///
    /// # Errors
    /// When none of the keys could have signed one.
    pub fn new(set: &JwkSet, issuer: &str, audience: &str) -> Result<Self, JwtError> {
        signatures::install();
        let key = |jwk: &jsonwebtoken::jwk::Jwk| {
            let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
            let AlgorithmParameters::RSA(_) = jwk.algorithm else { return None };
            let key = DecodingKey::from_jwk(jwk).ok().filter(|_| signs)?;
            Some((jwk.common.key_id.clone()?, key))
        };
        let keys: HashMap<_, _> = set.keys.iter().filter_map(key).collect();
        if keys.is_empty() {
            return Err(JwtError::NoKey);
        }
        let mut validation = Validation::new(Algorithm::RS256);
        validation.algorithms = vec![Algorithm::RS256, Algorithm::RS384, Algorithm::RS512];
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["exp", "iss"]);
        // The library would ask the machine's clock, with a minute's leeway, and knows no `client_id`: both are below.
        validation.validate_exp = false;
        validation.validate_aud = false;
        Ok(Self { keys, validation, issuer: issuer.to_owned(), audience: audience.to_owned() })
    }

    /// The request with the user of its token, or as it is when it needs none. An operator's token is none of these.
    ///
    /// # Errors
    /// When it has a token that is not good.
    pub fn admit(&self, guard: &Guard, mut incoming: Incoming, now: Millis) -> Result<Incoming, Refused> {
        let users = incoming.route().is_ok_and(|(route, _)| matches!(route.access, Access::Owner(_) | Access::User));
        let authorization = incoming.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        if let Some(authorization) = authorization.filter(|_| users)
            && guard.operators.admit(None, Some(authorization)).is_err()
        {
            let user = self.verify(bearer(authorization).unwrap_or(authorization), now)?;
            incoming.verified.user = Some(user);
        }
        Ok(incoming)
    }

    /// The user of a token.
    fn verify(&self, token: &[u8], now: Millis) -> Result<UserId, Refused> {
        let header = decode_header(token).map_err(|_| Refused("the token is malformed"))?;
        let key = header.kid.and_then(|kid| self.keys.get(&kid)).ok_or(Refused("the token has no known key"))?;
        let token = decode::<Map<String, Value>>(token, key, &self.validation);
        let claims = token.map_err(|_| Refused("the token has an invalid signature, algorithm or issuer"))?.claims;
        let texts = |name: &str| match claims.get(name) {
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            Some(value) => value.as_str().into_iter().collect(),
            None => Vec::new(),
        };
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(Refused("the token does not have a valid issuer"));
        }
        let audience = if claims.contains_key("aud") { texts("aud") } else { texts("client_id") };
        if !audience.contains(&self.audience.as_str()) {
            return Err(Refused("the token does not have a valid audience"));
        }
        // Times are seconds, and may have a fraction (RFC 7519).
        let seconds = |name: &str| claims.get(name).map(Value::as_f64);
        let passed = |time: f64| Millis((time.max(0.0) * 1000.0) as u64) <= now;
        match seconds("exp") {
            Some(Some(exp)) if !passed(exp) => {}
            _ => return Err(Refused("the token has expired")),
        }
        let begun = |name: &str| seconds(name).is_none_or(|time| time.is_some_and(passed));
        if !begun("nbf") || !begun("iat") {
            return Err(Refused("the token is not valid yet"));
        }
        // Stricter than API Gateway, which hands on any value as a text: it cannot be told there what it was.
        UserId::claimed(&claims)
            .ok_or(Refused("the sub of the token is no user: it is a JSON string in the form of an id"))
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer").field("issuer", &self.issuer).field("audience", &self.audience).finish()
    }
}

impl Refused {
    /// What API Gateway answers.
    #[must_use]
    pub fn answer(self) -> Answer {
        let challenge = format!("Bearer scope=\"\" error=\"invalid_token\" error_description=\"{}\"", self.0);
        Answer::json(401, &json!({"message": "Unauthorized"})).header("www-authenticate", &challenge)
    }
}
