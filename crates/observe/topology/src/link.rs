//! A link of the map: two objects, a declared type, and what it says.

use crate::{Handle, LinkType, ObjectRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Up unless something says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    Up,
    Down,
    Unknown,
}

/// The identity of a link: its type belongs to it, and a pair may have several that differ in `distinct`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkKey {
    pub link_type: LinkType,
    pub source: ObjectRef,
    pub target: ObjectRef,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct: Option<Arc<str>>,
}

impl fmt::Display for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} -> {}",
            self.link_type, self.source.id, self.target.id
        )?;
        match &self.distinct {
            Some(distinct) => write!(f, " ({distinct})"),
            None => Ok(()),
        }
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    pub link_type: LinkType,
    pub source: Handle,
    pub target: Handle,
    pub distinct: Option<Arc<str>>,
    pub name: Option<Arc<str>>,
    pub source_label: Option<Arc<str>>,
    pub target_label: Option<Arc<str>>,
    pub state: LinkState,
    pub weight: i32,
    /// Follows from other links.
    pub implicit: bool,
    /// The host or switch it is on.
    pub place: Option<Arc<str>>,
    pub attributes: BTreeMap<Arc<str>, Value>,
}

impl Link {
    /// The end that is not `from`; the target when both are.
    pub fn other(&self, from: Handle) -> Handle {
        if self.source == from {
            self.target
        } else {
            self.source
        }
    }
}
