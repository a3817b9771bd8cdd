//! What the first version stored as a map of typed values: read, and never written. An entity's items stay as they are until
//! somebody posts to it, which may be after years.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::{RawValue, to_raw_value};

use crate::trace;

/// One value of what was stored.
pub(super) enum Field {
    /// A string, or the text that is stored now.
    Text(String),
    /// A number: all of them were counters and points in time.
    Number(u64),
    /// An id or a trace.
    Bytes(Vec<u8>),
    /// A list of maps.
    List(Vec<Field>),
    /// A map.
    Map(BTreeMap<String, Field>),
}

impl Field {
    /// The same as the JSON that is stored now, if this is the field of that name.
    pub(super) fn json(&self, name: Option<&str>) -> Box<RawValue> {
        let json = match self {
            // A body or an outcome was JSON in a string; what is none is kept for whoever looks at the damage.
            Self::Text(text) if matches!(name, Some("b" | "o")) => {
                RawValue::from_string(text.clone()).or_else(|_| to_raw_value(text))
            }
            Self::Text(text) => to_raw_value(text),
            Self::Number(number) => to_raw_value(number),
            Self::Bytes(bytes) => to_raw_value(&trace::from_bytes(bytes).unwrap_or_else(|| hex::encode(bytes))),
            Self::List(fields) => to_raw_value(&fields.iter().map(|field| field.json(None)).collect::<Vec<_>>()),
            Self::Map(fields) => {
                let fields = fields.iter().map(|(name, field)| (name, field.json(Some(name))));
                to_raw_value(&fields.collect::<BTreeMap<_, _>>())
            }
        };
        json.unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Field, E> {
        Ok(Field::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Field, E> {
        Ok(Field::Text(text))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Field, E> {
        Ok(Field::Number(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Field, E> {
        u64::try_from(number).map(Field::Number).map_err(E::custom)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Field, E> {
        Ok(Field::Bytes(bytes.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Field, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = list.next_element()? {
            fields.push(field);
        }
        Ok(Field::List(fields))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, field)) = map.next_entry()? {
            fields.insert(name, field);
        }
        Ok(Field::Map(fields))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_dynamo::AttributeValue::{self, B, L, M, N, S};

    use crate::envelope::{Envelope, EnvelopeId, Millis};
    use crate::mailbox::image::Recent;
    use crate::outbox::Outgoing;
    use crate::outcome::Outcome;
    use crate::text::Text;
    use crate::trace::Trace;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn map<const N: usize>(fields: [(&str, AttributeValue); N]) -> AttributeValue {
        M(fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect::<HashMap<_, _>>())
    }

    fn id(number: u64) -> EnvelopeId {
        EnvelopeId::new(Millis(1_790_000_000_000), number, None)
    }

    #[test]
    fn an_envelope_with_everything() {
        let mut trace = hex::decode(TRACE.replace('-', "")).unwrap();
        trace.remove(0);
        let stored = map([
            ("i", B(id(7).0.to_vec())),
            ("t", N("1790000000001".to_owned())),
            ("b", S(r#"{"type":"x","amount":1.50}"#.to_owned())),
            ("k", map([("n", S("c0/key".to_owned())), ("r", S("c0/root".to_owned())), ("h", S("12".to_owned()))])),
            ("f", S("counter/a".to_owned())),
            ("c", B(trace)),
        ]);
        let Text(envelope): Text<Envelope> = serde_dynamo::from_attribute_value(stored).unwrap();
        assert_eq!((envelope.id, envelope.at), (id(7), Millis(1_790_000_000_001)));
        assert_eq!(envelope.body, r#"{"type":"x","amount":1.50}"#);
        let keyed = envelope.keyed.unwrap();
        assert_eq!(
            (keyed.name.as_str(), keyed.root.as_deref(), keyed.hash.as_str()),
            ("c0/key", Some("c0/root"), "12")
        );
        assert_eq!(envelope.from.unwrap().as_str(), "counter/a");
        assert_eq!(envelope.trace, Trace::parse(TRACE));
    }

    #[test]
    fn an_effect_that_failed_before() {
        let fields = [("s", "7"), ("x", "1"), ("t", "5"), ("n", "2"), ("u", "9")];
        let mut stored = HashMap::from(fields.map(|(name, digits)| (name.to_owned(), N(digits.to_owned()))));
        stored.extend([("r".to_owned(), S("counter/b".to_owned())), ("b".to_owned(), S("{}".to_owned()))]);
        let Text(effect): Text<Outgoing> = serde_dynamo::from_attribute_value(M(stored)).unwrap();
        let to = "counter/b".parse().unwrap();
        let due = Some(Millis(9));
        let body = "{}".to_owned();
        assert_eq!(effect, Outgoing { sequence: 7, index: 1, to, body, at: Millis(5), failures: 2, due, trace: None });
    }

    #[test]
    fn replies_in_their_order() {
        let one = |number| map([("i", B(id(number).0.to_vec())), ("o", S(format!(r#"{{"r":"reply {number}"}}"#)))]);
        let Text(recent): Text<Vec<Recent>> = serde_dynamo::from_attribute_value(L(vec![one(1), one(2)])).unwrap();
        let reply = |number: u64| Recent::new(id(number), &Outcome::Reply(format!("reply {number}").into()));
        assert_eq!(recent, [reply(1), reply(2)]);
    }

    #[test]
    fn a_body_that_is_no_json_is_kept_as_it_is() {
        let stored = map([("i", B(id(7).0.to_vec())), ("t", N("5".to_owned())), ("b", S("{broken".to_owned()))]);
        let Text(envelope): Text<Envelope> = serde_dynamo::from_attribute_value(stored).unwrap();
        assert_eq!(envelope.body, r#""{broken""#);
    }

    #[test]
    fn what_never_was_stored_is_not_read() {
        let wrong = [map([]), L(vec![N("7".to_owned())]), map([("i", B(vec![1; 11]))]), N("7".to_owned())];
        for value in wrong {
            assert!(serde_dynamo::from_attribute_value::<_, Text<Envelope>>(value.clone()).is_err(), "{value:?}");
        }
    }
}
