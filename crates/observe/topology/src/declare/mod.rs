//! Declarations: what kinds of objects, links, cliques and causes there are, read from TOML files.
//!
//! The files in `declarations/` are embedded; further ones may add to them and replace entries by name. A file is data: nothing in it can
//! run. All errors of all files are found before any of them is reported.

mod check;
mod clique;
mod error;
mod link;
mod object;
mod raw;

pub use clique::{CauseRule, CliqueConstraint, CliqueScope, CliqueType};
pub use error::{DeclarationError, DeclarationErrors};
pub use link::{Depends, LinkRule};
pub use object::{AttributeKind, Folder, ImpactBy, TypeRule};

pub(crate) use clique::Follow;
pub(crate) use link::{Condition, Join, KeyRule, Lookup, StampRule};
pub(crate) use object::FolderStep;

use crate::{LinkType, ObjectType, SourceKind};
use foldhash::fast::FixedState;
use std::collections::HashMap;
use std::sync::Arc;

/// The declarations the binary carries.
const EMBEDDED: &[(&str, &str)] = &[
    (
        "objects.toml",
        include_str!("../../declarations/objects.toml"),
    ),
    ("links.toml", include_str!("../../declarations/links.toml")),
    (
        "cliques.toml",
        include_str!("../../declarations/cliques.toml"),
    ),
    (
        "causes.toml",
        include_str!("../../declarations/causes.toml"),
    ),
];

/// A checked set of declarations: every name in it resolves.
#[derive(Debug, Clone)]
pub struct Declarations {
    pub(crate) ranks: HashMap<SourceKind, u32>,
    pub(crate) types: HashMap<ObjectType, TypeRule, FixedState>,
    /// In an order in which every rule comes after those whose links it reads.
    pub(crate) links: Vec<LinkRule>,
    /// Places of link types in `links`.
    pub(crate) link_places: HashMap<LinkType, usize, FixedState>,
    pub(crate) stamps: HashMap<ObjectType, Vec<(Box<str>, StampRule)>, FixedState>,
    pub(crate) cliques: Vec<CliqueType>,
    pub(crate) constraints: Vec<CliqueConstraint>,
    pub(crate) causes: Vec<CauseRule>,
    /// Attributes two links must agree in to make an implicit one.
    pub(crate) implicit: Vec<Arc<str>>,
}

impl Declarations {
    /// What the binary carries.
    ///
    /// # Errors
    /// Never for the files as shipped; a test holds them to it.
    pub fn embedded() -> Result<Self, DeclarationErrors> {
        Self::load(&[])
    }

    /// The embedded files and then `files` (name, text): an entry replaces an earlier one of the same name.
    ///
    /// # Errors
    /// Every fault of every file, with file, line and reason.
    pub fn load(files: &[(&str, &str)]) -> Result<Self, DeclarationErrors> {
        let all: Vec<(&str, &str)> = EMBEDDED.iter().chain(files).copied().collect();
        Self::load_only(&all)
    }

    /// Only `files`, without the embedded ones.
    ///
    /// # Errors
    /// As [`Declarations::load`].
    pub fn load_only(files: &[(&str, &str)]) -> Result<Self, DeclarationErrors> {
        let mut errors = Vec::new();
        let raw = raw::read(files, &mut errors);
        let declarations = check::check(raw, &mut errors);
        if errors.is_empty() {
            Ok(declarations)
        } else {
            Err(DeclarationErrors::new(errors))
        }
    }

    /// The same declarations with other clique types and constraints, as an operator edits them.
    ///
    /// # Errors
    /// As [`Declarations::load`]; `file` names where the texts came from.
    pub fn with_cliques(&self, file: &str, toml: &str) -> Result<Self, DeclarationErrors> {
        let mut errors = Vec::new();
        let raw = raw::read(&[(file, toml)], &mut errors);
        let mut changed = self.clone();
        (changed.cliques, changed.constraints) = check::cliques(raw, self, &mut errors);
        if errors.is_empty() {
            Ok(changed)
        } else {
            Err(DeclarationErrors::new(errors))
        }
    }

    /// In the order of their names.
    pub fn object_types(&self) -> impl Iterator<Item = &TypeRule> {
        let mut types: Vec<&TypeRule> = self.types.values().collect();
        types.sort_by(|a, b| a.name.cmp(&b.name));
        types.into_iter()
    }

    pub fn object_type(&self, name: &ObjectType) -> Option<&TypeRule> {
        self.types.get(name)
    }

    pub fn link_rules(&self) -> impl Iterator<Item = &LinkRule> {
        self.links.iter()
    }

    pub fn link_rule(&self, link_type: &LinkType) -> Option<&LinkRule> {
        self.links.get(*self.link_places.get(link_type)?)
    }

    pub fn clique_types(&self) -> impl Iterator<Item = &CliqueType> {
        self.cliques.iter()
    }

    pub fn clique_constraints(&self) -> impl Iterator<Item = &CliqueConstraint> {
        self.constraints.iter()
    }

    pub fn cause_rules(&self) -> impl Iterator<Item = &CauseRule> {
        self.causes.iter()
    }

    /// How objects of a type come by an attribute they do not have themselves.
    pub(crate) fn stamp(&self, object_type: &ObjectType, attribute: &str) -> Option<&StampRule> {
        let stamps = self.stamps.get(object_type)?;
        let found = stamps.iter().find(|(name, _)| **name == *attribute);
        found.map(|(_, rule)| rule)
    }

    /// Lower ranks are believed first; kinds that no file ranks come last, together.
    pub(crate) fn rank(&self, kind: &SourceKind) -> u32 {
        self.ranks.get(kind).copied().unwrap_or(u32::MAX)
    }
}
