//! Routes of the configuration, in the RIB.

use super::Speaker;
use crate::attribute::{Attributes, Encapsulation, ExtendedCommunity, NextHop, Pmsi};
use crate::config::Network;
use crate::nlri::{EvpnNlri, Label, Nlri, Payload};
use crate::rib::TableId;
use std::net::IpAddr;

impl Speaker {
    pub(super) fn originate_all(&mut self) {
        for network in self.config.networks.clone() {
            self.originate(&network);
        }
    }

    /// Withdraws what is configured no more, originates what is new or changed.
    pub(super) fn reoriginate(&mut self, old: &[Network]) {
        let new = self.config.networks.clone();
        for network in old {
            let same = |other: &Network| {
                other.vrf == network.vrf && other.route.nlri == network.route.nlri
            };
            if !new.iter().any(same)
                && let Some(table) = self.table_of(network)
            {
                self.tables().withdraw_local(table, &network.route.nlri);
            }
        }
        for network in new.iter().filter(|network| !old.contains(network)) {
            self.originate(network);
        }
    }

    fn originate(&mut self, network: &Network) {
        if let Some(table) = self.table_of(network) {
            self.tables()
                .originate(table, network.route, attributes(network));
        }
    }

    fn table_of(&self, network: &Network) -> Option<TableId> {
        self.table(network.vrf.as_deref(), &network.route.nlri)
    }

    /// The table a route is in: the global one of its family, or that of the VRF or MAC-VRF of this name. `None`: there is
    /// no such VRF.
    pub fn table(&self, vrf: Option<&str>, nlri: &Nlri) -> Option<TableId> {
        let family = nlri.family();
        match (vrf, nlri) {
            (None, _) => Some(TableId::Global(family)),
            (Some(name), Nlri::Evpn(_)) => self.numbers.mac_vrf(name).map(TableId::MacVrf),
            (Some(name), _) => self.numbers.vrf(name).map(|id| TableId::Vrf(id, family)),
        }
    }
}

fn attributes(network: &Network) -> Attributes {
    let next_hop = network.next_hop.map(|address| match address {
        IpAddr::V4(address) => NextHop::Ipv4(address),
        IpAddr::V6(global) => NextHop::Ipv6 {
            global,
            link_local: None,
        },
    });
    let mut attributes = Attributes {
        med: network.med,
        local_pref: network.local_pref,
        communities: network.communities.clone().into(),
        extended: network.extended.clone().into(),
        large: network.large.clone().into(),
        ..Attributes::new(network.origin, next_hop)
    };
    if let Payload::Evpn(payload) = &network.route.payload {
        lead_into_vxlan(&network.route.nlri, payload.label, &mut attributes);
    }
    attributes
}

/// Says of an EVPN route with a VNI that it is reached through VXLAN (RFC 8365 5.1.3), and of type 3 that broadcast comes by
/// ingress replication to its router (RFC 7432 11.2, RFC 8365 9). What is said already stays.
pub fn lead_into_vxlan(nlri: &Nlri, vni: Label, attributes: &mut Attributes) {
    let Nlri::Evpn(evpn) = nlri else {
        return;
    };
    if vni == Label::default() {
        return;
    }
    if attributes.encapsulations().next().is_none() {
        let vxlan = ExtendedCommunity::encapsulation(Encapsulation::Vxlan);
        let extended = attributes.extended.iter().copied();
        attributes.extended = extended.chain([vxlan]).collect();
    }
    if let EvpnNlri::InclusiveMulticast { originator, .. } = evpn
        && attributes.rare.pmsi.is_none()
    {
        let tunnel = Pmsi::ingress_replication(*originator, vni.vni());
        attributes.rare.pmsi = Some(Box::new(tunnel));
    }
}
