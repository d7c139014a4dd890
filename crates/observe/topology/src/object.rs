//! An object of the map: its attributes with their sources, where it sits, and whether it is still vouched for.

use crate::{ObjectId, ObjectType, SourceKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// An object within one map; the environment is the map's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    #[serde(rename = "type")]
    pub object_type: ObjectType,
    pub id: ObjectId,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.object_type, self.id)
    }
}

impl fmt::Debug for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<crate::ObjectKey> for ObjectRef {
    fn from(key: crate::ObjectKey) -> Self {
        Self {
            object_type: key.object_type,
            id: key.id,
        }
    }
}

impl From<&crate::ObjectKey> for ObjectRef {
    fn from(key: &crate::ObjectKey) -> Self {
        key.clone().into()
    }
}

impl ObjectRef {
    /// # Errors
    /// One of the two texts is not a valid name.
    pub fn new(
        object_type: impl AsRef<str>,
        id: impl AsRef<str>,
    ) -> Result<Self, crate::TopologyError> {
        Ok(Self {
            object_type: ObjectType::new(object_type)?,
            id: ObjectId::new(id)?,
        })
    }

    /// Reads `<type>/<id>`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (object_type, id) = text.split_once('/')?;
        Self::new(object_type, id).ok()
    }
}

/// Number of an object within a map; stable while the object lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Handle(pub u32);

/// Who said something: a kind of reader and where it read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    pub kind: SourceKind,
    pub detail: Arc<str>,
}

/// What one kind of source says of one attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    pub value: Value,
    pub origin: Arc<Origin>,
    /// Since when it has said so.
    pub at: Timestamp,
}

/// An attribute: the claim that is believed, and those that are not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attribute {
    pub name: Arc<str>,
    #[serde(flatten)]
    pub believed: Claim,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Claim>,
}

impl Attribute {
    /// Do its sources contradict each other?
    pub fn in_conflict(&self) -> bool {
        self.others
            .iter()
            .any(|claim| claim.value != self.believed.value)
    }
}

/// Since when and why an object is no longer vouched for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stale {
    pub since: Timestamp,
    pub reason: Arc<str>,
}

/// The attribute that holds the parent; shown as the parent, not among the attributes.
pub(crate) const PARENT: &str = "@parent";
pub(crate) const NAME: &str = "name";

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Object {
    #[serde(flatten)]
    pub key: ObjectRef,
    /// What it sits under; `None` is the environment itself. The parent need not be known (yet).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ObjectRef>,
    /// Sorted by name.
    #[serde(rename = "attributes")]
    pub(crate) all: Vec<Attribute>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<Stale>,
}

impl Object {
    /// What people call it: the attribute `name`, else the id.
    pub fn name(&self) -> &str {
        self.get(NAME)
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty())
            .unwrap_or(self.key.id.as_str())
    }

    /// Its attributes in the order of their names.
    pub fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.all
            .iter()
            .filter(|attribute| attribute.name.as_ref() != PARENT)
    }

    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        // There are few, and most names differ in length already: faster than halving.
        self.all.iter().find(|attribute| *attribute.name == *name)
    }

    /// The believed value of an attribute.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.attribute(name)
            .map(|attribute| &attribute.believed.value)
            .filter(|value| !value.is_null())
    }

    pub(crate) fn position(&self, name: &str) -> Result<usize, usize> {
        self.all
            .binary_search_by(|attribute| attribute.name.as_ref().cmp(name))
    }

    /// Do the two differ in what a rule that reads these names sees?
    pub(crate) fn differs_in(&self, other: &Self, names: &[Box<str>]) -> bool {
        names.iter().any(|name| match name.as_ref() {
            "id" | "type" | "item" => false,
            "parent" | "parent_type" => self.parent != other.parent,
            name => self.get(name) != other.get(name),
        })
    }

    /// Do they say the same, whoever says it and since when?
    pub fn same_facts(&self, other: &Self) -> bool {
        self.parent == other.parent
            && self.stale.is_some() == other.stale.is_some()
            && self.all.len() == other.all.len()
            && self
                .all
                .iter()
                .zip(&other.all)
                .all(|(a, b)| a.name == b.name && a.believed.value == b.believed.value)
    }
}
