//! What two speakers agreed on, as far as the codec must know it: one value for what comes in, one for what goes out.

use super::{MAX_EXTENDED_MESSAGE, MAX_MESSAGE};
use crate::FamilySet;

/// What decoding an UPDATE of a peer depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CodecContext {
    /// AS numbers in AS_PATH and AGGREGATOR have 4 octets (RFC 6793).
    pub as4: bool,
    /// Messages may have 65,535 octets (RFC 8654).
    pub extended_message: bool,
    /// The peer is in another AS: LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST of it are discarded (RFC 7606 7.5, 7.9, 7.10).
    pub ebgp: bool,
    /// Negotiated families; MP attributes of others are ignored.
    pub families: FamilySet,
    /// Families whose NLRI of the peer have path identifiers (RFC 7911).
    pub add_path_rx: FamilySet,
    /// IPv4 families whose next hop may be an IPv6 address (RFC 8950).
    pub extended_next_hop: FamilySet,
}

impl CodecContext {
    pub const fn max_message(&self) -> usize {
        if self.extended_message {
            MAX_EXTENDED_MESSAGE
        } else {
            MAX_MESSAGE
        }
    }
}

/// What encoding an UPDATE for a peer depends on; peers with equal contexts can share messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EncodeContext {
    pub as4: bool,
    /// Families whose NLRI to the peer carry path identifiers.
    pub add_path_tx: FamilySet,
    /// Greatest length of a message, header included, in octets: [`MAX_MESSAGE`] or [`MAX_EXTENDED_MESSAGE`].
    pub max_message: usize,
}

impl Default for EncodeContext {
    fn default() -> Self {
        Self {
            as4: true,
            add_path_tx: FamilySet::EMPTY,
            max_message: MAX_MESSAGE,
        }
    }
}
