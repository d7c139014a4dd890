//! From the facts of one host to drafts of objects. Pure: facts in, drafts out.
//!
//! One file per kind of object. Attribute names are those of the inventory that link rules are written against; ids follow the
//! identity rules of the map, so a scan and an event name the same object the same way.

pub mod bonds;
pub mod instances;
pub mod known;
pub mod lldp;
pub mod nodes;
pub mod oteps;
pub mod ovn;
pub mod pnics;
pub mod services;
pub mod vconnectors;
pub mod vedges;
pub mod workloads;

use known::Known;
use serde_json::Value;
use topology::{Draft, Environment, ObjectKey};

/// The host whose facts are read, and what other sources have told of the environment.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub environment: &'a Environment,
    /// The host's id.
    pub host: &'a str,
    pub known: &'a Known,
}

impl Subject<'_> {
    /// A key in the environment; `None` for an id no map takes (empty, or longer than 1 KiB), which no honest host has.
    pub fn key(&self, object_type: &str, id: &str) -> Option<ObjectKey> {
        ObjectKey::new(self.environment, object_type, id).ok()
    }

    pub fn host_key(&self) -> Option<ObjectKey> {
        self.key("host", self.host)
    }

    /// A whole draft under the host, with its `host` attribute.
    pub fn draft(&self, object_type: &str, id: &str, name: &str) -> Option<Draft> {
        Some(
            Draft::whole(self.key(object_type, id)?, name)
                .under(self.host_key()?)
                .with("host", self.host),
        )
    }
}

/// `with` for what may be absent.
pub(crate) fn with_some(draft: Draft, attribute: &str, value: Option<impl Into<Value>>) -> Draft {
    match value {
        Some(value) => draft.with(attribute, value),
        None => draft,
    }
}
