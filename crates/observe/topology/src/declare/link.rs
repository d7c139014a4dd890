//! Declared link types: which objects are joined, and what the link says.

use crate::template::{Path, Template};
use crate::{LinkType, ObjectType};
use serde::Serialize;
use std::sync::Arc;

/// Which end suffers when the other fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Depends {
    /// The source depends on the target.
    Source,
    /// The target depends on the source.
    Target,
    Both,
    Neither,
}

/// One declared link type: one link for every pair of objects that one of its joins brings together.
#[derive(Debug, Clone)]
pub struct LinkRule {
    pub link_type: LinkType,
    pub source: ObjectType,
    pub target: ObjectType,
    pub depends: Depends,
    /// Tried in order; the first that brings a pair together makes the link.
    pub(crate) joins: Vec<Join>,
    pub(crate) lookups: Vec<(Box<str>, Lookup)>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) requires: Vec<Requires>,
    /// Makes several links of one pair: one for each value of it.
    pub(crate) distinct: Option<Template>,
    pub(crate) name: Option<Template>,
    pub(crate) source_label: Option<Template>,
    pub(crate) target_label: Option<Template>,
    pub(crate) weight: Option<Template>,
    pub(crate) state: Option<StateRule>,
    pub(crate) place: Option<Template>,
    pub(crate) attributes: Vec<(Arc<str>, Template)>,
    /// Link types whose links this rule reads.
    pub(crate) reads_links: Vec<LinkType>,
    /// First steps of the attribute paths read of each end; a change of any other attribute does not touch this rule's links.
    pub(crate) reads_source: Vec<Box<str>>,
    pub(crate) reads_target: Vec<Box<str>>,
}

/// Two keys that must be equal, or be brought together by a third object.
#[derive(Debug, Clone)]
pub(crate) struct Join {
    pub(crate) source: KeyRule,
    pub(crate) target: KeyRule,
    pub(crate) through: Option<Through>,
}

/// A key of an object, or one of each element of one of its lists or maps (`item`).
#[derive(Debug, Clone)]
pub(crate) struct KeyRule {
    pub(crate) each: Option<Path>,
    pub(crate) key: Template,
}

#[derive(Debug, Clone)]
pub(crate) struct Through {
    pub(crate) object_type: ObjectType,
    pub(crate) source: Template,
    pub(crate) target: Template,
}

/// A further value for the link's texts.
#[derive(Debug, Clone)]
pub(crate) enum Lookup {
    Object {
        object_type: ObjectType,
        id: Template,
    },
    /// The first element whose key is equal; in `key`, the element is `item`.
    Element {
        each: Path,
        key: Template,
        equals: Template,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) value: Template,
    pub(crate) equals: Template,
    pub(crate) or_absent: bool,
}

/// The end must have a link of this type already.
#[derive(Debug, Clone)]
pub(crate) struct Requires {
    pub(crate) source_end: bool,
    pub(crate) link: LinkType,
    pub(crate) when: Option<Condition>,
}

#[derive(Debug, Clone)]
pub(crate) struct StateRule {
    pub(crate) value: Template,
    pub(crate) up: Vec<String>,
    pub(crate) down: Vec<String>,
}

/// An attribute an object has by its links: the value all its links of one type agree on.
#[derive(Debug, Clone)]
pub(crate) struct StampRule {
    pub(crate) link: LinkType,
    pub(crate) value: Box<str>,
}

mod compile;

pub(super) use compile::{ordered, rule};
