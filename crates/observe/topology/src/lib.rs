//! The map: typed objects of a cloud, the links between them, and every version of both.
//!
//! Scanners and event listeners state what they read as [`Reading`]s; a [`Map`] takes them in, derives links by declared rules, and keeps
//! each state as an immutable [`Version`]. Object types, link rules, clique types and cause rules are declarations in files; nothing here
//! knows an object type by name. This room does no I/O and reads no clock: times and bytes come in as arguments.

mod cause;
mod clique;
mod declare;
mod derive;
mod diff;
mod error;
mod events;
mod health;
mod history;
mod impact;
mod layout;
mod link;
mod map;
mod merge;
mod message;
pub mod monitoring;
mod name;
mod notification;
mod object;
mod path;
mod reading;
mod record;
mod report;
mod schedule;
mod search;
mod state;
mod subnets;
mod table;
mod template;
mod tree;
mod version;

pub use cause::{RootCause, RootCauses};
pub use clique::{Clique, score};
pub use declare::{
    AttributeKind, CauseRule, CliqueConstraint, CliqueScope, CliqueType, DeclarationError,
    DeclarationErrors, Declarations, Depends, Folder, ImpactBy, LinkRule, TypeRule,
};
pub use diff::{
    AttributeChange, ChangeKind, ChangedEdge, ChangedNode, ChangesPicture, CliqueChange, Diff,
    HealthChange, LinkDifference, ObjectChange, Subject,
};
pub use error::TopologyError;
pub use events::{HANDLED, effect};
pub use health::{Check, CheckResult, Status, StatusLevel, Target};
pub use history::{History, Label, Moment, Retention};
pub use impact::{Hurt, Impact, ImpactCounts};
pub use layout::{Edge, Layout, Overview, OverviewQuery, Position, Supernode};
pub use link::{Link, LinkKey, LinkState};
pub use map::{Batch, Changes, Committed, Map};
pub use message::{Message, MessageQuery, Messages, Severity};
pub use name::{Environment, LinkType, ObjectId, ObjectKey, ObjectType, SourceKind};
pub use notification::{Effect, Notification, Related, Rescan, Verdict};
pub use object::{Attribute, Claim, Handle, Object, ObjectRef, Origin, Stale};
pub use path::{Reach, Subgraph};
pub use reading::{Coverage, Draft, Extent, Reading, Scope, Source};
pub use record::{Record, Replayed, VersionRecord};
pub use report::{Report, ReportFormat, Section, csv_row};
pub use schedule::{Due, Schedule, ScheduleError, ScheduleState};
pub use search::{Hit, Match, SearchQuery, SearchResult};
pub use subnets::subnets_by_name;
pub use tree::{Place, Row};
pub use version::{Cause, Profile, Version};
