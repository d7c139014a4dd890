//! Short names for the contents of units, so that an agent can say what it has without sending it.

use crate::DecodeError;
use crate::field::fixed;
use ring::digest::SHA256;
use std::fmt;

/// The first 16 bytes of the SHA-256 (FIPS 180-4) of an encoded unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 16]);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({:032x})", u128::from_be_bytes(self.0))
    }
}

impl Digest {
    pub(crate) fn decode(field: &'static str, bytes: &[u8]) -> Result<Self, DecodeError> {
        fixed(field, bytes, "16").map(Self)
    }
}

/// The digest of a unit as [`encode_unit`](crate::encode_unit) made it.
pub fn digest(encoded: &[u8]) -> Digest {
    let full = ring::digest::digest(&SHA256, encoded);
    let mut short = [0; 16];
    short.copy_from_slice(&full.as_ref()[..16]);
    Digest(short)
}
