//! From configuration and negotiation to what an OPEN says and what the RIB must know.

use super::action::{ConnInfo, Ttl};
use super::deferral::Earlier;
use super::peer::Peer;
use crate::config::{Config, GracefulMode, Hops, Neighbor, RemoteAs, Vrf};
use crate::nlri::{Label, Mac};
use crate::rib::{PeerInfo, PeerKind, RibConfig, VrfId, VtepConfig};
use crate::session::{FamilyOffer, GracefulOffer, Negotiated, Offer};
use crate::{Family, FamilySet, Time};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What an OPEN says of a restart of ours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Restart {
    pub(super) earlier: Option<Earlier>,
    pub(super) deferring: bool,
    pub(super) now: Time,
}

/// Our OPEN to a neighbor, as things are now.
pub(super) fn offer(config: &Config, peer: &Peer, restart: Restart) -> Offer {
    let neighbor = &*peer.config;
    let families = neighbor.families.iter();
    let long_lived = neighbor.long_lived;
    let keeps = neighbor.graceful_restart.mode == GracefulMode::Full && long_lived.enabled;
    Offer {
        asn: neighbor.local_as.unwrap_or(config.global.asn),
        router_id: config.global.router_id,
        remote_as: neighbor.remote_as,
        hold: neighbor.timers.hold,
        keepalive: neighbor.timers.keepalive,
        families: families
            .map(|(family, options)| FamilyOffer {
                family: *family,
                add_path: options.add_path,
                long_lived: keeps.then(|| {
                    options
                        .long_lived_stale_time
                        .unwrap_or(long_lived.stale_time)
                }),
            })
            .collect(),
        role: neighbor.role,
        role_strict: neighbor.role_strict,
        extended_message: neighbor.extended_messages,
        graceful: graceful(neighbor, peer.history.sessions > 0, restart),
        host: config.global.host_name.clone(),
    }
}

/// `again`: there was a session in this run, so forwarding has gone on since.
fn graceful(neighbor: &Neighbor, again: bool, restart: Restart) -> Option<GracefulOffer> {
    let options = neighbor.graceful_restart;
    // A neighbor may come back after all others have: it has kept our routes for the restart time.
    let counts = |earlier: &Earlier| {
        restart.deferring || earlier.is_within(options.restart_time, restart.now)
    };
    let earlier = restart.earlier.filter(counts);
    let full = options.mode == GracefulMode::Full;
    let all = neighbor.family_set();
    let preserved = if full { all } else { FamilySet::EMPTY };
    let restarted = earlier.map_or(FamilySet::EMPTY, |earlier| earlier.forwarding());
    (options.mode != GracefulMode::Off).then(|| GracefulOffer {
        restarting: restart.deferring || (earlier.is_some() && !again),
        notification: options.notification,
        restart_time: options.restart_time,
        preserved,
        forwarding: preserved.intersection(if again { all } else { restarted }),
    })
}

/// Seconds a neighbor's routes may be long-lived stale here.
pub(super) fn stale_times(neighbor: &Neighbor) -> BTreeMap<Family, u32> {
    let general = neighbor.long_lived.stale_time;
    let families = neighbor.families.iter();
    families
        .map(|(family, options)| (*family, options.long_lived_stale_time.unwrap_or(general)))
        .collect()
}

/// What packets to a neighbor carry, and what those from it must.
pub(super) fn ttl(config: &Config, neighbor: &Neighbor) -> Ttl {
    let local = neighbor.local_as.unwrap_or(config.global.asn);
    let internal = match neighbor.remote_as {
        RemoteAs::Internal => true,
        RemoteAs::Is(asn) => asn == local,
        RemoteAs::External => false,
    };
    match neighbor.hops {
        Hops::Security(hops) => Ttl {
            send: 255,
            // RFC 5082 3: one hop is a directly connected neighbor, whose packets come with all 255.
            least: 255 - (hops - 1),
        },
        Hops::Multihop(hops) => Ttl {
            send: hops,
            least: 1,
        },
        Hops::Default => Ttl {
            send: if internal { 64 } else { 1 },
            least: 1,
        },
    }
}

/// An established session, for the RIB.
pub(super) fn peer_info(
    neighbor: &Neighbor,
    negotiated: &Negotiated,
    connection: &ConnInfo,
) -> PeerInfo {
    let export = &neighbor.export;
    let kind = match (negotiated.external(), export.rr_client) {
        (true, _) => PeerKind::External,
        (false, true) => PeerKind::Client,
        (false, false) => PeerKind::Internal,
    };
    PeerInfo {
        kind,
        asn: negotiated.asn,
        local_asn: negotiated.local_asn,
        address: connection.remote.ip(),
        router_id: negotiated.router_id,
        local_address: connection.local.ip(),
        local_address_other: connection.local_other,
        local_link_local: connection.local_link_local,
        shared_subnet: connection.shared_subnet,
        families: negotiated.families,
        add_path_send: negotiated.add_path_tx,
        add_path_limit: export.add_path_limit,
        extended_next_hop: negotiated.extended_next_hop,
        as4: negotiated.as4,
        max_message: negotiated.max_message(),
        codec: negotiated.codec(),
        import: neighbor.import.clone(),
        export: export.policy.clone(),
        require_policy: neighbor.require_policy,
        next_hop: export.next_hop,
        as_override: export.as_override,
        replace_as: export.replace_as,
        remove_private: export.remove_private,
        default_originate: neighbor.default_originate(),
        enforce_first_as: neighbor.enforce_first_as,
        allow_own_as: neighbor.allow_own_as,
        route_server_client: export.route_server_client,
        role: neighbor.role.filter(|_| negotiated.external()),
        llgr: negotiated.long_lived.keys().copied().collect(),
        llgr_partial: export.long_lived_partial,
        graceful_shutdown: neighbor.graceful_shutdown,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    L2,
    L3,
}

/// Numbers for VRFs, by name, that stay once given.
#[derive(Debug, Default)]
pub(super) struct VrfNumbers {
    by_name: BTreeMap<(Layer, String), VrfId>,
    /// What the host said of L3 VNIs; of one it has said nothing of, the configuration alone counts.
    vteps: BTreeMap<u32, Option<Vtep>>,
}

/// Our own end of an L3 VNI's tunnels, as the host has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vtep {
    /// Where routed packets are to be sent (RFC 9135 8.1).
    pub router_mac: Mac,
    /// The address of the tunnels' end; `None`: the host does not say.
    pub address: Option<IpAddr>,
}

impl VrfNumbers {
    fn of(&mut self, layer: Layer, name: &str) -> VrfId {
        let next = VrfId(u32::try_from(self.by_name.len()).unwrap_or(u32::MAX));
        *self.by_name.entry((layer, name.to_owned())).or_insert(next)
    }

    pub(super) fn vrf(&self, name: &str) -> Option<VrfId> {
        self.by_name.get(&(Layer::L3, name.to_owned())).copied()
    }

    pub(super) fn mac_vrf(&self, name: &str) -> Option<VrfId> {
        self.by_name.get(&(Layer::L2, name.to_owned())).copied()
    }

    pub(super) fn vrfs(&mut self, config: &Config) -> Vec<crate::rib::VrfConfig> {
        let router_id = IpAddr::V4(config.global.router_id);
        let one = |vrf: &crate::config::Vrf| crate::rib::VrfConfig {
            id: self.of(Layer::L3, &vrf.name),
            name: vrf.name.clone(),
            rd: vrf.rd,
            import: vrf.import.clone(),
            export: vrf.export.clone(),
            label: vrf.label,
            next_hop: vrf.next_hop.unwrap_or(router_id),
            evpn: vrf.vni.and_then(|vni| self.vtep(vrf, vni, router_id)),
        };
        config.vrfs.iter().map(one).collect()
    }

    /// The configuration before what the host says; nothing while the host has no such device.
    fn vtep(&self, vrf: &Vrf, vni: Label, router_id: IpAddr) -> Option<VtepConfig> {
        let host = match self.vteps.get(&vni.vni()) {
            Some(said) => Some((*said)?),
            None => None,
        };
        let address = host.and_then(|host| host.address);
        Some(VtepConfig {
            vni,
            address: vrf.next_hop.or(address).unwrap_or(router_id),
            router_mac: vrf.router_mac.or(host.map(|host| host.router_mac)),
        })
    }

    /// True if that is news.
    pub(super) fn set_vtep(&mut self, vni: u32, vtep: Option<Vtep>) -> bool {
        self.vteps.insert(vni, vtep) != Some(vtep)
    }

    pub(super) fn mac_vrfs(&mut self, config: &Config) -> Vec<crate::rib::MacVrfConfig> {
        let one = |vrf: &crate::config::MacVrf| crate::rib::MacVrfConfig {
            id: self.of(Layer::L2, &vrf.name),
            name: vrf.name.clone(),
            rd: vrf.rd,
            import: vrf.import.clone(),
            export: vrf.export.clone(),
            network: vrf.network,
        };
        config.mac_vrfs.iter().map(one).collect()
    }
}

/// The RIB's part of a configuration.
pub(super) fn rib_config(config: &Config, numbers: &mut VrfNumbers) -> RibConfig {
    RibConfig {
        cluster_id: config.global.cluster_id,
        best_path: config.global.best_path,
        policies: config.policies.clone(),
        vrfs: numbers.vrfs(config),
        mac_vrfs: numbers.mac_vrfs(config),
        shards: config.global.shards,
        backlog: config.global.backlog,
        ..RibConfig::new(config.global.asn, config.global.router_id)
    }
}
