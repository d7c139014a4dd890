//! The map: typed objects of a cloud, the links between them, and every version of both.
//!
//! Scanners and event listeners state what they read as [`Reading`]s; a map takes them in, derives links by declared rules, and keeps
//! each state as an immutable version. Object types, link rules, clique types and cause rules are declarations in files; nothing here
//! knows an object type by name. This room does no I/O and reads no clock: times and bytes come in as arguments.

mod error;
mod name;
mod notification;
mod reading;

pub use error::TopologyError;
pub use name::{Environment, ObjectId, ObjectKey, ObjectType, SourceKind};
pub use notification::{Effect, Notification, Related, Rescan, Verdict};
pub use reading::{Coverage, Draft, Extent, Reading, Scope, Source};
