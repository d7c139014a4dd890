//! JSON as commands and APIs print it: bounded in size and depth, with warnings before it passed over.

use super::{MAX_ENTRIES, ParseError};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A JSON answer as a type. Lines before the first `{` or `[` are passed over: tools print warnings there.
/// The depth is bounded by `serde_json` (128 levels).
pub fn read<T: DeserializeOwned>(text: &str, format: &'static str) -> Result<T, ParseError> {
    let start = text
        .char_indices()
        .find(|(at, c)| matches!(c, '{' | '[') && starts_line(text, *at))
        .map_or(0, |(at, _)| at);
    let body = text.get(start..).unwrap_or(text);
    let mut values = serde_json::Deserializer::from_str(body).into_iter::<T>();
    match values.next() {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(ParseError::Broken {
            format,
            at: start + values.byte_offset(),
            reason: error.to_string(),
        }),
        None => Err(ParseError::Broken {
            format,
            at: start,
            reason: "nothing but white space".to_owned(),
        }),
    }
}

fn starts_line(text: &str, at: usize) -> bool {
    text.get(..at).is_none_or(|before| {
        before.trim_end_matches([' ', '\t']).is_empty() || before.ends_with('\n')
    })
}

/// An array of at most [`MAX_ENTRIES`].
pub fn array<T: DeserializeOwned>(text: &str, format: &'static str) -> Result<Vec<T>, ParseError> {
    let values: Vec<T> = read(text, format)?;
    if values.len() > MAX_ENTRIES {
        return Err(ParseError::TooMany {
            format,
            limit: MAX_ENTRIES,
        });
    }
    Ok(values)
}

/// A member as text.
pub fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_before_the_answer_are_passed_over() {
        let value: Value =
            read("WARNING: [no] {config}\n{\"a\": 1}\ntrailer", "test").expect("JSON");
        assert_eq!(value["a"], 1);
    }

    #[test]
    fn half_an_answer_is_an_error() {
        assert!(array::<Value>("[{\"a\": 1}, {\"b\"", "test").is_err());
        assert!(read::<Value>("", "test").is_err());
        assert!(read::<Value>(&"[".repeat(10_000), "test").is_err());
    }
}
