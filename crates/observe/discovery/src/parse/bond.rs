//! `/proc/net/bonding/<bond>`: the bond's attributes, its nested `... info` blocks and one block per member.
//! Also `ls -1 /proc/net/bonding`.

use super::text::key_value;
use serde_json::{Map, Value};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bond {
    /// `name: value` lines of the bond itself; blocks such as `802.3ad info` are objects within.
    pub attributes: Map<String, Value>,
    pub members: Vec<Member>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    pub attributes: Map<String, Value>,
}

/// Members one bond may have; the driver allows 16 in most modes.
const MAX_MEMBERS: usize = 256;

/// Names of the bonds; an error message instead of a listing is no bond.
pub fn names(text: &str) -> Vec<String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && line.len() <= 15 && !line.contains([' ', '/', ':']))
        .map(str::to_owned)
        .collect()
}

/// The bond described by the file.
pub fn bond(text: &str) -> Bond {
    let mut bond = Bond::default();
    // Where `name: value` lines go: keys of nested blocks under the bond or the last member.
    let mut path: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.trim().is_empty() {
            path.clear();
            continue;
        }
        if let Some(("Slave Interface", name)) = key_value(line) {
            if bond.members.len() == MAX_MEMBERS {
                break;
            }
            path.clear();
            bond.members.push(Member {
                name: name.to_owned(),
                attributes: Map::new(),
            });
            continue;
        }
        let target = match bond.members.last_mut() {
            Some(member) => &mut member.attributes,
            None => &mut bond.attributes,
        };
        attribute(target, &mut path, line);
    }
    bond
}

fn attribute(target: &mut Map<String, Value>, path: &mut Vec<String>, line: &str) {
    let indented = line.starts_with(char::is_whitespace);
    let trimmed = line.trim();
    let block = trimmed
        .strip_suffix(':')
        .or_else(|| (!trimmed.contains(':') && trimmed.ends_with("info")).then_some(trimmed));
    // `Active Aggregator Info:` stands unindented inside `802.3ad info`, its lines indented below it.
    if let Some(name) = block.filter(|name| name.to_lowercase().ends_with("info")) {
        path.truncate(1);
        if path.len() < 2 {
            path.push(name.to_owned());
        }
        return;
    }
    if !indented && path.len() == 2 {
        path.pop();
    }
    if let Some((key, value)) = key_value(line)
        && let Some(place) = nested(target, path)
    {
        place.insert(key.to_owned(), Value::from(value));
    }
}

fn nested<'a>(
    mut target: &'a mut Map<String, Value>,
    path: &[String],
) -> Option<&'a mut Map<String, Value>> {
    for name in path {
        target = target
            .entry(name.clone())
            .or_insert_with(|| Value::Object(Map::new()))
            .as_object_mut()?;
    }
    Some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_no_bond() {
        assert!(
            names("ls: cannot access '/proc/net/bonding/': No such file or directory\n").is_empty()
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(?s).{0,300}") {
            let _ = bond(&text);
        }

        #[test]
        fn shuffled_lines_are_read_without_a_panic(lines in proptest::collection::vec(
            proptest::sample::select(vec!["802.3ad info", "Active Aggregator Info:", "\tAggregator ID: 1", "Slave Interface: e", "", "a: b", "info:"]), 0..30)) {
            let _ = bond(&lines.join("\n"));
        }
    }
}
