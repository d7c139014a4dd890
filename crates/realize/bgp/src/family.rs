//! Address families: the (AFI, SAFI) pairs this speaker knows.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// An address family (IANA "Address Family Numbers" and "SAFI").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Family {
    /// 1/1 (RFC 4760), next hops of either family (RFC 8950).
    Ipv4Unicast,
    /// 2/1
    Ipv6Unicast,
    /// 1/4 (RFC 8277)
    Ipv4Labeled,
    /// 2/4
    Ipv6Labeled,
    /// 1/128 (RFC 4364)
    Vpnv4,
    /// 2/128 (RFC 4659)
    Vpnv6,
    /// 25/70 (RFC 7432)
    Evpn,
    /// 1/132 (RFC 4684)
    RouteTarget,
}

impl Family {
    pub const ALL: [Self; 8] = [
        Self::Ipv4Unicast,
        Self::Ipv6Unicast,
        Self::Ipv4Labeled,
        Self::Ipv6Labeled,
        Self::Vpnv4,
        Self::Vpnv6,
        Self::Evpn,
        Self::RouteTarget,
    ];

    /// The AFI and SAFI on the wire.
    pub const fn codes(self) -> (u16, u8) {
        match self {
            Self::Ipv4Unicast => (1, 1),
            Self::Ipv6Unicast => (2, 1),
            Self::Ipv4Labeled => (1, 4),
            Self::Ipv6Labeled => (2, 4),
            Self::Vpnv4 => (1, 128),
            Self::Vpnv6 => (2, 128),
            Self::Evpn => (25, 70),
            Self::RouteTarget => (1, 132),
        }
    }

    pub fn from_codes(afi: u16, safi: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|family| family.codes() == (afi, safi))
    }

    /// The name in configuration, CLI and API: that of the configuration file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ipv4Unicast => "ipv4-unicast",
            Self::Ipv6Unicast => "ipv6-unicast",
            Self::Ipv4Labeled => "ipv4-labeled",
            Self::Ipv6Labeled => "ipv6-labeled",
            Self::Vpnv4 => "vpnv4",
            Self::Vpnv6 => "vpnv6",
            Self::Evpn => "evpn",
            Self::RouteTarget => "route-target",
        }
    }
}

impl FromStr for Family {
    type Err = FamilyError;

    fn from_str(text: &str) -> Result<Self, FamilyError> {
        Self::ALL
            .into_iter()
            .find(|family| family.name() == text)
            .ok_or_else(|| FamilyError(text.to_owned()))
    }
}

/// A word that names no family.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "unknown address family {0:?}: use ipv4-unicast, ipv6-unicast, ipv4-labeled, ipv6-labeled, vpnv4, vpnv6, evpn or route-target"
)]
pub struct FamilyError(String);

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An address family as it is on the wire, known to this speaker or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AfiSafi {
    pub afi: u16,
    pub safi: u8,
}

impl AfiSafi {
    pub fn family(self) -> Option<Family> {
        Family::from_codes(self.afi, self.safi)
    }
}

impl From<Family> for AfiSafi {
    fn from(family: Family) -> Self {
        let (afi, safi) = family.codes();
        Self { afi, safi }
    }
}

impl fmt::Display for AfiSafi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.family() {
            Some(family) => write!(f, "{family}"),
            None => write!(f, "afi {} safi {}", self.afi, self.safi),
        }
    }
}

/// A set of families, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FamilySet(u8);

impl FamilySet {
    pub const EMPTY: Self = Self(0);
    pub const ALL: Self = Self(0xff);

    pub const fn contains(self, family: Family) -> bool {
        self.0 & (1 << family as u8) != 0
    }

    pub fn insert(&mut self, family: Family) {
        self.0 |= 1 << family as u8;
    }

    pub fn remove(&mut self, family: Family) {
        self.0 &= !(1 << family as u8);
    }

    #[must_use]
    pub const fn without(self, family: Family) -> Self {
        Self(self.0 & !(1 << family as u8))
    }

    pub fn iter(self) -> impl Iterator<Item = Family> {
        Family::ALL
            .into_iter()
            .filter(move |family| self.contains(*family))
    }

    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Family> for FamilySet {
    fn from_iter<I: IntoIterator<Item = Family>>(families: I) -> Self {
        let mut set = Self::EMPTY;
        families.into_iter().for_each(|family| set.insert(family));
        set
    }
}

impl fmt::Display for FamilySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Family::name).collect();
        match names.is_empty() {
            true => f.write_str("none"),
            false => f.write_str(&names.join(", ")),
        }
    }
}

impl fmt::Debug for FamilySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
