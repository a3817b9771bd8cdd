//! What makes a repeated post harmless: the client's key, and the receipt that it names.

use serde::{Deserialize, Serialize};

use crate::envelope::{EntityId, Malformed};
use crate::limits;

/// An idempotency key as its client wrote it: 1 to 255 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Checks the length and the alphabet; the surrounding quotes of RFC 8941 are taken off.
    ///
    /// # Errors
    /// When the key is empty, too long or holds a space, a control character or anything beyond ASCII.
    pub fn new(text: &str) -> Result<Self, Malformed> {
        let quoted = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
        let key = quoted.unwrap_or(text);
        if key.is_empty() || key.len() > limits::KEY_BYTES || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Malformed(format!(
                "an Idempotency-Key is 1 to {} visible ASCII characters without spaces",
                limits::KEY_BYTES
            )));
        }
        Ok(Self(key.to_owned()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The receipt that makes an envelope's effect exactly-once, whoever posts it again and however late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyed {
    /// The name of the receipt, unique within the entity.
    #[serde(rename = "n")]
    pub name: String,
    /// The name of the first receipt of the same post, when this is a later one: an array is one post.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// The beginning of the SHA-256 of everything that was posted under the key.
    #[serde(rename = "h")]
    pub hash: String,
}

impl Keyed {
    /// The receipt of event number `part` of a post under a client's key.
    #[must_use]
    pub fn client(key: &IdempotencyKey, part: usize, hash: &str) -> Self {
        let name = |part: usize| format!("c{part}/{}", key.as_str());
        Self { name: name(part), root: (part > 0).then(|| name(0)), hash: hash.to_owned() }
    }

    /// The receipt of effect number `index` of the envelope that `sender` processed as number `sequence`.
    #[must_use]
    pub fn effect(sender: &EntityId, sequence: u64, index: usize, hash: &str) -> Self {
        Self { name: format!("o/{sender}/{sequence}/{index}"), root: None, hash: hash.to_owned() }
    }
}

/// The beginning of the SHA-256 of a post's commands, which tells one body from another under the same key.
#[must_use]
pub fn body_hash<'a>(bodies: impl IntoIterator<Item = &'a str>) -> String {
    use sha2::Digest;
    let mut hasher = sha2::Sha256::new();
    for body in bodies {
        hasher.update((body.len() as u64).to_be_bytes());
        hasher.update(body.as_bytes());
    }
    hex::encode(hasher.finalize().get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lose_their_quotes_and_are_checked() {
        assert_eq!(IdempotencyKey::new("\"abc\"").unwrap().as_str(), "abc");
        for wrong in ["", "\"\"", "a b", "é", "a\u{1}"] {
            assert!(IdempotencyKey::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_hash_tells_one_split_of_a_body_from_another() {
        assert_ne!(body_hash(["ab", "c"]), body_hash(["a", "bc"]));
        assert_eq!(body_hash(["a"]).len(), 32);
    }
}
