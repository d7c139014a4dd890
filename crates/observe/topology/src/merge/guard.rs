//! What a batch must satisfy before anything of it is taken in. Nothing here changes a state.

use crate::object::{Handle, ObjectRef};
use crate::state::State;
use crate::{Draft, Environment, Extent, ObjectKey, Reading, Scope, TopologyError};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// One attribute's value, counted as its JSON text.
const MAX_VALUE: usize = 1 << 20;
/// All attributes of one object.
const MAX_OBJECT: usize = 4 << 20;
const MAX_ATTRIBUTES: usize = 2_000;
const MAX_DEPTH: usize = 64;

pub(super) fn check(
    state: &State,
    environment: &Environment,
    readings: &[Reading],
) -> Result<(), TopologyError> {
    for reading in readings {
        let within = match &reading.scope {
            Scope::All { types, within } => {
                for object_type in types {
                    if state.declarations.object_type(object_type).is_none() {
                        return Err(TopologyError::UndeclaredType(object_type.clone()));
                    }
                }
                within.as_ref()
            }
            Scope::Named => None,
        };
        let drafts = reading.drafts.iter();
        let keys = drafts.flat_map(|d| std::iter::once(&d.key).chain(&d.parent));
        for key in keys.chain(&reading.gone).chain(within) {
            if key.environment != *environment {
                return Err(TopologyError::ForeignEnvironment {
                    key: key.clone(),
                    map: environment.clone(),
                });
            }
            if state.declarations.object_type(&key.object_type).is_none() {
                return Err(TopologyError::UndeclaredType(key.object_type.clone()));
            }
        }
        for draft in &reading.drafts {
            sizes(draft)?;
        }
    }
    identities(state, readings)
}

/// Two things under one id: drafts of a batch that put one object in two places, or differ in what identifies it.
fn identities(state: &State, readings: &[Reading]) -> Result<(), TopologyError> {
    let mut first: HashMap<&ObjectKey, (&Reading, &Draft)> = HashMap::new();
    for reading in readings {
        for draft in reading.drafts.iter().filter(|d| d.extent == Extent::Whole) {
            let Some((before, other)) = first.insert(&draft.key, (reading, draft)) else {
                continue;
            };
            let same_reader = before.source.kind == reading.source.kind
                && before.source.read_at == reading.source.read_at;
            if same_reader && other.parent != draft.parent {
                return Err(TopologyError::TwoParents {
                    key: draft.key.clone(),
                    first: place(other),
                    second: place(draft),
                });
            }
            let rule = state.declarations.object_type(&draft.key.object_type);
            for name in rule.into_iter().flat_map(|rule| &rule.identity) {
                if let (Some(a), Some(b)) = (other.attributes.get(name), draft.attributes.get(name))
                    && a != b
                {
                    return Err(TopologyError::TwoIdentities {
                        key: draft.key.clone(),
                        attribute: name.clone(),
                        first: format!("{a} ({})", before.source.detail),
                        second: format!("{b} ({})", reading.source.detail),
                    });
                }
            }
        }
    }
    Ok(())
}

fn place(draft: &Draft) -> String {
    match &draft.parent {
        Some(parent) => parent.to_string(),
        None => "the environment".to_owned(),
    }
}

fn sizes(draft: &Draft) -> Result<(), TopologyError> {
    let too_large = |attribute: &str, size: usize, limit: usize| TopologyError::TooLarge {
        key: draft.key.clone(),
        attribute: attribute.chars().take(80).collect(),
        size,
        limit,
    };
    if draft.attributes.len() > MAX_ATTRIBUTES {
        return Err(too_large(
            "(number of attributes)",
            draft.attributes.len(),
            MAX_ATTRIBUTES,
        ));
    }
    let mut sum = 0;
    for (name, value) in &draft.attributes {
        let (size, depth) = measure(value, 0);
        let size = size + name.len();
        if depth > MAX_DEPTH {
            return Err(TopologyError::TooDeep {
                key: draft.key.clone(),
                attribute: name.chars().take(80).collect(),
                limit: MAX_DEPTH,
            });
        }
        if size > MAX_VALUE {
            return Err(too_large(name, size, MAX_VALUE));
        }
        sum += size;
    }
    if sum > MAX_OBJECT {
        return Err(too_large("(all attributes)", sum, MAX_OBJECT));
    }
    Ok(())
}

/// Size in bytes and depth, without looking deeper than allowed.
fn measure(value: &Value, depth: usize) -> (usize, usize) {
    if depth > MAX_DEPTH {
        return (0, depth);
    }
    let fold = |(size, deep): (usize, usize), (s, d): (usize, usize)| (size + s, deep.max(d));
    match value {
        Value::Null | Value::Bool(_) => (5, depth),
        Value::Number(_) => (8, depth),
        Value::String(text) => (text.len() + 2, depth),
        Value::Array(list) => list
            .iter()
            .map(|v| measure(v, depth + 1))
            .fold((2, depth), fold),
        Value::Object(map) => map
            .iter()
            .map(|(key, v)| {
                let (size, deep) = measure(v, depth + 1);
                (size + key.len() + 4, deep)
            })
            .fold((2, depth), fold),
    }
}

/// No object may sit, at any distance, under itself.
pub(super) fn circles(
    state: &State,
    touched: impl Iterator<Item = u32>,
) -> Result<(), TopologyError> {
    let mut clear: HashSet<Handle> = HashSet::new();
    for handle in touched {
        let mut way: Vec<Handle> = Vec::new();
        let mut at = Some(Handle(handle));
        while let Some(handle) = at {
            if clear.contains(&handle) {
                break;
            }
            if let Some(start) = way.iter().position(|passed| *passed == handle) {
                let names: Vec<String> = way[start..]
                    .iter()
                    .chain([&handle])
                    .filter_map(|handle| Some(state.object(*handle)?.key.to_string()))
                    .collect();
                return Err(TopologyError::CyclicParents(names.join(" under ")));
            }
            way.push(handle);
            let parent: Option<&ObjectRef> = state
                .object(handle)
                .and_then(|object| object.parent.as_ref());
            at = parent.and_then(|parent| state.find(parent));
        }
        clear.extend(way);
    }
    Ok(())
}
