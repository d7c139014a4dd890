//! The searchable texts of an object, and identifiers without their punctuation.

use crate::AttributeKind;
use crate::declare::Declarations;
use crate::object::Object;
use ipnet::IpNet;
use serde_json::Value;
use std::net::IpAddr;
use std::sync::Arc;

/// Calls `each` with attribute, kind and text of everything an object is found by.
pub(super) fn texts(
    declarations: &Declarations,
    object: &Object,
    mut each: impl FnMut(&Arc<str>, AttributeKind, &str),
) {
    thread_local! {
        static ID: Arc<str> = "id".into();
        static NAME: Arc<str> = "name".into();
    }
    ID.with(|field| each(field, AttributeKind::Id, object.key.id.as_str()));
    NAME.with(|field| each(field, AttributeKind::Text, object.name()));
    let Some(rule) = declarations.object_type(&object.key.object_type) else {
        return;
    };
    for (name, kind) in &rule.attributes {
        if *kind == AttributeKind::Plain {
            continue;
        }
        if let Some(value) = object.get(name) {
            strings(value, &mut |text| each(name, *kind, text));
        }
    }
}

fn strings(value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) if !text.is_empty() => each(text),
        Value::Number(number) => each(&number.to_string()),
        Value::Array(list) => list.iter().for_each(|value| strings(value, each)),
        Value::Object(map) => map.values().for_each(|value| strings(value, each)),
        _ => {}
    }
}

/// A MAC or UUID in lower case without punctuation: 12 or 32 hexadecimal digits.
pub(super) fn identifier(text: &str) -> Option<Box<str>> {
    if text.len() > 40 {
        return None;
    }
    let mut digits = String::with_capacity(32);
    for c in text.chars() {
        match c {
            '0'..='9' | 'a'..='f' => digits.push(c),
            ':' | '-' | '.' | '{' | '}' => {}
            _ => return None,
        }
    }
    matches!(digits.len(), 12 | 32).then(|| digits.into())
}

/// An address, with or without a prefix length.
pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}
