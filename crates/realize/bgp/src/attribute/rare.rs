//! Attributes that most routes lack, behind one pointer that is null for them.

use super::{Aggregator, Ipv6ExtendedCommunity, Pmsi, UnknownAttribute};
use crate::{Asn, RouterId};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::Ipv4Addr;
use std::ops::{Deref, DerefMut};
use std::sync::LazyLock;

/// What is behind [`Rare`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct RareAttributes {
    pub aggregator: Option<Aggregator>,
    pub originator_id: Option<RouterId>,
    /// ONLY_TO_CUSTOMER (RFC 9234 5).
    pub only_to_customer: Option<Asn>,
    /// Nearest first (RFC 4456 8).
    pub cluster_list: Box<[Ipv4Addr]>,
    pub pmsi: Option<Box<Pmsi>>,
    pub ipv6_extended: Box<[Ipv6ExtendedCommunity]>,
    /// In the order they came; each code once.
    pub unknown: Box<[UnknownAttribute]>,
}

/// Reads as [`RareAttributes`]; the first write allocates them.
#[derive(Clone, Default)]
pub struct Rare(Option<Box<RareAttributes>>);

static NONE: LazyLock<RareAttributes> = LazyLock::new(RareAttributes::default);

impl Rare {
    /// Whether there can be any: cheap, and exact for what the decoder made.
    pub const fn is_none(&self) -> bool {
        self.0.is_none()
    }
}

impl Deref for Rare {
    type Target = RareAttributes;

    fn deref(&self) -> &RareAttributes {
        self.0.as_deref().unwrap_or_else(|| &NONE)
    }
}

impl DerefMut for Rare {
    fn deref_mut(&mut self) -> &mut RareAttributes {
        self.0.get_or_insert_default()
    }
}

impl PartialEq for Rare {
    fn eq(&self, other: &Self) -> bool {
        (self.is_none() && other.is_none()) || **self == **other
    }
}

impl Eq for Rare {}

impl Hash for Rare {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Allocated but empty must hash like absent, as they are equal.
        let some = self.0.as_deref().filter(|rare| **rare != *NONE);
        some.hash(state);
    }
}

impl fmt::Debug for Rare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
