//! The routing tables: what peers sent, what is best, what each peer must be sent, already encoded.
//!
//! ```text
//!   update ─► intern ─► import ─► shard: trie, paths, best path ─► change list
//!             (sets)   (policy,                                      │ markers
//!                       loops)        VRFs, target index, observers ◄┤
//!                                                                    ▼
//!   transmit ◄─ queue of a peer ◄─ shared blocks ◄─ encode ◄─ export ◄─ subgroup of peers
//! ```
//!
//! A change is put at the end of its table's list of changes; everyone who needs it, a group of peers above all, has a
//! marker in that list and comes by when it can send. So nothing is computed for a peer that does not read, a route that
//! changes twice in between is sent once, and a slow peer, a new one and a refreshed one are the same thing: a marker
//! further back.
//!
//! It never blocks, reads no clock, and its result depends on nothing but its inputs and their order.

mod best;
mod config;
mod intern;
mod slab;
mod view;
// what follows is published as it is built

pub use best::Reason;
pub use config::{
    AddPathSend, BestPathOptions, MacVrfConfig, NextHopMode, PeerInfo, PeerKind, Reach,
    RemovePrivate, RibChange, RibConfig, TableId, VrfConfig, VrfId,
};
pub use view::{
    BestPath, Counts, Direction, Effect, Explanation, ExportView, Origin, Page, PathState,
    PathView, PolicyEffect, Rejection, Select, SentView, TableChange, UpdateOutcome, Withheld,
};

use crate::message::{RefreshKind, UpdateParts};
use crate::nlri::{Nlri, Route};
use crate::{Family, FamilySet, PeerId};
use bytes::Bytes;

/// The routing tables of a speaker.
#[derive(Debug)]
pub struct Rib {
    config: RibConfig,
}

/// The signatures; bodies follow piece by piece.
impl Rib {
    pub fn new(config: RibConfig) -> Self {
        Self { config }
    }
    pub const fn config(&self) -> &RibConfig {
        &self.config
    }
    /// A session is established. Routes kept from an earlier session of the peer stay stale until [`Self::end_of_rib`].
    pub fn peer_up(&mut self, _peer: PeerId, _info: PeerInfo) {}
    /// A session ended. Routes of families in `keep` become stale (RFC 4724), all others go.
    pub fn peer_down(&mut self, _peer: PeerId, _keep: FamilySet) {}
    /// A peer is no longer configured: everything of it goes.
    pub fn peer_removed(&mut self, _peer: PeerId) {}
    /// Takes in an UPDATE of a peer that is up. `parts` comes from `split` with the peer's [`PeerInfo::codec`].
    pub fn update(&mut self, _peer: PeerId, _parts: &UpdateParts<'_>) -> UpdateOutcome {
        UpdateOutcome::default()
    }
    /// The peer has sent all it has: what is still stale of the family goes. Called by [`Self::update`] itself for the marker.
    pub fn end_of_rib(&mut self, _peer: PeerId, _family: Family) {}
    /// Stale routes become long-lived stale (RFC 9494 4.2); those with NO_LLGR go.
    pub fn start_llgr(&mut self, _peer: PeerId, _family: Family) {}
    /// Stale routes go: a timer of the caller's ran out.
    pub fn sweep_stale(&mut self, _peer: PeerId, _family: Family) {}
    /// All routes of the family go (a family disabled by RFC 7606).
    pub fn clear_family(&mut self, _peer: PeerId, _family: Family) {}
    /// The peer sent ROUTE-REFRESH: `Request` sends it the family again (between BoRR and EoRR if `enhanced`), `Begin` and
    /// `End` bracket what it sends us again (RFC 7313).
    pub fn refresh(&mut self, _peer: PeerId, _family: Family, _kind: RefreshKind, _enhanced: bool) {
    }
    /// The peer's route targets are known, or the caller waited long enough (RFC 4684): VPN and EVPN routes may go out.
    pub fn memberships_complete(&mut self, _peer: PeerId) {}
    /// Originates a route; [`TableId::Vrf`] and [`TableId::MacVrf`] export it with RD, label and route targets.
    pub fn originate(
        &mut self,
        _table: TableId,
        _route: Route,
        _attributes: crate::attribute::Attributes,
    ) {
    }
    pub fn withdraw_local(&mut self, _table: TableId, _nlri: &Nlri) {}
    pub fn configure(&mut self, _change: RibChange) {}
    /// Does pending work: leaks, encodes for peers that could send. Bounded; true: call again.
    pub fn flush(&mut self) -> bool {
        false
    }
    /// The next whole messages for the peer's socket, up to about 64 KiB; none: nothing to send now.
    pub fn transmit(&mut self, _peer: PeerId) -> Option<Bytes> {
        None
    }
    /// Whether [`Self::transmit`] would give something.
    pub fn unsent(&self, _peer: PeerId) -> bool {
        false
    }
    /// Counts of a peer in a family.
    pub fn counts(&self, _peer: PeerId, _family: Family) -> Counts {
        Counts::default()
    }
}
