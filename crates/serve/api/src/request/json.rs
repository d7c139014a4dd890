//! Strict JSON: what a request body may be before anything looks at its meaning.
//!
//! Refuses what lenient parsers let through and clients then disagree about: duplicate keys, unbounded
//! nesting, control characters in texts, anything after the value. It must never panic and never allocate
//! more than the body's size times a small constant.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// How many arrays and objects may stand inside each other.
pub(crate) const MAX_DEPTH: usize = 32;

/// Attributes whose texts may hold line breaks and tabs.
const MULTILINE: &[&str] = &["description"];

/// Parses a whole body. The error names the offence, the attribute where there is one, and its place.
pub(crate) fn parse(body: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(body)
        .map_err(|error| format!("the body is not UTF-8 at byte {}", error.valid_up_to()))?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let seed = Strict {
        depth: 0,
        attribute: "",
    };
    let value = seed
        .deserialize(&mut deserializer)
        .map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// One value, `depth` containers down, under the key `attribute`.
#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    attribute: &'a str,
}

impl<'a> Strict<'a> {
    fn inside<E: Error>(self) -> Result<Strict<'a>, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!(
                "nested deeper than {MAX_DEPTH} levels"
            )));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }

    fn check_text<E: Error>(self, text: &str) -> Result<(), E> {
        let multiline = MULTILINE.contains(&self.attribute);
        let forbidden =
            |c: &char| c.is_control() && !(multiline && matches!(c, '\n' | '\r' | '\t'));
        match text.chars().find(forbidden) {
            Some(c) if self.attribute.is_empty() => Err(E::custom(format_args!(
                "control character U+{:04X} in a text",
                u32::from(c)
            ))),
            Some(c) => Err(E::custom(format_args!(
                "control character U+{:04X} in attribute '{}'",
                u32::from(c),
                self.attribute.escape_default()
            ))),
            None => Ok(()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.check_text(text)?;
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        self.check_text(&text)?;
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inside)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            Strict {
                attribute: "",
                ..self
            }
            .check_text(&key)?;
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!(
                    "duplicate key '{}'",
                    key.escape_debug()
                )));
            }
            let value = entries.next_value_seed(Strict {
                attribute: &key,
                ..inside
            })?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal(body: &str) -> String {
        parse(body.as_bytes()).expect_err(body)
    }

    #[test]
    fn offences_are_named() {
        let deep = "[".repeat(MAX_DEPTH + 1) + &"]".repeat(MAX_DEPTH + 1);
        for (body, part) in [
            (r#"{"a": 1, "a": 2}"#, "duplicate key 'a'"),
            (
                r#"{"port": {"name": "a\u0000b"}}"#,
                "U+0000 in attribute 'name'",
            ),
            (
                r#"{"port": {"name": ["a\nb"]}}"#,
                "U+000A in attribute 'name'",
            ),
            (r#"{"a": 1} x"#, "trailing characters"),
            (r#"{"a": 1e999}"#, "number out of range"),
            (r#"{"a": "#, "EOF"),
            ("", "EOF"),
            (deep.as_str(), "nested deeper than 32 levels"),
        ] {
            assert!(refusal(body).contains(part), "{body}: {}", refusal(body));
        }
        assert!(
            parse(b"\"\xff\"")
                .expect_err("not UTF-8")
                .contains("byte 1")
        );
    }

    #[test]
    fn the_deepest_allowed_body_and_line_breaks_in_a_description_pass() {
        let deep = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
        assert!(parse(deep.as_bytes()).is_ok());
        assert!(parse(br#"{"description": "one\ntwo"}"#).is_ok());
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "[^\\p{Cc}]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{1,4}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(value in values()) {
            prop_assert_eq!(parse(value.to_string().as_bytes()), Ok(value));
        }

        #[test]
        fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..256)) {
            let _ = parse(&body);
        }
    }
}
