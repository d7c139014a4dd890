//! A 24-bit label field: an MPLS label with its bottom-of-stack bit, or a VNI (RFC 8365 5.1.3), kept as it was sent.

use std::fmt;

/// The 24 bits of a label field in NLRI. Whether they are an MPLS label or a VNI follows from the encapsulation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Label(u32);

impl Label {
    /// What RFC 8277 2.4 says to send in a withdraw.
    pub const WITHDRAWN: Self = Self(0x80_0000);

    /// Label 3 (RFC 3032 2.1): the packet goes without one.
    pub const IMPLICIT_NULL: Self = Self::from_mpls(3);

    /// From the 24 bits of the field; higher bits are dropped.
    pub const fn from_field(bits: u32) -> Self {
        Self(bits & 0xff_ffff)
    }

    /// A 20-bit MPLS label, bottom of stack.
    pub const fn from_mpls(label: u32) -> Self {
        Self((label & 0xf_ffff) << 4 | 1)
    }

    pub const fn from_vni(vni: u32) -> Self {
        Self::from_field(vni)
    }

    pub const fn field(self) -> u32 {
        self.0
    }

    pub const fn mpls(self) -> u32 {
        self.0 >> 4
    }

    pub const fn vni(self) -> u32 {
        self.0
    }

    pub const fn bottom_of_stack(self) -> bool {
        self.0 & 1 == 1
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#08x}", self.0)
    }
}
