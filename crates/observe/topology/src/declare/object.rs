//! Declared object types: how they are named, foldered, searched, and what failing means.

use crate::ObjectType;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the values of an attribute are, which decides how they are found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeKind {
    Text,
    /// An identifier, found whatever its punctuation and case.
    Id,
    Mac,
    Ip,
    Cidr,
    /// Kept and shown, not searched.
    Plain,
}

/// A level of the tree that is no object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Folder {
    pub name: Arc<str>,
    pub text: Arc<str>,
}

/// A folder, or one chosen by an attribute of what lies in it.
#[derive(Debug, Clone)]
pub(crate) enum FolderStep {
    Fixed(Folder),
    By {
        attribute: Box<str>,
        values: BTreeMap<Box<str>, Folder>,
        otherwise: Folder,
    },
}

impl FolderStep {
    pub(crate) fn choose<'f>(
        &'f self,
        attribute: impl Fn(&str) -> Option<&'f Value>,
    ) -> &'f Folder {
        match self {
            Self::Fixed(folder) => folder,
            Self::By {
                attribute: name,
                values,
                otherwise,
            } => attribute(name)
                .and_then(Value::as_str)
                .and_then(|value| values.get(value))
                .unwrap_or(otherwise),
        }
    }
}

/// How what an object's failure hits is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImpactBy {
    /// What depends on it, by the direction its link types declare, and what lies below it.
    Dependents,
    /// Its clique: for things that span the cloud and fail as one, such as a network.
    Clique,
}

/// One declared object type.
#[derive(Debug, Clone, Serialize)]
pub struct TypeRule {
    pub name: ObjectType,
    /// For people.
    pub label: Arc<str>,
    #[serde(skip)]
    pub(crate) folder: Vec<FolderStep>,
    /// Its row in layered pictures; 0 is the workload's end.
    pub layer: u8,
    /// Attributes that name the tenant, the first with a value counts; else the nearest object above it that has one.
    pub tenant: Vec<Arc<str>>,
    /// Attributes two things of one id cannot differ in.
    pub identity: Vec<Arc<str>>,
    pub attributes: BTreeMap<Arc<str>, AttributeKind>,
    /// Attributes shown when pointed at.
    pub hover: Vec<Arc<str>>,
    pub impact: ImpactBy,
    /// The attribute whose elements are checked one by one, such as the tunnels of an endpoint.
    pub parts: Option<Arc<str>>,
    /// The attribute that names the host or switch it is on.
    pub place: Arc<str>,
}
