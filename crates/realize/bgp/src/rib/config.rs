//! What the RIB is told: its own identity, best-path options, peers, VRFs. Plain values; nothing here decides anything.

use crate::nlri::{Label, Mac, RouteDistinguisher, RouteTarget};
use crate::policy::{Policies, PolicyName};
use crate::{Asn, Family, FamilySet, PeerId, RouterId};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The identity of the speaker and what holds for every peer.
#[derive(Debug, Clone)]
pub struct RibConfig {
    pub asn: Asn,
    pub router_id: RouterId,
    /// CLUSTER_ID as a route reflector (RFC 4456 8); the router id unless configured.
    pub cluster_id: Ipv4Addr,
    pub best_path: BestPathOptions,
    pub policies: Policies,
    pub vrfs: Vec<VrfConfig>,
    pub mac_vrfs: Vec<MacVrfConfig>,
    /// Shards per table, 1 to 64; a prefix block is in one shard.
    pub shards: usize,
    /// Bytes of encoded messages a group of peers may hold before its slowest members are served by a walk of their own.
    pub backlog: usize,
    /// Entries of every shard looked at in one go, from 1: what one call may do for a group of peers, or to paths of which many
    /// change at once.
    pub slice: u32,
}

impl RibConfig {
    pub fn new(asn: Asn, router_id: RouterId) -> Self {
        Self {
            asn,
            router_id,
            cluster_id: router_id,
            best_path: BestPathOptions::default(),
            policies: Policies::default(),
            vrfs: Vec::new(),
            mac_vrfs: Vec::new(),
            shards: 1,
            backlog: 1 << 20,
            slice: 4096,
        }
    }
}

/// Options of the decision process (RFC 4271 9.1.2); the defaults are the RFC's, with MED compared deterministically.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct BestPathOptions {
    /// Skip the AS path length step.
    pub ignore_as_path_length: bool,
    /// Compare MED between paths of different neighbour ASes.
    pub always_compare_med: bool,
    /// A path without MED is worst (2^32 - 1) instead of best (0).
    pub missing_med_as_worst: bool,
    /// Compare MED within each neighbour AS first, so that the order of arrival has no influence.
    pub deterministic_med: bool,
    /// Among external paths, the one learnt first wins before router ids are compared (less churn, depends on history).
    pub prefer_oldest: bool,
    /// How many equal external paths may be used together.
    pub multipath_external: u16,
    /// How many equal internal paths may be used together.
    pub multipath_internal: u16,
    /// Multipath needs equal AS path length only, not the same path.
    pub multipath_relax_as_path: bool,
}

impl Default for BestPathOptions {
    fn default() -> Self {
        Self {
            ignore_as_path_length: false,
            always_compare_med: false,
            missing_med_as_worst: false,
            deterministic_med: true,
            prefer_oldest: false,
            multipath_external: 1,
            multipath_internal: 1,
            multipath_relax_as_path: false,
        }
    }
}

/// What the peer is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerKind {
    External,
    Internal,
    /// Internal, and a client of this route reflector (RFC 4456).
    Client,
}

/// How many paths of a prefix a peer gets (RFC 7911).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddPathSend {
    All,
    Best(u16),
}

/// Which next hop is sent.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum NextHopMode {
    /// RFC 4271 5.1.3: ourselves to external peers (a third party on the shared subnet is kept), unchanged to internal
    /// ones. VPN and EVPN next hops are kept even to external peers: their labels mean something only there.
    #[default]
    Standard,
    /// Ourselves, reflected routes included. Of the unicast families: all others keep the next hop their labels and tunnels
    /// mean something at.
    OnlySelf,
    /// Never changed (route servers, inter-AS option C).
    Unchanged,
}

/// Removal of private ASNs (RFC 6996) from the path sent to an external peer.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum RemovePrivate {
    #[default]
    No,
    /// Drop them.
    Remove,
    /// Put our own ASN in their place, which keeps the length.
    Replace,
}

/// An established session, as the RIB needs to know it. Changing anything that both sides negotiated needs a new session;
/// the rest may change live through [`super::RibChange::Peer`].
#[derive(Debug, Clone)]
pub struct PeerInfo {
    pub kind: PeerKind,
    /// The peer's AS.
    pub asn: Asn,
    /// Our AS towards this peer; not [`RibConfig::asn`] with local-as.
    pub local_asn: Asn,
    pub address: IpAddr,
    pub router_id: RouterId,
    /// Our end of the session: the next hop "ourselves" of its own family.
    pub local_address: IpAddr,
    /// The next hop "ourselves" in the other family, if there is one.
    pub local_address_other: Option<IpAddr>,
    /// Sent beside a global IPv6 next hop on a shared link (RFC 2545 3).
    pub local_link_local: Option<Ipv6Addr>,
    /// The subnet both ends share, for third-party next hops.
    pub shared_subnet: Option<IpNet>,
    /// Families negotiated.
    pub families: FamilySet,
    /// Families in which we send path ids, and how many paths.
    pub add_path_send: FamilySet,
    pub add_path_limit: AddPathSend,
    /// IPv4 families that may have IPv6 next hops (RFC 8950).
    pub extended_next_hop: FamilySet,
    /// Four-octet ASNs negotiated.
    pub as4: bool,
    /// 4096, or 65535 with extended messages on both sides.
    pub max_message: usize,
    /// How its UPDATEs are decoded; negotiated.
    pub codec: crate::message::CodecContext,
    pub import: Option<PolicyName>,
    pub export: Option<PolicyName>,
    /// RFC 8212: an external peer without a policy gets and gives nothing. Off only by explicit configuration.
    pub require_policy: bool,
    pub next_hop: NextHopMode,
    pub as_override: bool,
    /// With local-as: it is prepended in place of our real AS, not before it.
    pub replace_as: bool,
    pub remove_private: RemovePrivate,
    /// Unicast families in which it is sent a default route of ours in place of any other; no policy is asked.
    pub default_originate: FamilySet,
    /// External: the first AS of its paths must be its own. Off for route-server clients.
    pub enforce_first_as: bool,
    /// How often our own AS may stand in a received path.
    pub allow_own_as: u8,
    /// Our ASN is not prepended and next hops are kept (RFC 7947).
    pub route_server_client: bool,
    pub role: Option<crate::message::Role>,
    /// LLGR negotiated, per family (RFC 9494): it may be sent stale routes.
    pub llgr: FamilySet,
    /// Send stale routes even without LLGR (RFC 9494 4.7, partial deployment: with NO_EXPORT and LOCAL_PREF 0).
    pub llgr_partial: bool,
    /// GRACEFUL_SHUTDOWN (RFC 8326) is honoured from external peers: LOCAL_PREF becomes 0.
    pub graceful_shutdown: bool,
}

impl PeerInfo {
    pub const fn external(&self) -> bool {
        matches!(self.kind, PeerKind::External)
    }
}

/// A VRF, its number stable while it is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VrfId(pub u32);

/// An L3 VRF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VrfConfig {
    pub id: VrfId,
    pub name: String,
    pub rd: RouteDistinguisher,
    pub import: Vec<RouteTarget>,
    pub export: Vec<RouteTarget>,
    /// The label or VNI its own routes carry in VPNv4/VPNv6; none: not originated there.
    pub label: Option<Label>,
    /// The next hop of routes originated from it there.
    pub next_hop: IpAddr,
    /// What its own routes say as EVPN type 5; none: not originated there.
    pub evpn: Option<VtepConfig>,
}

/// Where an L3 VRF is reached through VXLAN (RFC 9136 4.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VtepConfig {
    pub vni: Label,
    /// The next hop.
    pub address: IpAddr,
    /// The inner destination MAC of packets to it; none: not told, and who must have one does not use the routes.
    pub router_mac: Option<Mac>,
}

/// An L2 domain (MAC-VRF).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacVrfConfig {
    pub id: VrfId,
    pub name: String,
    pub rd: RouteDistinguisher,
    pub import: Vec<RouteTarget>,
    pub export: Vec<RouteTarget>,
    /// The network it is the L2 domain of; guards against joining two domains by a shared target.
    pub network: u32,
}

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableId {
    /// What is exchanged with peers.
    Global(Family),
    /// Ipv4Unicast or Ipv6Unicast of a VRF.
    Vrf(VrfId, Family),
    /// EVPN types 1 to 4 and 6 of an L2 domain, keyed without RD.
    MacVrf(VrfId),
}

/// A live change of configuration; no session is reset for it.
#[derive(Debug, Clone)]
pub enum RibChange {
    BestPath(BestPathOptions),
    /// All policies; only peers whose policies differ (references included) are recomputed.
    Policies(Policies),
    /// A peer's options that need no negotiation.
    Peer(PeerId, Box<PeerInfo>),
    Vrfs(Vec<VrfConfig>),
    MacVrfs(Vec<MacVrfConfig>),
    /// What the routing table says about a next hop. A next hop never told of counts as reachable at metric 0.
    NextHop(IpAddr, Reach),
}

/// Whether and how far a next hop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    Metric(u32),
    /// Only by a route that BGP itself has put there: the far end of a tunnel may be found so, the next hop of what is
    /// routed hop by hop may not, or routes could lead to themselves.
    Tunnel(u32),
    Unreachable,
}
