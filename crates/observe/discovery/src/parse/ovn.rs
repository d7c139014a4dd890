//! OVN's databases: `ovn-nbctl --format=json list <table>` and `ovn-sbctl ...`, which print an OVSDB table
//! (RFC 7047 section 5.1 values) as headings and rows.

use super::{ParseError, json};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Table {
    headings: Vec<String>,
    data: Vec<Vec<Value>>,
}

/// A row by column, its values as plain JSON: a set is an array (of one: the value; empty: null), a map an object, a UUID its text.
pub type Row = Map<String, Value>;

/// The rows of a table.
pub fn rows(text: &str) -> Result<Vec<Row>, ParseError> {
    let table: Table = json::read(text, "OVSDB table")?;
    if table.data.len() > super::MAX_ENTRIES {
        return Err(ParseError::TooMany {
            format: "OVSDB table",
            limit: super::MAX_ENTRIES,
        });
    }
    Ok(table
        .data
        .into_iter()
        .map(|row| {
            table
                .headings
                .iter()
                .cloned()
                .zip(row.into_iter().map(plain))
                .collect()
        })
        .collect())
}

fn plain(value: Value) -> Value {
    let Value::Array(parts) = value else {
        return value;
    };
    let (tag, inner) = match parts.as_slice() {
        [Value::String(tag), inner] => (tag.as_str(), inner),
        _ => return Value::Array(parts),
    };
    match (tag, inner) {
        ("uuid" | "named-uuid", id) => id.clone(),
        ("set", Value::Array(members)) => match members.as_slice() {
            [] => Value::Null,
            [one] => plain(one.clone()),
            many => Value::Array(many.iter().cloned().map(plain).collect()),
        },
        ("map", Value::Array(pairs)) => Value::Object(
            pairs
                .iter()
                .filter_map(|pair| match pair.as_array()?.as_slice() {
                    [key, value] => Some((text_of(&plain(key.clone())), plain(value.clone()))),
                    _ => None,
                })
                .collect(),
        ),
        _ => Value::Array(parts),
    }
}

fn text_of(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// The members of a column that is a set: none, one or many.
pub fn members<'a>(row: &'a Row, column: &str) -> Vec<&'a str> {
    match row.get(column) {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// A column as text.
pub fn text<'a>(row: &'a Row, column: &str) -> Option<&'a str> {
    row.get(column).and_then(Value::as_str)
}

/// `fa:16:3e:00:00:01 10.0.0.5 2001:db8::5` of a logical switch port's `addresses`: MAC, then addresses.
pub fn port_address(text: &str) -> Option<(model::Mac, Vec<std::net::IpAddr>)> {
    let mut words = text.split_whitespace();
    let mac = words.next()?.parse().ok()?;
    Some((mac, words.filter_map(|word| word.parse().ok()).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r#"{"data":[[["uuid","0b7c"],"neutron-1",["map",[["neutron:network_name","red"]]],["set",[]],
        ["set",[["uuid","p1"],["uuid","p2"]]],["uuid","p9"]]],
        "headings":["_uuid","name","external_ids","acls","ports","dns"]}"#;

    #[test]
    fn sets_maps_and_uuids_become_plain() {
        let rows = rows(TABLE).expect("JSON");
        assert_eq!(text(&rows[0], "_uuid"), Some("0b7c"));
        assert_eq!(rows[0]["external_ids"]["neutron:network_name"], "red");
        assert_eq!(members(&rows[0], "ports"), ["p1", "p2"]);
        assert_eq!(members(&rows[0], "dns"), ["p9"]);
        assert!(members(&rows[0], "acls").is_empty());
        let (mac, addresses) =
            port_address("fa:16:3e:00:00:01 10.0.0.5 2001:db8::5 junk").expect("an address");
        assert_eq!(
            (mac.to_string().as_str(), addresses.len()),
            ("fa:16:3e:00:00:01", 2)
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(?s).{0,200}") {
            let _ = rows(&text);
            let _ = port_address(&text);
        }
    }
}
