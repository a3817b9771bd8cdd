//! Somebody who signs users' tokens, and a stranger who would like to. Their keys are in `test-keys`, for tests only.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Value, json};

/// Who signs.
pub const ISSUER: &str = "https://issuer.example.com/";
/// Whom the tokens are for.
pub const AUDIENCE: &str = "leasebox-tests";
/// The name of the key.
const KID: &str = "test-key";

/// Who has a key.
pub struct Signer(RsaKeyPair);

impl Signer {
    /// The one whose key is in the JWKS.
    pub fn issuer() -> Self {
        Self::of(include_str!("test-keys/issuer.pkcs8.base64"))
    }

    /// Another.
    pub fn stranger() -> Self {
        Self::of(include_str!("test-keys/stranger.pkcs8.base64"))
    }

    fn of(text: &str) -> Self {
        let der = STANDARD.decode(text.split_whitespace().collect::<String>()).unwrap();
        Self(RsaKeyPair::from_pkcs8(&der).unwrap())
    }

    /// Writes the public key to a file, as a JWKS.
    pub fn publish(&self, file: &Path) {
        let RsaPublicKeyComponents { n, e } = self.numbers();
        let (n, e) = (URL_SAFE_NO_PAD.encode(n), URL_SAFE_NO_PAD.encode(e));
        let key = json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KID, "n": n, "e": e});
        std::fs::write(file, json!({"keys": [key]}).to_string()).unwrap();
    }

    /// What the public key consists of.
    fn numbers(&self) -> RsaPublicKeyComponents<Vec<u8>> {
        RsaPublicKeyComponents::from(self.0.public())
    }

    /// A token of these claims, signed with the algorithm of this name.
    pub fn token(&self, algorithm: &str, claims: &Value) -> String {
        let header = json!({"typ": "JWT", "alg": algorithm, "kid": KID});
        self.signed(&header, claims)
    }

    /// A token of this header; for HS256 the secret is what everybody may know: the public key.
    pub fn signed(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", part(header), part(claims));
        let rsa = |encoding: &'static dyn RsaEncoding| {
            let mut signature = vec![0; self.0.public().modulus_len()];
            self.0.sign(encoding, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
            signature
        };
        let signature = match header["alg"].as_str() {
            Some("RS256") => rsa(&RSA_PKCS1_SHA256),
            Some("RS384") => rsa(&RSA_PKCS1_SHA384),
            Some("RS512") => rsa(&RSA_PKCS1_SHA512),
            Some("HS256") => hmac_of(self.0.public().as_ref(), &message),
            _ => Vec::new(),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A token that is signed with the modulus of the public key as a secret.
    pub fn by_modulus(&self, claims: &Value) -> String {
        let message = format!("{}.{}", part(&json!({"alg": "HS256", "kid": KID})), part(claims));
        let signature = hmac_of(&self.numbers().n, &message);
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn hmac_of(secret: &[u8], message: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes()).as_ref().to_vec()
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The claims of a good token of this user, at a time in seconds.
pub fn claims(user: &str, now: u64) -> Value {
    json!({"sub": user, "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 600})
}
