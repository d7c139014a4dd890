//! A control plane's notification, decoded, and what it makes of the map.
//!
//! `discovery` takes notifications off the bus and opens their envelopes; the functions here say, from the payload and the present
//! version, which readings follow and which parts must be scanned again. They do no I/O: where a host must be asked, they say so.

use crate::{ObjectKey, ObjectType, Reading};
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;

/// An oslo.messaging notification without its envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// As sent: `network.create.end`.
    pub event_type: Arc<str>,
    pub message_id: Arc<str>,
    /// `<service>.<host>`.
    pub publisher_id: Arc<str>,
    /// When it happened, by the sender's clock.
    pub timestamp: Timestamp,
    /// `_context_project_id` (or `_context_tenant_id`) and `_context_project_name`.
    pub project_id: Option<Arc<str>>,
    pub project_name: Option<Arc<str>>,
    pub payload: Value,
}

/// A part of the cloud a scanner must read, because the notification does not hold it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rescan {
    pub start: ObjectKey,
    /// Empty: everything below `start`.
    pub types: Vec<ObjectType>,
}

/// What is to be done with the message on the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Acknowledge.
    Applied,
    /// Acknowledge; the reason nothing changed.
    Ignored(String),
    /// Give it back and try later: something it speaks of is not known yet.
    Retry(String),
    /// Dead-letter it with this reason.
    Refused(String),
}

/// The object a notification is about, for the message that tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    pub object: ObjectKey,
    /// The object to show with it, when it is another one.
    pub context: ObjectKey,
}

/// What a notification makes of the map: `topology::effect(&version, &notification)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    pub verdict: Verdict,
    pub readings: Vec<Reading>,
    pub rescans: Vec<Rescan>,
    pub related: Option<Related>,
}
