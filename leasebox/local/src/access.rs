//! Who may speak to this server: open by default, on loopback; with the keys of whoever signs users' tokens, the checks
//! of a deployment.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use web::guard::operators::Token;
use web::guard::origins::Origin;
use web::guard::tickets::Tickets;
use web::guard::{Guard, Users};

use crate::jwt::{Authorizer, JwtError};
use crate::secret::{self, Secret, SecretError, Told};

/// Who may speak.
#[derive(Debug, Clone, Default, clap::Args)]
// Its default name is also that of the options that it is among.
#[group(id = "access")]
pub struct Options {
    /// What operators send as `Authorization: Bearer`; without it, one is made and kept in the data directory.
    #[arg(long, value_name = "TOKEN", env = "LEASEBOX_OPERATOR_TOKEN", hide_env_values = true)]
    pub operator_token: Option<String>,
    /// What signs the tickets of sockets, 32 characters or more; servers that share a database need the same. Without it,
    /// one is made and kept in the data directory.
    #[arg(long, value_name = "KEY", env = "LEASEBOX_TICKET_KEY", hide_env_values = true)]
    pub ticket_key: Option<String>,
    /// A page's origin, such as http://localhost:5173, that may speak to this server beside its own; may be repeated.
    #[arg(long = "allow-origin", value_name = "URL", value_parser = Origin::new)]
    pub allowed: Vec<Origin>,
    /// The public keys of whoever signs users' tokens, a JWKS file: users are then verified, by their JWTs.
    #[arg(long, value_name = "FILE", requires = "jwt_issuer", requires = "jwt_audience")]
    pub jwt_keys: Option<PathBuf>,
    /// Who signs users' tokens: their claim `iss`.
    #[arg(long, value_name = "ISSUER", requires = "jwt_keys")]
    pub jwt_issuer: Option<String>,
    /// Whom users' tokens are for: their claim `aud`.
    #[arg(long, value_name = "AUDIENCE", requires = "jwt_keys")]
    pub jwt_audience: Option<String>,
    /// Serve everyone who reaches the address, as whoever they say they are.
    #[arg(long, conflicts_with = "jwt_keys")]
    pub open_to_everyone: bool,
}

/// Why nobody may speak.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Others than this machine's users would reach a server that believes them.
    #[error(
        "{0} is not loopback: everyone who reaches it could act as any user. Turn the checks on with --jwt-keys, \
         --jwt-issuer and --jwt-audience, or say --open-to-everyone"
    )]
    Open(IpAddr),
    /// A secret is not usable.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The keys are not usable.
    #[error(transparent)]
    Jwt(#[from] JwtError),
}

/// Who may speak, and what tells them apart.
#[derive(Debug)]
pub struct Access {
    /// What the handlers ask.
    pub guard: Arc<Guard>,
    /// What verifies users' tokens before the handlers see a request; none where nobody does.
    pub tokens: Option<Authorizer>,
    /// Where operators find their token.
    pub operators: Told,
}

impl Options {
    /// Refuses an address at which others than this machine's users would be believed.
    ///
    /// # Errors
    /// When it is one.
    pub fn suits(&self, bind: IpAddr) -> Result<(), AccessError> {
        let among_ourselves = bind.to_canonical().is_loopback();
        if among_ourselves || self.jwt_keys.is_some() || self.open_to_everyone {
            return Ok(());
        }
        Err(AccessError::Open(bind))
    }
}

impl Access {
    /// Who may speak, by these options; secrets that are not given are kept in the directory, if there is one.
    ///
    /// # Errors
    /// When a secret or the keys are not usable.
    pub fn new(options: &Options, kept: Option<&Path>) -> Result<Self, AccessError> {
        let token = secret::find(Secret::OperatorToken, Token::new, options.operator_token.as_deref(), kept)?;
        let key = |text: &str| Tickets::new(text.as_bytes());
        let tickets = secret::find(Secret::TicketKey, key, options.ticket_key.as_deref(), kept)?.secret;
        let tokens = match (&options.jwt_keys, &options.jwt_issuer, &options.jwt_audience) {
            (Some(keys), Some(issuer), Some(audience)) => Some(Authorizer::read(keys, issuer, audience)?),
            _ => None,
        };
        let users = if tokens.is_some() { Users::Verified } else { Users::Open };
        let guard = Guard::direct(token.secret, users, options.allowed.clone(), tickets);
        Ok(Self { guard: Arc::new(guard), tokens, operators: token.told })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_open_unless_it_is_said() {
        let (plain, said) = (Options::default(), Options { open_to_everyone: true, ..Options::default() });
        let verified = Options { jwt_keys: Some(PathBuf::new()), ..Options::default() };
        for (bind, open) in [
            ("127.0.0.1", true),
            ("127.8.9.10", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("192.0.2.7", false),
            ("::ffff:192.0.2.7", false),
        ] {
            let bind = bind.parse().unwrap();
            assert_eq!(plain.suits(bind).is_ok(), open, "{bind}");
            assert!(said.suits(bind).is_ok() && verified.suits(bind).is_ok(), "{bind}");
        }
    }
}
