//! What every resource carries beside its own attributes.

use crate::ProjectId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

pub use jiff::Timestamp;

/// Owner, texts, times and revision of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    pub project_id: ProjectId,
    pub name: String,
    pub description: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Counts the writes of this one object, from 0; what `If-Match: revision_number=` compares.
    pub revision_number: u64,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
}

impl Meta {
    pub fn new(project_id: ProjectId, name: String, description: String, now: Timestamp) -> Self {
        Self {
            project_id,
            name,
            description,
            created_at: now,
            updated_at: now,
            revision_number: 0,
            tags: BTreeSet::new(),
        }
    }

    /// Records one more write.
    pub fn touch(&mut self, now: Timestamp) {
        self.updated_at = now;
        self.revision_number += 1;
    }
}
