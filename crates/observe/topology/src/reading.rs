//! What a scanner or an event handler says it read: facts with their source, and what the reading speaks for.
//!
//! A reading never says how the map must change; the map works that out, from what it knows already.

use crate::{ObjectKey, ObjectType, SourceKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who read it, where, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub kind: SourceKind,
    /// Host or URL; never a credential.
    pub detail: Arc<str>,
    /// When the source answered (for an event: when it says it happened). Older facts never overwrite newer ones of the same kind.
    pub read_at: Timestamp,
}

/// Does a draft hold everything its source says of the object?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extent {
    /// Attributes this kind of source gave before and are not in the draft are gone.
    Whole,
    /// Attributes that are not in the draft stay as they are; an object that is not known yet is not made.
    Part,
}

/// What a source says of one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    pub key: ObjectKey,
    /// The text people know it by. `None`: the id, or for a part what it was.
    pub name: Option<Arc<str>>,
    /// The object it sits under in the tree; folders are declared, never named here. `None`: the environment itself, or for a part what
    /// it was.
    pub parent: Option<ObjectKey>,
    pub attributes: BTreeMap<Arc<str>, Value>,
    pub extent: Extent,
}

impl Draft {
    /// Everything the source knows of the object.
    pub fn whole(key: ObjectKey, name: impl Into<Arc<str>>) -> Self {
        Self {
            key,
            name: Some(name.into()),
            parent: None,
            attributes: BTreeMap::new(),
            extent: Extent::Whole,
        }
    }

    /// A few attributes of an object that is known already.
    pub fn part(key: ObjectKey) -> Self {
        Self {
            key,
            name: None,
            parent: None,
            attributes: BTreeMap::new(),
            extent: Extent::Part,
        }
    }

    pub fn under(mut self, parent: ObjectKey) -> Self {
        self.parent = Some(parent);
        self
    }

    pub fn with(mut self, attribute: impl Into<Arc<str>>, value: impl Into<Value>) -> Self {
        self.attributes.insert(attribute.into(), value.into());
        self
    }
}

/// What a reading speaks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Only the objects it names.
    Named,
    /// All objects of these types below `within` in the tree; in the whole environment when `None`.
    All {
        types: Vec<ObjectType>,
        within: Option<ObjectKey>,
    },
}

/// Was everything in the scope read?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coverage {
    /// Objects in the scope that no draft names are gone, on this evidence, unless something newer has seen them.
    Complete,
    /// Objects in the scope that no draft names are marked stale with this reason.
    Incomplete { reason: Arc<str> },
}

/// One source's account of a part of the cloud. Readings of one batch become one version together or not at all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub source: Source,
    pub scope: Scope,
    pub coverage: Coverage,
    pub drafts: Vec<Draft>,
    /// Objects the source says no longer exist; what is below them goes with them.
    #[serde(default)]
    pub gone: Vec<ObjectKey>,
}

impl Reading {
    /// A reading that speaks only for the drafts put into it.
    pub fn named(source: Source) -> Self {
        Self {
            source,
            scope: Scope::Named,
            coverage: Coverage::Complete,
            drafts: Vec::new(),
            gone: Vec::new(),
        }
    }
}
