//! Faults of an UPDATE and what RFC 7606 says to do about each, from weakest to strongest.

use super::{Notification, NotificationCode};
use crate::Family;
use crate::attribute::rules;
use crate::nlri::NlriError;
use std::fmt;
use thiserror::Error;

/// RFC 7606 2 without its two strongest approaches, which are [`UpdateError`]s; ordered by strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// Go on as if the attribute had not been there.
    Discard,
    /// Handle all routes of the message as if they were in its withdrawn routes.
    TreatAsWithdraw,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The attribute's code; `None` where the fault is not in one.
    pub attribute: Option<u8>,
    pub kind: FaultKind,
    pub disposition: Disposition,
    /// The attribute as received, header included, at most 256 octets of it.
    pub bytes: Box<[u8]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// Optional or Transitive conflicts with the attribute's definition.
    Flags(u8),
    /// The length is not one its definition allows.
    Length(usize),
    /// The content is not what its definition allows.
    Value(&'static str),
    /// Not its first occurrence.
    Duplicate,
    /// A mandatory attribute is not there.
    Missing,
    /// It means something only within one AS, and came from another.
    FromExternal,
    /// It means something only from 2-octet speakers, and came from a 4-octet one (RFC 6793 6).
    FromNewSpeaker,
    /// The attribute's header or value runs past the end of the attributes (RFC 7606 4).
    Overrun,
    /// Well-known by its flags but not known to us.
    UnrecognizedWellKnown,
    /// A length of the UPDATE's own fields is past its end.
    Fields,
    NextHopLength(usize),
    Nlri(NlriError),
}

impl Fault {
    pub(crate) fn new(
        attribute: u8,
        kind: FaultKind,
        disposition: Disposition,
        bytes: &[u8],
    ) -> Self {
        Self {
            attribute: Some(attribute),
            kind,
            disposition,
            bytes: bytes[..bytes.len().min(256)].into(),
        }
    }

    /// What a NOTIFICATION about it says: RFC 7606 leaves the codes of RFC 4271 6.3 in place.
    pub(crate) fn notification(&self) -> Notification {
        use NotificationCode as Code;
        let code = match (&self.kind, self.attribute) {
            (FaultKind::Flags(_), _) => Code::ATTRIBUTE_FLAGS,
            (FaultKind::Missing, Some(code)) => {
                return Notification::new(Code::MISSING_WELL_KNOWN, &[code]);
            }
            (FaultKind::UnrecognizedWellKnown, _) => Code::UNRECOGNIZED_WELL_KNOWN,
            (FaultKind::Nlri(_), None) => Code::INVALID_NETWORK,
            (FaultKind::Duplicate | FaultKind::Fields | FaultKind::Overrun, _)
            | (FaultKind::Missing, None) => {
                return Notification::new(Code::MALFORMED_ATTRIBUTES, &[]);
            }
            (_, Some(rules::ORIGIN)) => Code::INVALID_ORIGIN,
            (FaultKind::Value(_), Some(rules::AS_PATH)) => {
                return Notification::new(Code::MALFORMED_AS_PATH, &[]);
            }
            (FaultKind::Value(_), Some(rules::NEXT_HOP)) => Code::INVALID_NEXT_HOP,
            (FaultKind::Length(_), Some(code)) if code <= rules::AGGREGATOR => {
                Code::ATTRIBUTE_LENGTH
            }
            _ => Code::OPTIONAL_ATTRIBUTE,
        };
        Notification::new(code, &self.bytes)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flags(flags) => write!(f, "has flags {flags:#04x}, against its definition"),
            Self::Length(length) => write!(f, "has an invalid length of {length} octets"),
            Self::Value(what) => f.write_str(what),
            Self::Duplicate => f.write_str("occurs more than once"),
            Self::Missing => f.write_str("is missing"),
            Self::FromExternal => f.write_str("came from a peer in another AS"),
            Self::FromNewSpeaker => f.write_str("came from a peer that speaks 4-octet AS numbers"),
            Self::Overrun => f.write_str("runs past the end of the attributes"),
            Self::UnrecognizedWellKnown => f.write_str("is called well-known but is not known"),
            Self::Fields => f.write_str("lengths of the message's fields run past its end"),
            Self::NextHopLength(length) => {
                write!(f, "has a next hop of {length} octets, wrong for its family")
            }
            Self::Nlri(error) => write!(f, "{error}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.attribute {
            Some(code) => match rules::rule_of(code) {
                Some(rule) => write!(f, "{} {}", rule.name, self.kind)?,
                None => write!(f, "attribute {code} {}", self.kind)?,
            },
            None => write!(f, "{}", self.kind)?,
        }
        if !self.bytes.is_empty() {
            f.write_str(": ")?;
        }
        self.bytes
            .iter()
            .try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// What cannot be confined to the routes of one message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UpdateError {
    /// The routes cannot be told: the session must be reset with this NOTIFICATION.
    #[error("session reset: {fault}")]
    Reset {
        notification: Notification,
        fault: Fault,
    },
    /// The routes of one family cannot be told, all others can (RFC 4760 7, "AFI/SAFI disable"). To go on: remove the family
    /// from [`super::CodecContext::families`], drop its routes, and split the same message again.
    #[error("family {family} must be disabled: {fault}")]
    DisableFamily { family: Family, fault: Fault },
}

impl UpdateError {
    pub(crate) fn reset(fault: Fault) -> Self {
        Self::Reset {
            notification: fault.notification(),
            fault,
        }
    }

    pub const fn fault(&self) -> &Fault {
        match self {
            Self::Reset { fault, .. } | Self::DisableFamily { fault, .. } => fault,
        }
    }
}
