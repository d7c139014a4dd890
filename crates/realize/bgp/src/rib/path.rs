//! A path of a prefix, and the prefix with its paths, as they are kept: the common case, one path, in one piece.

use super::audience::{AudienceId, Slot};
use super::intern::SetId;
use super::key::Space;
use super::view::Rejection;

/// Where a path comes from, in two octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SourceId(u16);

impl SourceId {
    pub(crate) const LOCAL: Self = Self(u16::MAX);
    /// No path at all.
    const ABSENT: Self = Self(u16::MAX - 1);

    pub(crate) const fn peer(slot: Slot) -> Self {
        Self(slot.0)
    }

    pub(crate) const fn slot(self) -> Option<Slot> {
        if self.0 < Self::ABSENT.0 {
            Some(Slot(self.0))
        } else {
            None
        }
    }
}

/// How far a path is out of date (RFC 4724 4.2, RFC 9494 4.2, RFC 7313 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Freshness {
    #[default]
    Fresh,
    /// Its peer announces everything again (enhanced refresh).
    Refreshing,
    /// Its peer restarts.
    Stale,
    /// It has been away for long.
    LongLived,
}

/// The number of an order about all that a peer has announced in a family so far. It wraps, so it tells apart only orders
/// that are not far from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OrderNumber(u8);

impl OrderNumber {
    pub(crate) const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    pub(crate) const fn is_before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i8) < 0
    }
}

/// A path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path<X> {
    pub(crate) received: SetId,
    /// After import; `NONE` if rejected.
    pub(crate) used: SetId,
    /// As received.
    pub(crate) path_id: u32,
    /// When it was learnt, in the table's count of changes, wrapping.
    pub(crate) age: u32,
    pub(crate) source: SourceId,
    /// The path id we send it with, unique in its prefix, from 1.
    pub(crate) sent_as: u16,
    pub(crate) freshness: Freshness,
    pub(crate) rejection: Option<Rejection>,
    pub(crate) multipath: bool,
    /// Orders up to this one are none of its concern any more.
    pub(crate) done: OrderNumber,
    pub(crate) extra: X,
}

impl<X> Path<X> {
    pub(crate) fn is(&self, source: SourceId, path_id: u32) -> bool {
        self.source == source && self.path_id == path_id
    }

    pub(crate) const fn usable(&self) -> bool {
        self.rejection.is_none()
    }
}

const NONE: u32 = u32::MAX;

/// A prefix.
#[derive(Debug)]
pub(crate) struct Entry<S: Space> {
    pub(crate) key: S::Key,
    /// Who has been sent the best path (those with add-path are kept per path, elsewhere).
    pub(crate) sent: AudienceId,
    /// Where the paths after the first are.
    pub(super) rest: u32,
    /// In preference order, usable ones first.
    pub(super) first: Path<S::Extra>,
}

impl<S: Space> Entry<S> {
    pub(super) fn new(key: S::Key) -> Self {
        Self {
            key,
            sent: AudienceId::NOBODY,
            rest: NONE,
            first: Path {
                received: SetId::NONE,
                used: SetId::NONE,
                path_id: 0,
                age: 0,
                source: SourceId::ABSENT,
                sent_as: 0,
                freshness: Freshness::Fresh,
                rejection: None,
                multipath: false,
                done: OrderNumber::default(),
                extra: S::Extra::default(),
            },
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.source == SourceId::ABSENT
    }

    pub(super) fn clear(&mut self) {
        self.first.source = SourceId::ABSENT;
        self.first.used = SetId::NONE;
    }

    pub(super) const fn has_rest(&self) -> bool {
        self.rest != NONE
    }

    pub(super) fn take_rest(&mut self) -> u32 {
        std::mem::replace(&mut self.rest, NONE)
    }

    /// The best path.
    pub(crate) fn best(&self) -> Option<&Path<S::Extra>> {
        (!self.is_empty() && self.first.usable()).then_some(&self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rib::key::Unicast4;

    #[test]
    fn an_ipv4_prefix_with_its_path_takes_forty_bytes() {
        assert!(size_of::<Entry<Unicast4>>() <= 40);
    }
}
