//! What nobody but the protocol reads of an item is stored as JSON text: envelopes, effects, replies. To the database, to
//! the SDK and to the stream a text is one value, where a map is one for itself and for each of its fields.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};
use serde_dynamo::AttributeValue;

/// A value as one text. It never fails for what is stored like this: ids, numbers, strings, JSON, and lists of them.
pub fn text<T: Serialize>(value: &T) -> AttributeValue {
    AttributeValue::S(serde_json::to_string(value).unwrap_or_default())
}

/// A list of values, each one text: the database appends to it.
pub fn texts<T: Serialize>(values: &[T]) -> AttributeValue {
    AttributeValue::L(values.iter().map(text).collect())
}

/// A value that is read from one text. Anything else in its place is damage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text<T>(pub T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(&String::deserialize(deserializer)?)
    }
}

/// For a field that is one text.
///
/// # Errors
/// When it cannot be read.
pub fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Text::deserialize(deserializer).map(|Text(value)| value)
}

/// An error tells the place and not what stands there: it may come into a log.
fn read<T: DeserializeOwned, E: Error>(text: &str) -> Result<Text<T>, E> {
    let unreadable = |error: serde_json::Error| {
        E::custom(format_args!("a text of {} bytes cannot be read from byte {}", text.len(), error.column()))
    };
    serde_json::from_str(text).map(Text).map_err(unreadable)
}

/// For a field that is JSON already: it stands in the text as it is, and is no text within the text.
pub mod json {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::value::RawValue;

    /// Only a damaged item brings what is no JSON: that is kept as a string.
    ///
    /// # Errors
    /// When the serializer fails.
    pub fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<&RawValue>(text) {
            Ok(json) => json.serialize(serializer),
            Err(_) => serializer.serialize_str(text),
        }
    }

    /// # Errors
    /// When it is not there.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|raw| Box::<str>::from(raw).into_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Letter {
        #[serde(with = "json")]
        body: String,
    }

    fn letter(body: &str) -> Letter {
        Letter { body: body.to_owned() }
    }

    #[test]
    fn a_value_is_one_text_and_json_in_it_stands_as_it_is() {
        let stored = text(&letter(r#"{"a":1.50}"#));
        assert_eq!(stored, AttributeValue::S(r#"{"body":{"a":1.50}}"#.to_owned()));
        assert_eq!(serde_dynamo::from_attribute_value(stored), Ok(Text(letter(r#"{"a":1.50}"#))));
    }

    #[test]
    fn each_value_of_a_list_is_one_text() {
        let stored = texts(&[letter("1"), letter("[]")]);
        assert_eq!(stored, AttributeValue::L(vec![text(&letter("1")), text(&letter("[]"))]));
        assert_eq!(serde_dynamo::from_attribute_value(stored), Ok(vec![Text(letter("1")), Text(letter("[]"))]));
    }

    #[test]
    fn what_is_no_json_is_kept_as_a_string() {
        let stored = text(&letter("{\"a"));
        assert_eq!(serde_dynamo::from_attribute_value(stored), Ok(Text(letter(r#""{\"a""#))));
    }

    #[test]
    fn only_a_text_is_read() {
        let body = HashMap::from([("body".to_owned(), AttributeValue::S("1".to_owned()))]);
        let bytes = br#"{"body":1}"#.to_vec();
        for wrong in [AttributeValue::M(body), AttributeValue::L(vec![text(&letter("1"))]), AttributeValue::B(bytes)] {
            assert!(serde_dynamo::from_attribute_value::<_, Text<Letter>>(wrong.clone()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_quoted() {
        for wrong in [r#""{\"body\":""#, r#""\"secret\"""#, r#""secret""#] {
            let error = serde_json::from_str::<Text<Letter>>(wrong).unwrap_err().to_string();
            assert!(error.contains("cannot be read from byte") && !error.contains("secret"), "{error}");
        }
    }
}
