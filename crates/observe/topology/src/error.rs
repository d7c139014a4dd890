//! What can be wrong with what is told to the map.

use crate::{Environment, ObjectKey, ObjectType};
use std::sync::Arc;

/// Each variant says what was wrong, with which value, and what to do. Nothing is half-applied when one is returned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    #[error("'{text}' is not a valid {what}: {expected}")]
    Name {
        what: &'static str,
        text: String,
        expected: &'static str,
    },
    #[error("'{0}' is not an object key: write <type>/<id>")]
    Key(String),
    #[error("{key} is of environment '{}', this map is of '{map}': send the reading to its own map", key.environment)]
    ForeignEnvironment { key: ObjectKey, map: Environment },
    #[error("object type '{0}' is not declared: add a [[type]] entry for it to the declarations")]
    UndeclaredType(ObjectType),
    #[error("{key} is put in two places at once: under {first} and under {second}")]
    TwoParents {
        key: ObjectKey,
        first: String,
        second: String,
    },
    #[error(
        "two things go by the name {key}: {attribute} is {first} and {second}; give one of them another name"
    )]
    TwoIdentities {
        key: ObjectKey,
        attribute: Arc<str>,
        first: String,
        second: String,
    },
    #[error("parents form a circle: {0}")]
    CyclicParents(String),
    #[error("{key}: attribute '{attribute}' is {size} large, the limit is {limit}")]
    TooLarge {
        key: ObjectKey,
        attribute: String,
        size: usize,
        limit: usize,
    },
    #[error("{key}: attribute '{attribute}' is nested deeper than {limit}")]
    TooDeep {
        key: ObjectKey,
        attribute: String,
        limit: usize,
    },
    #[error("there is no version {0}: it was never made or is no longer kept")]
    NoVersion(u64),
    #[error("version name '{0}' is taken: choose another or delete the old one first")]
    VersionNameTaken(String),
    #[error("{0} is not on the map of this version")]
    NoObject(String),
    #[error("record {sequence} cannot be read: {reason}")]
    Record { sequence: u64, reason: String },
}
