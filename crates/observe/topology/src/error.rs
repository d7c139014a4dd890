//! What can be wrong with what is told to the map.

use crate::{Environment, ObjectKey};

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
}
