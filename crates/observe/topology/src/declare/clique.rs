//! Declared clique types, constraints and cause rules.

use crate::{Environment, LinkType, ObjectType};
use serde::Serialize;
use std::sync::Arc;

/// Which environments a clique type is for. `None` says nothing about it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CliqueScope {
    /// `ANY` is kept as [`CliqueScope::any`].
    pub environment: Option<Environment>,
    pub any: bool,
    pub environment_type: Option<Arc<str>>,
    pub distribution: Option<Arc<str>>,
    pub distribution_version: Option<Arc<str>>,
    pub mechanism_driver: Option<Arc<str>>,
    pub type_driver: Option<Arc<str>>,
}

/// An ordered walk from a focal object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CliqueType {
    pub name: Arc<str>,
    pub focal: ObjectType,
    pub links: Vec<LinkType>,
    #[serde(flatten)]
    pub scope: CliqueScope,
    /// Steps may follow implied links too.
    pub implicit: bool,
}

/// Attributes in which the links of a clique must not contradict its focal object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CliqueConstraint {
    pub focal: ObjectType,
    pub environment: Option<Environment>,
    pub attributes: Vec<Arc<str>>,
}

/// A fault of one kind of object explains trouble along these links.
#[derive(Debug, Clone, Serialize)]
pub struct CauseRule {
    pub name: Arc<str>,
    pub object_type: ObjectType,
    /// Statuses that make it a cause.
    pub statuses: Vec<crate::StatusLevel>,
    /// Steps from the cause, each taken from all objects reached so far, as in a clique; empty: everything that depends on it.
    pub follow: Vec<LinkType>,
    /// Attributes an object must share with the cause to be explained by it (absent passes).
    pub same: Vec<Arc<str>>,
    /// The status of what it explains.
    pub effect: crate::StatusLevel,
    /// For people; `{name}` is the cause's name.
    pub because: Arc<str>,
}

/// How the steps of a walk are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    Forward,
    Backward,
    Both,
}
