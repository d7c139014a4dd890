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

mod audience;
mod best;
mod changes;
mod config;
mod configure;
mod default_route;
mod dry_run;
mod executor;
mod export;
mod group;
mod import;
mod ingest;
mod intern;
mod key;
mod lifecycle;
mod local;
mod membership;
mod nexthop;
mod observe;
mod path;
mod peer;
mod plan;
mod read;
mod reimport;
mod rtc;
mod shard;
mod slab;
mod sweep;
mod tables;
mod trie;
mod view;
mod vrf;

pub use best::Reason;
pub use config::{
    AddPathSend, BestPathOptions, MacVrfConfig, NextHopMode, PeerInfo, PeerKind, Reach,
    RemovePrivate, RibChange, RibConfig, TableId, VrfConfig, VrfId, VtepConfig,
};
pub use executor::{Executor, Job};
pub use read::SCANNED;
pub use view::{
    BestPath, Counts, Direction, Effect, Explanation, ExportView, Origin, Page, PathState,
    PathView, PolicyEffect, Rejection, Select, SentView, TableChange, TableCounts, UpdateOutcome,
    Withheld,
};
pub use vrf::origin_network;

use self::audience::Slot;
use self::changes::Marker;
use self::group::{Group, Held, Pending};
use self::intern::{AttributeSets, Identity};
use self::nexthop::NextHops;
use self::peer::Peers;
use self::rtc::Subscriptions;
use self::sweep::Sweep;
use self::tables::{Tables, with_table};
use self::vrf::{Place, Vrfs};
use crate::attribute::Attributes;
use crate::nlri::{Nlri, Route, RouteTarget};
use crate::policy::{Policies, PolicyName};
use crate::{Family, FamilySet, PeerId};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// The routing tables of a speaker.
#[derive(Debug)]
pub struct Rib {
    config: RibConfig,
    policies: Arc<Policies>,
    /// How often what a policy says has changed.
    policy_epochs: BTreeMap<PolicyName, u32>,
    sets: AttributeSets,
    tables: Tables,
    peers: Peers,
    hops: NextHops,
    /// What is ordered for many paths and not carried out everywhere.
    sweeps: [Sweep; Family::ALL.len()],
    groups: Vec<Group>,
    subscriptions: Subscriptions,
    pending: BTreeMap<Slot, Pending>,
    held: Held,
    vrfs: Vrfs,
    /// What VRFs have to look at.
    to_leak: Vec<Place>,
    /// Routes originated in VRFs, as they were given.
    originated: BTreeMap<(TableId, Nlri), (Route, Attributes)>,
    /// The families in which there is a path for default-originate.
    default_routes: FamilySet,
    /// Targets our VRFs import, which we ask peers for.
    memberships: BTreeSet<RouteTarget>,
    /// Peers that are sent VPN routes of all targets: for them we ask for all.
    unconstrained: BTreeSet<PeerId>,
    observed: BTreeMap<TableId, Vec<Marker>>,
    /// Changes of observed tables that are gone.
    parting: Vec<TableChange>,
    executor: Option<Arc<dyn Executor>>,
}

impl Rib {
    pub fn new(config: RibConfig) -> Self {
        let own = Identity {
            asn: config.asn,
            router_id: config.router_id,
            cluster_id: config.cluster_id,
        };
        let shards = config.shards.clamp(1, 64);
        let (vrfs, mac_vrfs) = (config.vrfs.clone(), config.mac_vrfs.clone());
        let mut rib = Self {
            policies: Arc::new(config.policies.clone()),
            policy_epochs: BTreeMap::new(),
            sets: AttributeSets::new(own),
            tables: Tables::new(shards),
            peers: Peers::default(),
            hops: NextHops::default(),
            sweeps: Default::default(),
            groups: Vec::new(),
            subscriptions: Subscriptions::default(),
            pending: BTreeMap::new(),
            held: Held::default(),
            vrfs: Vrfs::default(),
            to_leak: Vec::new(),
            originated: BTreeMap::new(),
            default_routes: FamilySet::EMPTY,
            memberships: BTreeSet::new(),
            unconstrained: BTreeSet::new(),
            observed: BTreeMap::new(),
            parting: Vec::new(),
            executor: None,
            config: RibConfig {
                vrfs: Vec::new(),
                mac_vrfs: Vec::new(),
                ..config
            },
        };
        rib.change_vrfs(vrfs);
        rib.change_mac_vrfs(mac_vrfs);
        rib
    }

    /// Has large work on tables of several shards run by `executor`. It changes how long calls take and nothing else.
    pub fn set_executor(&mut self, executor: Arc<dyn Executor>) {
        self.executor = Some(executor);
    }

    pub const fn config(&self) -> &RibConfig {
        &self.config
    }

    /// Does what is pending: goes on with changes to many paths, brings indices and leaks up to date, makes messages for peers that could send. The work of one
    /// call is bounded; true: there is more, call again.
    pub fn flush(&mut self) -> bool {
        let sweeping = self.sweep();
        self.index_targets();
        self.leak();
        let more = self.produce_all();
        for family in Family::ALL {
            with_table!(self.tables, family, table => {
                table.shards.iter_mut().for_each(shard::Shard::reap);
            });
        }
        self.vrfs.reap();
        more || sweeping
    }

    /// The next whole messages for the peer's socket, up to about 64 KiB; none: there is nothing to send now. Messages are
    /// made as they are asked for, so ask only when the socket can take them.
    pub fn transmit(&mut self, peer: PeerId) -> Option<Bytes> {
        let slot = self.peers.slot(peer)?;
        if !self.produce_for(slot) {
            return None;
        }
        self.peers.get_mut(slot)?.pop()
    }

    /// Whether messages of the peer are made and not taken yet: after [`Self::flush`] of everyone who has something to send.
    pub fn queued(&self, peer: PeerId) -> bool {
        let slot = self.peers.slot(peer);
        slot.and_then(|slot| self.peers.get(slot))
            .is_some_and(|peer| !peer.queue.is_empty())
    }

    /// Whether [`Self::transmit`] would give something.
    pub fn unsent(&self, peer: PeerId) -> bool {
        self.peers
            .slot(peer)
            .is_some_and(|slot| self.has_more_for(slot))
    }

    /// Counts of a peer in a family; all zero if it is unknown.
    pub fn counts(&self, peer: PeerId, family: Family) -> Counts {
        let Some(slot) = self.peers.slot(peer) else {
            return Counts::default();
        };
        let Some(state) = self.peers.get(slot) else {
            return Counts::default();
        };
        let received = state.received[family as usize];
        let advertised = tables::read_table!(self.tables, family, table => table
            .shards
            .iter()
            .map(|shard| shard.audiences.routes_of(slot))
            .sum());
        Counts {
            received: received.paths,
            accepted: received.accepted,
            stale: received.stale,
            advertised,
        }
    }

    /// The next hops of all routes, if there are others than at the last call. What the routing table says of them comes
    /// back as [`RibChange::NextHop`].
    pub fn changed_next_hops(&mut self) -> Option<HashSet<std::net::IpAddr>> {
        self.sets.changed_next_hops()
    }

    /// Distinct attribute sets in use.
    pub fn attribute_sets(&self) -> usize {
        self.sets.len()
    }
}
